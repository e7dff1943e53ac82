package inbox

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// used is a session that something is done in every 5 minutes for a time.
func (w *world) used(s *Session, handle string, d time.Duration) *Session {
	w.t.Helper()
	for end := time.Now().Add(d); ; {
		got, err := w.desk.Session(w.t.Context(), s.ID, handle)
		if err != nil {
			w.t.Fatal(err)
		}
		if !time.Now().Before(end) {
			return got
		}
		time.Sleep(min(5*time.Minute, time.Until(end)))
	}
}

// Somebody whose role and teams the EHR has ended loses them here within 15 minutes, and the EHR is asked no more often.
func TestRolesAreReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.app.grant.User, w.chart.user.Teams = doctor, []string{"CareTeam/nurses"}
		s, handle := w.launch(daniel)
		w.said()
		w.chart.user.Codes, w.chart.user.Teams = nil, nil
		before := w.chart.usersRead()
		if got := w.used(s, handle, rolesFor-time.Second); got.Role != connector.RoleClinician || !got.InPool("nurses") || w.chart.usersRead() != before {
			t.Errorf("%s, pools %v, %d reads too early", got.Role, got.Pools, w.chart.usersRead()-before)
		}
		w.said()
		time.Sleep(time.Second)
		if got := w.used(s, handle, rolesFor-time.Second); got.Role != ReadOnly || len(got.Pools) != 0 || got.Write() || w.chart.usersRead() != before+1 {
			t.Errorf("%s, pools %v after %d reads", got.Role, got.Pools, w.chart.usersRead()-before)
		}
		for _, line := range w.said() {
			if line == "login 0 user for "+doctor+" act=roles pools= role=read_only" {
				return
			}
		}
		t.Error("that their role changed is not on the audit log")
	})
}

// Everybody who comes while the EHR is asked waits for what it says.
func TestRolesAreReadOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, handle := w.launch(daniel)
		w.used(s, handle, rolesFor-time.Second)
		time.Sleep(time.Second)
		w.chart.user.Codes, w.chart.slow = nil, time.Second
		before := w.chart.usersRead()
		var all sync.WaitGroup
		for range 9 {
			all.Go(func() {
				if got, err := w.desk.Session(t.Context(), s.ID, handle); err != nil || got.Write() {
					t.Errorf("may write still; %v", err)
				}
			})
		}
		all.Wait()
		if n := w.chart.usersRead() - before; n != 1 {
			t.Errorf("%d reads", n)
		}
	})
}

// An EHR that does not answer costs a user their roles after another 15 minutes, until it answers.
func TestRolesWithoutTheEHR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.chart.user.Teams = []string{"CareTeam/nurses"}
		s, handle := w.launch(daniel)
		w.chart.fails(&connector.Retry{Reason: connector.EHRUnavailable})
		if got := w.used(s, handle, rolesFor+rolesKept-time.Second); got.Role != connector.RoleClinician || !got.InPool("nurses") {
			t.Errorf("%s, pools %v while the EHR is down for a moment", got.Role, got.Pools)
		}
		before := w.chart.usersRead()
		time.Sleep(time.Second)
		for range 5 {
			if got := w.used(s, handle, 0); got.Role != ReadOnly || len(got.Pools) != 0 {
				t.Errorf("%s, pools %v half an hour after the EHR said so", got.Role, got.Pools)
			}
		}
		if got, err := w.desk.Peek(t.Context(), s.ID, handle); err != nil || got.Write() {
			t.Errorf("may write by a page's own request; %v", err)
		}
		if n := w.chart.usersRead() - before; n > 1 {
			t.Errorf("the EHR that does not answer was asked %d times in a second", n)
		}
		w.chart.fails(nil)
		time.Sleep(rolesAgain)
		if got := w.used(s, handle, 0); got.Role != connector.RoleClinician || !got.InPool("nurses") {
			t.Errorf("%s, pools %v after the EHR answers again", got.Role, got.Pools)
		}
	})
}

// Whoever's pools are not known any more is not told that nobody waits in them: the page says that they are not known, and since when.
func TestPoolsThatAreNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.chart.user.Teams = []string{"CareTeam/nurses"}
		s, handle := w.launch("")
		since := s.Created
		w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		shown := func(s *Session, pool string) PoolView {
			v, err := w.desk.Pool(t.Context(), s, PoolFilter{Pool: pool})
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if v := shown(s, "nurses"); len(v.Threads) != 1 || !v.Unknown.IsZero() || len(v.Frame.Missing) != 0 {
			t.Fatalf("%d threads, not known since %v", len(v.Threads), v.Unknown)
		}
		w.chart.fails(&connector.Retry{Reason: connector.EHRUnavailable})
		w.used(s, handle, rolesFor+rolesKept-time.Second)
		time.Sleep(time.Second)
		for _, pool := range []string{"", "nurses"} {
			if v := shown(w.used(s, handle, 0), pool); len(v.Threads) != 0 || len(v.Pools) != 0 || !v.Unknown.Equal(since) || len(v.Frame.Missing) != 1 {
				t.Errorf("pool %q: %d threads, not known since %v, %v", pool, len(v.Threads), v.Unknown, v.Frame.Missing)
			}
		}
		w.chart.fails(nil)
		time.Sleep(rolesAgain)
		if v := shown(w.used(s, handle, 0), ""); len(v.Threads) != 1 || len(v.Pools) != 1 || !v.Unknown.IsZero() || len(v.Frame.Missing) != 0 {
			t.Errorf("after the EHR answers: %d threads, %d pools, not known since %v", len(v.Threads), len(v.Pools), v.Unknown)
		}
		w.chart.user.Teams = nil
		if v := shown(w.used(s, handle, rolesFor), ""); len(v.Pools) != 0 || !v.Unknown.IsZero() {
			t.Errorf("in no pool: %d, not known since %v", len(v.Pools), v.Unknown)
		}
	})
}

// Somebody who would not be let in any more is signed out.
func TestRolesThatLetNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.roles(Roles{Clinician: []string{"doctor"}, Default: NoRole})
		s, handle := w.launch(daniel)
		w.used(s, handle, rolesFor-time.Second)
		w.chart.user.Codes = nil
		time.Sleep(time.Second)
		_, err := w.desk.Session(t.Context(), s.ID, handle)
		wantEnded(t, err, EndedNoRole)
	})
}

// A page that idles asks the EHR nothing.
func TestRolesOfAnIdlePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, handle := w.launch(daniel)
		w.used(s, handle, rolesFor-time.Second)
		before := w.chart.usersRead()
		time.Sleep(5 * time.Minute)
		if _, err := w.desk.Peek(t.Context(), s.ID, handle); err != nil || w.chart.usersRead() != before {
			t.Errorf("%v, %d reads", err, w.chart.usersRead()-before)
		}
	})
}
