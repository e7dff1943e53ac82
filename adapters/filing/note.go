package filing

import (
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// Security labels of v3-ObservationValue: who asserted what the note says (US Core 9, Writing Clinical Notes).
const (
	systemObservationValue = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
	assertedByPatient      = "PATAST"
	assertedByAcquaintance = "PACQAST"
)

const documentReference = "DocumentReference"

// note is one exchange as a US Core 6.1.0 DocumentReference of its own, under the strategies note and document. Internal
// notes are left out: a note has no restricted form every EHR honours (DESIGN §5).
func (p *planner) note() ([]connector.Write, error) {
	m := p.x.Message
	if m.Direction == connector.Internal {
		return nil, nil
	}
	e, d, err := p.composeNote("Secure message", m, m.SentAt)
	if err != nil {
		return nil, err
	}
	if e.origin, err = p.origin(m.Sender, m.SentAt, "CREATE"); err != nil {
		return nil, err
	}
	if p.x.Parent != "" {
		if d.Context == nil {
			d.SetContext("", m.SentAt, m.SentAt)
		}
		d.Context.Related = []r4.Reference{r4.Ref(p.messageSymbol(p.x.Parent, 1))}
	}
	return p.file(e)
}

// composeNote makes what every note shares.
func (p *planner) composeNote(what string, m connector.Message, at time.Time) (entry, *r4.DocumentReference, error) {
	id := p.messageID()
	if _, err := p.content(id, connector.Message{Text: m.Text}, at, false); err != nil {
		return entry{}, nil, err
	}
	author, err := p.as(m.Sender, authorTypes)
	if err != nil {
		return entry{}, nil, err
	}
	for _, r := range m.Recipients {
		if !knownRole(r.Role) {
			return entry{}, nil, unknownRole(r.Role)
		}
	}
	doc, err := p.sheet(id, what, m, at)
	if err != nil {
		return entry{}, nil, err
	}
	d := p.newNote(id, doc)
	d.Author = []r4.Reference{author.ref}
	d.Description = r4.String(firstNonEmpty(clean(p.x.Thread.Subject), clean(p.x.Thread.Topic)))
	d.Language = r4.String(language(m.Language))
	d.SetContext(p.x.Encounter, at, at)
	p.asserted(d, m.Sender.Role)
	expect := connector.Expect{Subject: connector.SymPatient, Text: wordsHash(m), Attachments: doc.files, Status: "current"}
	return entry{id: id, kind: documentReference, resource: d, provides: connector.SymMessage(id.Value), date: p.noteDate(at),
		expect: expect}, d, nil
}

// newNote is the DocumentReference US Core asks for, around a document.
func (p *planner) newNote(id connector.Identifier, doc sheet) *r4.DocumentReference {
	d := r4.NewDocumentReference(identifier(id), r4.Concept("Secure message", p.policy.NoteType), r4.Ref(connector.SymPatient), doc.contents...)
	d.ClaimUSCore()
	d.MasterIdentifier = r4.Ptr(r4.NewIdentifier("urn:ietf:rfc:3986", r4.URN(id.Token()+"#document")))
	status := p.policy.DocStatus
	d.DocStatus = &status
	d.SetDate(p.received())
	d.Custodian = r4.Ptr(p.organization("").ref)
	return d
}

// noteDate is the date a note can be listed by: its own, or where that is the EHR's to give, its period's.
func (p *planner) noteDate(at time.Time) time.Time {
	if p.policy.Shape.Bare(documentReference) {
		return at
	}
	return p.received()
}

// asserted labels what a patient or their proxy wrote, so that nobody reads it as the clinic's finding.
func (p *planner) asserted(d *r4.DocumentReference, role connector.Role) {
	code := ""
	switch role {
	case connector.RolePatient:
		code = assertedByPatient
	case connector.RoleProxy:
		code = assertedByAcquaintance
	default:
		return
	}
	d.Meta.Security = append(d.Meta.Security, r4.NewCoding(systemObservationValue, code, ""))
}

// noteCorrection replaces the note where the old one can be marked superseded; elsewhere it is an addendum, because two
// current notes that do not name each other would contradict each other.
func (p *planner) noteCorrection() ([]connector.Write, error) {
	if p.x.Message.Direction == connector.Internal {
		return nil, nil
	}
	m, at := p.corrected()
	what, relation, activity := "Secure message, corrected: this replaces the earlier version", r4.RelationReplaces, "UPDATE"
	if !p.traits.Update {
		what, relation, activity = "Addendum to a secure message: these are the corrected words", r4.RelationAppends, "APPEND"
	}
	e, d, err := p.composeNote(what, m, at)
	if err != nil {
		return nil, err
	}
	if e.origin, err = p.origin(m.Sender, at, activity); err != nil {
		return nil, err
	}
	earlier, later := p.neighbours()
	newest := r4.Ref(p.standing(earlier[len(earlier)-1]))
	d.Relate(relation, newest)
	e.origin.Revision(newest)
	if later && p.traits.Update { // it comes after the correction that replaced it
		d.Status, e.expect.Status = r4.DocumentSuperseded, r4.DocumentSuperseded.Code()
	}
	writes, err := p.file(e)
	if err != nil || !p.traits.Update {
		return writes, err
	}
	for _, r := range earlier {
		if kind := p.x.Entries[r]; kind != "" && kind != documentReference {
			continue // nothing can supersede it
		}
		id := p.ids.Message(p.x.Thread.ID, m.ID, r)
		writes = append(writes, change(documentReference, connector.SymMessage(id.Value), id, "superseded", "superseded",
			map[string]any{"status": "superseded"}))
	}
	return writes, nil
}

// standing is the entry a revision of the message stands in: its own, or a transcript of its thread.
func (p *planner) standing(revision int) string {
	if p.x.Stands > 0 {
		return p.version(p.x.Stands).symbol
	}
	return p.messageSymbol(p.x.Message.ID, revision)
}

// neighbours are the revisions before this one that are on the chart, the first where none is known, and whether a later
// one is there too.
func (p *planner) neighbours() (earlier []int, later bool) {
	for _, r := range p.x.Revisions {
		switch {
		case r < p.x.Revision:
			earlier = append(earlier, r)
		case r > p.x.Revision:
			later = true
		}
	}
	if len(earlier) == 0 {
		earlier = []int{1}
	}
	return earlier, later
}

// noteDelivery adds a note where a message did not arrive. Other delivery news needs none: the note says how far the
// message had got when it was written.
func (p *planner) noteDelivery() ([]connector.Write, error) {
	m := p.x.Message
	if m.Direction != connector.ToPatient || p.x.Delivery.State != connector.Failed ||
		p.x.Charted.State == connector.Failed || !p.charted() {
		return nil, nil
	}
	id, text := p.ids.NotDelivered(p.x.Thread.ID, m.ID), p.notDeliveredText()
	news := connector.Message{Text: text, Sender: connector.Participant{Role: connector.RoleSystem, Name: "Chartwire"}}
	doc, err := p.sheet(id, "Secure message NOT DELIVERED", news, p.newsAt())
	if err != nil {
		return nil, err
	}
	d := p.newNote(id, doc)
	d.Author = []r4.Reference{p.organization("").ref}
	d.SetContext(p.x.Encounter, p.newsAt(), p.newsAt())
	d.Relate(r4.RelationAppends, r4.Ref(p.standing(1)))
	return p.file(entry{id: id, kind: documentReference, resource: d, provides: connector.SymMessage(id.Value), date: p.noteDate(p.newsAt()),
		expect: connector.Expect{Subject: connector.SymPatient, Text: connector.Hash([]byte(text)), Attachments: doc.files, Status: "current"}})
}
