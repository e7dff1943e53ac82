package r4

import (
	"time"

	"github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// Provenance says who made, sent and changed its targets (R4 Provenance, US Core 6.1.0). It has
// no identifier, so it is written with its target or not at all.
type Provenance struct{ fhir.Provenance }

// NewProvenance starts a Provenance about targets.
func NewProvenance(recorded time.Time, targets ...Reference) *Provenance {
	return &Provenance{fhir.Provenance{Target: targets, Recorded: Instant(recorded)}}
}

// MarshalJSON encodes the resource, or refuses it with a [*Problem].
func (p Provenance) MarshalJSON() ([]byte, error) {
	return encode("Provenance", struct {
		ResourceType string `json:"resourceType"`
		fhir.OtherProvenance
	}{"Provenance", fhir.OtherProvenance(p.Provenance)})
}

// SetOccurred sets occurredDateTime, keeping t's offset.
func (p *Provenance) SetOccurred(t time.Time) { p.OccurredDateTime = String(DateTime(t)) }

// SetActivity sets the activity: CREATE, UPDATE, APPEND, NULLIFY or DELETE of v3-DataOperation.
func (p *Provenance) SetActivity(code string) {
	p.Activity = Ptr(Concept("", NewCoding(SystemDataOperation, code, "")))
}

// Author adds the author. onBehalfOf is required when who is a Practitioner or a Device
// (US Core provenance-1), and is the patient when who is their proxy.
func (p *Provenance) Author(who Reference, onBehalfOf *Reference) {
	p.agent(NewCoding(SystemProvenanceAgent, "author", "Author"), who, onBehalfOf)
}

// Transmitter adds the organization that sent the record on, coded as US Core 6.1.0 does.
func (p *Provenance) Transmitter(who Reference, onBehalfOf *Reference) {
	p.agent(NewCoding(SystemUSCoreProvenanceAgent, "transmitter", "Transmitter"), who, onBehalfOf)
}

func (p *Provenance) agent(kind Coding, who Reference, onBehalfOf *Reference) {
	p.Agent = append(p.Agent, fhir.ProvenanceAgent{Type: Ptr(Concept("", kind)), Who: who, OnBehalfOf: onBehalfOf})
}

// Revision names the resource the targets revise.
func (p *Provenance) Revision(what Reference) {
	p.Entity = append(p.Entity, fhir.ProvenanceEntity{Role: fhir.ProvenanceEntityRoleRevision, What: what})
}
