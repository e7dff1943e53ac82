package filing

import (
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// origin is the Provenance of an entry: who authored it, the clinic as its transmitter, when it came to us and when it
// happened. It claims no US Core profile: that one narrows onBehalfOf to Organization, and a proxy acts for the patient.
func (p *planner) origin(author connector.Participant, occurred time.Time, activity string) (*r4.Provenance, error) {
	who, err := p.as(author, authorTypes)
	if err != nil {
		return nil, err
	}
	o := r4.NewProvenance(p.received())
	o.SetActivity(activity)
	if !occurred.IsZero() {
		o.SetOccurred(occurred)
	}
	clinic := p.organization("").ref
	o.Author(who.ref, p.behalf(who, clinic))
	o.Transmitter(clinic, nil)
	return o, nil
}

// behalf is for whom an author acts: a proxy for the patient, staff and devices for the clinic (US Core provenance-1).
func (p *planner) behalf(who person, clinic r4.Reference) *r4.Reference {
	switch who.kind {
	case "RelatedPerson":
		return r4.Ptr(r4.Ref(connector.SymPatient))
	case "Practitioner", "PractitionerRole", "Device":
		return &clinic
	default:
		return nil
	}
}

// nullified is the Provenance of a retraction, with the platform's reason.
func (p *planner) nullified() (*r4.Provenance, error) {
	by, at := p.x.Message.Sender, p.received()
	r := p.x.Retraction
	if r != nil && r.By != nil {
		by = *r.By
	}
	if r != nil && !r.At.IsZero() {
		at = r.At
	}
	o, err := p.origin(by, at, "NULLIFY")
	if err == nil && r != nil && clean(r.Reason) != "" {
		o.Reason = []r4.CodeableConcept{r4.Concept(clean(r.Reason))}
	}
	return o, err
}

// corrected is a correction as a message: the new words, who gave them and when.
func (p *planner) corrected() (connector.Message, time.Time) {
	m, at := p.x.Message, p.x.Message.SentAt
	if c := p.x.Corrected; c != nil {
		if c.By != nil {
			m.Sender = *c.By
		}
		if !c.At.IsZero() {
			at = c.At
		}
	}
	return m, at
}
