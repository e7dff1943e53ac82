package filing

import (
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// transmission is what the chart shows of a message's way to its recipient. It is the transmission's status, never a
// reader's: R4 has no element for "read" (standards.md §1.8).
type transmission struct {
	status   r4.EventStatus
	received time.Time // delivered at, by the platform's word; zero where it gave none
	why      string    // of a failure
	open     bool      // more news may come
}

// transmission maps how far the message has got (DESIGN §5, to_patient status). What came from a patient has arrived.
func (p *planner) transmission() transmission {
	if p.x.Message.Direction != connector.ToPatient {
		return transmission{status: r4.EventCompleted}
	}
	return transmissionOf(p.x.Delivery, p.x.Receipts)
}

func transmissionOf(d connector.Delivery, receipts bool) transmission {
	switch d.State {
	case connector.Delivered:
		return transmission{status: r4.EventCompleted, received: d.At}
	case connector.Read:
		return transmission{status: r4.EventCompleted}
	case connector.Failed:
		return transmission{status: r4.EventNotDone, why: failure(d)}
	case connector.SendUnsure:
		return transmission{status: r4.EventUnknown, open: true}
	}
	if !receipts {
		return transmission{status: r4.EventCompleted}
	}
	return transmission{status: r4.EventInProgress, open: true}
}

func failure(d connector.Delivery) string {
	if reason := clean(d.Reason); reason != "" {
		return "Not delivered: " + reason
	}
	return "Not delivered"
}

func (t transmission) apply(c *r4.Communication) {
	c.Status = t.status
	if !t.received.IsZero() {
		c.SetReceived(t.received)
	}
	if t.why != "" {
		c.StatusReason = r4.Ptr(r4.Concept(t.why))
	}
}

// delivery brings delivery news to the message's entry. News that changes nothing on the chart (read after delivered)
// writes nothing.
func (p *planner) delivery() ([]connector.Write, error) {
	if p.leftOut() || p.x.Message.Direction != connector.ToPatient || !p.charted() {
		return nil, nil
	}
	t, shown := transmissionOf(p.x.Delivery, p.x.Receipts), transmissionOf(p.x.Charted, p.x.Receipts)
	charted := p.x.Charted.State != ""
	known := charted && t.status == shown.status && (t.received.IsZero() || t.received.Equal(shown.received))
	switch {
	case known, t.open && !charted:
		return nil, nil // the entry says so already, or will when it is filed
	case p.traits.Update:
		return []connector.Write{p.deliveryChange(t)}, nil
	case t.status == r4.EventNotDone:
		return p.notDelivered()
	default:
		return nil, nil // the entry says that delivery is not confirmed, and stays true
	}
}

// charted says whether the message itself is on the chart. News of one that is not, such as a send that was refused, has
// nothing there to change.
func (p *planner) charted() bool { return slices.Contains(p.x.Revisions, 1) }

func (p *planner) deliveryChange(t transmission) connector.Write {
	set := map[string]any{"status": t.status.Code()}
	var remove []string
	if !t.received.IsZero() {
		set["received"] = r4.DateTime(t.received)
	}
	if t.why != "" {
		set["statusReason"] = map[string]any{"text": t.why}
	} else {
		remove = []string{"statusReason"}
	}
	id := p.ids.Message(p.x.Thread.ID, p.x.Message.ID, 1)
	what := "delivery=" + firstNonEmpty(string(p.x.Delivery.State), string(connector.HandedOver))
	return change("Communication", p.messageSymbol(p.x.Message.ID, 1), id, what, t.status.Code(), set, remove...)
}

// notDelivered adds an entry that names the message whose own entry cannot be changed any more.
func (p *planner) notDelivered() ([]connector.Write, error) {
	m := p.x.Message
	id := p.ids.NotDelivered(p.x.Thread.ID, m.ID)
	text := p.notDeliveredText()
	c := r4.NewCommunication(r4.EventCompleted, identifier(id))
	p.underHeader(c)
	c.About = []r4.Reference{r4.Ref(p.messageSymbol(m.ID, 1))}
	c.Category = p.categories(CategoryAutomated, CategoryNotDelivered)
	p.common(c, m.Priority)
	c.Sender = r4.Ptr(p.organization("").ref)
	to, err := p.who(m.Sender)
	if err != nil {
		return nil, err
	}
	c.Recipient = []r4.Reference{to.ref}
	c.SetSent(p.newsAt())
	c.Payload = []r4.Payload{r4.StringPayload(text)}
	return p.file(entry{
		id: id, kind: "Communication", resource: c, provides: connector.SymMessage(id.Value), date: p.newsAt(),
		expect: connector.Expect{Subject: connector.SymPatient, Text: connector.Hash([]byte(text)), Status: "completed"},
	})
}

// newsAt is when the delivery news is of.
func (p *planner) newsAt() time.Time {
	if p.x.Delivery.At.IsZero() {
		return p.received()
	}
	return p.x.Delivery.At
}

func (p *planner) notDeliveredText() string {
	text := fmt.Sprintf("NOT DELIVERED: the message sent %s (%s) did not reach the recipient.",
		p.local(p.x.Message.SentAt), MessageValue(p.x.Thread.ID, p.x.Message.ID, 1))
	if reason := clean(p.x.Delivery.Reason); reason != "" {
		text += " Reason given: " + reason
	}
	return text
}
