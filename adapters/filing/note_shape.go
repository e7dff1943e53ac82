package filing

import (
	"strings"

	"github.com/chartwire/chartwire/fhir/r4"
)

// NoteShape is what an EHR takes of a note beside status, docStatus, type, subject, encounter, the forms of its text and an author.
// Whatever else a note of ours holds, its text says.
type NoteShape struct {
	Named  bool // our identifier, the category, the date and what the type is called in words, though the EHR may keep none of it
	Period bool // when what it tells of happened
	// Charset says that a text's content type names its charset, spelled without a space.
	Charset bool
	// DraftsOnly: only a draft names an author. An author makes the note theirs, and where it is filed as signed, signs it in
	// their name: nobody has signed a message. A draft is theirs to sign.
	DraftsOnly bool
}

// shaped leaves of a note what the EHR takes. A patient's words have no author there and never a practitioner's name, and a
// thread, which several people wrote, is nobody's to sign.
func (p *planner) shaped(d *r4.DocumentReference) {
	s := p.policy.Shape.Notes
	if s == nil {
		return
	}
	d.Meta, d.MasterIdentifier, d.Custodian, d.Description, d.Language, d.RelatesTo, d.SecurityLabel = nil, nil, nil, nil, nil, nil, nil
	if !s.Named {
		d.Identifier, d.Category, d.Date = nil, nil, nil
		d.Type = r4.Ptr(r4.CodeableConcept{Coding: d.Type.Coding})
	}
	if c := d.Context; c != nil {
		if c.Related = nil; !s.Period {
			c.Period = nil
		}
		if len(c.Encounter) == 0 && c.Period == nil {
			d.Context = nil
		}
	}
	var authors []r4.Reference
	for _, a := range d.Author {
		if literal(a, []string{"Practitioner"}) && p.x.Transcript == nil && (p.policy.DocStatus == r4.DocPreliminary || !s.DraftsOnly) {
			authors = append(authors, r4.Reference{Reference: a.Reference})
		}
	}
	d.Author = authors
	for i, c := range d.Content {
		d.Content[i].Attachment = r4.Attachment{ContentType: r4.String(s.contentType(*c.Attachment.ContentType)), Data: c.Attachment.Data}
	}
}

func (s *NoteShape) contentType(ours string) string {
	if s.Charset {
		return strings.ReplaceAll(ours, " ", "")
	}
	kind, _, _ := strings.Cut(ours, ";")
	return kind
}
