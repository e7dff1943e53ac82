package fhir

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/fhir/r4"
)

// What a banner shows at Send is what the EHR says the patient goes by now. An identifier is an MRN only where it is one.
func TestUserChartTellsPatientsApart(t *testing.T) {
	const table = `"http://terminology.hl7.org/CodeSystem/v2-0203"`
	id := func(value, more string) string {
		return `{"system":"urn:of:` + value + `","value":"` + value + `"` + more + `}`
	}
	typed := func(value, code, more string) string {
		return id(value, `,"type":{"coding":[{"system":`+table+`,"code":"`+code+`"}]}`+more)
	}
	over, later := `,"period":{"end":"2020-01-31"}`, `,"period":{"start":"2027-02-01"}`
	for name, c := range map[string]struct {
		names, ids  string
		called, mrn string
	}{
		"nothing": {},
		"typed, after a social security number": {`{"family":"Cho","given":["Daniel"]}`,
			typed("123-45-6789", "SS", "") + `,` + id("0b9f-uuid", "") + `,` + typed("M1", "MR", ""), "Daniel Cho", "M1"},
		"usual before official before others": {`{"use":"official","family":"Cho","given":["Daniel"]},{"use":"usual","family":"Cho","given":["Dan"]}`,
			typed("M3", "MR", `,"use":"secondary"`) + `,` + typed("M2", "MR", `,"use":"official"`) + `,` + typed("M1", "MR", `,"use":"usual"`), "Dan Cho", "M1"},
		"old ones come first": {`{"use":"old","family":"Park"},{"use":"maiden","family":"Lim"},{"use":"official","family":"Cho"}`,
			typed("M0", "MR", `,"use":"old"`) + `,` + typed("M1", "MR", ""), "Cho", "M1"},
		"their time is over": {`{"use":"official","family":"Park"` + over + `},{"family":"Cho"}`,
			typed("M0", "MR", over) + `,` + typed("M2", "MR", later) + `,` + typed("M1", "MR", `,"period":{"start":"2020-02-01"}`), "Cho", "M1"},
		"nothing is in use":            {`{"use":"old","family":"Park"},{"family":"Lim"` + over + `}`, typed("M0", "MR", `,"use":"old"`) + `,` + typed("123", "SS", ""), "", ""},
		"another table's MR":           {`{"text":"Cho, Daniel"}`, id("X", `,"type":{"coding":[{"system":"urn:theirs","code":"MR"}]}`), "Cho, Daniel", ""},
		"the configured system":        {"", id("0b9f-uuid", "") + `,` + id("county", ""), "", "county"},
		"typed before configured":      {"", id("county", `,"use":"usual"`) + `,` + typed("M1", "MR", ""), "", "M1"},
		"configured, of another type":  {"", typed("county", "SS", ""), "", ""},
		"configured, and an old one":   {"", id("county", `,"use":"old"`), "", ""},
		"neither typed nor configured": {"", id("123-45-6789", `,"use":"usual"`), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			raw := `{"resourceType":"Patient","id":"daniel","name":[` + c.names + `],"identifier":[` + c.ids + `]}`
			chart := NewUserChart(answers{"Patient/daniel": raw}, func() time.Time { return chartNow }, "urn:of:county")
			p, err := chart.Patient(t.Context(), "x", "Patient/daniel")
			if err != nil || p.Called != c.called || p.MRN != c.mrn {
				t.Errorf("called %q with MRN %q, %v; want %q and %q", p.Called, p.MRN, err, c.called, c.mrn)
			}
			if f, err := chart.Facts(t.Context(), "x", "Patient/daniel"); err != nil || f.Family != "" && !strings.Contains(p.Called, f.Family) {
				t.Errorf("templates say %q, the banner %q: %v", f.Family, p.Called, err)
			}
		})
	}
}

// TestPatientIsCalledByTheNameInUse: the name that goes out in messages is not the one they had before, whatever the order in the
// resource; the old one stays for a platform that knows no other.
func TestPatientIsCalledByTheNameInUse(t *testing.T) {
	v, err := r4.ReadPatient([]byte(`{"resourceType":"Patient","id":"d","name":[{"use":"old","family":"Park"},{"use":"maiden","family":"Lim"},
		{"use":"of-the-vendor","family":"Ng"},{"use":"official","family":"Cho"},{"family":"Yi"},{"use":"usual","family":"Dan"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range patientOf(v, chartNow).Names {
		got = append(got, n.Family)
	}
	if want := []string{"Dan", "Cho", "Ng", "Yi", "Lim", "Park"}; !slices.Equal(got, want) {
		t.Errorf("called %v, want %v", got, want)
	}
}
