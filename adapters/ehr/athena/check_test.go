package athena

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// rows are those of a Check by their names.
func rows(t *testing.T, l *lab) (map[string]connector.Capability, connector.Preflight) {
	t.Helper()
	found, err := l.adapter.Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]connector.Capability{}
	for _, c := range found.Capabilities {
		out[c.Name()] = c
	}
	return out, found
}

// TestCheck: what is read over FHIR is tried; of the v1 API only the scope is known, and nothing is asked of it.
func TestCheck(t *testing.T) {
	l := newLab(t, setting{config: func(c *Config) { c.File, c.CaseSource, c.CaseSubclass = PatientCase, "PATIENT", "CLINICALQUESTION" }})
	got, found := rows(t, l)
	if len(got) != 4 || got["Patient search"].Proven != connector.KnownYes || got["Patient read"].Granted != connector.KnownYes {
		t.Errorf("%+v", found.Capabilities)
	}
	for _, typ := range []string{"ClinicalDocument", "PatientCase"} {
		want := connector.Capability{Resource: typ, Interaction: "create", API: "athenahealth's v1 API", Needed: true, Declared: connector.NotKnown, Granted: connector.KnownYes, Proven: connector.NotKnown}
		if got[typ+" create"] != want {
			t.Errorf("%s: %+v", typ, got[typ+" create"])
		}
	}
	if !slices.ContainsFunc(found.Facts, func(f connector.Fact) bool {
		return f.Name == "v1 API" && strings.HasPrefix(f.Value, l.URL()+":") && f.Good == connector.NotKnown
	}) {
		t.Errorf("%+v", found.Facts)
	}
	if asked := l.take(); len(asked) != 0 {
		t.Errorf("the v1 API was asked %q", asked)
	}
}

// TestCheckScope: a token that does not open the v1 API files nothing, and whose work that is depends on who left it out.
func TestCheckScope(t *testing.T) {
	for who, s := range map[connector.Fixer]setting{
		connector.FixEHR:    {scopes: "system/Patient.rs"},
		connector.FixConfig: {asks: []string{"system/Patient.rs"}},
	} {
		got, found := rows(t, newLab(t, s))
		c := got["ClinicalDocument create"]
		if c.Granted != connector.KnownNo || c.Gap == nil || c.Gap.Who != who || !strings.Contains(c.Gap.Text, service) {
			t.Errorf("%s: %+v, %+v", who, c, c.Gap)
		}
		for _, f := range found.Facts {
			if f.Name == "scopes trimmed" && who == connector.FixEHR && (f.Good != connector.KnownNo || f.Gap == nil) {
				t.Errorf("a trimmed scope that is needed: %+v", f)
			}
		}
	}
}
