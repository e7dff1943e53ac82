package storetest

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var adtCases = []testCase{
	{"a message is taken once", func(f *fixture) {
		const day = 24 * time.Hour
		take := func(ehr, control, bytes string, at time.Time, want bool) {
			f.Helper()
			f.update(func(tx connector.Tx) error {
				same(f, "InsertADTMessage of "+control, want)(tx.InsertADTMessage(ehr, control, []byte(bytes), at, 10*day))
				return nil
			})
		}
		take(f.ehr, "c-1", "one", f.now, true)
		take(f.ehr, "c-1", "one", f.now, false)
		take(f.ehr, "c-2", "one", f.now, true)
		take("other", "c-1", "one", f.now, true)
		take(f.ehr, "c-1", "other bytes", f.now, true) // the sender counts anew
		take(f.ehr, "c-1", "other bytes", f.now, false)
		take(f.ehr, "c-3", "later", f.now.Add(11*day), true)
		take(f.ehr, "c-2", "one", f.now.Add(11*day), true) // it is not known any more
	}},
	{"a message whose commit fails was not taken", func(f *fixture) {
		f.refused(errOn, func(tx connector.Tx) error {
			same(f, "InsertADTMessage", true)(tx.InsertADTMessage(f.ehr, "c-1", []byte("one"), f.now, time.Hour))
			return errOn
		})
		f.update(func(tx connector.Tx) error {
			same(f, "InsertADTMessage", true)(tx.InsertADTMessage(f.ehr, "c-1", []byte("one"), f.now, time.Hour))
			return nil
		})
	}},
	{"patients by identifier", adtPatientCase},
	{"visits", func(f *fixture) {
		v := connector.ADTVisit{EHR: f.ehr, Reference: "Encounter/V1", Patient: "Patient/A", Class: "I", Number: "V1", Namespace: "COUNTY",
			Began: f.now, Open: true, SaidAt: f.now}
		second, closed := v, v
		second.Reference, second.Patient = "Encounter/V2", "Patient/B"
		closed.Reference, closed.Patient, closed.Open = "Encounter/V3", "Patient/D", false
		f.update(func(tx connector.Tx) error {
			for _, v := range []connector.ADTVisit{v, second, closed} {
				if err := tx.PutADTVisit(v); err != nil {
					return err
				}
			}
			return nil
		})
		check := func(tx connector.Tx) error {
			f.Helper()
			same(f, "ADTVisit", closed)(tx.ADTVisit(f.ehr, "Encounter/V3"))
			absent[connector.ADTVisit](f, "another EHR's visit")(tx.ADTVisit("other", "Encounter/V1"))
			same(f, "the visits of A", []connector.ADTVisit{v})(tx.ADTVisits(f.ehr, "Patient/A"))
			same(f, "the visits of D", []connector.ADTVisit{closed})(tx.ADTVisits(f.ehr, "Patient/D"))
			same[[]connector.ADTVisit](f, "the visits of nobody", nil)(tx.ADTVisits(f.ehr, "Patient/C"))
			return nil
		}
		f.view(check)
		f.update(check)
		moved := v
		moved.Patient, moved.SaidAt = "Patient/B", f.now.Add(time.Minute)
		f.update(func(tx connector.Tx) error { return tx.PutADTVisit(moved) })
		f.view(func(tx connector.Tx) error {
			same[[]connector.ADTVisit](f, "the visits of A", nil)(tx.ADTVisits(f.ehr, "Patient/A"))
			got, err := tx.ADTVisits(f.ehr, "Patient/B")
			slices.SortFunc(got, func(a, b connector.ADTVisit) int { return cmp.Compare(a.Reference, b.Reference) })
			same(f, "the visits of B", []connector.ADTVisit{moved, second})(got, err)
			return nil
		})
	}},
	{"a thread that waits for a patient is woken", func(f *fixture) {
		waits, other := f.thread("t-1"), f.thread("t-2")
		gone := f.id()
		f.update(func(tx connector.Tx) error {
			for _, t := range []*connector.Thread{&waits, &other} {
				i := f.item(t.ID, connector.Held)
				if err := errors.Join(tx.PutThread(t), tx.PutItem(&i), tx.TouchLane(f.ehr, t.ID, connector.LaneChart, f.now.Add(time.Hour), "")); err != nil {
					return err
				}
			}
			return errors.Join(tx.AwaitPatient(f.ehr, waits.ID, []string{"Patient/A", "Patient/B"}), tx.AwaitPatient(f.ehr, waits.ID, []string{"Patient/A"}),
				tx.AwaitPatient(f.ehr, other.ID, []string{"Patient/C"}), tx.AwaitPatient(f.ehr, gone, []string{"Patient/A"}))
		})
		if got := f.woken(); len(got) != 0 {
			f.Fatalf("%v are due before their patients are known", got)
		}
		rings, stop := f.s.Listen(f.ehr, connector.LaneChart)
		defer stop()
		f.update(func(tx connector.Tx) error { return tx.WakeAwaiting(f.ehr, []string{"Patient/B", "Patient/D"}, f.now) })
		select {
		case <-rings:
		case <-time.After(10 * time.Second):
			f.Error("nobody was told")
		}
		if got := f.woken(); !slices.Equal(got, []string{waits.ID}) {
			f.Errorf("due are the lanes of %v, want that of the thread that waits", got)
		}
		f.update(func(tx connector.Tx) error { return tx.WakeAwaiting(f.ehr, []string{"Patient/A"}, f.now) })
		if got := f.woken(); len(got) != 0 {
			f.Errorf("%v were woken: a lane that is held, or of a thread that is gone", got)
		}
	}},
	{"news that comes while a lane is worked is not lost", func(f *fixture) {
		th := f.thread("t-1")
		f.update(func(tx connector.Tx) error {
			return errors.Join(tx.PutThread(&th), tx.TouchLane(f.ehr, th.ID, connector.LaneChart, f.now, ""), tx.AwaitPatient(f.ehr, th.ID, []string{"Patient/A"}))
		})
		lanes, err := f.s.Claim(f.Context(), f.ehr, []connector.LaneKind{connector.LaneChart}, 1, f.now.Add(time.Second))
		if err != nil || len(lanes) != 1 {
			f.Fatalf("%d lanes: %v", len(lanes), err)
		}
		f.view(func(tx connector.Tx) (err error) { lanes[0].Touched, err = tx.LaneTouched(lanes[0]); return err })
		f.update(func(tx connector.Tx) error { return tx.WakeAwaiting(f.ehr, []string{"Patient/A"}, f.now) })
		f.update(func(tx connector.Tx) error { return tx.ReleaseLane(lanes[0], f.now.Add(time.Hour), f.now) })
		if got := f.woken(); !slices.Equal(got, []string{th.ID}) {
			f.Errorf("due are the lanes of %v, want that of the thread", got)
		}
	}},
}

func adtPatientCase(f *fixture) {
	id := func(ref, value string) connector.ADTIdentifier {
		return connector.ADTIdentifier{Reference: ref, Namespace: "COUNTY", Type: "MR", Value: value}
	}
	a := connector.ADTPatient{EHR: f.ehr, Reference: "Patient/A", Identifiers: []connector.ADTIdentifier{id("Patient/A", "1"), id("Patient/S", "9")},
		Names: []connector.HumanName{{Family: "Öztürk", Given: []string{"Ayşe"}}}, BirthDate: "1980-02-29", Phones: []string{"555"}, SaidAt: f.now}
	b := connector.ADTPatient{EHR: f.ehr, Reference: "Patient/B", Identifiers: []connector.ADTIdentifier{id("Patient/B", "2"), id("Patient/S", "9")},
		ReplacedBy: "Patient/A", MergedAt: f.now, SaidAt: f.now}
	find := func(ref string, want ...connector.ADTPatient) {
		f.Helper()
		check := func(tx connector.Tx) error {
			got, err := tx.ADTPatients(f.ehr, ref)
			slices.SortFunc(got, func(a, b connector.ADTPatient) int { return cmp.Compare(a.Reference, b.Reference) })
			same(f, "ADTPatients of "+ref, want)(got, err)
			got, err = tx.HoldADTPatients(f.ehr, ref)
			slices.SortFunc(got, func(a, b connector.ADTPatient) int { return cmp.Compare(a.Reference, b.Reference) })
			same(f, "HoldADTPatients of "+ref, want)(got, err)
			return nil
		}
		f.view(check)
		f.update(check)
	}
	f.update(func(tx connector.Tx) error { return tx.PutADTPatient(a) })
	find("Patient/A", a)
	find("Patient/S", a)
	find("Patient/B")
	f.update(func(tx connector.Tx) error { return tx.PutADTPatient(b) })
	find("Patient/S", a, b)
	f.view(func(tx connector.Tx) error {
		same[[]connector.ADTPatient](f, "another EHR's patients", nil)(tx.ADTPatients("other", "Patient/A"))
		same[[]connector.ADTPatient](f, "patients without an identifier", nil)(tx.ADTPatients(f.ehr, ""))
		return nil
	})
	a.Identifiers, a.BirthDate = a.Identifiers[:1], ""
	f.update(func(tx connector.Tx) error { return tx.PutADTPatient(a) })
	find("Patient/A", a)
	find("Patient/S", b)
}

// woken claims the chart lanes that are due and gives their threads.
func (f *fixture) woken() (threads []string) {
	f.Helper()
	lanes, err := f.s.Claim(f.Context(), f.ehr, []connector.LaneKind{connector.LaneChart}, 10, f.now.Add(time.Second))
	if err != nil {
		f.Fatal(err)
	}
	for _, l := range lanes {
		threads = append(threads, l.Thread)
	}
	return threads
}
