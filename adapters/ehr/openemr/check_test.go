package openemr

import (
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// TestCheck: what is read over FHIR is examined as such; of the standard API only the scopes are known.
func TestCheck(t *testing.T) {
	for scopes, want := range map[string]connector.Known{
		"": connector.KnownYes, "api:fhir system/Patient.rs system/DocumentReference.rs system/Binary.r": connector.KnownNo,
	} {
		l := newLab(t, setting{scopes: scopes})
		found, err := l.adapter.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range found.Capabilities {
			names = append(names, c.Name())
			if c.API != "" != (c.Interaction == "create") {
				t.Errorf("%s is of the API %q", c.Name(), c.API)
			}
			if c.Interaction != "create" {
				if c.Gap != nil {
					t.Errorf("%s: %+v", c.Name(), c.Gap)
				}
				continue
			}
			if c.Declared != connector.NotKnown || c.Granted != want || c.Proven != connector.NotKnown || !c.Needed || (c.Gap != nil) != (want == connector.KnownNo) {
				t.Errorf("%q: %+v", scopes, c)
			}
		}
		if got := strings.Join(names, ", "); got != "Patient read, Patient search, DocumentReference search, DocumentReference read, Binary read, DocumentReference create" {
			t.Errorf("rows: %s", got)
		}
	}
}
