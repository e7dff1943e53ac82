package inbox

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestSignOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, handle := w.launch(daniel)
		over := w.over(s)
		w.said()
		w.app.fails(map[string]error{"revoke refresh-1": errors.New("reset")})
		for range 2 { // a second click changes nothing
			if err := w.desk.SignOut(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		<-over
		_, err := w.desk.Session(t.Context(), s.ID, handle)
		wantEnded(t, err, EndedSignOut)
		w.wantSaid("logout 0 user for "+doctor+" why=signed-out", "token 4 worker act=revoke")
	})
}

// An administrator ends every session of one user, at every replica.
func TestEndUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one, handle := w.launch(daniel)
		two, _ := w.launch(daniel)
		w.app.grant.User, w.chart.user.Reference = "Practitioner/lee", "Practitioner/lee"
		other, theirs := w.launch(daniel)
		elsewhere := w.replica()
		over := w.over(one)
		w.said()
		list, err := elsewhere.UserSessions(t.Context(), "mercy", doctor, "cli:ada")
		if err != nil || len(list) != 2 || list[0].ID != one.ID || list[1].ID != two.ID || list[0].Role != connector.RoleClinician {
			t.Errorf("%v, %v", list, err)
		}
		n, err := w.desk.EndUser(t.Context(), "mercy", doctor, "cli:ada")
		if n != 2 || err != nil {
			t.Fatal(n, err)
		}
		<-over
		_, err = w.desk.Session(t.Context(), one.ID, handle)
		wantEnded(t, err, EndedByAdmin)
		_, err = elsewhere.going(t.Context(), two.ID)
		wantEnded(t, err, EndedByAdmin)
		if _, err := w.desk.Session(t.Context(), other.ID, theirs); err != nil {
			t.Error(err)
		}
		w.wantSaid("admin 0 cli act=sessions count=2 reference="+doctor,
			"logout 0 cli why=ended-by-administrator", "logout 0 cli why=ended-by-administrator", "admin 0 cli act=end-sessions count=2 reference="+doctor,
			"token 0 worker act=revoke", "token 0 worker act=revoke")
		w.app.grant.User, w.chart.user.Reference = doctor, doctor
		w.launch(daniel)
		time.Sleep(Idle) // it is over, though nobody has looked at it yet
		if list, err := w.desk.UserSessions(t.Context(), "", doctor, "cli:ada"); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
		if _, err := w.desk.EndUser(t.Context(), "other", doctor, "cli"); !errors.Is(err, connector.ErrNotFound) {
			t.Error(err)
		}
	})
}

// Whoever is ended is ended under every reference that they sign in by.
func TestEndUserIsEndedByEveryReference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		sign := func(ref string, also ...string) {
			w.app.grant.User, w.chart.user = ref, User{Reference: ref, Codes: []string{"doctor"}, Also: also}
			w.launch(daniel)
		}
		end := func(ref string, want int) {
			t.Helper()
			if list, err := w.desk.UserSessions(t.Context(), "mercy", ref, "cli"); err != nil || len(list) != want {
				t.Errorf("%d sessions of %s, want %d; %v", len(list), ref, want, err)
			}
			if n, err := w.desk.EndUser(t.Context(), "mercy", ref, "cli"); err != nil || n != want {
				t.Errorf("ended %d sessions of %s, want %d; %v", n, ref, want, err)
			}
		}
		sign(doctor)
		sign("PractitionerRole/r7", doctor)
		sign("Practitioner/lee", "PractitionerRole/r8", "PractitionerRole/r9")
		end(doctor, 2)
		end(doctor, 0)
		end("PractitionerRole/r9", 1)
	})
}
