package scope_test

import (
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/scope"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"system/Communication.c": "c", "system/*.cruds": "cruds", "user/Patient.rs": "rs", "patient/*.read": "rs",
		"system/DocumentReference.write": "cud", "user/*.*": "cruds", "system/DocumentReference.c?category=clinical-note": "c",
	} {
		s, err := scope.Parse(text)
		if err != nil || s.Actions != want || s.Text != text {
			t.Errorf("%s: %+v %v", text, s, err)
		}
	}
	for _, text := range []string{
		"system/Communication.", "system/Communication.sc", "system/Communication.dus2", "admin/Patient.r", "system/patient.r",
		"system/Patient", "system/Patient.reads", "system/Patient.r?%zz", "launch/patient",
	} {
		if s, err := scope.Parse(text); err == nil {
			t.Errorf("%s was read as %+v", text, s)
		}
	}
}

// asked is what a client asks for, what it is registered for, and what is left.
type asked struct{ requested, registered, want string }

// hold holds what a rule makes of each to what it is to be.
func hold(t *testing.T, rule func(requested, registered scope.Set) scope.Set, all []asked) {
	t.Helper()
	for _, c := range all {
		requested, err := scope.ParseSet(c.requested)
		if err != nil {
			t.Fatal(err)
		}
		registered, err := scope.ParseSet(c.registered)
		if err != nil {
			t.Fatal(err)
		}
		if got := rule(requested, registered).String(); got != c.want {
			t.Errorf("%q where %q is registered: %q, want %q", c.requested, c.registered, got, c.want)
		}
	}
}

func TestIntersect(t *testing.T) {
	hold(t, scope.Intersect, []asked{
		{"system/Communication.cu", "system/Communication.cruds", "system/Communication.cu"},
		{"system/Communication.cruds", "system/Communication.c system/Communication.rs", "system/Communication.crs"},
		{"system/Communication.write", "system/Communication.c", "system/Communication.c"},
		{"system/Communication.read", "system/*.rs", "system/Communication.read"},
		{"system/*.rs", "system/Patient.rs", ""},
		{"system/Patient.rs", "user/Patient.rs", ""},
		{"openid fhirUser launch user/Patient.r", "openid launch user/Patient.rs", "openid launch user/Patient.r"},
		{"system/DocumentReference.c", "system/DocumentReference.c?category=clinical-note", ""},
		{"system/DocumentReference.cu?category=x", "system/DocumentReference.c", "system/DocumentReference.c?category=x"},
	})
}

func TestSpelled(t *testing.T) {
	hold(t, scope.Spelled, []asked{
		{"system/Communication.crs system/Patient.read", "system/Communication.cruds system/Patient.rs", "system/Communication.crs"},
		{"system/Communication.read system/Communication.write", "system/Communication.read system/Communication.write", "system/Communication.read system/Communication.write"},
		{"system/Communication.*", "system/Communication.read system/Communication.write", ""},
		{"system/Communication.crs", "system/Communication.read system/Communication.write", ""},
		{"openid system/Patient.rs", "openid system/Patient.read", "openid"},
	})
}

func TestAllowing(t *testing.T) {
	set, err := scope.ParseSet("system/*.r system/Task.c?status=requested patient/Observation.c openid")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		typ    string
		action rune
		want   int
	}{{"Patient", 'r', 1}, {"Patient", 's', 0}, {"Task", 'c', 1}, {"Task", 'u', 0}, {"Observation", 'c', 1}, {"openid", 'c', 0}} {
		if got := set.Allowing(c.typ, c.action); len(got) != c.want {
			t.Errorf("%s.%c: %v", c.typ, c.action, got)
		}
	}
	if n := set.Allowing("Task", 'c')[0]; n.Query.Get("status") != "requested" || n.PatientOnly {
		t.Errorf("%+v", n)
	}
	if n := set.Allowing("Observation", 'c')[0]; !n.PatientOnly {
		t.Errorf("%+v", n)
	}
}

// TestOwnAPI: scopes of a vendor's own API are words: granted as they are spelled, or not.
func TestOwnAPI(t *testing.T) {
	set, err := scope.ParseSet("api:oemr system/document.crs system/Patient.rs")
	if err != nil || !set.Has("system/document.crs") || len(set.Scopes) != 1 {
		t.Fatalf("%+v %v", set, err)
	}
	for _, text := range []string{"system/document.x", "system/document", "admin/document.r"} {
		if set, err := scope.ParseSet(text); err == nil {
			t.Errorf("%s was read as %+v", text, set)
		}
	}
}
