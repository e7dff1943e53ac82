package r4

import (
	"time"

	"github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// DocumentReference is a note or transcript on a chart (R4 DocumentReference, US Core 6.1.0).
type DocumentReference struct{ fhir.DocumentReference }

// NewDocumentReference starts a current, clinical-note DocumentReference with what US Core
// 6.1.0 requires: identifier, type, subject and at least one content. Several contents are the
// same document in other formats, never several documents.
func NewDocumentReference(id Identifier, docType CodeableConcept, subject Reference, content ...Attachment) *DocumentReference {
	d := &DocumentReference{fhir.DocumentReference{
		Identifier: []Identifier{id}, Status: DocumentCurrent, Type: &docType,
		Category: []CodeableConcept{ClinicalNote()}, Subject: &subject,
	}}
	for _, a := range content {
		d.Content = append(d.Content, fhir.DocumentReferenceContent{Attachment: a})
	}
	return d
}

// MarshalJSON encodes the resource, or refuses it with a [*Problem].
func (d DocumentReference) MarshalJSON() ([]byte, error) {
	return encode("DocumentReference", struct {
		ResourceType string `json:"resourceType"`
		fhir.OtherDocumentReference
	}{"DocumentReference", fhir.OtherDocumentReference(d.DocumentReference)})
}

// SetDate sets date, an instant: when this reference was made.
func (d *DocumentReference) SetDate(t time.Time) { d.Date = String(Instant(t)) }

// SetContext sets the encounter (US Core allows one; "" for none) and the period of care.
func (d *DocumentReference) SetContext(encounter string, start, end time.Time) {
	c := &fhir.DocumentReferenceContext{}
	if encounter != "" {
		c.Encounter = []Reference{Ref(encounter)}
	}
	if !start.IsZero() || !end.IsZero() {
		c.Period = NewPeriod(start, end)
	}
	if c.Encounter == nil && c.Period == nil {
		c = nil
	}
	d.Context = c
}

// Relate adds relatesTo, e.g. RelationReplaces for a correction.
func (d *DocumentReference) Relate(code Relation, target Reference) {
	d.RelatesTo = append(d.RelatesTo, fhir.DocumentReferenceRelatesTo{Code: code, Target: target})
}

// ClaimUSCore adds the US Core profile to meta.profile. Servers that validate claimed profiles
// need the US Core package loaded.
func (d *DocumentReference) ClaimUSCore() {
	if d.Meta == nil {
		d.Meta = &Meta{}
	}
	d.Meta.Profile = append(d.Meta.Profile, ProfileUSCoreDocumentReference)
}
