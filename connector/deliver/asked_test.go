package deliver_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// early holds every request after a Retry-After to it, but for those that left within slack of its being told.
func (w *world) early(told time.Time, slack time.Duration) {
	w.t.Helper()
	w.barrier()
	begins, ends := told.Add(slack), told.Add(retryAfter-time.Millisecond)
	for _, f := range w.chart.filings {
		if f.at.After(begins) && f.at.Before(ends) {
			w.t.Errorf("a write left %v after a Retry-After of %v", f.at.Sub(told), retryAfter)
		}
	}
	for _, at := range w.chart.matches {
		if at.After(begins) && at.Before(ends) {
			w.t.Errorf("a search left %v after a Retry-After of %v", at.Sub(told), retryAfter)
		}
	}
}

// Others that share the store heed what one was told: the process that comes after it, and within a second replicas.
func TestRetryAfterIsHeededByWhoWasNotTold(t *testing.T) {
	for name, c := range map[string]struct {
		slack time.Duration
		other func(w *world)
	}{
		"after a restart": {0, func(w *world) { w.halt(); w.run() }},
		"by a replica":    {time.Second, func(*world) {}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.run()
				if c.slack > 0 {
					w.run()
				}
				w.accept(said("a", 1, "one"))
				w.pass(2 * time.Second)
				w.chart.fails("t-1/b", tooMany)
				w.accept(said("b", 2, "two"))
				w.pass(5 * time.Millisecond)
				told := w.chart.filings[len(w.chart.filings)-1].at
				c.other(w)
				for n := range 29 {
					w.acceptIn(fmt.Sprint("u-", n), said("x", 1, "other thread"))
					w.pass(10 * time.Second)
				}
				w.pass(10 * time.Minute)
				w.filed(map[string]string{"b": "two"})
				w.early(told, c.slack)
				if got := len(w.chart.order()); got != 31 {
					t.Errorf("%d messages are on the chart, want 31", got)
				}
			})
		})
	}
}

// A search that is told to wait is no attempt, and is remembered all the same.
func TestRetryAfterOfASearchOutlivesItsProcess(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.matchErr = &connector.Retry{Reason: connector.RateLimited, Status: 429, After: retryAfter}
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(5 * time.Millisecond)
		told := w.chart.matches[0]
		w.halt()
		w.chart.set(func(c *chart) { c.matchErr = nil })
		w.run()
		w.acceptIn("t-2", said("x", 1, "other thread"))
		w.pass(retryAfter + time.Minute)
		w.filed(map[string]string{"a": "one"})
		w.early(told, 0)
	})
}

// What a clock left far ahead that was set back since closes an EHR for the longest wait that is heeded, and no longer.
func TestRetryAfterOfAWrongClockEndsWithinTheHour(t *testing.T) {
	bubble(t, func(w *world) {
		w.update(func(tx connector.Tx) error { return connector.SetAsked(tx, ehrID, time.Now().AddDate(10, 0, 0)) })
		w.run()
		for n := range 6 {
			w.acceptIn(fmt.Sprint("t-", n), said("x", 1, "x"))
			w.pass(9 * time.Minute)
		}
		if n := len(w.chart.filings); n != 0 {
			t.Errorf("%d writes left within the hour", n)
		}
		w.pass(7 * time.Minute)
		if n := len(w.chart.order()); n != 6 {
			t.Errorf("%d messages are on the chart after an hour, want 6", n)
		}
	})
}
