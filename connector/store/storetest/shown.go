package storetest

import (
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// shownCase: what pages show stands as the lists themselves say, list by list and thread by thread.
func shownCase(f *fixture) {
	put := func(ext, bound, named, pool string, last time.Duration, times int) connector.Thread {
		r := f.thread(ext)
		r.Bound.Reference, r.Patient.Reference = bound, named
		if pool != "" {
			r.Desk = f.desk(pool, connector.Urgent, f.now.Add(last))
		}
		r.Desk.Last = f.now.Add(last)
		for range times {
			f.update(func(tx connector.Tx) error { return tx.PutThread(&r) })
		}
		return r
	}
	old := put("old", "Patient/p", "", "nurses", 0, 1)
	named := put("named", "", "Patient/p", "nurses", time.Hour, 2)
	put("new", "Patient/p", "Patient/p", "", 2*time.Hour, 3)
	other := put("other", "Patient/q", "", "doctors", 0, 4)
	quiet := put("quiet", "Patient/r", "", "", 0, 5)
	of := connector.Shown{Threads: []string{quiet.ID, "gone", old.ID}, Patients: []string{"Patient/nobody", "Patient/p", "Patient/q", ""},
		Pools: []string{"nurses", "doctors", "empty"}, PerPatient: 2, PerPool: 1}
	type list = map[string]int64
	want := connector.ShownVersions{Threads: list{quiet.ID: 5, old.ID: 1},
		Patients: map[string]list{"Patient/p": {old.ID: 1, named.ID: 2}, "Patient/q": {other.ID: 4}},
		Pools:    map[string]list{"nurses": {old.ID: 1}, "doctors": {other.ID: 4}}}
	none := connector.ShownVersions{Threads: list{}, Patients: map[string]list{}, Pools: map[string]list{}}
	check := func(tx connector.Tx) error {
		f.Helper()
		same(f, "Versions", want)(tx.Versions(f.ehr, of))
		same(f, "Versions of nothing", none)(tx.Versions(f.ehr, connector.Shown{PerPatient: 9, PerPool: 9}))
		same(f, "another EHR's", none)(tx.Versions("other", of))
		wide := connector.Shown{Patients: []string{"Patient/p"}, Pools: []string{"nurses"}, PerPatient: 9, PerPool: 9}
		all, err := tx.Versions(f.ehr, wide)
		if err != nil {
			return err
		}
		threads, err := tx.PatientThreads(f.ehr, "Patient/p", 9)
		same(f, "the patient's list", versionsOf(threads))(all.Patients["Patient/p"], err)
		threads, err = tx.PoolThreads(f.ehr, "nurses", connector.DeskPlace{}, 9)
		same(f, "the pool's list", versionsOf(threads))(all.Pools["nurses"], err)
		narrow, err := tx.Versions(f.ehr, connector.Shown{Patients: []string{"Patient/p"}, Pools: []string{"nurses"}})
		same(f, "lists of no length", none)(narrow, err)
		return nil
	}
	f.view(check)
	f.update(check)
}

func versionsOf(all []connector.Thread) map[string]int64 {
	out := map[string]int64{}
	for _, t := range all {
		out[t.ID] = t.Version
	}
	return out
}

func sessionVersionsCase(f *fixture) {
	a, b := f.session("Practitioner/a"), f.session("Practitioner/b")
	f.update(func(tx connector.Tx) error {
		return errors.Join(tx.PutSession(&a), tx.PutSession(&b), tx.PutSession(&b))
	})
	f.view(func(tx connector.Tx) error {
		same(f, "SessionVersions", map[string]int64{a.ID: 1, b.ID: 2})(tx.SessionVersions(f.ehr, []string{b.ID, "gone", a.ID}))
		same(f, "SessionVersions of none", map[string]int64{})(tx.SessionVersions(f.ehr, nil))
		same(f, "another EHR's", map[string]int64{})(tx.SessionVersions("other", []string{a.ID}))
		return nil
	})
}
