package deliver_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestTakenOverAttemptIsSettledNotPostedAgain(t *testing.T) {
	for _, f := range []fault{none, ambiguousLost} {
		t.Run("the dead worker's request: "+string(f), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.accept(said("a", 1, "one"))
				// A worker that dies with its request on the way: it never tells how it went, and its lease runs out.
				w.chart.fails("t-1/a", fenced)
				w.run()
				w.pass(time.Millisecond)
				if f == none {
					w.chart.set(func(c *chart) {
						if _, err := c.commit(c.filings[len(c.filings)-1].w); err != nil {
							t.Fatal(err)
						}
					})
				}
				w.pass(5 * time.Second)
				w.is(w.item("a"), connector.Unknown, connector.Settling)
				w.pass(lease + requestDeadline - 6*time.Second)
				w.is(w.item("a"), connector.Unknown, connector.Settling)
				w.pass(settling)
				w.filed(map[string]string{"a": "one"})
				if f == none && len(w.chart.attempts("t-1/a")) != 1 {
					t.Error("it was posted again")
				}
				row := w.writes(w.item("a"))[0]
				w.view(func(tx connector.Tx) error {
					attempts, err := tx.Attempts(ehrID, row.ID)
					for _, a := range attempts {
						if a.EndedAt.IsZero() {
							t.Error("an attempt is left without an end")
						}
					}
					return err
				})
			})
		})
	}
}

// TestTakenOverAttemptIsSentAgainWhereRepeatsAreKnown: the worker that left no word of its attempt gets an end for it.
func TestTakenOverAttemptIsSentAgainWhereRepeatsAreKnown(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.blind, w.chart.traits.Resends = true, true
		w.accept(said("a", 1, "one"))
		w.chart.fails("t-1/a", fenced)
		w.run()
		w.pass(lease + requestDeadline + settling)
		w.filed(map[string]string{"a": "one"})
		row := w.writes(w.item("a"))[0]
		w.view(func(tx connector.Tx) error {
			attempts, err := tx.Attempts(ehrID, row.ID)
			if len(attempts) != 2 || attempts[0].Outcome != "resend" || attempts[0].EndedAt.IsZero() {
				t.Errorf("%d attempts, the first ended with %q", len(attempts), attempts[0].Outcome)
			}
			return err
		})
	})
}

// steal takes a lane from its holder, as another process does whose clock shows the lease's end.
func (w *world) steal(kind connector.LaneKind) connector.Lane {
	w.t.Helper()
	lanes, err := w.store.Claim(w.t.Context(), ehrID, []connector.LaneKind{kind}, 1, time.Now().Add(lease))
	if err != nil || len(lanes) != 1 {
		w.t.Fatalf("the lane could not be taken: %v, %v", lanes, err)
	}
	return lanes[0]
}

func TestWorkerThatLostItsLaneWritesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		w.accept(said("a", 1, "one"), said("b", 2, "two"))
		var stolen connector.Lane
		check := w.chart.onFile
		w.chart.onFile = func(sent connector.Write) {
			check(sent)
			if sent.Identity.Value == "t-1/a" && stolen.Thread == "" {
				stolen = w.steal(connector.LaneChart)
			}
		}
		w.run()
		w.pass(time.Second)
		// The old holder's request for a was under way and is on the chart; it may write nothing down, and post nothing more.
		w.is(w.item("a"), connector.Filing, "")
		w.is(w.item("b"), connector.Waiting, "")
		if got := w.chart.order(); len(got) != 1 {
			t.Errorf("the chart has %v", got)
		}
		w.pass(lease + settling)
		w.filed(map[string]string{"a": "one", "b": "two"})
	})
}

// A lane stopped by an orderly end of the process goes on with the next one, and nothing is there twice.
func TestOrderlyEndLosesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.PerSecond = 2
		w.run()
		for n := range 6 {
			w.accept(said(fmt.Sprint("m", n), int64(n+1), fmt.Sprint("text ", n)))
		}
		w.pass(1500 * time.Millisecond)
		w.halt()
		before := len(w.chart.filings)
		if before == 0 || before > 6 {
			t.Fatalf("%d requests left before the end: the test shows nothing", before)
		}
		w.run()
		w.pass(time.Minute)
		for n := range 6 {
			w.filed(map[string]string{fmt.Sprint("m", n): fmt.Sprint("text ", n)})
		}
	})
}
