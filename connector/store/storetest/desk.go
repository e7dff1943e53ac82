package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var deskCases = []testCase{
	{"the desk of a thread", func(f *fixture) {
		r := f.thread("t-1")
		r.Desk = f.desk("nurses", connector.Urgent, f.now)
		f.update(func(tx connector.Tx) error { return tx.PutThread(&r) })
		check := func() {
			f.Helper()
			f.view(func(tx connector.Tx) error { same(f, "Thread", r)(tx.Thread(f.ehr, r.ID)); return nil })
		}
		check()
		r.Desk.Answered()
		r.Desk.Holder, r.Desk.HeldAt, r.Desk.Task = "", time.Time{}, ""
		f.update(func(tx connector.Tx) error { return tx.PutThread(&r) })
		check()
		f.update(func(tx connector.Tx) error { return tx.PassThread(r) }) // which leaves the desk as it is
		r.Version++
		check()
	}},
	{"the threads of a patient", func(f *fixture) {
		put := func(ext, bound, named string, last time.Duration) connector.Thread {
			r := f.thread(ext)
			r.Bound.Reference, r.Patient.Reference, r.Desk.Last = bound, named, f.now.Add(last)
			f.update(func(tx connector.Tx) error { return tx.PutThread(&r) })
			return r
		}
		old := put("old", "Patient/p", "", 0)
		newest := put("new", "Patient/p", "Patient/p", 3*time.Hour)
		named := put("named", "", "Patient/p", 2*time.Hour)
		put("moved", "Patient/q", "Patient/p", time.Hour) // named p, and bound to q
		f.view(func(tx connector.Tx) error {
			same(f, "all", []connector.Thread{newest, named, old})(tx.PatientThreads(f.ehr, "Patient/p", 10))
			same(f, "the newest two", []connector.Thread{newest, named})(tx.PatientThreads(f.ehr, "Patient/p", 2))
			same[[]connector.Thread](f, "none", nil)(tx.PatientThreads(f.ehr, "Patient/p", 0))
			same[[]connector.Thread](f, "those of nobody", nil)(tx.PatientThreads(f.ehr, "", 10))
			same[[]connector.Thread](f, "another EHR's", nil)(tx.PatientThreads("other", "Patient/p", 10))
			return nil
		})
		old.Desk.Need, named.Desk.Need = f.now, f.now.Add(time.Minute) // who waits is not left out for what is newer
		f.update(func(tx connector.Tx) error { return errors.Join(tx.PutThread(&old), tx.PutThread(&named)) })
		f.view(func(tx connector.Tx) error {
			same(f, "who waits, longest first", []connector.Thread{old, named, newest})(tx.PatientThreads(f.ehr, "Patient/p", 10))
			same(f, "the one who waits longest", []connector.Thread{old})(tx.PatientThreads(f.ehr, "Patient/p", 1))
			one, err := tx.Versions(f.ehr, connector.Shown{Patients: []string{"Patient/p"}, PerPatient: 1})
			same(f, "its version", map[string]int64{old.ID: old.Version})(one.Patients["Patient/p"], err)
			return nil
		})
	}},
	{"those that wait in a pool", poolCase},
	{"versions of what is shown", shownCase},
	{"versions of sessions", sessionVersionsCase},
	{"launches", launchCase},
	{"sessions", sessionCase},
	{"what is over is forgotten", forgetCase},
	{"drafts", draftCase},
	{"drafts that are due", dueCase},
	{"a draft and the desk go with a thread that is merged", func(f *fixture) {
		from, to := f.thread("from"), f.thread("to")
		from.Desk = f.desk("nurses", connector.Urgent, f.now)
		d := f.draft(from.ID, "Patient/p")
		f.update(func(tx connector.Tx) error {
			return errors.Join(tx.PutThread(&from), tx.PutThread(&to), tx.PutDraft(&d), tx.Rehome(f.ehr, from.ID, to.ID))
		})
		stale := d
		f.refused(connector.ErrStale, func(tx connector.Tx) error { c := stale; return tx.PutDraft(&c) })
		d.Thread, d.Version = to.ID, 2
		f.view(func(tx connector.Tx) error {
			same(f, "ThreadDrafts", []connector.DraftRow{d})(tx.ThreadDrafts(f.ehr, to.ID))
			same[[]connector.Thread](f, "the merged thread does not wait", nil)(tx.PoolThreads(f.ehr, "nurses", connector.DeskPlace{}, 9))
			return nil
		})
	}},
}

// desk gives a desk with everything set.
func (f *fixture) desk(pool string, urgency connector.Priority, need time.Time) connector.Desk {
	return connector.Desk{Need: need, Urgency: urgency, Asked: f.now.Add(-time.Second), Last: f.now.Add(time.Minute), Pool: pool,
		Holder: "Practitioner/ana", HeldAt: f.now.Add(time.Second), Task: f.id(), Version: 7}
}

func poolCase(f *fixture) {
	var want []connector.Thread
	for n, w := range []struct {
		urgency connector.Priority
		need    time.Duration
	}{{connector.Stat, 9}, {connector.Urgent, 2}, {connector.Urgent, 3}, {connector.Urgent, 3}, {connector.Routine, 1}, {connector.Routine, 4}} {
		r := f.thread(fmt.Sprint("w", n))
		r.Desk = f.desk("nurses", w.urgency, f.now.Add(w.need*time.Minute))
		want = append(want, r)
	}
	quiet, other, nobodys := f.thread("quiet"), f.thread("other"), f.thread("nobodys")
	quiet.Desk = f.desk("nurses", "", time.Time{})
	other.Desk, nobodys.Desk = f.desk("doctors", connector.Stat, f.now), f.desk("", connector.Stat, f.now)
	f.update(func(tx connector.Tx) error {
		for _, n := range []int{4, 0, 3, 5, 1, 2} {
			if err := tx.PutThread(&want[n]); err != nil {
				return err
			}
		}
		return errors.Join(tx.PutThread(&quiet), tx.PutThread(&other), tx.PutThread(&nobodys))
	})
	if want[2].ID > want[3].ID {
		want[2], want[3] = want[3], want[2]
	}
	f.view(func(tx connector.Tx) error {
		same(f, "all", want)(tx.PoolThreads(f.ehr, "nurses", connector.DeskPlace{}, 10))
		same(f, "those of no pool", []connector.Thread{nobodys})(tx.PoolThreads(f.ehr, "", connector.DeskPlace{}, 10))
		same[[]connector.Thread](f, "another EHR's", nil)(tx.PoolThreads("other", "nurses", connector.DeskPlace{}, 10))
		var paged []connector.Thread
		var at connector.DeskPlace
		for range want {
			some, err := tx.PoolThreads(f.ehr, "nurses", at, 1)
			if err != nil || len(some) != 1 {
				f.Fatalf("a page has %d threads, want 1 (%v)", len(some), err)
			}
			paged, at = append(paged, some...), some[0].Place()
		}
		same(f, "page by page", want)(paged, nil)
		same[[]connector.Thread](f, "after the last", nil)(tx.PoolThreads(f.ehr, "nurses", at, 10))
		return nil
	})
	want[0].Desk.Answered()
	f.update(func(tx connector.Tx) error { return tx.PutThread(&want[0]) })
	f.view(func(tx connector.Tx) error {
		same(f, "without the one that was answered", want[1:])(tx.PoolThreads(f.ehr, "nurses", connector.DeskPlace{}, 10))
		return nil
	})
}

func launchCase(f *fixture) {
	r := connector.LaunchRow{State: "s-1" + f.ehr, EHR: f.ehr, ExpiresAt: f.now.Add(10 * time.Minute), Body: []byte("{\x00}")}
	f.update(func(tx connector.Tx) error { return tx.PutLaunch(r) })
	if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { return tx.PutLaunch(r) }); err == nil {
		f.Error("a state was given out twice")
	}
	const many = 8
	took := make(chan bool, many)
	for n := range many {
		go func() {
			got := false
			err := f.s.Update(f.Context(), fmt.Sprint("launch", n), func(tx connector.Tx) error {
				l, err := tx.TakeLaunch(f.ehr, r.State)
				if got = err == nil; got {
					same(f, "TakeLaunch", r)(l, nil)
				} else if errors.Is(err, connector.ErrNotFound) {
					err = nil
				}
				return err
			})
			if err != nil {
				f.Errorf("Update: %v", err)
			}
			took <- got
		}()
	}
	n := 0
	for range many {
		if <-took {
			n++
		}
	}
	if n != 1 {
		f.Errorf("a launch was taken %d times, want once", n)
	}
	f.refused(connector.ErrNotFound, func(tx connector.Tx) error { _, err := tx.TakeLaunch(f.ehr, r.State); return err })
}

func (f *fixture) session(user string) connector.SessionRow {
	return connector.SessionRow{ID: f.id(), EHR: f.ehr, Handle: "k1:abc", User: user, CreatedAt: f.now, SeenAt: f.now, Body: []byte("tokens")}
}

func sessionCase(f *fixture) {
	a, b, other := f.session("Practitioner/a"), f.session("Practitioner/a"), f.session("Practitioner/b")
	f.update(func(tx connector.Tx) error {
		return errors.Join(tx.PutSession(&a), tx.PutSession(&b), tx.PutSession(&other))
	})
	old := a
	a.SeenAt, a.Body = f.now.Add(time.Minute), []byte("newer tokens")
	f.update(func(tx connector.Tx) error {
		c := a
		err := tx.PutSession(&c)
		same(f, "Version", int64(2))(c.Version, nil)
		return err
	})
	a.Version = 2
	f.refused(connector.ErrStale, func(tx connector.Tx) error { c := old; return tx.PutSession(&c) })
	first := f.session("Practitioner/a")
	first.ID = a.ID
	f.refused(connector.ErrStale, func(tx connector.Tx) error { return tx.PutSession(&first) })
	check := func(tx connector.Tx) error {
		f.Helper()
		same(f, "Session", a)(tx.Session(f.ehr, a.ID))
		absent[connector.SessionRow](f, "another EHR's session")(tx.Session("other", a.ID))
		got, err := tx.SessionsOf(f.ehr, "Practitioner/a")
		same(f, "SessionsOf", sorted([]connector.SessionRow{a, b}, func(r connector.SessionRow) string { return r.ID }))(got, err)
		same[[]connector.SessionRow](f, "sessions of nobody", nil)(tx.SessionsOf(f.ehr, ""))
		return nil
	}
	f.view(check)
	f.update(check)
	asRole := f.session("PractitionerRole/r")
	asRole.Person = "Practitioner/r"
	f.update(func(tx connector.Tx) error { return tx.PutSession(&asRole) })
	f.view(func(tx connector.Tx) error {
		same[[]connector.SessionRow](f, "sessions of one reference of a person", nil)(tx.SessionsOf(f.ehr, "PractitionerRole/r"))
		same(f, "sessions of a person", []connector.SessionRow{asRole})(tx.SessionsOf(f.ehr, "Practitioner/r"))
		return nil
	})
	b.EndedAt, b.Why = f.now.Add(time.Hour), "signed out"
	f.update(func(tx connector.Tx) error { return tx.PutSession(&b) })
	f.view(func(tx connector.Tx) error {
		same(f, "one that ended", b)(tx.Session(f.ehr, b.ID))
		same(f, "those that did not end", []connector.SessionRow{a})(tx.SessionsOf(f.ehr, "Practitioner/a"))
		return nil
	})
}

func sorted[T any](all []T, key func(T) string) []T {
	slices.SortFunc(all, func(a, b T) int {
		if key(a) < key(b) {
			return -1
		}
		return 1
	})
	return all
}

func forgetCase(f *fixture) {
	hour := func(n int) time.Time { return f.now.Add(time.Duration(n) * time.Hour) }
	lives, idle, ended, fresh := f.session("u"), f.session("u"), f.session("u"), f.session("u")
	lives.SeenAt, idle.SeenAt, ended.SeenAt, fresh.SeenAt = hour(-1), hour(-30), hour(-40), hour(-29)
	ended.EndedAt, fresh.EndedAt = hour(-39), hour(-2) // fresh was ended by an administrator
	gone := connector.LaunchRow{State: "gone" + f.ehr, EHR: f.ehr, ExpiresAt: hour(-25)}
	open := connector.LaunchRow{State: "open" + f.ehr, EHR: f.ehr, ExpiresAt: hour(1), Body: []byte("b")}
	f.update(func(tx connector.Tx) error {
		return errors.Join(tx.PutSession(&lives), tx.PutSession(&idle), tx.PutSession(&ended), tx.PutSession(&fresh), tx.PutLaunch(gone), tx.PutLaunch(open))
	})
	f.view(func(tx connector.Tx) error {
		same(f, "sessions left", []connector.SessionRow{idle, lives})(tx.SessionsLeft(f.ehr, hour(0), 5))
		same(f, "the first of them", []connector.SessionRow{idle})(tx.SessionsLeft(f.ehr, hour(0), 1))
		same(f, "those left for longer", []connector.SessionRow{idle})(tx.SessionsLeft(f.ehr, hour(-2), 5))
		same[[]connector.SessionRow](f, "another EHR's sessions left", nil)(tx.SessionsLeft("other", hour(0), 5))
		return nil
	})
	for n, want := range []int{1, 1, 0} { // one session and the other
		f.update(func(tx connector.Tx) error {
			same(f, "ForgetSessions", want)(tx.ForgetSessions(hour(-24), 1))
			same(f, "ForgetLaunches", max(want-n, 0))(tx.ForgetLaunches(hour(-24), 1))
			return nil
		})
	}
	f.update(func(tx connector.Tx) error {
		absent[connector.LaunchRow](f, "an expired launch")(tx.TakeLaunch(f.ehr, gone.State))
		absent[connector.SessionRow](f, "an idle session")(tx.Session(f.ehr, idle.ID))
		absent[connector.SessionRow](f, "an ended session")(tx.Session(f.ehr, ended.ID))
		same(f, "a live session", lives)(tx.Session(f.ehr, lives.ID))
		same(f, "one that ended since", fresh)(tx.Session(f.ehr, fresh.ID))
		same(f, "an open launch", open)(tx.TakeLaunch(f.ehr, open.State))
		return nil
	})
}

func (f *fixture) draft(thread, patient string) connector.DraftRow {
	return connector.DraftRow{ID: f.id(), EHR: f.ehr, Thread: thread, Patient: patient, User: "Practitioner/a", UpdatedAt: f.now, Body: []byte("{}")}
}

func draftCase(f *fixture) {
	th := f.id()
	a, b, begins := f.draft(th, "Patient/p"), f.draft(th, "Patient/p"), f.draft("", "Patient/p")
	f.update(func(tx connector.Tx) error {
		return errors.Join(tx.PutDraft(&a), tx.PutDraft(&b), tx.PutDraft(&begins), tx.PutBlob(f.ehr, "", a.ID, "a1", []byte("jpg")), tx.PutBlob(f.ehr, "", b.ID, "a1", []byte("png")))
	})
	old := a
	a.SendAt, a.Sending, a.UpdatedAt, a.Body = f.now.Add(10*time.Second), true, f.now.Add(time.Second), []byte(`{"text":"x"}`)
	f.update(func(tx connector.Tx) error { return tx.PutDraft(&a) })
	f.refused(connector.ErrStale, func(tx connector.Tx) error { c := old; return tx.PutDraft(&c) })
	key := func(r connector.DraftRow) string { return r.ID }
	check := func(tx connector.Tx) error {
		f.Helper()
		same(f, "Draft", a)(tx.Draft(f.ehr, a.ID))
		absent[connector.DraftRow](f, "another EHR's draft")(tx.Draft("other", a.ID))
		got, err := tx.ThreadDrafts(f.ehr, th)
		same(f, "ThreadDrafts", sorted([]connector.DraftRow{a, b}, key))(got, err)
		same[[]connector.DraftRow](f, "drafts in no thread", nil)(tx.ThreadDrafts(f.ehr, ""))
		got, err = tx.PatientDrafts(f.ehr, "Patient/p")
		same(f, "PatientDrafts", sorted([]connector.DraftRow{a, b, begins}, key))(got, err)
		same[[]connector.DraftRow](f, "drafts about nobody", nil)(tx.PatientDrafts(f.ehr, ""))
		same(f, "Blobs", map[string][]byte{"a1": []byte("jpg")})(tx.Blobs(f.ehr, "", a.ID))
		return nil
	}
	f.view(check)
	f.update(check)
	f.update(func(tx connector.Tx) error { return errors.Join(tx.DropDraft(f.ehr, a.ID), tx.DropDraft(f.ehr, a.ID)) })
	f.view(func(tx connector.Tx) error {
		absent[connector.DraftRow](f, "a draft that was dropped")(tx.Draft(f.ehr, a.ID))
		same(f, "its blobs", map[string][]byte{})(tx.Blobs(f.ehr, "", a.ID))
		same(f, "another draft's blobs", map[string][]byte{"a1": []byte("png")})(tx.Blobs(f.ehr, "", b.ID))
		return nil
	})
	m := f.id()
	f.update(func(tx connector.Tx) error {
		return errors.Join(tx.PutBlob(f.ehr, th, m, "a1", []byte("x")), tx.DropDraft(f.ehr, m))
	})
	f.view(func(tx connector.Tx) error {
		same(f, "a message's blobs", map[string][]byte{"a1": []byte("x")})(tx.Blobs(f.ehr, th, m))
		return nil
	})
	f.refused(connector.ErrStale, func(tx connector.Tx) error { c := a; return tx.PutDraft(&c) }) // what was dropped does not come back
}

func dueCase(f *fixture) {
	f.view(func(tx connector.Tx) error {
		at, ok, err := tx.NextDraft(f.ehr)
		same(f, "NextDraft of none", false)(ok, err)
		same(f, "NextDraft of none", time.Time{})(at, nil)
		return nil
	})
	writing, late, soon, sending := f.draft("", "Patient/p"), f.draft("", "Patient/p"), f.draft("", "Patient/p"), f.draft("", "Patient/p")
	sending.SendAt, sending.Sending = f.now.Add(-time.Minute), true
	soon.SendAt, late.SendAt = f.now, f.now.Add(time.Second)
	f.update(func(tx connector.Tx) error {
		return errors.Join(tx.PutDraft(&writing), tx.PutDraft(&late), tx.PutDraft(&soon), tx.PutDraft(&sending))
	})
	f.view(func(tx connector.Tx) error {
		same(f, "DueDrafts", []connector.DraftRow{sending, soon})(tx.DueDrafts(f.ehr, f.now, 10))
		same(f, "the first", []connector.DraftRow{sending})(tx.DueDrafts(f.ehr, f.now, 1))
		same[[]connector.DraftRow](f, "another EHR's", nil)(tx.DueDrafts("other", f.now, 10))
		at, ok, err := tx.NextDraft(f.ehr)
		same(f, "NextDraft", true)(ok, err)
		same(f, "NextDraft", sending.SendAt)(at, nil)
		return nil
	})
}
