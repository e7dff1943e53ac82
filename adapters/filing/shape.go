package filing

import (
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// Shape is what an EHR's entries may hold where that is less than ours have. The zero value leaves them as they are.
type Shape struct {
	// Staff makes a Communication a message among staff: without thread, identifier or life cycle, its words and everything
	// that has no place in one text. A message that cannot be one is filed as a note. nil leaves Communications as they are.
	Staff *StaffMessage
	// Notes is what a note may hold; nil leaves notes as they are.
	Notes *NoteShape
	// NoHeader leaves the thread's header out: an entry without words may not be taken, and every message stands by itself.
	NoHeader bool
}

// StaffMessage is a Communication as it comes into an EHR's message center.
type StaffMessage struct {
	Category   r4.Coding
	Senders    []string // resource types; literal references only
	Recipients []string // likewise
	Urgent     bool     // priority knows routine and urgent alone: asap and stat go as urgent
	// Inbox is the Group that gets what staff write to a patient; "" files that as a note.
	Inbox string
	// ReplyTo is the Group that replies go to, in an extension with the URL ReplyToURL; "" leaves it out.
	ReplyTo, ReplyToURL string
}

// Bare says whether entries of a type hold no identifier of ours.
func (s Shape) Bare(kind string) bool {
	return s.Staff != nil && kind == "Communication" || s.Notes != nil && !s.Notes.Named && kind == documentReference
}

// asStaffMessage files what staff write as messages of theirs, and everything else as notes.
func (p *planner) asStaffMessage() ([]connector.Write, error) {
	fits := p.staffMessage(p.x.Message)
	if filed := p.x.Entries[1]; filed != "" && p.x.Kind != connector.ItemExchange {
		fits = filed == "Communication" // whoever has a box there today
	}
	switch p.x.Kind {
	case connector.ItemExchange:
		if p.leftOut() {
			return nil, nil
		}
		if fits {
			return p.boxed("Secure message", p.x.Message, p.x.Message.SentAt)
		}
	case connector.ItemCorrection:
		if p.leftOut() {
			return nil, nil
		}
		if m, at := p.corrected(); fits && p.staffMessage(m) {
			return p.boxed("Addendum to a secure message: these are the corrected words", m, at)
		}
		if fits { // by somebody the message center does not take: nothing there can be replaced
			p.traits.Update = false
		}
	case connector.ItemRetraction:
		if fits && !p.leftOut() && len(p.x.Revisions) > 0 {
			return nil, refuse(connector.NotExpressible, p.retractionSentence())
		}
	}
	return p.asNote()
}

func (p *planner) staffMessage(m connector.Message) bool {
	s := p.policy.Shape.Staff
	sender, err := p.who(m.Sender)
	if err != nil || !literal(sender.ref, s.Senders) {
		return false
	}
	_, ok := p.staffRecipients(m)
	return ok
}

// staffRecipients are who the message center delivers to: the recipients where all of them have a box there; of a message
// to the patient, who has none, the Group that policy names.
func (p *planner) staffRecipients(m connector.Message) ([]r4.Reference, bool) {
	s := p.policy.Shape.Staff
	if m.Direction == connector.ToPatient {
		return []r4.Reference{r4.Ref(s.Inbox)}, s.Inbox != ""
	}
	var out []r4.Reference
	for _, pt := range m.Recipients {
		who, err := p.who(pt)
		if err != nil || !literal(who.ref, s.Recipients) {
			return nil, false
		}
		out = append(out, who.ref)
	}
	return out, len(out) > 0
}

// literal says whether a reference names a resource of one of these types by its id.
func literal(ref r4.Reference, types []string) bool {
	return ref.Reference != nil && slices.Contains(types, typeOf(*ref.Reference, ""))
}

// boxed is a message among staff: the words in a text that says what the Communication cannot.
func (p *planner) boxed(what string, m connector.Message, at time.Time) ([]connector.Write, error) {
	s, id := p.policy.Shape.Staff, p.messageID()
	if _, err := p.content(id, connector.Message{Text: m.Text}, at, false); err != nil {
		return nil, err
	}
	sender, err := p.who(m.Sender)
	if err != nil {
		return nil, err
	}
	c := r4.NewCommunication(r4.EventCompleted)
	c.Category = []r4.CodeableConcept{r4.Concept("", s.Category)}
	c.Subject = r4.Ptr(r4.Ref(connector.SymPatient))
	if topic := firstNonEmpty(clean(p.x.Thread.Subject), clean(p.x.Thread.Topic)); topic != "" {
		c.Topic = r4.Ptr(r4.Concept(topic))
	}
	if p.x.Encounter != "" {
		c.Encounter = r4.Ptr(r4.Ref(p.x.Encounter))
	}
	c.Priority = s.priority(connector.Priority(firstNonEmpty(string(m.Priority), string(p.x.Thread.Priority))))
	c.Sender = &r4.Reference{Reference: sender.ref.Reference}
	c.Recipient, _ = p.staffRecipients(m)
	for i, r := range c.Recipient {
		c.Recipient[i] = r4.Reference{Reference: r.Reference}
	}
	if s.ReplyTo != "" {
		c.Extension = []r4.Extension{{Url: s.ReplyToURL, ValueReference: r4.Ptr(r4.Ref(s.ReplyTo))}}
	}
	c.Payload = []r4.Payload{r4.AttachmentPayload(bareText(p.noteText(id, what, m, at)))}
	return p.file(entry{id: id, kind: "Communication", resource: c, provides: connector.SymMessage(id.Value), date: p.received(),
		expect: connector.Expect{Subject: connector.SymPatient, Status: "completed", Text: wordsHash(m)}})
}

func (s *StaffMessage) priority(given connector.Priority) *r4.Priority {
	if s.Urgent && given.Rank() > connector.Urgent.Rank() {
		given = connector.Urgent
	}
	return priorityOf(given)
}

// bareText is a text as an attachment that says nothing of itself but its type.
func bareText(text []byte) r4.Attachment {
	a := r4.NewAttachment(strings.ReplaceAll(r4.ContentTypePlain, " ", ""), text, "", time.Time{})
	return r4.Attachment{ContentType: a.ContentType, Data: a.Data}
}
