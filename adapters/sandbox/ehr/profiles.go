package ehr

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// profiles are what each EHR type can do over FHIR, as far as it can be known from outside; what a vendor takes by other
// APIs is not FHIR and not here. Quirks of content belong to the adapters' own tests.
var profiles = map[string]Traits{
	"fhir": withAuth(Full()),
	"note": withAuth(NoteOnly()), // no vendor: the floor US Core asks for
	// Epic: notes are never deduplicated and cannot be changed; Communication is declared. The rest is in epic.go.
	"epic": {AcceptCommunication: true, AcceptDocumentReference: true, SearchWrites: true, Vendor: "epic", Auth: true},
	// Oracle Health: Communication and DocumentReference can be created; updates need If-Match. What it takes is in oracle.go.
	"oracle": {
		AcceptCommunication: true, AcceptDocumentReference: true, UpdateCommunication: true, SearchWrites: true, RequireIfMatch: true,
		ReturnMinimal: true, Auth: true, Vendor: "oracle",
	},
	// athenahealth, OpenEMR: nothing of ours can be created by FHIR.
	"athena":  {SearchWrites: true, Auth: true},
	"openemr": {SearchWrites: true, Auth: true},
	// MEDITECH: Communication create and search; DocumentReference read only. What it takes is in meditech.go.
	"meditech": {AcceptCommunication: true, SearchWrites: true, Auth: true, Vendor: "meditech"},
}

func withAuth(t Traits) Traits {
	t.Auth = true
	return t
}

// Profile returns the traits of an EHR type by its config name; the error lists the names there are.
func Profile(name string) (Traits, error) {
	t, ok := profiles[name]
	if !ok {
		return Traits{}, fmt.Errorf("no sandbox profile %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(profiles)), ", "))
	}
	return t, nil
}
