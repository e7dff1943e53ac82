package ehrtest

import (
	"errors"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// formSpoils are what the gate of a connection that files forms refuses in one.
func formSpoils() map[string]func(string) string {
	return map[string]func(string) string{
		"other words":            func(s string) string { return strings.Replace(s, "private+words", "public+words", 1) },
		"a byte that is no text": func(s string) string { return strings.Replace(s, "private+words", "private%FFwords", 1) },
		"unknown field":          func(s string) string { return s + "&nobody=1" },
		"a field twice": func(s string) string {
			name, _, _ := strings.Cut(s, "=")
			return s + "&" + name + "=1"
		},
		"a field less": func(s string) string {
			_, rest, _ := strings.Cut(s, "&")
			return rest
		},
		"cut short":         func(s string) string { return s[:len(s)-1] },
		"cut in the middle": func(s string) string { return s[:len(s)/2] },
		"empty":             func(string) string { return "" },
	}
}

// addressRefused: the patient of a form stands in its address alone.
func addressRefused(t *testing.T, r *Rig, good connector.Write) {
	t.Helper()
	if !strings.Contains(good.URL, r.patient) {
		t.Fatalf("the address %s names no patient", good.URL)
	}
	for name, patient := range map[string]string{"unresolved symbol": connector.SymPatient, "nobody": "", "another form of id": "Patient/../x", "another type": "Practitioner/1"} {
		bad := good
		bad.URL = strings.Replace(good.URL, r.patient, patient, 1)
		err := r.EHR.Gate(bad)
		var refused *connector.Refused
		if !errors.As(err, &refused) || refused.Reason != connector.GateRefused || refused.Detail.Reveal() == "" {
			t.Errorf("%s in the address passes the gate: %v", name, err)
		}
	}
}
