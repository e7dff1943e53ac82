package deliver_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/store"
)

// jumps of a wall clock: an hour, a day, ten years, either way.
var jumps = map[string]time.Duration{"+1h": time.Hour, "-1h": -time.Hour, "+24h": 24 * time.Hour, "-24h": -24 * time.Hour,
	"+10y": 87660 * time.Hour, "-10y": -87660 * time.Hour}

// process begins a process on the file: a clock anchored at a wall clock that is off by what off says, and its store.
func (w *world) process(path string, off *time.Duration) *store.DB {
	w.t.Helper()
	began := time.Now()
	steady := clock.SteadyOn(func() time.Time { return time.Now().Round(0).Add(*off) }, func() time.Duration { return time.Since(began) })
	keys, err := sealer()
	if err != nil {
		w.t.Fatal(err)
	}
	db, err := store.Open(context.Background(), "sqlite:"+path, store.Options{Sealer: keys, Clock: steady, Lease: lease})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.Close(); err != nil { // the one before, in memory or of the process that has ended
		w.t.Fatal(err)
	}
	w.store.Store, w.clock, w.in = db, steady, ingest.New(w.store, steady.Now)
	return db
}

// trouble accepts what a jump may break: an attempt to settle, a thread told to wait, one that gets through.
func (w *world) trouble() {
	w.chart.fails("t-1/a", ambiguousTaken)
	w.chart.fails("t-2/b", tooMany)
	w.chart.slow = 10 * time.Second // a lease is held as the clock jumps
	w.run()
	w.acceptIn("t-1", said("a", 1, "one"), said("a2", 2, "two"))
	w.pass(time.Second)
	w.acceptIn("t-2", said("b", 1, "three"))
	w.pass(12 * time.Second)
}

// untroubled holds the chart to it: everything is there once, and nothing left before the wait that was told.
func (w *world) untroubled() {
	w.t.Helper()
	w.filed(map[string]string{"a": "one", "a2": "two"})
	for _, id := range []string{"t-1/a", "t-1/a2", "t-2/b", "t-3/c"} {
		if n := len(w.chart.on(id)); n != 1 {
			w.t.Errorf("%s has %d entries", id, n)
		}
	}
	var told time.Time
	for _, f := range w.chart.filings {
		if !told.IsZero() && f.at.Before(told.Add(retryAfter)) {
			w.t.Errorf("a write left %v after a Retry-After of %v", f.at.Sub(told), retryAfter)
		}
		if f.fault == tooMany {
			told = f.at
		}
	}
	for _, at := range w.chart.matches {
		if at.After(told) && at.Before(told.Add(retryAfter)) {
			w.t.Errorf("a search left %v after a Retry-After of %v", at.Sub(told), retryAfter)
		}
	}
	if told.IsZero() {
		w.t.Error("no Retry-After was ever told: this test sees nothing")
	}
	if n := len(w.chart.attempts("t-1/a")); n != 1 {
		w.t.Errorf("the ambiguous write was attempted %d times", n)
	}
}

// TestTheWallJumpsWhileLeasesAreHeld: the process keeps its time, and nothing is lost, doubled or early.
func TestTheWallJumpsWhileLeasesAreHeld(t *testing.T) {
	for name, by := range jumps {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			bubble(t, func(w *world) {
				off := time.Duration(0)
				w.process(path, &off)
				w.update(func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: "mercy"}) })
				w.chart.onFile = nil
				w.trouble()
				w.barrier()
				off = by
				w.acceptIn("t-3", said("c", 1, "four"))
				w.pass(3 * time.Minute)
				off = 0 // repaired
				w.pass(20 * time.Minute)
				w.untroubled()
			})
		})
	}
}

// TestTheClockIsRepairedBetweenTwoProcesses: a process ran with a clock ahead (or the next one's is behind), and after
// --accept-clock the same data is filed, once, and not in ten years.
func TestTheClockIsRepairedBetweenTwoProcesses(t *testing.T) {
	for name, by := range jumps {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			bubble(t, func(w *world) {
				first, second := max(by, 0), min(by, 0)
				db := w.process(path, &first)
				w.update(func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: "mercy"}) })
				w.chart.onFile = nil
				w.trouble()
				w.acceptIn("t-3", said("c", 1, "four"))
				if err := db.Ping(context.Background()); err != nil {
					w.t.Fatal(err)
				}
				w.halt()
				if err := db.Close(); err != nil {
					w.t.Fatal(err)
				}
				db = w.process(path, &second)
				newest, err := db.Newest(context.Background())
				if err != nil || newest.Sub(w.clock.Now()) < time.Hour-time.Minute {
					w.t.Fatalf("the store was last written at %v, %v; the clock says %v", newest, err, w.clock.Now())
				}
				if err := db.PullBack(context.Background(), newest, w.clock.Now()); err != nil {
					w.t.Fatal(err)
				}
				w.run()
				w.pass(90 * time.Minute)
				w.untroubled()
			})
		})
	}
}
