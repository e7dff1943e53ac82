package inbox

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/smart"
)

func withCancel(ctx context.Context) (context.Context, func()) {
	ctx, stop := context.WithCancel(ctx)
	return ctx, stop
}

// ask reads the patient with the session's token.
func (w *world) ask(d *Desk, s *Session) error {
	return d.asUser(w.t.Context(), s, func(ctx context.Context, access string) error {
		_, err := w.chart.Patient(ctx, access, daniel)
		return err
	})
}

// However many requests need a new token at once, at however many replicas, the EHR is asked for one: its refresh tokens work
// once.
func TestOneRefreshForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		w.said()
		desks := []*Desk{w.desk, w.replica(), w.replica()}
		w.app.before = func() { time.Sleep(2 * time.Second) } // the others come meanwhile
		time.Sleep(5*time.Minute - refreshEarly)
		var all sync.WaitGroup
		for n := range 24 {
			all.Go(func() {
				if err := w.ask(desks[n%3], s); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := w.app.count("refresh"); n != 1 {
			t.Errorf("%d refreshes", n)
		}
		w.wantSaid("token 0 user for " + doctor + " act=refresh")
		if k := w.row(s.ID); k.body.Grant.Refresh != "refresh-2" || k.body.Refreshing != "" || k.body.Patient != daniel || k.session(time.Now()).Encounter != "Encounter/e1" {
			t.Errorf("kept %s, refreshing %q", k.body.Grant.Refresh, k.body.Refreshing)
		}
	})
}

// A token is used as long as it lives, and not asked for before.
func TestNoRefreshBeforeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		time.Sleep(5*time.Minute - refreshEarly - time.Second)
		if err := w.ask(w.desk, s); err != nil || w.app.count("refresh") != 0 {
			t.Errorf("%v, %d refreshes", err, w.app.count("refresh"))
		}
	})
}

// 401 is answered by one new token and one more try.
func TestTokenRefusedByTheChart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, handle := w.launch(daniel)
		clear(w.app.tokens)
		if err := w.ask(w.desk, s); err != nil || w.app.count("refresh") != 1 {
			t.Errorf("%v, %d refreshes", err, w.app.count("refresh"))
		}
		w.said()
		tries := 0
		err := w.desk.asUser(t.Context(), s, func(context.Context, string) error {
			tries++
			return &connector.Refused{Reason: connector.Unauthorized}
		})
		wantEnded(t, err, EndedByEHR)
		if tries != 2 {
			t.Errorf("%d tries", tries)
		}
		_, err = w.desk.Session(t.Context(), s.ID, handle)
		wantEnded(t, err, EndedByEHR)
		w.wantSaid("token 0 user for "+doctor+" act=refresh", "logout 0 worker why=token-refused", "token 0 worker act=revoke")
	})
}

// Any other refusal is the caller's to deal with.
func TestOtherErrorsAreNotTheTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		w.chart.may[daniel] = false
		if err := w.ask(w.desk, s); !errors.Is(err, connector.ErrNoMatch) || w.app.count("refresh") != 0 {
			t.Errorf("%v, %d refreshes", err, w.app.count("refresh"))
		}
	})
}

func TestRefreshRefused(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"revoked at the EHR":       func(w *world) { w.app.spent["refresh-1"] = true },
		"the client is not let in": func(w *world) { w.app.fails(map[string]error{"refresh": &smart.LaunchError{Code: smart.TokenRefused}}) },
		"it is of another patient": func(w *world) {
			w.app.fails(map[string]error{"refresh": &smart.LaunchError{Code: smart.ContextChanged}})
		},
		"there is no refresh token": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.app.noRefresh = change == nil
				s, handle := w.launch(daniel)
				if change != nil {
					change(w)
				}
				w.said()
				time.Sleep(5 * time.Minute)
				wantEnded(t, w.ask(w.desk, s), EndedByEHR)
				_, err := w.desk.Session(t.Context(), s.ID, handle)
				wantEnded(t, err, EndedByEHR)
				said := w.said()
				if ended := said[len(said)-2]; ended != "logout 0 worker why=token-refused" {
					t.Errorf("audited %v", said)
				}
			})
		})
	}
}

// An EHR that does not answer costs nobody their session.
func TestRefreshNotPossibleNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		time.Sleep(5 * time.Minute)
		w.app.fails(map[string]error{"refresh": &smart.LaunchError{Code: smart.Unreachable}})
		var retry *connector.Retry
		if err := w.ask(w.desk, s); !errors.As(err, &retry) {
			t.Error(err)
		}
		w.app.fails(nil)
		began := time.Now()
		if err := w.ask(w.desk, s); err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// A replica that is gone with its refresh is waited for no longer than it could take.
func TestRefreshOfADeadReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		k := w.row(s.ID)
		if err := w.desk.alter(t.Context(), &k, func(_ connector.Tx, k *kept) error { k.body.Refreshing = "gone"; return nil }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		began := time.Now()
		if err := w.ask(w.desk, s); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < refreshFor || waited > 3*refreshFor {
			t.Errorf("waited %v", waited)
		}
		if n := w.app.count("refresh"); n != 1 {
			t.Errorf("%d refreshes", n)
		}
	})
}

// What a refresh gives to a session that ended meanwhile is ended too.
func TestSignOutDuringARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		time.Sleep(5 * time.Minute)
		w.app.before = func() {
			if err := w.desk.SignOut(t.Context(), s); err != nil {
				t.Error(err)
			}
		}
		wantEnded(t, w.ask(w.desk, s), EndedSignOut)
		w.desk.under.Wait()
		if w.app.count("revoke refresh-2") != 1 {
			t.Errorf("calls %v", w.app.calls)
		}
	})
}

// A caller that goes away loses no token.
func TestRefreshOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		time.Sleep(5 * time.Minute)
		ctx, stop := withCancel(t.Context())
		w.app.before = stop
		_ = w.desk.asUser(ctx, s, func(context.Context, string) error { return nil })
		w.app.before = nil
		if err := w.ask(w.desk, s); err != nil || w.app.count("refresh") != 1 {
			t.Errorf("%v, %d refreshes", err, w.app.count("refresh"))
		}
	})
}

// Who decided by what a session was asks for nothing when it has changed since.
func TestRefreshIsDecidedByTheRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		first, late, k := w.row(s.ID), w.row(s.ID), w.row(s.ID)
		if err := w.desk.alter(t.Context(), &k, func(_ connector.Tx, k *kept) error { k.body.Refreshing = "theirs"; return nil }); err != nil {
			t.Fatal(err)
		}
		if asked, err := w.desk.refresh(t.Context(), &first); err != nil || asked || w.app.count("refresh") != 0 || w.row(s.ID).body.Refreshing != "theirs" {
			t.Errorf("%v, %d refreshes while another is at it", err, w.app.count("refresh"))
		}
		if asked, err := w.desk.refresh(t.Context(), &k); err != nil || !asked || w.app.count("refresh") != 1 {
			t.Errorf("%v, %d refreshes", err, w.app.count("refresh"))
		}
		if asked, err := w.desk.refresh(t.Context(), &late); err != nil || asked || w.app.count("refresh") != 1 {
			t.Errorf("%v, %d refreshes after it was done", err, w.app.count("refresh"))
		}
	})
}

// A token that lives for less than the time by which others are refreshed is used for most of its life.
func TestShortLivedTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.app.expires = 20 * time.Second
		s, _ := w.launch(daniel)
		for range 2 { // the sign-in's, and a refreshed one
			before := w.app.count("refresh")
			for range 15 {
				if err := w.ask(w.desk, s); err != nil || w.app.count("refresh") != before {
					t.Fatalf("%v, %d refreshes of a token that lives", err, w.app.count("refresh")-before)
				}
				time.Sleep(time.Second)
			}
			if err := w.ask(w.desk, s); err != nil || w.app.count("refresh") != before+1 {
				t.Fatalf("%v, %d refreshes in a token's last quarter", err, w.app.count("refresh")-before)
			}
		}
	})
}

// Whatever the EHR answers to a refresh, it is asked once for one need.
func TestOneRefreshForOneNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		w.app.same = true
		clear(w.app.tokens)
		wantEnded(t, w.ask(w.desk, s), EndedByEHR) // what it gave is what it had refused
		if n := w.app.count("refresh"); n != 1 {
			t.Errorf("%d refreshes", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		w.app.expires = -time.Second
		time.Sleep(5 * time.Minute)
		if err := w.ask(w.desk, s); !errors.As(err, new(*connector.Retry)) || w.app.count("refresh") != 1 {
			t.Errorf("a token that had expired when it came: %v, %d refreshes", err, w.app.count("refresh"))
		}
	})
}
