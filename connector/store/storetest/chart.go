package storetest

import (
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var chartCases = []testCase{{"filed threads come by patient, in pages, within their span", func(f *fixture) {
	want := map[string][]string{} // patient → threads filed in the span
	filed := func(patient string, at time.Time, state connector.WriteState) string {
		t := f.thread("t-" + f.id())
		t.Bound.Reference = patient
		w := connector.WriteRow{ID: f.id(), EHR: f.ehr, Thread: t.ID, Item: f.id(), Key: f.id(), State: state, FiledAt: at}
		f.update(func(tx connector.Tx) error {
			if err := tx.PutThread(&t); err != nil {
				return err
			}
			return tx.PutWrite(&w)
		})
		return t.ID
	}
	for n := range 9 {
		patient := []string{"Patient/a", "Patient/b", "Patient/c"}[n%3]
		want[patient] = append(want[patient], filed(patient, f.now, connector.WriteFiled))
	}
	filed("Patient/a", f.now.Add(-time.Hour), connector.WriteFiled)  // before
	filed("Patient/b", f.now.Add(time.Second), connector.WriteFiled) // at the end, which is not in it
	filed("Patient/c", time.Time{}, connector.WriteAttempted)        // not filed
	unbound := f.thread("unbound")
	unbound.Bound = connector.Binding{}
	f.update(func(tx connector.Tx) error { return tx.PutThread(&unbound) })
	f.view(func(tx connector.Tx) error {
		var order []string
		got := map[string][]string{}
		var after connector.FiledThread
		for {
			page, err := tx.FiledThreads(f.ehr, f.now, f.now.Add(time.Second), after, 2)
			if err != nil {
				return err
			}
			for _, t := range page {
				if len(order) == 0 || order[len(order)-1] != t.Patient {
					order = append(order, t.Patient)
				}
				got[t.Patient] = append(got[t.Patient], t.ID)
			}
			if len(page) < 2 {
				break
			}
			after = page[1]
		}
		if len(order) != 3 {
			f.Errorf("patients came in the order %v: each must come once", order)
		}
		for p := range want {
			slices.Sort(want[p])
		}
		same(f, "FiledThreads", want)(got, nil)
		writes, err := tx.ThreadWrites(f.ehr, want["Patient/a"][0])
		if len(writes) != 1 || writes[0].Thread != want["Patient/a"][0] {
			f.Errorf("ThreadWrites gave %v", writes)
		}
		return err
	})
}}}
