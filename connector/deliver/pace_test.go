package deliver_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestRetryAfterIsRespectedByEveryLane(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.chart.fails("t-1/b", tooMany)
		w.accept(said("b", 2, "two"))
		w.pass(time.Millisecond)
		asked := time.Now()
		for n := range 20 {
			w.acceptIn(fmt.Sprint("u-", n), said("x", 1, "other thread"))
			w.pass(10 * time.Second)
		}
		w.is(w.item("b"), connector.Waiting, connector.RateLimited)
		w.pass(10 * time.Minute)
		w.filed(map[string]string{"b": "two"})
		for _, f := range w.chart.filings {
			if f.at.After(asked) && f.at.Before(asked.Add(retryAfter-time.Millisecond)) {
				t.Errorf("a request left %v after a Retry-After of %v", f.at.Sub(asked), retryAfter)
			}
		}
		if got := len(w.chart.order()); got != 22 {
			t.Errorf("%d messages are on the chart, want 22", got)
		}
	})
}

// A lane that is past its look at the circuit when another lane is told to wait sends nothing either.
func TestRetryAfterStopsALaneThatIsUnderWay(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.chart.slow = time.Second
		w.acceptIn("t-2", said("x", 1, "other thread"))
		w.pass(time.Millisecond)
		w.chart.fails("t-1/b", tooMany)
		w.accept(said("b", 2, "two"))
		w.pass(retryAfter - time.Second)
		if n := len(w.chart.attempts("t-2")); n != 0 {
			t.Errorf("%d requests of the other lane left before the Retry-After was over", n)
		}
		w.pass(time.Minute)
		if n := len(w.chart.on("t-2/x")); n != 1 {
			t.Errorf("the other thread has %d entries", n)
		}
	})
}

func TestOutageWithinTheHorizonLosesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		w.horizon = 90 * time.Minute
		w.chart.onFile = nil // its own reads would be the greater part of this test
		w.run()
		w.chart.set(func(c *chart) { c.down = unavailable })
		for n := range 5 {
			w.accept(said(fmt.Sprint("m", n), int64(n+1), fmt.Sprint("text ", n)))
			w.acceptIn("t-2", said(fmt.Sprint("n", n), int64(n+1), "x"))
		}
		w.pass(80 * time.Minute)
		if tried := len(w.chart.filings); tried > 80*60/10 {
			t.Errorf("%d requests in 80 minutes: the waits do not grow", tried)
		}
		w.chart.set(func(c *chart) { c.down = none })
		w.pass(5 * time.Minute)
		for n := range 5 {
			w.filed(map[string]string{fmt.Sprint("m", n): fmt.Sprint("text ", n)})
		}
		if got := len(w.chart.order()); got != 10 {
			t.Errorf("%d messages are on the chart, want 10", got)
		}
	})
}

func TestRetriesAreExhaustedAfterTheHorizonAndReplayFiles(t *testing.T) {
	bubble(t, func(w *world) {
		w.horizon = 20 * time.Minute
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.chart.set(func(c *chart) { c.down = unavailable })
		w.accept(said("b", 2, "two"))
		w.pass(22 * time.Minute)
		w.is(w.item("b"), connector.Parked, connector.RetriesExhausted)
		w.chart.set(func(c *chart) { c.down = none })
		w.pass(time.Minute)
		w.replay(w.item("b"))
		w.pass(time.Minute)
		w.filed(map[string]string{"a": "one", "b": "two"})
	})
}

func TestTheHorizonIs72HoursFromTheFirstTry(t *testing.T) {
	for tried, state := range map[time.Duration]connector.ItemState{71 * time.Hour: connector.Waiting, 72*time.Hour + time.Second: connector.Parked} {
		t.Run(tried.String(), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.chart.down = unavailable
				w.accept(said("a", 1, "one"))
				header := w.items(thread1, connector.ItemHeader)[0]
				w.update(func(tx connector.Tx) error {
					header.FirstTried = time.Now().Add(-tried)
					return tx.PutItem(&header)
				})
				w.run()
				w.pass(time.Millisecond)
				if got := w.items(thread1, connector.ItemHeader)[0]; got.State != state {
					t.Errorf("tried for %v it is %s %s", tried, got.State, got.Reason)
				}
			})
		})
	}
}

// An EHR that answers every post of one message with 500 is not asked for ever.
func TestEndlessAmbiguityIsExhaustedToo(t *testing.T) {
	bubble(t, func(w *world) {
		w.horizon = 20 * time.Minute
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		for range 200 {
			w.chart.fails("t-1/b", ambiguousLost)
		}
		w.accept(said("b", 2, "two"), said("c", 3, "three"))
		w.pass(30 * time.Minute)
		w.is(w.item("b"), connector.Parked, connector.RetriesExhausted)
		w.filed(map[string]string{"a": "one", "c": "three"})
	})
}

func TestConnectionThatDoesNotOpenIsWaitedFor(t *testing.T) {
	for name, err := range map[string]error{
		"retry":   &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("connection refused")},
		"refused": &connector.Refused{Reason: connector.Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.chart.openErr = err
				w.run()
				w.accept(said("a", 1, "one"))
				w.pass(30 * time.Minute)
				w.chart.set(func(c *chart) { c.openErr = nil })
				w.pass(20 * time.Minute)
				w.filed(map[string]string{"a": "one"})
			})
		})
	}
}

func TestLaneOf200MessagesCostsAboutOneCommitEach(t *testing.T) {
	bubble(t, func(w *world) {
		const n = 200
		w.chart.onFile = nil // its own reads would be the greater part of this test
		for k := range n {
			w.accept(said(fmt.Sprintf("m%03d", k), int64(k+1), "text"))
		}
		before := w.store.count()
		w.run()
		w.pass(time.Second)
		if got := len(w.chart.order()); got != n {
			t.Fatalf("%d of %d are on the chart", got, n)
		}
		// One per attempt, the header's among them, and a handful for claiming, the end and giving back.
		if cost := w.store.count() - before; cost > n+1+10 {
			t.Errorf("%d commits for %d messages", cost, n)
		}
	})
}

func TestIdleThreadsHaveNoGoroutine(t *testing.T) {
	alone(t, func(w *world) {
		w.chart.onFile = nil
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Minute)
		before := runtime.NumGoroutine()
		for n := range 100 {
			w.acceptIn(fmt.Sprint("u-", n), said("a", 1, "one"), said("c", 3, "waits for its gap"))
		}
		w.pass(time.Second)
		if after := runtime.NumGoroutine(); after > before+1 {
			t.Errorf("%d goroutines before and %d with a hundred waiting threads", before, after)
		}
	})
}

func TestTwoReplicasFileOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.run()
		for n := range 20 {
			w.accept(said(fmt.Sprintf("m%02d", n), int64(n+1), fmt.Sprint("text ", n)))
			w.acceptIn(fmt.Sprint("u-", n), said("x", 1, "other"))
		}
		w.pass(time.Minute)
		for n := range 20 {
			w.filed(map[string]string{fmt.Sprintf("m%02d", n): fmt.Sprint("text ", n)})
			if e := w.chart.on(fmt.Sprintf("u-%d/x", n)); len(e) != 1 {
				t.Errorf("thread u-%d has %d entries", n, len(e))
			}
		}
	})
}

// The waits of one write double from a second: an attempt counts once.
func TestWaitsOfAWriteDouble(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.chart.fails("t-1/b", unavailable, unavailable, unavailable, unavailable, unavailable)
		w.accept(said("b", 2, "two"))
		w.pass(time.Minute)
		tries := w.chart.attempts("t-1/b")
		if len(tries) != 6 {
			t.Fatalf("%d attempts in a minute", len(tries))
		}
		for n := range tries[1:] {
			if wait, most := tries[n+1].at.Sub(tries[n].at), time.Second<<n; wait > most+100*time.Millisecond {
				t.Errorf("attempt %d came %v after the one before, want %v at most", n+2, wait, most)
			}
		}
	})
}
