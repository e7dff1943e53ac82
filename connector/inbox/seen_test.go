package inbox

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// behind is a replica whose clock is a minute behind.
func (w *world) behind() *Desk {
	d := w.replica()
	d.o.Ingest = ingest.New(w.store, func() time.Time { return time.Now().Add(-time.Minute) })
	return d
}

// at has a replica take in what comes.
func (w *world) at(d *Desk, do func()) {
	was := w.desk
	w.desk = d
	do()
	w.desk = was
}

// What a replica takes in whose clock is behind has a smaller id than what was shown, and was not shown all the same.
func TestCollisionOfReplicasWhoseClocksDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, thread := kneeHurts(t)
		behind := w.behind()
		shown := w.opened(s, thread)
		w.at(behind, func() { w.comes(daniel, "t-1", 2, patientSide, "Now my chest hurts") })
		in := answer(shown, "patient", "Cool it.")
		kept, err := w.desk.Send(t.Context(), s, in)
		var met *Collision
		if !errors.As(err, &met) || met.Who.Key != "patient" || !kept.SendAt.IsZero() {
			t.Fatalf("sent by somebody who has not seen the last message: %v", err)
		}
		leaves()
		if v := w.opened(s, thread); len(w.sent(thread)) != 0 || v.Thread.Waits == 0 {
			t.Errorf("sent %v; waits %v", w.sent(thread), v.Thread.Waits)
		}
		// What comes while they are told is told as well: they mean what they were told of.
		in.ID, in.Version, in.Seen, in.Anyway = kept.ID, kept.Version, w.opened(s, thread).Composer.Seen, true
		w.at(behind, func() { w.comes(daniel, "t-1", 3, patientSide, "I cannot breathe") })
		if kept, err = w.desk.Send(t.Context(), s, in); !errors.As(err, &met) {
			t.Fatalf("sent over what came meanwhile: %v", err)
		}
		in.Version, in.Seen = kept.Version, w.opened(s, thread).Composer.Seen
		if _, err := w.desk.Send(t.Context(), s, in); err != nil {
			t.Fatal(err)
		}
		leaves()
		if v := w.opened(s, thread); !slices.Equal(w.sent(thread), []string{"Cool it."}) || v.Thread.Waits != 0 {
			t.Errorf("sent %v; waits %v", w.sent(thread), v.Thread.Waits)
		}
	})
}

// What counts as seen is what is on the page, and a note of a colleague's holds up nobody.
func TestWhatWasShownIsWhatWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			then func(w *world, s *Session, thread string)
			seen func(string) string
			met  bool
		}{
			"nothing":              {},
			"a note":               {then: func(w *world, s *Session, thread string) { w.notes(s, thread) }},
			"a correction":         {then: func(w *world, _ *Session, _ string) { w.corrects() }, met: true},
			"another kind of word": {seen: func(string) string { return connector.NewID(time.Now().Add(time.Hour)) }, met: true},
			"no word":              {seen: func(string) string { return "" }, met: true},
			"a cut one":            {seen: func(s string) string { return s[:len(s)-2] }, met: true},
		} {
			w := newWorld(t)
			s := w.signed(doctor, daniel, "doctor")
			thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
			in := answer(w.opened(s, thread), "patient", "Cool it.")
			if c.then != nil {
				c.then(w, s, thread)
			}
			if c.seen != nil {
				in.Seen = c.seen(in.Seen)
			}
			if _, err := w.desk.Send(t.Context(), s, in); errors.As(err, new(*Collision)) != c.met || err != nil && !c.met {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func (w *world) notes(s *Session, thread string) {
	w.t.Helper()
	if err := w.desk.Note(w.t.Context(), s, thread, "I call him", w.opened(s, thread).Composer.Bind); err != nil {
		w.t.Fatal(err)
	}
}

// corrects has the patient's first message corrected.
func (w *world) corrects() {
	w.t.Helper()
	w.event(daniel, "t-1", connector.MessageCorrected, func(e *connector.Event) {
		e.MessageID, e.Correction = "m-1", &connector.Correction{Version: 2, Text: "My chest hurts", At: e.Timestamp}
	})
}
