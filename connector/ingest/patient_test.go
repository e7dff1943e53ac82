package ingest_test

import (
	"slices"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

func TestPatient(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "x"))
	if !w.thread("t-1").Patient.IsZero() {
		t.Fatal("no patient was given")
	}
	w.accept(with(said("k2", "m-2", 2, "y"), func(ev *connector.Event) { ev.Patient = mrn("MRN1") }))
	w.accept(with(said("k3", "m-3", 3, "z"), func(ev *connector.Event) {
		ev.Patient = mrn("MRN1")
		ev.Patient.Name = &connector.HumanName{Family: "Cho"}
		ev.Patient.Identifiers = append(ev.Patient.Identifiers, connector.Identifier{System: "urn:oid:9", Value: "9"})
	}))
	if got := patientText(w.thread("t-1").Patient); got != ",urn:oid:1.2|MRN1,urn:oid:9|9,Cho,," {
		t.Fatalf("patient %s", got)
	}
	w.accept(with(said("k4", "m-4", 4, "!"), func(ev *connector.Event) { ev.Patient = mrn("MRN2") }))
	th := w.thread("t-1")
	if !th.Changed || patientText(th.Patient) != ",urn:oid:1.2|MRN1,urn:oid:9|9,Cho,," {
		t.Error("other identifiers stop the thread and never re-link it")
	}
	if !slices.Contains(w.store.kinds(), "patient-changed") {
		t.Error("the change of patient is not audited")
	}
	th.Bound.Reference = "Patient/1"
	w.update(func(tx connector.Tx) error { return tx.PutThread(&th) })
	w.accept(with(said("k5", "m-5", 5, "!"), func(ev *connector.Event) {
		ev.Patient = mrn("MRN1")
		ev.Patient.BirthDate = "2015-07-04"
	}))
	if w.thread("t-1").Patient.BirthDate != "" {
		t.Error("a bound thread's patient does not change any more")
	}
}

// TestSettledPatient: what was in dispute when a person decided is no dispute afterwards, everything else is.
func TestSettledPatient(t *testing.T) {
	w := newWorld(t)
	named := func(key string, n int64, k *connector.PatientKey) bool {
		w.accept(with(said(key, "m-"+key, n, "x"), func(ev *connector.Event) { ev.Patient = k }))
		return w.thread("t-1").Changed
	}
	link := func(who connector.PatientKey, shown ...connector.Identifier) {
		th := w.thread("t-1")
		th.Settle(connector.Binding{Reference: "Patient/9", How: connector.ByPerson}, who, shown)
		w.update(func(tx connector.Tx) error { return tx.PutThread(&th) })
	}
	other := func(system, value string) *connector.PatientKey {
		return &connector.PatientKey{Identifiers: []connector.Identifier{{System: system, Value: value}}}
	}
	if named("k1", 1, mrn("MRN1")) || !named("k2", 2, mrn("MRN2")) || !named("k3", 3, mrn("MRN2")) {
		t.Fatal("the thread is changed by another number and by nothing else")
	}
	if n := len(w.thread("t-1").Info.Disputed); n != 1 {
		t.Errorf("%d are remembered, want the one", n)
	}
	link(connector.PatientKey{Reference: "Patient/9", Identifiers: []connector.Identifier{{System: "urn:ehr", Value: "9"}}}, connector.Identifier{System: "urn:ehr", Value: "9"}, connector.Identifier{System: "urn:old", Value: "8"})
	for n, k := range []*connector.PatientKey{mrn("MRN1"), mrn("MRN2"), other("urn:ehr", "9"), other("urn:old", "8"), {Reference: "Patient/9"}} {
		if named(string(rune('a'+n)), int64(n+4), k) {
			t.Fatalf("%d: what was settled is a dispute again", n)
		}
	}
	for n, k := range []*connector.PatientKey{mrn("MRN3"), other("urn:ehr", "10"), other("urn:new", "1"), {Reference: "Patient/10"},
		{Identifiers: []connector.Identifier{mrn("MRN1").Identifiers[0], {System: "urn:ehr", Value: "10"}}}} {
		if !named(string(rune('p'+n)), int64(n+20), k) {
			t.Errorf("%d: nobody had been asked about them", n)
		}
		th := w.thread("t-1")
		th.Changed, th.Info.Disputed = false, nil
		w.update(func(tx connector.Tx) error { return tx.PutThread(&th) })
	}
	link(connector.PatientKey{Reference: "Patient/9"}) // the EHR shows no number of theirs
	if !named("z", 40, mrn("MRN4")) {
		t.Error("a patient without numbers is anybody")
	}
}
