package inbox

import (
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// What one composer carries is good for its session, patient and thread alone.
func TestBindIsOfOneSessionPatientAndThread(t *testing.T) {
	d := &Desk{o: Options{Clock: clock.System, Key: []byte(strings.Repeat("k", 32))}}
	s := &Session{ID: "s1", EHRID: "e1"}
	bind := d.bind(s, daniel, "t1")
	bound := func(d *Desk, s *Session, patient, thread, given string) bool {
		_, ok := d.bound(s, patient, thread, given)
		return ok
	}
	first, ok := d.bound(s, daniel, "t1", bind)
	if !ok || first == "" {
		t.Fatal("it is not its own")
	}
	if again := d.bind(s, daniel, "t1"); again == bind {
		t.Error("two composers begin one draft")
	}
	other := &Desk{o: Options{Clock: clock.System, Key: []byte(strings.Repeat("x", 32))}}
	for name, ok := range map[string]bool{
		"another session":        bound(d, &Session{ID: "s2", EHRID: "e1"}, daniel, "t1", bind),
		"another EHR":            bound(d, &Session{ID: "s1", EHRID: "e2"}, daniel, "t1", bind),
		"another patient":        bound(d, s, maria, "t1", bind),
		"another thread":         bound(d, s, daniel, "t2", bind),
		"a new thread":           bound(d, s, daniel, "", bind),
		"parts moved":            bound(d, s, daniel+"t", "1", bind),
		"another key":            bound(other, s, daniel, "t1", bind),
		"parts joined":           bound(d, s, "a", "b\x00\x00\x00\x00c", d.bind(s, "a\x00\x00\x00\x00b", "c")),
		"nothing":                bound(d, s, daniel, "t1", ""),
		"nothing twice":          same("", ""),
		"one letter":             bound(d, s, daniel, "t1", bind[:len(bind)-1]+"_"),
		"another draft":          bound(d, s, daniel, "t1", connector.NewID(d.now())+bind[26:]),
		"cut":                    bound(d, s, daniel, "t1", bind[:40]),
		"the hash of its handle": bound(d, s, daniel, "t1", d.mac("handle", "e1", "s1", daniel, "t1")),
	} {
		if ok {
			t.Error("bound by " + name)
		}
	}
	if !bound(d, s, daniel, "", d.bind(s, daniel, "")) {
		t.Error("a new thread is not its own")
	}
}

func TestNewChecksItsOptions(t *testing.T) {
	key := []byte(strings.Repeat("k", 32))
	for name, o := range map[string]Options{
		"no store":                    {Clock: clock.System, Key: key},
		"no clock":                    {Store: &spy{}, Key: key},
		"a short key":                 {Store: &spy{}, Clock: clock.System, Key: key[:31]},
		"an EHR without an id":        {Store: &spy{}, Clock: clock.System, Key: key, EHRs: map[string]EHR{"mercy": {Name: "mercy"}}},
		"an EHR under another's name": {Store: &spy{}, Clock: clock.System, Key: key, EHRs: map[string]EHR{"mercy": {ID: "e1", Name: "grace"}}},
	} {
		if _, err := New(o); err == nil {
			t.Error("New takes " + name)
		}
	}
}
