package filing

import (
	"time"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// Category codes of {base}/category: what an entry is to a reader of the chart.
const (
	CategoryThread       = "thread"
	CategoryPatient      = "patient-message"
	CategoryReply        = "reply"
	CategoryInternal     = "internal-note"
	CategoryAutomated    = "automated"
	CategoryCorrection   = "correction"
	CategoryNotDelivered = "not-delivered"
	CategoryAnswer       = "answer" // of a Task
)

var categoryText = map[string]string{
	CategoryThread: "Message thread", CategoryPatient: "Patient message", CategoryReply: "Reply to patient",
	CategoryInternal: "Internal note", CategoryAutomated: "Automated message", CategoryCorrection: "Correction",
	CategoryNotDelivered: "Message not delivered", CategoryAnswer: "Answer patient message",
}

func (p *planner) category(code string) r4.CodeableConcept {
	return r4.Concept(categoryText[code], r4.NewCoding(CategorySystem(p.x.Base), code, ""))
}

// categories are FHIR's own category notification, the nearest it has, and what the message is in our codes.
func (p *planner) categories(codes ...string) []r4.CodeableConcept {
	out := []r4.CodeableConcept{r4.Concept("", r4.NewCoding(r4.SystemCommunicationCategory, "notification", ""))}
	for _, c := range codes {
		out = append(out, p.category(c))
	}
	return out
}

// messageKind is what a message is, by direction and sender.
func messageKind(m connector.Message) string {
	switch {
	case m.Direction == connector.Internal:
		return CategoryInternal
	case m.Sender.Role == connector.RoleSystem:
		return CategoryAutomated
	case m.Direction == connector.ToPatient:
		return CategoryReply
	default:
		return CategoryPatient
	}
}

// header is the Communication that stands for the thread: no payload, no partOf (DESIGN §5).
func (p *planner) header() ([]connector.Write, error) {
	id := p.ids.Header(p.x.Thread.ID)
	c := r4.NewCommunication(r4.EventInProgress, identifier(id))
	c.Category = []r4.CodeableConcept{p.category(CategoryThread)}
	p.common(c, p.x.Thread.Priority)
	for _, ref := range p.x.Thread.About {
		if chartReference(ref) {
			c.About = append(c.About, r4.Ref(ref))
		}
	}
	return p.file(entry{
		id: id, kind: "Communication", resource: c, provides: connector.SymHeader,
		expect: connector.Expect{Subject: connector.SymPatient, Status: "in-progress"},
	})
}

// headerStatus closes or reopens the thread. Where Communication cannot be updated the header stays as it was: nothing on
// the chart is wrong by that, and nothing is owed.
func (p *planner) headerStatus(status r4.EventStatus) ([]connector.Write, error) {
	if !p.traits.Update {
		return nil, nil
	}
	what := "status=" + status.Code() + "@" + p.received().UTC().Format(time.RFC3339Nano)
	return []connector.Write{change("Communication", connector.SymHeader, p.ids.Header(p.x.Thread.ID), what, status.Code(),
		map[string]any{"status": status.Code()})}, nil
}

// common sets what header and messages share.
func (p *planner) common(c *r4.Communication, priority connector.Priority) {
	c.Medium = []r4.CodeableConcept{r4.MediumOnline()}
	c.Subject = r4.Ptr(r4.Ref(connector.SymPatient))
	if topic := firstNonEmpty(clean(p.x.Thread.Subject), clean(p.x.Thread.Topic)); topic != "" {
		c.Topic = r4.Ptr(r4.Concept(topic))
	}
	if p.x.Encounter != "" {
		c.Encounter = r4.Ptr(r4.Ref(p.x.Encounter))
	}
	c.Priority = priorityOf(priority)
}

func priorityOf(p connector.Priority) *r4.Priority {
	switch p {
	case connector.Routine:
		return r4.Ptr(r4.PriorityRoutine)
	case connector.Urgent:
		return r4.Ptr(r4.PriorityUrgent)
	case connector.ASAP:
		return r4.Ptr(r4.PriorityASAP)
	case connector.Stat:
		return r4.Ptr(r4.PriorityStat)
	default:
		return nil
	}
}

// message is one exchange: a Communication partOf the header.
func (p *planner) message() ([]connector.Write, error) {
	if p.leftOut() {
		return nil, nil
	}
	m := p.x.Message
	c, e, err := p.compose(m, m.SentAt, messageKind(m))
	if err != nil {
		return nil, err
	}
	state := p.transmission()
	state.apply(c)
	e.expect.Status = state.status.Code()
	if m.Direction == connector.FromPatient {
		c.SetReceived(p.x.Received)
	}
	if p.x.Parent != "" {
		parent := []r4.Reference{r4.Ref(p.messageSymbol(p.x.Parent, 1))}
		if p.x.ParentAs == "" || p.x.ParentAs == "Communication" {
			c.InResponseTo = parent
		} else {
			c.About = parent // R4 allows nothing but a Communication in inResponseTo
		}
	}
	if p.x.BasedOn != "" {
		c.BasedOn = []r4.Reference{r4.Ref(p.x.BasedOn)}
	}
	if state.open && !p.traits.Update {
		c.Note = append(c.Note, r4.NewNote(noteUnconfirmed, p.x.Received, nil))
	}
	e.origin, err = p.origin(m.Sender, m.SentAt, "CREATE")
	if err != nil {
		return nil, err
	}
	return p.file(e)
}

const noteUnconfirmed = "Delivery not confirmed: this chart cannot be told later whether the message arrived."

// remarks are what a reader must know about the order of filing.
func (p *planner) remarks() []string {
	var out []string
	if p.x.Late {
		out = append(out, transcript.Late)
	}
	if p.x.AfterGap {
		out = append(out, transcript.AfterGap)
	}
	if p.policy.Shape.Notes != nil && p.x.Kind == connector.ItemCorrection { // no element says which
		out = append(out, "these words correct the message "+MessageValue(p.x.Thread.ID, p.x.Message.ID, 1))
	}
	return out
}

// underHeader puts a message under its thread's header, where that is on the chart.
func (p *planner) underHeader(c *r4.Communication) {
	if !p.x.NoHeader && !p.policy.Shape.NoHeader {
		c.PartOf = []r4.Reference{r4.Ref(connector.SymHeader)}
	}
}

// compose makes what a message and its corrections share: everything but status, parent and Provenance.
func (p *planner) compose(m connector.Message, at time.Time, codes ...string) (*r4.Communication, entry, error) {
	id := p.messageID()
	c := r4.NewCommunication(r4.EventCompleted, identifier(id))
	body, err := p.content(id, m, at, true)
	if err != nil {
		return nil, entry{}, err
	}
	sender, err := p.as(m.Sender, senderTypes)
	if err != nil {
		return nil, entry{}, err
	}
	if c.Recipient, err = p.all(m.Recipients); err != nil {
		return nil, entry{}, err
	}
	c.Sender = &sender.ref
	p.underHeader(c)
	c.Category = p.categories(codes...)
	p.common(c, connector.Priority(firstNonEmpty(string(m.Priority), string(p.x.Thread.Priority))))
	c.Language = r4.String(language(m.Language))
	c.SetSent(at)
	c.Payload = body.payload
	for _, text := range p.remarks() {
		c.Note = append(c.Note, r4.NewNote(text, p.x.Received, nil))
	}
	if m.Direction == connector.Internal {
		c.Meta = &r4.Meta{Security: []r4.Coding{r4.Restricted()}}
	}
	return c, entry{
		id: id, kind: "Communication", resource: c, before: body.binaries, date: at,
		provides: connector.SymMessage(id.Value),
		expect:   connector.Expect{Subject: connector.SymPatient, Text: body.text, Attachments: body.attachments, Status: "completed"},
	}, nil
}
