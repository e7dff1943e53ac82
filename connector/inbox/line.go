package inbox

import (
	"cmp"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// owners names who acts on a reason, as a clinician would.
var owners = map[string]string{
	"registration": "registration",
	"scheduling":   "scheduling",
	"platform":     "the messaging platform",
	"ehr":          "the EHR's administrators",
	"interface":    "the interface team",
	"pool":         "the pool",
	"staff":        "you and your colleagues",
	"chartwire":    "nobody",
}

// whoActs names whose work an item is: pools knows the names of pools by id.
func whoActs(i connector.Item, pools map[string]string) string {
	if i.Owner != "" {
		return cmp.Or(pools[i.Owner], i.Owner)
	}
	return owners[i.Reason.Owner()]
}

// filing is everything that puts one exchange on the chart: the exchange itself, and what came after it.
type filing struct {
	exchange connector.Item
	after    []connector.Item // corrections, retractions and news of its delivery, oldest first
	entry    connector.Receipt
	shown    bool // there is a receipt
}

// chartLine says where an exchange stands on its way to the chart. "On the chart" stands only where its newest words are.
func chartLine(f filing, pools map[string]string) Line {
	line := itemLine(f.exchange, pools)
	if f.exchange.Detail.Under != "" && f.exchange.State == connector.Filed {
		line.Text, line.Tone = "On the chart of the patient this thread was linked to before, not on this one", Bad
		return line
	}
	if f.shown {
		line.Ref = f.entry.Reference
	}
	if f.exchange.State != connector.Filed {
		return line
	}
	line.Text = filedText(f)
	for _, i := range f.after {
		if i.State == connector.Filed || i.State == connector.NotDue && i.Detail.Decision == nil {
			continue
		}
		if rank(i.State) > rank(connector.ItemState(line.State)) {
			ref := line.Ref
			line = itemLine(i, pools)
			line.Ref, line.Text = ref, laterWhat(i)+": "+lowerFirst(line.Text)
		}
	}
	return line
}

func filedText(f filing) string {
	text := "On the chart"
	if f.exchange.Late {
		text += ", marked late: messages after it were filed first"
	}
	for _, i := range f.after {
		if i.State == connector.Filed && i.Kind == connector.ItemRetraction {
			text = "On the chart, marked as entered in error"
		}
	}
	if f.shown && !f.entry.Verified {
		text += "; the EHR shows nothing back to compare it with"
	}
	return text
}

// laterWhat names what is not on the chart yet of an exchange that is.
func laterWhat(i connector.Item) string {
	switch i.Kind {
	case connector.ItemCorrection:
		return "The first version is on the chart, the correction is not"
	case connector.ItemRetraction:
		return "The message is on the chart and not yet marked as taken back"
	default:
		return "The message is on the chart, the news of its delivery is not"
	}
}

// rank orders states by how much a reader has to know of them.
func rank(s connector.ItemState) int {
	switch s {
	case connector.Parked:
		return 5
	case connector.Unknown:
		return 4
	case connector.Held:
		return 3
	case connector.Filing, connector.Waiting:
		return 2
	case connector.NotDue:
		return 1
	default:
		return 0
	}
}

// itemLine says where one item stands.
func itemLine(i connector.Item, pools map[string]string) Line {
	l := Line{State: string(i.State), At: i.ChangedAt, Tone: Busy}
	switch i.State {
	case connector.Filed:
		l.Text, l.Tone = "On the chart", Good
	case connector.NotDue:
		l.Text, l.Tone = notDueText(i), Quiet
	case connector.Parked:
		l.Text, l.Tone = "Needs a person: "+advice(i, pools), Bad
	case connector.Unknown:
		l.Text = "Not known yet whether it is on the chart: " + advice(withReason(i, connector.Settling), pools)
	case connector.Held:
		l.Text = "Held: " + advice(i, pools)
		if !byItself(i.Reason) {
			l.Tone = Bad
		}
	case connector.Filing:
		l.Text = "Is being put on the chart"
	default:
		l.Text = "Goes to the chart when its turn comes"
		if i.Reason != "" {
			l.Text = "Waits: " + advice(i, pools)
		}
	}
	return l
}

func withReason(i connector.Item, r connector.Reason) connector.Item {
	i.Reason = cmp.Or(i.Reason, r)
	return i
}

// byItself says whether what is held for a reason goes on with nobody's doing.
func byItself(r connector.Reason) bool { return strings.HasPrefix(r.Next(), "none") }

// advice is a reason's sentence, and who does what about it.
func advice(i connector.Item, pools map[string]string) string {
	next := i.Reason.Next()
	switch rest, none := strings.CutPrefix(next, "none"); {
	case next == "":
		return "Chartwire does not say why."
	case none && rest == "":
		return i.Reason.Sentence() + "."
	case none:
		return i.Reason.Sentence() + ". Nothing to do: " + strings.TrimLeft(rest, ";, ") + "."
	default:
		return i.Reason.Sentence() + ". With " + whoActs(i, pools) + ": " + next + "."
	}
}

func notDueText(i connector.Item) string {
	d := i.Detail.Decision
	switch {
	case d == nil && i.Reason == "":
		return "Not put on the chart"
	case d == nil:
		return "Not put on the chart: " + i.Reason.Sentence()
	case d.Act == connector.ActRetract:
		return "Taken back by hand: marked as entered in error on the chart"
	default:
		return "Dealt with by hand; Chartwire does nothing more about it"
	}
}

// deliveryLine says how far a message to the patient's side has got. send is its send item; zero of a message the platform's
// own staff sent. receipts is what the channel reports.
func deliveryLine(m connector.MessageRow, send connector.Item, receipts string, pools map[string]string) Line {
	d := m.Delivery
	l := Line{State: string(d.State), At: d.At, Tone: Busy}
	switch d.State {
	case connector.Delivered:
		l.Text, l.Tone = "Delivered", Good
	case connector.Read:
		l.Text, l.Tone = "Read", Good
	case connector.Sent:
		l.Text, l.Tone = "Sent", Good
		if receipts == "delivered" || receipts == "read" {
			l.Text, l.Tone = "Sent; not delivered yet", Busy
		}
	case connector.HandedOver:
		l.Text = "Handed over to the messaging platform"
		if receipts == "none" {
			l.Text, l.Tone = "Handed over to the messaging platform, which reports nothing further", Good
		}
	case connector.Failed:
		l.Text, l.Tone = failedText(d, send), Bad
	case connector.SendUnsure:
		l.Text = "Not known yet whether it was sent: the messaging platform did not answer"
		if send.State == connector.Parked {
			l.Text, l.Tone = "Not known whether it was sent: "+advice(send, pools), Bad
		}
	default:
		return queuedLine(l, send, pools)
	}
	return l
}

func failedText(d connector.Delivery, send connector.Item) string {
	text, reason := "Not delivered", connector.NotDelivered
	if send.State == connector.Parked {
		text, reason = "Not sent: "+send.Reason.Sentence(), send.Reason
	}
	if d.Reason != "" {
		text += " (" + d.Reason + ")"
	}
	return text + ". Next: " + reason.Next() + "."
}

// queuedLine is of a message the platform does not have: its send item knows why.
func queuedLine(l Line, send connector.Item, pools map[string]string) Line {
	l.State, l.Text = string(connector.Queued), "Queued: goes to the messaging platform at once"
	switch send.State {
	case connector.Held, connector.Waiting:
		if send.Reason != "" {
			l.Text = "Queued: " + sendAdvice(send, pools)
		}
		if send.State == connector.Held && !byItself(send.Reason) {
			l.Tone = Bad
		}
	case connector.Unknown:
		l.State, l.Text = string(connector.SendUnsure), "Not known yet whether it was sent: the messaging platform did not answer"
	case connector.Parked:
		l.State, l.Tone, l.Text = string(connector.Failed), Bad, "Not sent: "+advice(send, pools)
		if send.Reason == connector.SendUnknown {
			l.State = string(connector.SendUnsure)
			l.Text = "Not known whether it was sent: " + advice(send, pools)
		}
	case connector.NotDue:
		l.State, l.Tone, l.Text = string(connector.Failed), Quiet, "Not sent: "+lowerFirst(notDueText(send))
	}
	return l
}

// sendAdvice is advice, of which some reasons speak of the EHR where a send waits for the platform.
func sendAdvice(i connector.Item, pools map[string]string) string {
	if i.Reason == connector.RateLimited {
		return "the messaging platform did not take it yet. Nothing to do: it is tried again."
	}
	return advice(i, pools)
}

// heldThread says why nothing of a thread is filed, nil where it is not held as a whole: its patient is not settled.
func heldThread(t connector.Thread, items []connector.Item, pools map[string]string) *Line {
	held := connector.Item{Reason: connector.PatientChanged}
	for _, i := range items {
		stands := i.State == connector.Held || i.State == connector.Parked
		if i.Lane == connector.LaneChart && stands && aboutPatient[i.Reason] {
			held = i
			break
		}
	}
	switch {
	case t.Changed:
		held.Reason = connector.PatientChanged
	case held.ID == "":
		return nil
	}
	return &Line{State: string(connector.Held), Tone: Bad, At: held.ChangedAt,
		Text: "Nothing of this thread goes to the chart: " + advice(held, pools)}
}

// aboutPatient are the reasons for which the whole thread waits: it is not known whose it is.
var aboutPatient = map[connector.Reason]bool{
	connector.NoPatient: true, connector.PatientAmbiguous: true, connector.PatientDisagrees: true,
	connector.PatientChanged: true, connector.PatientInactive: true,
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
