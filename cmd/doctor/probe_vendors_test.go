package doctor_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/athena"
	"github.com/chartwire/chartwire/adapters/sandbox/openemr"
	"github.com/chartwire/chartwire/cmd/doctor"
)

// TestProbeOfVendorsAPIs: what an API beside FHIR creates is declared by nobody. A probe proves it, on the test patient's chart alone;
// the matrix and the text say which API that is, and the document stays for a person to deal with.
func TestProbeOfVendorsAPIs(t *testing.T) {
	const testAtAthena = "a-195900.E-60178"
	var documents func() map[string]string // of whom each is, by its text
	for name, c := range map[string]struct {
		setting
		patient    string
		capability string
		line       string
		search     string
	}{
		"openemr": {setting{kind: "openemr", scopes: "api:fhir api:oemr system/document.crs system/patient.r system/Patient.rs system/DocumentReference.rs system/Binary.r",
			more: testPatient + "\n    openemr: {category: Chartwire}", start: func(ctx context.Context, o sandbox.EHROptions) (*sandbox.EHR, error) {
				there, err := sandbox.StartOpenEMR(ctx, o, openemr.Options{Categories: []string{"Chartwire"}})
				if err != nil {
					return nil, err
				}
				documents = func() map[string]string {
					out := map[string]string{}
					for _, d := range there.API.Documents() {
						out[string(d.Data)] = d.Patient
					}
					return out
				}
				return there.EHR, nil
			}}, "Patient/test", "DocumentReference", "DocumentReference create by OpenEMR's standard API ", "yes: found by its identifier at once; found in the list of the patient's entries at once."},
		"athena": {setting{kind: "athena", scopes: "system/Patient.rs " + athena.Scope,
			more: "\n    probe: {patient: Patient/" + testAtAthena + "}\n    athena: {practice: 195900, department: 1}", start: func(ctx context.Context, o sandbox.EHROptions) (*sandbox.EHR, error) {
				there, err := sandbox.StartAthena(ctx, o, athena.Options{Practice: 195900, Departments: []int{1}})
				if err != nil {
					return nil, err
				}
				documents = func() map[string]string {
					out := map[string]string{}
					for _, d := range there.API.Documents() {
						out[d.Text] = d.Patient
					}
					return out
				}
				_, err = there.Put([]byte(`{"resourceType":"Patient","id":"` + testAtAthena + `","active":true,"name":[{"family":"Zztest"}]}`))
				return there.EHR, err
			}}, "Patient/" + testAtAthena, "ClinicalDocument", "ClinicalDocument create by athenahealth's v1 API ", "yes: the EHR cannot be searched by its identifier; found in the list of the patient's entries at once."},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, c.setting)
			s.store()
			create := c.capability + " create"
			r := s.examine()
			if got, gap := row(t, r, create); got != create+": needed unknown yes unknown" || gap != nil {
				t.Errorf("before: %s %+v", got, gap)
			}
			p := s.probed()
			if got := says(p, create); !strings.HasPrefix(got, "yes: written as "+c.capability+"/") || !strings.HasSuffix(got, "its copy has the exact words, patient and identifier.") {
				t.Errorf("the probe says %s", got)
			}
			if got := says(p, c.capability+" read"); !strings.HasPrefix(got, "yes: read again; its copy has the exact words") {
				t.Errorf("the probe read %s", got)
			}
			if got := says(p, c.capability+" search"); got != c.search {
				t.Errorf("the probe found %s", got)
			}
			if len(p.Entries) != 1 || p.Entries[0].Open || !strings.Contains(p.Entries[0].Left, "in the chart by hand") || says(p, c.capability+" update") != "nothing" {
				t.Errorf("%+v", p.Entries)
			}
			there := documents()
			for text, patient := range there {
				if patient != c.patient || !strings.Contains(text, "Chartwire connection test "+p.ID) {
					t.Errorf("of %s: %s", patient, text)
				}
			}
			if len(there) != 1 {
				t.Errorf("%d documents", len(there))
			}
			r = s.examine()
			if got, gap := row(t, r, create); got != create+": needed unknown yes yes probe" || gap != nil || !r.Good {
				t.Errorf("after: %s %+v", got, gap)
			}
			var text bytes.Buffer
			doctor.Print(&text, []doctor.Report{r})
			if !strings.Contains(text.String(), "\n"+c.line) {
				t.Errorf("%q is not in %s", c.line, text.String())
			}
		})
	}
}
