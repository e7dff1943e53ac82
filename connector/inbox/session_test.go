package inbox

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestSessionEndsWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.app.expires = Life
		s, handle := w.launch(daniel)
		w.said()
		for range 3 { // something is done every 14 minutes and 59 seconds
			time.Sleep(Idle - time.Second)
			got, err := w.desk.Session(t.Context(), s.ID, handle)
			if err != nil {
				t.Fatal(err)
			}
			if want := time.Now().Add(Idle); !got.Ends.Equal(want) {
				t.Errorf("ends %v, want %v", got.Ends, want)
			}
		}
		time.Sleep(Idle)
		_, err := w.desk.Session(t.Context(), s.ID, handle)
		wantEnded(t, err, EndedIdle)
		_, err = w.desk.Session(t.Context(), s.ID, handle) // it says so as long as it is known
		wantEnded(t, err, EndedIdle)
		w.wantSaid("logout 0 worker why=idle", "token 0 worker act=revoke")
		if k := w.row(s.ID); k.body.Grant.Access != "" || k.body.Grant.Refresh != "" || w.app.count("revoke refresh-1") != 1 {
			t.Error("the tokens are kept, or live on")
		}
	})
}

// What is done within a minute of the last note of it counts, and is not written.
func TestSessionIsTouchedByTheMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.app.expires = Life
		s, handle := w.launch(daniel)
		before := w.store.n(&w.store.puts)
		for range 5 {
			time.Sleep(11 * time.Second)
			if _, err := w.desk.Session(t.Context(), s.ID, handle); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.store.n(&w.store.puts) - before; n != 0 {
			t.Errorf("%d writes within a minute", n)
		}
		time.Sleep(Idle - time.Second) // from the last of them, not from the last write
		if _, err := w.desk.Session(t.Context(), s.ID, handle); err != nil {
			t.Error(err)
		}
		if n := w.store.n(&w.store.puts) - before; n != 1 {
			t.Errorf("%d writes, want 1", n)
		}
	})
}

// Streams do not keep a session alive, and hear of its end.
func TestSessionIsNotKeptByItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		over := w.over(s)
		time.Sleep(Idle - time.Second)
		select {
		case c := <-over:
			t.Fatalf("%+v before its time", c)
		default:
		}
		time.Sleep(2 * time.Second)
		if c := <-over; c.Ended != (&Ended{EndedIdle}).Sentence() {
			t.Errorf("its page is told %q", c.Ended)
		}
	})
}

func TestSessionEndsAfterTwelveHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, handle := w.launch(daniel)
		end := time.Now().Add(Life)
		for time.Now().Add(10 * time.Minute).Before(end) {
			time.Sleep(10 * time.Minute)
			got, err := w.desk.Session(t.Context(), s.ID, handle)
			if err != nil || got.Ends.After(end) {
				t.Fatalf("%v, %v before the end", err, time.Until(end))
			}
		}
		time.Sleep(time.Until(end) - time.Microsecond)
		if _, err := w.desk.Session(t.Context(), s.ID, handle); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Microsecond)
		_, err := w.desk.Session(t.Context(), s.ID, handle)
		wantEnded(t, err, EndedLife)
	})
}

func TestSessionNeedsItsHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, handle := w.launch(daniel)
		other, theirs := w.launch(daniel)
		for name, tc := range map[string]struct{ id, handle string }{
			"none":            {s.ID, ""},
			"a guess":         {s.ID, strings.Repeat("A", 43)},
			"another's":       {s.ID, theirs},
			"the kept hash":   {s.ID, w.row(s.ID).row.Handle},
			"no such session": {connector.NewID(time.Now()), handle},
			"not an id":       {"../" + s.ID, handle},
		} {
			if _, err := w.desk.Session(t.Context(), tc.id, tc.handle); !errors.Is(err, connector.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := w.desk.SignOut(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if _, err := w.desk.Session(t.Context(), s.ID, theirs); !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("an ended session tells a wrong handle %v", err)
		}
		if _, err := w.desk.Session(t.Context(), other.ID, theirs); err != nil {
			t.Error(err)
		}
	})
}

// A launch for another patient covers the user's other sessions until they are clicked, those of pools too, which can show any patient.
func TestLaunchCoversOtherPatients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, handle := w.launch(daniel)
		same, sameHandle := w.launch(maria)
		pool, poolHandle := w.launch("")
		covered := w.over(first)
		third, thirdHandle := w.launch(maria)
		<-covered
		for _, c := range []struct {
			id, handle, by string
		}{{first.ID, handle, third.ID}, {same.ID, sameHandle, ""}, {pool.ID, poolHandle, third.ID}, {third.ID, thirdHandle, ""}} {
			if s, err := w.desk.Session(t.Context(), c.id, c.handle); err != nil || s.Covered != c.by {
				t.Errorf("session %v: covered by %q, want %q; %v", s, s.Covered, c.by, err)
			}
		}
		first, err := w.desk.Session(t.Context(), first.ID, handle)
		if err != nil {
			t.Fatal(err)
		}
		w.said()
		for range 2 { // a second click changes nothing
			if err := w.desk.Uncover(t.Context(), first); err != nil || first.Covered != "" {
				t.Fatal(err)
			}
		}
		w.wantSaid("work 0 user for " + doctor + " act=uncover patient=" + daniel)
		if s, err := w.desk.Session(t.Context(), first.ID, handle); err != nil || s.Covered != "" {
			t.Errorf("covered by %q after the click, %v", s.Covered, err)
		}
		if err := w.desk.SignOut(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, w.desk.Uncover(t.Context(), first), EndedSignOut)
	})
}

// Whoever signs in by several references is one person, whose pages cover each other.
func TestLaunchCoversEveryReferenceOfItsUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		person, role := User{Reference: doctor}, User{Reference: "PractitionerRole/r7", Also: []string{doctor}}
		other, mate := User{Reference: "PractitionerRole/r8", Also: []string{doctor}}, User{Reference: "PractitionerRole/r9", Also: []string{"Practitioner/lee"}}
		for name, c := range map[string]struct {
			first, then User
			covers      bool
		}{
			"a role after the person": {person, role, true}, "the person after a role": {role, person, true},
			"a role after another of theirs": {other, role, true}, "a colleague's": {mate, role, false},
		} {
			w := newWorld(t)
			w.app.grant.User, w.chart.user = c.first.Reference, c.first
			older, _ := w.launch(daniel)
			w.app.grant.User, w.chart.user = c.then.Reference, c.then
			w.launch(maria)
			if s, err := w.asItIs(older); err != nil || (s.Covered != "") != c.covers {
				t.Errorf("%s: covered by %q, %v", name, s.Covered, err)
			}
		}
	})
}

// A launch in the same window ends what the window showed, where that was somebody else's.
func TestLaunchReplacesItsWindow(t *testing.T) {
	for name, tc := range map[string]struct {
		patient string
		user    string
		proof   func(secret, handle string) string
		ends    bool
	}{
		"another patient, by the handle": {maria, doctor, func(_, h string) string { return h }, true},
		"another patient, by the window": {maria, doctor, func(s, _ string) string { return s }, true},
		"no patient":                     {"", doctor, func(s, _ string) string { return s }, true},
		"the same patient":               {daniel, doctor, func(s, _ string) string { return s }, false},
		"another user":                   {daniel, "Practitioner/lee", func(s, _ string) string { return s }, true},
		"not proven":                     {maria, doctor, func(string, string) string { return "guess" }, false},
		"no proof":                       {maria, doctor, func(string, string) string { return "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				b, in := w.begin("cookie")
				old, handle, err := w.desk.Finish(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				w.said()
				w.app.grant.User, w.chart.user.Reference = tc.user, tc.user
				w.launch(tc.patient, func(in *FinishIn) { in.Previous, in.Proof = old.ID, tc.proof(b.Secret, handle) })
				_, err = w.desk.Session(t.Context(), old.ID, handle)
				if !tc.ends {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantEnded(t, err, EndedReplaced)
				if said := w.said(); said[0] != "logout 0 user for "+doctor+" why=replaced" {
					t.Errorf("audited %v", said)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.launch(daniel, func(in *FinishIn) { in.Previous, in.Proof = "unknown", "x" }) // no error
	})
}

// Run ends what nobody uses any more without being asked, and forgets it a day later.
func TestRunEndsIdleSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		w.begin("cookie") // and never finished
		ctx, stop := t.Context(), func() {}
		ctx, stop = withCancel(ctx)
		done := make(chan error)
		go func() { done <- w.desk.Run(ctx) }()
		time.Sleep(Idle + 2*time.Minute)
		synctest.Wait()
		if k := w.row(s.ID); k.row.EndedAt.IsZero() || Why(k.row.Why) != EndedIdle {
			t.Error("an idle session goes on")
		}
		if len(w.desk.known()) != 0 {
			t.Error("it is still known")
		}
		time.Sleep(keepEnded + time.Minute)
		synctest.Wait()
		w.update(func(tx connector.Tx) error {
			if _, err := tx.Session(w.ehr.ID, s.ID); !errors.Is(err, connector.ErrNotFound) {
				t.Errorf("its row: %v", err)
			}
			if _, err := tx.TakeLaunch(w.ehr.ID, w.app.last().State); !errors.Is(err, connector.ErrNotFound) {
				t.Errorf("the launch: %v", err)
			}
			return nil
		})
		stop()
		<-done
	})
}

// Launches that nobody finished are told why for ten minutes after their time, and then forgotten, however many there are.
func TestRunForgetsLaunches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		expires := time.Now().Add(launchFor)
		w.update(func(tx connector.Tx) error {
			for n := range 3*forgetAtOnce + 1 {
				if err := tx.PutLaunch(connector.LaunchRow{State: strconv.Itoa(n), EHR: w.ehr.ID, ExpiresAt: expires, Body: []byte("{}")}); err != nil {
					return err
				}
			}
			return nil
		})
		ctx, stop := withCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.desk.Run(ctx) }()
		left := func() (n int) {
			synctest.Wait()
			undo := errors.New("undo")
			err := w.store.Store.Update(t.Context(), "test", func(tx connector.Tx) (err error) {
				if n, err = tx.ForgetLaunches(time.Now(), 9999); err != nil {
					return err
				}
				return undo
			})
			if !errors.Is(err, undo) {
				t.Error(err)
			}
			return n
		}
		time.Sleep(launchFor + keepLaunch - time.Second)
		if n := left(); n != 3*forgetAtOnce+1 {
			t.Errorf("%d are left to be told why", n)
		}
		time.Sleep(sweepEvery + 2*time.Second)
		if n := left(); n != 0 {
			t.Errorf("%d are left", n)
		}
		stop()
		<-done
	})
}

// A replica that was faster is no error: what there is to do is decided anew.
func TestAnotherReplicaWasFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		w.store.with(func() { w.store.stale = 4 })
		if err := w.desk.SignOut(t.Context(), s); err != nil || w.row(s.ID).row.EndedAt.IsZero() {
			t.Error(err)
		}
		w.store.with(func() { w.store.stale = 2 })
		if third, _ := w.launch(maria); third.Covered != "" {
			t.Error("the new session is covered")
		}
	})
}

// Nothing is begun, opened or ended that cannot be committed.
func TestWithoutTheStoreNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, handle := w.launch(daniel)
		_, in := w.begin("cookie")
		time.Sleep(2 * time.Minute)
		w.store.with(func() { w.store.fail = connector.ErrStore })
		_, session := w.desk.Session(t.Context(), s.ID, handle)
		_, begin := w.desk.Begin(t.Context(), BeginIn{EHR: "mercy", Iss: base, Launch: "abc"})
		_, unknown := w.desk.Begin(t.Context(), BeginIn{EHR: "mercy", Iss: "https://evil.example", Launch: "abc"})
		_, _, finish := w.desk.Finish(t.Context(), in)
		_, end := w.desk.EndUser(t.Context(), "mercy", doctor, "cli")
		for i, err := range []error{session, begin, unknown, finish, w.desk.SignOut(t.Context(), s), end} {
			if !errors.Is(err, connector.ErrStore) {
				t.Error(strconv.Itoa(i), err)
			}
		}
		w.store.with(func() { w.store.fail = nil })
		if _, err := w.desk.Session(t.Context(), s.ID, handle); err != nil {
			t.Error(err)
		}
	})
}

// Tokens that came before the store failed are nobody's: the EHR ends them.
func TestWithoutTheStoreNoTokensStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, replaces := range map[string]bool{"as the session is made": false, "as the one before is ended": true} {
			w := newWorld(t)
			older, handle := w.launch(daniel)
			w.app.grant.Patient = "maria"
			_, in := w.begin("cookie")
			if replaces {
				in.Previous, in.Proof = older.ID, handle
			}
			w.app.exchanged = func() { w.store.with(func() { w.store.fail = connector.ErrStore }) }
			if s, handle, err := w.desk.Finish(t.Context(), in); !errors.Is(err, connector.ErrStore) || s != nil || handle != "" {
				t.Errorf("%s: %v", name, err)
			}
			w.desk.under.Wait()
			if n := w.app.count("revoke refresh-2"); n != 1 || w.app.count("revoke refresh-1") != 0 {
				t.Errorf("%s: revoked %d times", name, n)
			}
		}
	})
}
