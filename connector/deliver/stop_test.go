package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
)

// The EHR answers with another patient: nothing more may leave, of this thread or of another that is claimed already.
func TestNothingLeavesAfterTheStop(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", wrongSubject)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), said("c", 3, "three"))
		w.pass(time.Minute)
		w.is(w.item("a"), connector.Parked, connector.WrongSubject)
		if w.ehr().Paused != connector.WrongSubject {
			t.Errorf("the connection is paused for %q", w.ehr().Paused)
		}
		for _, id := range []string{"b", "c"} {
			if n := len(w.chart.attempts("t-1/" + id)); n != 0 {
				t.Errorf("%s left %d times after the connection was stopped", id, n)
			}
			w.is(w.item(id), connector.Waiting, "")
		}
		w.pause("")
		w.pass(time.Minute)
		w.filed(map[string]string{"b": "two", "c": "three"})
	})
}

// A lane that was claimed before the pause gives its attempt up with the commit that would have let it leave, and what it had
// done before is committed.
func TestClaimedLaneWritesNothingOncePaused(t *testing.T) {
	bubble(t, func(w *world) {
		paused := false
		w.chart.onFile = func(sent connector.Write) {
			w.attemptIsCommitted(sent)
			if sent.Identity.Value == "t-1/a" && !paused {
				paused = true
				w.pause(connector.EHRPaused)
			}
		}
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"))
		w.pass(time.Hour)
		w.filed(map[string]string{"a": "one"})
		if n := len(w.chart.attempts("t-1/b")); n != 0 {
			t.Errorf("b left %d times after the pause", n)
		}
		if rows := w.writes(w.item("b")); len(rows) != 0 {
			t.Errorf("%d writes of b were committed for an attempt that was not made", len(rows))
		}
		w.is(w.item("b"), connector.Waiting, "")
		w.pause("")
		w.pass(time.Minute)
		w.filed(map[string]string{"b": "two"})
		if n := w.item("b").Tries; n != 1 {
			t.Errorf("b was tried %d times", n)
		}
	})
}

// A stop whose lane lost it meanwhile is committed all the same.
func TestStopOutlivesItsLane(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", wrongSubject)
		taken := false
		w.chart.onFile = func(sent connector.Write) {
			if sent.Identity.Value != "t-1/a" || taken {
				return
			}
			taken = true
			time.Sleep(lease + time.Second) // another worker takes the lane over
		}
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(lease + 2*time.Second)
		w.acceptIn("t-2", said("x", 1, "other thread"))
		w.pass(time.Second)
		if w.ehr().Paused != connector.WrongSubject {
			t.Errorf("the connection is paused for %q", w.ehr().Paused)
		}
		if n := len(w.chart.attempts("t-2/x")); n != 0 {
			t.Errorf("another thread's message left %d times", n)
		}
	})
}

// pause pauses the connection, or lets it go on where the reason is "".
func (w *world) pause(r connector.Reason) {
	w.update(func(tx connector.Tx) error { return deliver.Pause(tx, "mercy", r, "cli:ana", clock.System.Now()) })
}
