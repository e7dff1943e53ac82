// Package meditech files into MEDITECH Expanse over FHIR R4 as Communications, once a probe has proven that they are taken:
// MEDITECH declares that they can be created and publishes nothing of what one must hold. docs/ehrs/meditech.md says for people
// what this package holds as data.
package meditech

import (
	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/connector"
)

// quirks are what MEDITECH's FHIR does otherwise than it declares. [V] was read in its own CapabilityStatement and
// smart-configuration, [T] in somebody's record of a test; nothing here was tried against MEDITECH.
func quirks() fhir.Quirks {
	return fhir.Quirks{
		// DocumentReference can be read and searched only, though scopes to create it are advertised [V].
		Strategies: []connector.Strategy{connector.AsCommunication},
		// None of these is declared [V]: a plan made before the connection was opened does without them too.
		Never: []string{
			"Communication update", "Communication conditional-create", "DocumentReference create", "DocumentReference update",
			"CommunicationRequest create", "CommunicationRequest read", "CommunicationRequest update", "CommunicationRequest search-type",
			"Subscription create", "Task create", "Provenance create", "Provenance search-type", "RelatedPerson create", "Binary create", "transaction",
		},
		Unproven: []string{"Communication create"}, // declared [V]; what it needs is not published, no idempotency is documented [T]
	}
}

// New makes the adapter of one MEDITECH connection. Like fhir.New it makes no call; its quirks are MEDITECH's, whatever o says
// of them. Until o.Proven names "Communication create", Open refuses with Unproven.
func New(o fhir.Options) *fhir.EHR {
	o.Quirks = quirks()
	o.Policy.Shape.NoHeader = true // a Communication without words is nowhere described, so none is risked
	o.Policy.CreateProxies, o.Policy.NoBinary = false, true
	return fhir.New(o)
}
