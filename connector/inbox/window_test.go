package inbox

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// The ten seconds in which a reply can be taken back are ten seconds in which the world goes on.

// kneeHurts is a desk at work, a session with one patient, and their message, which nobody has answered.
func kneeHurts(t *testing.T) (w *world, s *Session, thread string) {
	t.Helper()
	w = newWorld(t)
	w.running(w.desk)
	s, _ = w.launch(daniel)
	return w, s, w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
}

func TestWhatThePatientSaysMeanwhileWaitsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, thread := kneeHurts(t)
		if _, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it.")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		w.comes(daniel, "t-1", 2, patientSide, "Now my chest hurts")
		leaves()
		if got := w.sent(thread); len(got) != 1 {
			t.Fatalf("sent %v", got)
		}
		at := time.Now()
		if v := w.opened(s, thread); v.Thread.Waits == 0 || v.Thread.Waits > at.Sub(v.Thread.Last)+UndoFor {
			t.Errorf("%q waits %v: it was not answered, and what was answered waits no more", v.Thread.Snippet, v.Thread.Waits)
		}
	})
}

func TestAThreadThatComesToNameAnotherPatientMeanwhileGetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, thread := kneeHurts(t)
		if _, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it.")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		w.comes(maria, "t-1", 2, patientSide, "It is Maria now")
		leaves()
		if got := w.sent(thread); len(got) != 0 {
			t.Errorf("sent %v in a thread whose patient is in doubt", got)
		}
		if v := w.opened(s, thread); v.Composer.Draft.Text != "Cool it." || v.Composer.Draft.Problem == "" {
			t.Errorf("what was not sent is not there with why: %+v", v.Composer.Draft)
		}
	})
}

func TestNothingGoesOutOfASessionThatWasTakenAwayMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, thread := kneeHurts(t)
		if _, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it.")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := w.desk.EndUser(t.Context(), "mercy", doctor, "cli"); err != nil {
			t.Fatal(err)
		}
		leaves()
		if got := w.sent(thread); len(got) != 0 {
			t.Errorf("sent %v by a session an administrator had ended 9 seconds before", got)
		}
	})
}

func TestNothingGoesOutOfASessionWhoseRoleWasTakenAwayMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.roles(Roles{Clinician: []string{"doctor"}, Default: NoRole})
		w.running(w.desk)
		s, handle := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		w.used(s, handle, rolesFor-2*time.Second)
		if _, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it.")); err != nil {
			t.Fatal(err)
		}
		w.chart.user.Codes = nil
		time.Sleep(3 * time.Second)
		_, err := w.desk.Session(t.Context(), s.ID, handle)
		wantEnded(t, err, EndedNoRole)
		leaves()
		if got := w.sent(thread); len(got) != 0 {
			t.Errorf("sent %v for somebody to whom the EHR gives no role any more", got)
		}
		w.chart.user.Codes = []string{"doctor"}
		again, _ := w.launch(daniel)
		if d := w.opened(again, thread).Composer.Draft; d.Text != "Cool it." || d.Problem != sessionTaken {
			t.Errorf("what was not sent is not there with why: %+v", d)
		}
	})
}

func TestNothingIsTakenFromASessionThatEndsWhileTheEHRIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, thread := kneeHurts(t)
		in := answer(w.opened(s, thread), "patient", "Cool it.")
		w.chart.slow = 10 * time.Second
		done := make(chan error, 1)
		go func() { _, err := w.desk.Send(t.Context(), s, in); done <- err }()
		time.Sleep(5 * time.Second)
		if _, err := w.desk.EndUser(t.Context(), "mercy", doctor, "cli"); err != nil {
			t.Fatal(err)
		}
		err := <-done
		w.chart.slow = 0
		leaves()
		if got := w.sent(thread); len(got) != 0 {
			t.Errorf("sent %v: given to be sent after the session had ended (error %v)", got, err)
		}
	})
}

func TestNothingIsTakenFromAPageThatIsCoveredWhileTheEHRIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, thread := kneeHurts(t)
		in := answer(w.opened(s, thread), "patient", "Cool it.")
		w.chart.slow = 10 * time.Second
		done := make(chan error, 1)
		go func() { _, err := w.desk.Send(t.Context(), s, in); done <- err }()
		time.Sleep(5 * time.Second)
		w.update(func(tx connector.Tx) error {
			k, err := readKept(tx, w.ehr, s.ID)
			if err != nil {
				return err
			}
			k.body.Covered = "other"
			return k.put(tx)
		})
		err := <-done
		if !errors.As(err, new(*Covered)) {
			t.Errorf("sent though covered meanwhile: %v", err)
		}
	})
}

func TestAComposerPostedTwiceIsOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, thread := kneeHurts(t)
		in := answer(w.opened(s, thread), "patient", "Cool it.")
		for range 2 {
			if _, err := w.desk.Send(t.Context(), s, in); err != nil {
				t.Error(err)
			}
		}
		leaves()
		if got := w.sent(thread); len(got) != 1 {
			t.Errorf("one composer, sent %v", got)
		}
	})
}

func TestAFormWithAFilePostedTwiceKeepsItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		in := answer(w.opened(s, thread), "patient", "Like this.").DraftIn
		in.AddFiles = []Upload{{"leaflet.txt", []byte("Cool it three times a day.")}}
		for range 2 {
			if kept, err := w.desk.Save(t.Context(), s, in); err != nil || len(kept.Files) != 1 {
				t.Errorf("%d files, %v", len(kept.Files), err)
			}
		}
	})
}
