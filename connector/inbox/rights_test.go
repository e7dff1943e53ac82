package inbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// shown are the patients that Rights gives.
func (w *world) shown(s *Session, patients ...string) ([]string, error) {
	seen, err := w.desk.Rights(w.t.Context(), s, patients)
	return slices.Sorted(maps.Keys(seen)), err
}

// The EHR is asked about a patient once in 15 minutes, about one it does not open once in a minute, and about nobody twice.
func TestRightsAreReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, handle := w.launch(daniel)
		w.said()
		before := w.chart.read()
		want := func(reads int, names ...string) {
			t.Helper()
			got, err := w.shown(s, daniel, maria, nobody, maria, "")
			if err != nil || !slices.Equal(got, names) || w.chart.read()-before != reads {
				t.Errorf("shown %v, %v after %d reads; want %v after %d", got, err, w.chart.read()-before, names, reads)
			}
			before = w.chart.read()
		}
		want(2, daniel, maria) // daniel was read by the launch
		w.wantSaid("deny 4 user for " + doctor + " patient=" + nobody + " why=patient-hidden")
		want(0, daniel, maria)
		time.Sleep(denialFor)
		want(1, daniel, maria)
		w.chart.may[maria], w.chart.may[nobody] = false, true
		time.Sleep(denialFor)
		want(1, daniel, maria, nobody)
		if _, err := w.desk.Session(t.Context(), s.ID, handle); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rightsFor - 2*denialFor)
		want(2, daniel, nobody) // maria was taken from the user meanwhile
	})
}

func TestRightsAreOfOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one, _ := w.launch(daniel)
		two, _ := w.launch(maria)
		w.chart.may[daniel] = false
		if got, err := w.shown(two, daniel); err != nil || len(got) != 0 {
			t.Errorf("shown %v by what another session read, %v", got, err)
		}
		if got, err := w.shown(one, daniel); err != nil || len(got) != 1 {
			t.Errorf("shown %v, %v", got, err)
		}
		if _, err := w.desk.reread(t.Context(), one, daniel); !errors.Is(err, connector.ErrNoMatch) {
			t.Errorf("before something is sent: %v", err)
		}
		if got, err := w.shown(one, daniel); err != nil || len(got) != 0 {
			t.Errorf("shown %v after that, %v", got, err)
		}
	})
}

func TestRightsAtMostFourReadsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		w.chart.slow = time.Second
		var many []string
		for i := range 40 {
			ref := fmt.Sprint("Patient/p", i)
			w.chart.may[ref] = true
			many = append(many, ref)
		}
		done := make(chan int)
		for range 2 { // two pages of one session
			go func() {
				got, err := w.shown(s, many...)
				if err != nil {
					t.Error(err)
				}
				done <- len(got)
			}()
		}
		if a, b := <-done, <-done; a != 40 || b != 40 || w.chart.most != readsAtOnce {
			t.Errorf("%d and %d shown, %d reads at once", a, b, w.chart.most)
		}
	})
}

// What cannot be known now is hidden, and the page is told that the EHR could not be asked.
func TestRightsNotToBeKnown(t *testing.T) {
	for name, change := range map[string]func(c *chart){
		"the EHR does not answer": func(c *chart) { c.fails(&connector.Retry{Reason: connector.EHRUnavailable}) },
		"it refuses":              func(c *chart) { c.fails(&connector.Refused{Reason: connector.EHRRefused, Status: 400}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s, _ := w.launch(daniel)
				w.said()
				change(w.chart)
				got, err := w.shown(s, daniel, maria)
				var retry *connector.Retry
				if !slices.Equal(got, []string{daniel}) || !errors.As(err, &retry) {
					t.Errorf("shown %v, %v", got, err)
				}
				wantNoPHI(t, err)
				w.wantSaid() // it is no denial
				w.chart.fails(nil)
				if got, err := w.shown(s, maria); err != nil || len(got) != 1 {
					t.Errorf("shown %v when it answers again, %v", got, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		w.chart.wrong = true
		if got, err := w.shown(s, maria); err != nil || len(got) != 0 {
			t.Errorf("shown %v for an answer about somebody else, %v", got, err)
		}
	})
}

func TestRightsEndWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		if err := w.desk.SignOut(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		_, err := w.shown(s, daniel)
		wantEnded(t, err, EndedSignOut)
	})
}

// Nobody is shown by an answer that could not be audited.
func TestDenialIsAuditedOrNobodyIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		w.store.with(func() { w.store.fail = connector.ErrStore })
		if got, err := w.shown(s, maria, nobody); !errors.Is(err, connector.ErrStore) || len(got) != 0 {
			t.Errorf("shown %v, %v", got, err)
		}
	})
}
