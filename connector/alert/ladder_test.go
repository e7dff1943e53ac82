package alert_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store"
)

func escalator(db *store.DB, board *alert.Board) *alert.Escalator {
	return &alert.Escalator{Store: db, Clock: clock.System, Log: slog.New(slog.DiscardHandler), Board: board,
		Ladder: alert.Ladder{Steps: []alert.Step{{"owner", 15 * time.Minute}, {"supervisor", time.Hour}, {"admin", 4 * time.Hour}},
			Urgent: []alert.Step{{"owner", 5 * time.Minute}, {"supervisor", 15 * time.Minute}, {"admin", time.Hour}}},
		SLA:   alert.SLA{Default: 4 * time.Hour, Pools: map[string]time.Duration{alert.PoolKey("E", "nurses"): time.Hour}},
		Names: map[string]string{"E": "mercy"}}
}

func park(t *testing.T, db *store.DB, id, owner string, p connector.Priority) connector.Item {
	t.Helper()
	now := clock.System.Now()
	i := connector.Item{ID: id, EHR: "E", Thread: "T", Kind: connector.ItemNotice, State: connector.Parked, Reason: connector.EHRRefused,
		Owner: owner, Channel: "texting", Priority: p, CommittedAt: now, ChangedAt: now}
	if err := db.Update(t.Context(), "test", func(tx connector.Tx) error {
		if err := tx.PutEHR(connector.EHRRow{ID: "E", Name: "mercy"}); err != nil {
			return err
		}
		return tx.PutItem(&i)
	}); err != nil {
		t.Fatal(err)
	}
	return i
}

// TestLadder goes up a day of virtual time: each step tells once, urgent sooner, and what is dealt with is cleared.
func TestLadder(t *testing.T) {
	bubble(t, func(t *testing.T, db *store.DB, p *pager) {
		board, stop := start(t, db, p)
		defer stop()
		e := escalator(db, board)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		defer func() { cancel(); <-ended }()
		slow, fast := park(t, db, "SLOW", "", connector.Routine), park(t, db, "FAST", "nurses", connector.Stat)
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		pass(6 * time.Minute)
		want := []string{"alert.raised parked/FAST/1"}
		p.heard(t, want...)
		pass(10 * time.Minute) // 16 min
		slices.Sort(p.got[1:])
		want = append(want, "alert.raised parked/FAST/2", "alert.raised parked/SLOW/1")
		p.heard(t, want...)
		pass(50 * time.Minute) // 66 min
		slices.Sort(p.got[3:])
		want = append(want, "alert.raised parked/FAST/3", "alert.raised parked/SLOW/2")
		p.heard(t, want...)
		if o := e.Overdue(); o.Parked != 2 || o.Late != 1 || o.Oldest < time.Hour { // the pool has an hour
			t.Errorf("overdue %+v", o)
		}
		pass(24 * time.Hour)
		want = append(want, "alert.raised parked/SLOW/3")
		p.heard(t, want...)
		if err := db.Update(t.Context(), "test", func(tx connector.Tx) error {
			slow.State, fast.State = connector.NotDue, connector.NotDue
			if err := tx.PutItem(&slow); err != nil {
				return err
			}
			return tx.PutItem(&fast)
		}); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if len(p.got) != 12 || len(board.Open()) != 0 {
			t.Errorf("told %q, and open are %v", p.got, board.Open())
		}
		if o := e.Overdue(); o != (alert.Overdue{}) {
			t.Errorf("overdue %+v", o)
		}
	})
}

// A thousand items parked by one cause are not a thousand pages.
func TestLadderFoldsManyIntoOne(t *testing.T) {
	bubble(t, func(t *testing.T, db *store.DB, p *pager) {
		board, stop := start(t, db, p)
		defer stop()
		e := escalator(db, board)
		for n := range 60 {
			park(t, db, fmt.Sprintf("I%03d", n), "", connector.Routine)
		}
		time.Sleep(16 * time.Minute)
		for range 3 {
			if err := e.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if n := len(p.got); n != 21 || !slices.Contains(p.got, "alert.raised parked/mercy/refused/interface/1") {
			t.Errorf("told %d times: %q", n, p.got)
		}
	})
}
