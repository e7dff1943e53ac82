package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// A lane that was claimed before the connection was stopped, and had to wait for its patient, writes nothing once it has them; it goes
// on when the connection does.
func TestNothingIsWrittenAfterAStop(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.slow = 20 * time.Second
		ready := 0 // writes that only had to leave
		w.chart.gate = func(connector.Write) error { ready++; return nil }
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"))
		w.pass(10 * time.Second)
		w.pause(connector.EHRPaused)
		w.pass(10 * time.Minute)
		if n := len(w.chart.filings); n != 0 {
			t.Errorf("%d writes left after the stop", n)
		}
		if ready != 1 {
			t.Errorf("%d times a write was made ready, want once", ready)
		}
		for _, i := range w.items("t-1", connector.ItemExchange) {
			if i.State != connector.Waiting || i.Tries != 0 {
				t.Errorf("%s is %s after %d tries", i.MsgKey, i.State, i.Tries)
			}
		}
		w.pause("")
		w.pass(time.Minute)
		w.filed(map[string]string{"a": "one", "b": "two"})
	})
}

// A lane with much to write stops between two writes: the one that is under way is not undone, and what has come of it is kept.
func TestAStopIsHeededBetweenWrites(t *testing.T) {
	bubble(t, func(w *world) {
		committed := w.chart.onFile
		w.chart.onFile = func(x connector.Write) { committed(x); time.Sleep(2 * time.Second) }
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), said("c", 3, "three"), said("d", 4, "four"))
		w.pass(5 * time.Second)
		w.pause(connector.WrongSubject)
		stopped := time.Now()
		w.pass(10 * time.Minute)
		w.barrier()
		for _, f := range w.chart.filings {
			if f.at.After(stopped.Add(2 * time.Second)) { // the one that was under way arrives
				t.Errorf("a write left %v after the stop", f.at.Sub(stopped))
			}
		}
		if before := len(w.chart.filings); before < 2 || len(w.chart.order()) != before-1 { // the thread's header is the first
			t.Errorf("%d writes left before the stop, and %d messages are on the chart", before, len(w.chart.order()))
		}
		w.pause("")
		w.pass(time.Minute)
		w.filed(map[string]string{"a": "one", "b": "two", "c": "three", "d": "four"})
		if n := len(w.chart.filings); n != 5 {
			t.Errorf("%d writes left for 4 messages and their header", n)
		}
	})
}
