package inbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

const (
	lee   = "Practitioner/lee"
	silva = "PractitionerRole/r7"
	ghost = "Practitioner/ghost"
)

// staffed is a world whose configuration knows three colleagues, by ids that say nothing to a reader.
func staffed(t *testing.T) (*world, *Session, string) {
	w := newWorld(t)
	w.ehr.People = map[string]string{lee: "prac-77", ghost: "prac-78", "HealthcareService/nurses": "nurses"} // pools are configured there too
	w.desk = w.replica()
	w.chart.names = map[string]string{lee: "Sam Lee, RN", silva: "Ines Silva"}
	s := w.signed(doctor, daniel, "doctor")
	thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
	w.update(func(tx connector.Tx) error {
		th, err := tx.Thread(w.ehr.ID, thread)
		if err != nil {
			return err
		}
		th.Desk.Holder, th.Desk.HeldAt = lee, time.Now()
		return tx.PutThread(&th)
	})
	return w, s, thread
}

// called tells how a thread's page calls everybody of the staff.
func (w *world) calls(s *Session, thread string) string {
	w.t.Helper()
	v := w.opened(s, thread)
	var staff []string
	for _, p := range v.Staff {
		staff = append(staff, p.Name)
	}
	return fmt.Sprintf("with %s; %s; %d unnamed", v.Thread.Holder.Name, strings.Join(staff, ", "), v.Unnamed)
}

func (c *chart) wasAsked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := slices.Sorted(slices.Values(c.asked))
	c.asked = nil
	return out
}

// TestColleaguesAreNamedByTheEHR: once, with the viewer's own token, for all who look; whom it does not name has no name, and no id.
func TestColleaguesAreNamedByTheEHR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, thread := staffed(t)
		list, err := w.desk.Patient(t.Context(), s)
		if err != nil || list.Threads[0].Holder.Name != "Sam Lee, RN" || !slices.Equal(w.chart.wasAsked(), []string{lee}) {
			t.Errorf("the list says %+v, %v", list.Threads, err)
		}
		want := "with Sam Lee, RN; Ines Silva, Sam Lee, RN; 1 unnamed"
		if got := w.calls(s, thread); got != want {
			t.Errorf("the page says %s, want %s", got, want)
		}
		if got := w.chart.wasAsked(); !slices.Equal(got, []string{ghost, silva}) {
			t.Errorf("the EHR was asked for %v", got)
		}
		if w.calls(s, thread); len(w.chart.wasAsked()) != 0 {
			t.Error("what is known, or was not told, is asked for again")
		}
		other := w.signed("Practitioner/ana", daniel, "doctor")
		if got := w.calls(other, thread); got != want {
			t.Errorf("to another it says %s", got)
		}
		if got := w.chart.wasAsked(); !slices.Equal(got, []string{ghost}) { // what one was not told, another may be
			t.Errorf("for another was asked %v", got)
		}
		time.Sleep(namesKept)
		later := w.signed(doctor, daniel, "doctor")
		w.chart.wasAsked()
		w.calls(later, thread)
		if got := w.chart.wasAsked(); !slices.Equal(got, []string{ghost, lee, silva}) {
			t.Errorf("an hour later was asked %v", got)
		}
	})
}

// TestEHRThatNamesNobody: refused, out of reach or not granted, the page is there, nobody is an id, and nobody is signed out.
func TestEHRThatNamesNobody(t *testing.T) {
	for name, c := range map[string]struct {
		deny  error
		least time.Duration // until it is asked again
		asks  int
	}{
		"no such person":  {connector.ErrNoMatch, untoldFor, 3},
		"out of reach":    {&connector.Retry{Reason: connector.EHRUnavailable}, denialFor, 3},
		"refuses a token": {&connector.Refused{Reason: connector.Unauthorized, Status: 401}, untoldFor, 3},
		"not granted":     {nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s, thread := staffed(t)
				if w.chart.deny = c.deny; c.deny == nil {
					s.Missing = []string{"user/Practitioner.rs"}
				}
				if got := w.calls(s, thread); got != "with a colleague; ; 3 unnamed" {
					t.Errorf("the page says %s", got)
				}
				if got := w.chart.wasAsked(); len(got) != c.asks {
					t.Errorf("asked for %v", got)
				}
				var taken *Taken
				if err := w.desk.Work(t.Context(), s, WorkIn{Thread: thread, Act: Claim}); err != nil && (!asTaken(err, &taken) || taken.Who.Name != Colleague) {
					t.Errorf("whoever has it is %v", err)
				}
				if c.asks == 0 {
					return
				}
				time.Sleep(c.least - time.Second)
				if w.calls(s, thread); len(w.chart.wasAsked()) != 0 {
					t.Error("asked again at once")
				}
				w.chart.deny = nil
				time.Sleep(time.Second)
				if got := w.calls(s, thread); !strings.Contains(got, "Ines Silva, Sam Lee, RN") {
					t.Errorf("once it names them the page says %s", got)
				}
			})
		})
	}
}

func asTaken(err error, taken **Taken) bool {
	t, ok := err.(*Taken)
	*taken = t
	return ok
}

// TestUserWithoutAName is called by what they are.
func TestUserWithoutAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.signed(doctor, daniel, "doctor")
		all, err := w.desk.Patient(t.Context(), s)
		if err != nil || all.Frame.User.Name != "" || all.Frame.User.Role != connector.RoleClinician {
			t.Errorf("the user is %+v, %v", all.Frame.User, err)
		}
	})
}
