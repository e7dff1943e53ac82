package deliver_test

import (
	"slices"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// takenBack holds a retracted message to standing nowhere as valid: its corrections have this many entries, all in error.
func (w *world) takenBack(entries int) {
	w.t.Helper()
	all := append(w.chart.on("t-1/a/r2"), w.chart.on("t-1/a/r3")...)
	if len(all) != entries {
		w.t.Errorf("the corrections have %d entries, want %d", len(all), entries)
	}
	for _, e := range append(all, w.chart.on("t-1/a")...) {
		if e.str("status") != "entered-in-error" {
			w.t.Errorf("the retracted message is on the chart as %s: %q", e.str("status"), e.str("text"))
		}
	}
	for _, i := range w.items(thread1, connector.ItemRetraction) {
		w.is(i, connector.Filed, "")
	}
}

// The platform's events come in another order: the retraction first.
func TestCorrectionThatComesAfterTheRetraction(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "uno"), retracted("a"))
		w.pass(time.Second)
		w.accept(corrected("a", 2, "dos"))
		w.pass(time.Hour)
		c := w.items(thread1, connector.ItemCorrection)[0]
		w.is(c, connector.NotDue, connector.TakenBack)
		w.takenBack(0)
		if says := w.traced()["correction a"].Where; says != "not filed: "+connector.TakenBack.Sentence() {
			t.Errorf("trace says %q", says)
		}
	})
}

// What waits together goes as it was said: the correction comes to the chart and is taken back with its message.
func TestCorrectionThatWaitsWithTheRetraction(t *testing.T) {
	bubble(t, func(w *world) {
		w.accept(said("a", 1, "uno"), retracted("a"), corrected("a", 2, "dos"))
		w.run()
		w.pass(time.Hour)
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Filed, "")
		w.takenBack(1)
	})
}

// A correction waits for a person; the message is retracted meanwhile; the person replays the correction.
func TestReplayedCorrectionOfARetractedMessage(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a/r2", refused)
		w.run()
		w.accept(said("a", 1, "uno"), corrected("a", 2, "dos"))
		w.pass(time.Second)
		c := w.items(thread1, connector.ItemCorrection)[0]
		w.is(c, connector.Parked, connector.EHRRefused)
		w.accept(retracted("a"))
		w.pass(time.Second)
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Filed, "")
		w.replay(c)
		w.pass(time.Hour)
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.NotDue, connector.TakenBack)
		w.takenBack(0)
	})
}

// The same where corrections are on the chart and nobody knows it: each is taken back once it is found.
func TestUnknownCorrectionOfARetractedMessage(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a/r2", ambiguousTaken)
		w.chart.fails("t-1/a/r3", ambiguousTaken)
		w.run()
		w.accept(said("a", 1, "uno"))
		w.pass(time.Second)
		w.chart.set(func(c *chart) { c.blind = true })
		w.accept(corrected("a", 2, "dos"), corrected("a", 3, "tres"))
		w.pass(time.Hour)
		corrections := w.items(thread1, connector.ItemCorrection)
		for _, c := range corrections {
			w.is(c, connector.Parked, connector.NotSearchable)
		}
		w.accept(retracted("a"))
		w.pass(time.Second)
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Filed, "")
		w.chart.set(func(c *chart) { c.blind = false })
		for _, c := range corrections {
			w.replay(c)
		}
		w.pass(time.Hour)
		for _, c := range w.items(thread1, connector.ItemCorrection) {
			w.is(c, connector.Filed, "")
		}
		w.takenBack(2)
	})
}

// A retraction that is under way has planned what it takes back: a correction that comes now is not among that.
func TestCorrectionThatComesWhileItsMessageIsTakenBack(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a#entered-in-error", unavailable)
		w.run()
		w.accept(said("a", 1, "uno"))
		w.pass(time.Second)
		w.accept(retracted("a"))
		w.pass(time.Millisecond)
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Waiting, connector.EHRUnavailable)
		w.accept(corrected("a", 2, "dos"))
		w.pass(time.Hour)
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.NotDue, connector.TakenBack)
		w.takenBack(0)
	})
}

// A transcript that cannot be replaced says that a message was retracted; corrected words are not added to it after that.
func TestCorrectionAfterTheRetractionInATranscript(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "uno"))
		w.pass(2 * idle)
		w.accept(retracted("a"))
		w.pass(2 * idle)
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Filed, "")
		w.accept(corrected("a", 2, "dos"))
		w.pass(2 * idle)
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.NotDue, connector.TakenBack)
	})
}

// A version that comes to the chart after a later one replaces nothing there, and what takes the message back has to know.
func TestRetractionKnowsWhatWasAdded(t *testing.T) {
	bubble(t, func(w *world) {
		var added [][]int
		w.chart.expressed = func(x connector.Exchange) error {
			if x.Kind == connector.ItemRetraction {
				added = append(added, x.Added)
			}
			return nil
		}
		w.run()
		for _, e := range []connector.Event{said("a", 1, "uno"), corrected("a", 3, "tres"), corrected("a", 2, "dos"), corrected("a", 4, "cuatro"), retracted("a")} {
			w.accept(e)
			w.pass(time.Minute)
		}
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Filed, "")
		if len(added) == 0 {
			t.Fatal("no retraction was planned")
		}
		for _, a := range added {
			if !slices.Equal(a, []int{2}) {
				t.Errorf("planned with %v added, want the second version", a)
			}
		}
	})
}
