package epic

import (
	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

// quirks are what Epic's FHIR does otherwise than it declares. [V] was read in Epic's own documents or CapabilityStatement, [T]
// in somebody's record of a test against Epic's sandbox; nothing here was tried against Epic.
func quirks() fhir.Quirks {
	return fhir.Quirks{
		// Communication.create is a referral API of community resources [T], no inbox. A note keeps its first attachment, which
		// is text/plain [T]: a PDF has no way in.
		Strategies: []connector.Strategy{connector.AsNote},
		Never: []string{
			"Communication create", "Communication read", "Communication search-type", "Communication update",
			"CommunicationRequest create", "CommunicationRequest read", "CommunicationRequest update", "CommunicationRequest search-type",
			"Subscription create", "Subscription read", "Subscription update", "Subscription search-type",
			"Task create", "Provenance create", "Provenance search-type", "Binary create", "RelatedPerson create",
			"DocumentReference update",             // declared [V]; it is of scanned documents' information [T]
			"DocumentReference conditional-create", // false on every resource [V]; a repeat makes a second note [T]
			"transaction",                          // no interaction at system level [V]
		},
		// The CapabilityStatement lists every parameter of R4; those it documents are fewer [V].
		NoParams:       []string{"Encounter status", "DocumentReference identifier", "RelatedPerson identifier"},
		NeedsEncounter: true, // "Valid encounter required" [T]
		NoIdentifiers:  true,
		NoScopes:       true, // whatever is asked for, what is granted is what the client is registered for [T]
		Echo:           connector.EchoNormalised,
		Reasons: map[string]connector.Reason{
			"59108 encounter": connector.NeedsEncounter, // a required element is missing [T]
		},
		There: []string{"59141"}, // an attempt was made to create a duplicate record [T]
	}
}

// New makes the adapter of one Epic connection. Like fhir.New it makes no call; its quirks and the shape of its notes are Epic's,
// whatever o says of them.
func New(o fhir.Options) *fhir.EHR {
	o.Quirks = quirks()
	o.Policy.CreateProxies, o.Policy.NoBinary = false, true
	// What else a note may hold is not on record. Our identifier is dropped [T].
	o.Policy.Shape = filing.Shape{Notes: &filing.NoteShape{Named: true, DraftsOnly: true}}
	return fhir.New(o)
}
