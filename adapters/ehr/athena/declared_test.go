package athena

import (
	"bytes"
	"os"
	"testing"

	"github.com/chartwire/chartwire/adapters/ehr/ehrtest"
	"github.com/chartwire/chartwire/connector"
)

// served is where what athenahealth itself serves is kept beside the checkout; it is no part of it.
const served = "../../../../shared/fhir/vendors/athena."

// asServed is a lab whose FHIR server declares what athenahealth's does.
func asServed(t *testing.T) setting {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(served + name + ".json")
		if os.IsNotExist(err) {
			t.Skip("SKIPPED, NOT RUN: athenahealth's own documents are not beside this checkout (../shared/fhir/vendors)")
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return setting{statement: read("capabilitystatement"), discovery: read("smart-configuration")}
}

// TestConformanceAsServed runs the suite with what athenahealth itself declares of FHIR and of its authorization server.
func TestConformanceAsServed(t *testing.T) {
	s := asServed(t)
	ehrtest.Run(t, ehrtest.Harness{Strategy: connector.AsVendorCall, Start: func(t *testing.T) *ehrtest.Rig { return newLab(t, s).rig() }})
}

// TestCheckAsServed: of what athenahealth declares, what is needed is declared, and its token opens both APIs. A statement that
// declares less is believed.
func TestCheckAsServed(t *testing.T) {
	s := asServed(t)
	l := newLab(t, s)
	if traits, err := l.adapter.Open(t.Context()); err != nil || traits.Strategy != connector.AsVendorCall || len(traits.Missing) != 0 {
		t.Fatalf("Open: %+v, %v (%s)", traits, err, detail(err))
	}
	got, _ := rows(t, l)
	for _, name := range []string{"Patient read", "Patient search"} {
		if c := got[name]; c.Declared != connector.KnownYes || c.Granted != connector.KnownYes || c.Gap != nil {
			t.Errorf("%s: %+v %+v", name, c, c.Gap)
		}
	}
	s.statement = bytes.Replace(s.statement, []byte(`"type": "Patient"`), []byte(`"type": "Basic"`), 1)
	if got, _ = rows(t, newLab(t, s)); got["Patient search"].Declared != connector.KnownNo || got["Patient search"].Gap == nil {
		t.Errorf("not declared: %+v", got["Patient search"])
	}
}
