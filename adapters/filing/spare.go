package filing

import (
	"slices"

	"github.com/chartwire/chartwire/fhir/r4"
)

// spare leaves of a note only what a vendor's clinical-note API is known to take: status, docStatus, type, category, subject,
// date, one text/plain attachment and the encounter, and our identifier, which such an API drops. Everything else stands in
// the text.
//
// An author makes the note theirs, and where it is filed as signed, signs it in their name: nobody has signed a message. So only
// a draft names one, the Practitioner the EHR knows as who wrote the words; it is theirs to sign. A patient's words have no
// author there, and never a practitioner's name.
func (p *planner) spare(d *r4.DocumentReference) {
	if !p.policy.Spare {
		return
	}
	d.Meta, d.MasterIdentifier, d.Custodian, d.Description, d.Language, d.RelatesTo = nil, nil, nil, nil, nil, nil
	if c := d.Context; c != nil {
		c.Period, c.Related = nil, nil
		if len(c.Encounter) == 0 {
			d.Context = nil
		}
	}
	for i := range d.Content {
		a := d.Content[i].Attachment
		d.Content[i].Attachment = r4.Attachment{ContentType: r4.String("text/plain"), Data: a.Data}
	}
	d.Author = slices.DeleteFunc(d.Author, func(a r4.Reference) bool {
		return p.policy.DocStatus != r4.DocPreliminary || a.Reference == nil || typeOf(*a.Reference, "") != "Practitioner"
	})
	if len(d.Author) == 0 {
		d.Author = nil
	}
}
