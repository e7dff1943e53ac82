package fhir

import (
	"encoding/json"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// news plans a follow-up of a message that is on the chart as one type of entry, in a thread that goes by another strategy since.
func (l *lab) news(t *testing.T, x connector.Exchange, now connector.Strategy, kind string, r connector.Receipt) []connector.Write {
	t.Helper()
	x.Strategy, x.Revisions, x.Entries = now, []int{1}, map[int]string{1: kind}
	writes, err := l.adapter.Plan(x)
	if err != nil || len(writes) == 0 {
		t.Fatalf("%d writes, %v", len(writes), err)
	}
	for n := range writes {
		writes[n].Expect.Subject = "Patient/daniel"
		if writes[n].Update != nil {
			u := *writes[n].Update
			u.Target = r.Reference
			writes[n].Update, writes[n].URL = &u, r.Reference
		}
	}
	return writes
}

// What is told of a message goes the way the message went: a thread may have gone on as filing.as says next.
func TestNewsOfAMessageOfAThreadThatFellBack(t *testing.T) {
	for name, c := range map[string]struct {
		first, then connector.Strategy
		kind        string
	}{
		"note, then communication": {connector.AsNote, connector.AsCommunication, "DocumentReference"},
		"communication, then note": {connector.AsCommunication, connector.AsNote, "Communication"},
	} {
		t.Run(name, func(t *testing.T) {
			l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) { o.FilingAs = []string{string(c.first), string(c.then)} }})
			x := message("m-1", "hello")
			x.Strategy = c.first
			r := l.file(t, l.write(t, x))

			x.Kind, x.Retraction = connector.ItemRetraction, &connector.Retraction{}
			final, _, err := l.adapter.Prepare(t.Context(), l.news(t, x, c.then, c.kind, r)[0])
			if err != nil {
				t.Fatalf("the retraction cannot be prepared: %v", err)
			}
			l.file(t, final)
			var have struct{ Status string }
			if all := l.All(c.kind); len(all) != 1 || json.Unmarshal(all[0].Raw, &have) != nil || have.Status != "entered-in-error" {
				t.Errorf("%d entries; the message is %q", len(all), have.Status)
			}

			x = message("m-1", "hello again")
			x.Kind, x.Revision = connector.ItemCorrection, 2
			x.Corrected = &connector.Correction{Version: 2, Text: "hello again"}
			if w := l.news(t, x, c.then, c.kind, r); w[0].Type != c.kind {
				t.Errorf("the correction is a %s", w[0].Type)
			}

			x = message("m-1", "hello")
			x.Kind, x.Message.Direction, x.Message.Sender.Role = connector.ItemStatus, connector.ToPatient, connector.RoleClinician
			x.Delivery, x.Charted = connector.Delivery{State: connector.Failed}, connector.Delivery{State: connector.Sent}
			if w := l.news(t, x, c.then, c.kind, r); w[0].Type != c.kind {
				t.Errorf("the news that it was not delivered is a %s", w[0].Type)
			}
		})
	}
}
