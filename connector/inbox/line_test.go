package inbox

import (
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var (
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	pools = map[string]string{"nurse-triage": "Nurse triage"}
)

func at(state connector.ItemState, reason connector.Reason) connector.Item {
	return connector.Item{ID: "i", Lane: connector.LaneChart, Kind: connector.ItemExchange, State: state, Reason: reason, ChangedAt: noon}
}

func kind(k connector.ItemKind, i connector.Item) connector.Item {
	i.Kind = k
	return i
}

func TestChartLine(t *testing.T) {
	filed := at(connector.Filed, "")
	proof := connector.Receipt{Reference: "Communication/c1", Verified: true}
	late := filed
	late.Late = true
	byHand := at(connector.NotDue, connector.EHRRefused)
	byHand.Detail.Decision = &connector.Decision{Act: connector.ActRelease, By: "user:x"}
	retracted := at(connector.NotDue, connector.ContentAltered)
	retracted.Detail.Decision = &connector.Decision{Act: connector.ActRetract}
	owned := at(connector.Parked, connector.ConsentRevoked)
	owned.Owner = "nurse-triage"
	for name, c := range map[string]struct {
		f    filing
		want Line
	}{
		"filed":      {filing{exchange: filed, entry: proof, shown: true}, Line{"filed", "On the chart", Good, noon, "Communication/c1"}},
		"unverified": {filing{exchange: filed, entry: connector.Receipt{Reference: "DocumentReference/d"}, shown: true}, Line{"filed", "On the chart; the EHR shows nothing back to compare it with", Good, noon, "DocumentReference/d"}},
		"late":       {filing{exchange: late, entry: proof, shown: true}, Line{"filed", "On the chart, marked late: messages after it were filed first", Good, noon, "Communication/c1"}},
		"waiting":    {filing{exchange: at(connector.Waiting, "")}, Line{"waiting", "Goes to the chart when its turn comes", Busy, noon, ""}},
		"handover": {filing{exchange: at(connector.Waiting, connector.NeedsHandover)},
			Line{"waiting", "Waits: the message has not been handed to the platform yet. Nothing to do: it goes on when the platform has taken it.", Busy, noon, ""}},
		"filing": {filing{exchange: at(connector.Filing, "")}, Line{"filing", "Is being put on the chart", Busy, noon, ""}},
		"held by itself": {filing{exchange: at(connector.Held, connector.Gap)},
			Line{"held", "Held: an earlier message of the thread has not come yet. Nothing to do: it goes on when the message comes or gap_wait has passed.", Busy, noon, ""}},
		"held for people": {filing{exchange: at(connector.Held, connector.NeedsEncounter)},
			Line{"held", "Held: the EHR needs an encounter and none fits the policy. With scheduling: open an encounter in the EHR or change filing.encounter.policy; what is held then files by itself, what is parked on a replay.", Bad, noon, ""}},
		"unknown": {filing{exchange: at(connector.Unknown, "")},
			Line{"unknown", "Not known yet whether it is on the chart: the EHR may or may not have taken the last attempt; it is searched for once that can be known. Nothing to do: it settles by itself.", Busy, noon, ""}},
		"parked": {filing{exchange: at(connector.Parked, connector.Unauthorized)},
			Line{"parked", "Needs a person: the EHR did not accept our credentials. With the EHR's administrators: check client, key and scopes with: chartwire doctor.", Bad, noon, ""}},
		"parked with a pool": {filing{exchange: owned},
			Line{"parked", "Needs a person: the recipient has revoked consent on this channel. With Nurse triage: reach the patient another way.", Bad, noon, ""}},
		"not due":      {filing{exchange: at(connector.NotDue, connector.PolicyLeftOut)}, Line{"not_due", "Not put on the chart: left out by the filing policy", Quiet, noon, ""}},
		"by hand":      {filing{exchange: byHand}, Line{"not_due", "Dealt with by hand; Chartwire does nothing more about it", Quiet, noon, ""}},
		"taken back":   {filing{exchange: retracted}, Line{"not_due", "Taken back by hand: marked as entered in error on the chart", Quiet, noon, ""}},
		"retracted":    {filing{exchange: filed, entry: proof, shown: true, after: []connector.Item{kind(connector.ItemRetraction, filed)}}, Line{"filed", "On the chart, marked as entered in error", Good, noon, "Communication/c1"}},
		"news is left": {filing{exchange: filed, entry: proof, shown: true, after: []connector.Item{kind(connector.ItemStatus, at(connector.NotDue, connector.PolicyLeftOut))}}, Line{"filed", "On the chart", Good, noon, "Communication/c1"}},
		"correction held": {filing{exchange: filed, entry: proof, shown: true, after: []connector.Item{kind(connector.ItemCorrection, at(connector.Waiting, ""))}},
			Line{"waiting", "The first version is on the chart, the correction is not: goes to the chart when its turn comes", Busy, noon, "Communication/c1"}},
		"worst counts": {filing{exchange: filed, entry: proof, shown: true, after: []connector.Item{
			kind(connector.ItemRetraction, at(connector.Parked, connector.NotExpressible)), kind(connector.ItemStatus, at(connector.Waiting, ""))}},
			Line{"parked", "The message is on the chart and not yet marked as taken back: needs a person: this EHR cannot express it, so the chart does not show it. With you and your colleagues: make the change in the EHR by hand, then release it.", Bad, noon, "Communication/c1"}},
	} {
		if got := chartLine(c.f, pools); got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
}

// Whatever state and reason an exchange is in, "On the chart" begins its line only where it is filed, and a line that needs
// somebody says who.
func TestChartLineIsHonestForEveryReason(t *testing.T) {
	for _, reason := range append(connector.Reasons(), "") {
		for _, state := range []connector.ItemState{connector.Waiting, connector.Held, connector.Filing, connector.Filed, connector.Unknown, connector.Parked, connector.NotDue} {
			l := chartLine(filing{exchange: at(state, reason)}, pools)
			if on := strings.HasPrefix(l.Text, "On the chart"); on != (state == connector.Filed) {
				t.Errorf("%s %s reads %q", state, reason, l.Text)
			}
			if l.Text == "" || l.Tone == "" || l.State != string(state) {
				t.Errorf("%s %s gives %+v", state, reason, l)
			}
			if l.Tone == Bad && !strings.Contains(l.Text, "With ") && !strings.Contains(l.Text, "Nothing to do") && reason != "" &&
				reason.Next() != "none" {
				t.Errorf("%s %s says nobody who acts: %q", state, reason, l.Text)
			}
		}
	}
}

func TestDeliveryLine(t *testing.T) {
	row := func(s connector.SendState, reason string) connector.MessageRow {
		return connector.MessageRow{Delivery: connector.Delivery{State: s, At: noon, Reason: reason}}
	}
	send := func(s connector.ItemState, r connector.Reason) connector.Item {
		return kind(connector.ItemSend, at(s, r))
	}
	for name, c := range map[string]struct {
		m        connector.MessageRow
		send     connector.Item
		receipts string
		want     Line
	}{
		"queued":      {row(connector.Queued, ""), send(connector.Waiting, ""), "delivered", Line{"queued", "Queued: goes to the messaging platform at once", Busy, noon, ""}},
		"paused":      {row(connector.Queued, ""), send(connector.Held, connector.ChannelPaused), "delivered", Line{"queued", "Queued: the channel is paused, so the message was not sent yet. With the interface team: when messages may go out again: chartwire resume NAME.", Bad, noon, ""}},
		"slow":        {row(connector.Queued, ""), send(connector.Waiting, connector.RateLimited), "delivered", Line{"queued", "Queued: the messaging platform did not take it yet. Nothing to do: it is tried again.", Busy, noon, ""}},
		"handed over": {row(connector.HandedOver, ""), send(connector.Filed, ""), "delivered", Line{"handed-over", "Handed over to the messaging platform", Busy, noon, ""}},
		"no receipts": {row(connector.HandedOver, ""), send(connector.Filed, ""), "none", Line{"handed-over", "Handed over to the messaging platform, which reports nothing further", Good, noon, ""}},
		"sent":        {row(connector.Sent, ""), send(connector.Filed, ""), "sent", Line{"sent", "Sent", Good, noon, ""}},
		"sent only":   {row(connector.Sent, ""), send(connector.Filed, ""), "delivered", Line{"sent", "Sent; not delivered yet", Busy, noon, ""}},
		"delivered":   {row(connector.Delivered, ""), send(connector.Filed, ""), "read", Line{"delivered", "Delivered", Good, noon, ""}},
		"read":        {row(connector.Read, ""), send(connector.Filed, ""), "read", Line{"read", "Read", Good, noon, ""}},
		"failed":      {row(connector.Failed, "number unreachable"), send(connector.Filed, ""), "delivered", Line{"failed", "Not delivered (number unreachable). Next: reach the patient another way.", Bad, noon, ""}},
		"refused":     {row(connector.Failed, "blocked"), send(connector.Parked, connector.SendRefused), "delivered", Line{"failed", "Not sent: the platform refused the message (blocked). Next: read the platform's reason and reach the patient another way.", Bad, noon, ""}},
		"unsure":      {row(connector.SendUnsure, ""), send(connector.Unknown, connector.Settling), "delivered", Line{"unknown", "Not known yet whether it was sent: the messaging platform did not answer", Busy, noon, ""}},
		"unsure, parked": {row(connector.SendUnsure, ""), send(connector.Parked, connector.SendUnknown), "delivered",
			Line{"unknown", "Not known whether it was sent: the platform may or may not have taken the message. With the pool: look on the platform; if it went out, release it. A replay sends again only where the channel is send_idempotent.", Bad, noon, ""}},
		"parked before it left": {row(connector.Queued, ""), send(connector.Parked, connector.ConsentRevoked), "delivered",
			Line{"failed", "Not sent: the recipient has revoked consent on this channel. With the pool: reach the patient another way.", Bad, noon, ""}},
	} {
		if got := deliveryLine(c.m, c.send, c.receipts, pools); got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
}

func TestHeldThread(t *testing.T) {
	if l := heldThread(connector.Thread{}, []connector.Item{at(connector.Held, connector.Gap), at(connector.Waiting, "")}, pools); l != nil {
		t.Errorf("a thread that waits for a message is not held for its patient: %+v", l)
	}
	merged := heldThread(connector.Thread{}, []connector.Item{at(connector.Filed, ""), at(connector.Held, connector.PatientInactive)}, pools)
	want := "Nothing of this thread goes to the chart: the patient's record in the EHR is inactive or was merged into another. " +
		"With registration: finish the merge in the EHR, then: chartwire relink THREAD --patient Patient/ID; what is parked then needs a replay."
	if merged == nil || merged.Text != want || merged.Tone != Bad {
		t.Errorf("a merge in the EHR reads %+v", merged)
	}
	changed := heldThread(connector.Thread{Changed: true}, nil, pools)
	if changed == nil || !strings.Contains(changed.Text, connector.PatientChanged.Sentence()) {
		t.Errorf("another patient reads %+v", changed)
	}
}
