package smart

import (
	"strings"
	"testing"
)

func TestREQ135_ParseScope(t *testing.T) {
	for in, want := range map[string]Scope{
		"system/Communication.c":     {Level: "system", Type: "Communication", Can: Create},
		"user/*.cruds":               {Level: "user", Type: "*", Can: Create | Read | Update | Delete | Search},
		"patient/Observation.rs?a=b": {Level: "patient", Type: "Observation", Can: Read | Search, Query: "a=b"},
		"system/Patient.read":        {Level: "system", Type: "Patient", Can: Read | Search},
		"system/Patient.write":       {Level: "system", Type: "Patient", Can: Create | Update | Delete},
		"user/*.*":                   {Level: "user", Type: "*", Can: Create | Read | Update | Delete | Search},
		"launch":                     {Other: "launch"},
		"launch/patient":             {Other: "launch/patient"},
		"openid":                     {Other: "openid"},
		"system/Patient.dus":         {Level: "system", Type: "Patient", Can: Delete | Update},
		"system/Patient.":            {Other: "system/Patient."},
		"system/Patient":             {Other: "system/Patient"},
		"system/patient.rs":          {Other: "system/patient.rs"},
		"system/.rs":                 {Other: "system/.rs"},
		"system/Patient.sr":          {Other: "system/Patient.sr"},
		"system/Patient.rr":          {Other: "system/Patient.rr"},
		"system/Patient.x":           {Other: "system/Patient.x"},
		"system/Patient.rs?":         {Other: "system/Patient.rs?"},
		"system/Patient.read?a=b":    {Other: "system/Patient.read?a=b"},
		"iops-ccda/documents.*":      {Other: "iops-ccda/documents.*"},
	} {
		if in == "system/Patient.dus" {
			want = Scope{Other: in} // out of order: undefined in SMART v2
		}
		if got := ParseScope(in); got != want {
			t.Errorf("%q: %+v, want %+v", in, got, want)
		}
	}
}

func TestCoversAndMissing(t *testing.T) {
	for _, c := range []struct{ granted, needed, missing string }{
		{"system/Communication.crs", "system/Communication.c", ""},
		{"system/*.cruds", "system/Communication.crs system/Patient.rs", ""},
		{"system/Communication.c system/Communication.rs", "system/Communication.crs", ""},
		{"system/Communication.rs", "system/Communication.crs", "system/Communication.c"},
		{"system/Communication.read", "system/Communication.crs", "system/Communication.c"},
		{"system/Communication.write", "system/Communication.cu", ""},
		{"system/*.read system/DocumentReference.write", "system/DocumentReference.crs", ""},
		{"user/*.cruds", "system/Communication.c", "system/Communication.c"},
		{"system/Communication.c", "system/*.c", "system/*.c"},
		{"openid fhirUser launch online_access", "system/Communication.c launch", "system/Communication.c"},
		{"", "launch", "launch"},
		{"system/DocumentReference.c", "system/DocumentReference.c?category=clinical-note", ""},
		{"system/DocumentReference.c?category=clinical-note", "system/DocumentReference.c?category=clinical-note", ""},
		{"system/DocumentReference.c?category=clinical-note", "system/DocumentReference.c", "system/DocumentReference.c"},
		{"system/DocumentReference.c?category=clinical-note", "system/DocumentReference.c?type=1&category=clinical-note", ""},
		{"system/DocumentReference.c?category=clinical-note&type=2", "system/DocumentReference.c?category=clinical-note", "system/DocumentReference.c?category=clinical-note"},
		{"system/DocumentReference.rs system/DocumentReference.c?category=x", "system/DocumentReference.crs", "system/DocumentReference.c"},
		{"system/X.c?a=%zz", "system/X.c?a=b", "system/X.c?a=b"},
	} {
		granted, needed := ParseScopes(c.granted), ParseScopes(c.needed)
		if got := Missing(granted, needed).String(); got != c.missing {
			t.Errorf("granted %q, needed %q: missing %q, want %q", c.granted, c.needed, got, c.missing)
		}
		for _, n := range needed {
			one := Missing(granted, Scopes{n})
			if Covers(granted, n) != (len(one) == 0) {
				t.Errorf("granted %q: Covers and Missing differ on %s", c.granted, n)
			}
		}
	}
}

func TestSpell(t *testing.T) {
	needed := ParseScopes("system/Communication.crs system/Patient.rs system/Task.cu system/Task.cu launch system/DocumentReference.c?category=clinical-note")
	if got := strings.Join(needed.Spell(false), " "); got != "system/Communication.crs system/Patient.rs system/Task.cu launch system/DocumentReference.c?category=clinical-note" {
		t.Error(got)
	}
	if got := strings.Join(needed.Spell(true), " "); got != "system/Communication.read system/Communication.write system/Patient.read system/Task.write launch system/DocumentReference.write" {
		t.Error(got)
	}
}

// FuzzScope: every scope is spelled back to itself, and covers itself.
func FuzzScope(f *testing.F) {
	for _, s := range []string{"system/Communication.crs?a=b", "user/*.*", "launch/patient", "system/Patient.write", "a/b.c?d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(strings.Fields(s)) != 1 || strings.Fields(s)[0] != s {
			return
		}
		scope := ParseScope(s)
		if again := ParseScope(scope.String()); again != scope {
			t.Fatalf("%q: %+v, then %+v", s, scope, again)
		}
		if !Covers(Scopes{scope}, scope) || len(Missing(Scopes{scope}, Scopes{scope})) != 0 {
			t.Fatalf("%q does not cover itself", s)
		}
	})
}
