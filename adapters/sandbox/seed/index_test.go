package seed_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
)

// TestIndex: the engine knows whom the FHIR server knows, by the same references, and each identifier with its authority.
func TestIndex(t *testing.T) {
	people, err := seed.FromEvents(events)
	if err != nil {
		t.Fatal(err)
	}
	bundle, refs := seed.Bundle(people)
	if got := people.Authorities(); !cmp.Equal(got, map[string]string{"urn:oid:1": "RIVERBEND1", "urn:oid:2": "RIVERBEND2"}) {
		t.Errorf("authorities %v", got)
	}
	patients, err := seed.Index(bundle, map[string]string{"urn:oid:1": "HOSP_A", "urn:nobody": "X"})
	if err != nil || len(patients) != 3 {
		t.Fatalf("%d patients, %v; want the patient and two twins, and not the one for probes", len(patients), err)
	}
	day := func(s string) hl7.TS { at, _ := time.Parse(time.DateOnly, s); return hl7.OnDay(at) }
	want := engine.Patient{Ref: refs.Patients[seed.Identifier{System: "urn:oid:1", Value: "MRN1"}],
		Identifiers: []hl7.CX{{ID: "MRN1", Authority: hl7.HD{Namespace: "HOSP_A"}, Type: "MR"}},
		Names:       []hl7.XPN{{Family: "Cho", Given: "Daniel"}}, Birth: day("2015-07-04")}
	if diff := cmp.Diff(want, patients[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	name, phone := patients[1], patients[2]
	if name.Ref != refs.Twins[0] || !cmp.Equal(name.Names, want.Names) || cmp.Equal(name.Birth, want.Birth) || name.Identifiers[0].ID != "MRN1-N" {
		t.Errorf("name twin %+v", name)
	}
	if phone.Ref != refs.Twins[1] || cmp.Equal(phone.Names, want.Names) || phone.Identifiers[0].ID != "MRN1-P" {
		t.Errorf("phone twin %+v", phone)
	}
	if _, err := engine.New(engine.Options{Now: time.Now, Patients: patients}); err != nil {
		t.Error(err)
	}
	if _, err := seed.Index([]byte("{"), nil); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("an index of what is no bundle: %v", err)
	}
}
