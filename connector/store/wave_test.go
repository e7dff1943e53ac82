package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// held runs functions in one batch: the committer is kept busy until all of them are queued.
func held(t *testing.T, db *DB, shards []string, fn func(i int, tx connector.Tx) error) []error {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = db.Update(t.Context(), "busy", func(connector.Tx) error { close(busy); <-free; return nil })
	})
	<-busy
	errs := make([]error, len(shards))
	for i, s := range shards {
		wg.Go(func() { errs[i] = db.Update(t.Context(), s, func(tx connector.Tx) error { return fn(i, tx) }) })
	}
	for len(db.committers[0].queue) < len(shards) {
		time.Sleep(time.Millisecond)
	}
	close(free)
	wg.Wait()
	return errs
}

func threads(n int) (shards []string) {
	for i := range n {
		shards = append(shards, connector.Shard("e", "texting", fmt.Sprint("t", i)))
	}
	return shards
}

// Functions of a wave run at the same time; each fails or commits by itself.
func TestWave(t *testing.T) {
	db := mustOpen(t, pgtest.New(t), Options{Committers: 1})
	now := time.Now().UTC().Truncate(time.Microsecond)
	var mine [8]connector.Thread
	for i := range mine {
		mine[i] = connector.Thread{ID: connector.NewID(now), EHR: "e", Channel: "texting", Ext: fmt.Sprint("t", i), CreatedAt: now}
	}
	no := errors.New("no")
	var all sync.WaitGroup
	all.Add(len(mine))
	errs := held(t, db, threads(len(mine)), func(i int, tx connector.Tx) error {
		all.Done()
		all.Wait() // one after the other would never get here
		if _, err := tx.ThreadByExt("e", "texting", mine[i].Ext); err != connector.ErrNotFound {
			return err
		}
		r := mine[i]
		if err := tx.PutThread(&r); err != nil {
			return err
		}
		if i == 3 {
			return no
		}
		return nil
	})
	for i, err := range errs {
		if (i == 3) != (err == no) {
			t.Errorf("function %d: %v", i, err)
		}
		_, err := get(db, func(tx connector.Tx) (connector.Thread, error) { return tx.Thread("e", mine[i].ID) })
		if (i == 3) != errors.Is(err, connector.ErrNotFound) {
			t.Errorf("thread %d: %v", i, err)
		}
	}
}

func get[T any](db *DB, read func(tx connector.Tx) (T, error)) (out T, err error) {
	err = db.View(context.Background(), func(tx connector.Tx) error { out, err = read(tx); return err })
	return out, err
}

// What a function of a wave changes for more than its thread is as true as when they run one after the other.
func TestWaveLosesNoUpdate(t *testing.T) {
	db := mustOpen(t, pgtest.New(t), Options{Committers: 1})
	if err := db.Update(t.Context(), "x", func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: "e", Name: "mercy"}) }); err != nil {
		t.Fatal(err)
	}
	errs := held(t, db, threads(8), func(i int, tx connector.Tx) error {
		row, err := tx.EHR("e") // of all threads
		if err != nil {
			return err
		}
		row.Cursor = row.Cursor.Add(time.Hour)
		if row.Cursor.Year() < 1970 {
			row.Cursor = time.Unix(0, 0).UTC().Add(time.Hour)
		}
		if err := tx.PutEHR(row); err != nil {
			return err
		}
		return nil
	})
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	row, err := get(db, func(tx connector.Tx) (connector.EHRRow, error) { return tx.EHR("e") })
	if want := time.Unix(0, 0).UTC().Add(8 * time.Hour); err != nil || !row.Cursor.Equal(want) {
		t.Errorf("the cursor is at %v, want %v: an update was lost (%v)", row.Cursor, want, err)
	}
}

// A function reads what it has written.
func TestWaveReadsItsOwnWrites(t *testing.T) {
	db := mustOpen(t, pgtest.New(t), Options{Committers: 1})
	now := time.Now().UTC().Truncate(time.Microsecond)
	errs := held(t, db, threads(8), func(i int, tx connector.Tx) error {
		th := connector.Thread{ID: connector.NewID(now), EHR: "e", Channel: "texting", Ext: fmt.Sprint("t", i), CreatedAt: now}
		if err := tx.PutThread(&th); err != nil {
			return err
		}
		got, err := tx.Thread("e", th.ID) // its own write
		if err != nil || got.Ext != th.Ext {
			return fmt.Errorf("reads %q, %w", got.Ext, err)
		}
		return nil
	})
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

// A promise that is not kept undoes the wave: one fenced lane does not take the others' work with it, nor is it committed.
func TestWaveFenced(t *testing.T) {
	db := mustOpen(t, pgtest.New(t), Options{Committers: 1})
	now := time.Now().UTC().Truncate(time.Microsecond)
	errs := held(t, db, threads(4), func(i int, tx connector.Tx) error {
		if i == 2 {
			if err := tx.HoldLane(&connector.Lane{EHR: "e", Thread: "none", Kind: connector.LaneChart, Fence: 7}, now); err != nil {
				return err
			}
		}
		fresh, err := tx.InsertEvent(connector.EventRow{ID: connector.NewID(now), EHR: "e", Channel: "texting", Key: "k", ReceivedAt: now})
		if err == nil && !fresh {
			return errors.New("said before")
		}
		return err
	})
	committed := 0
	for i, err := range errs {
		if i == 2 && !errors.Is(err, connector.ErrFenced) {
			t.Errorf("a lane nobody has: %v", err)
		}
		if err == nil {
			committed++
		}
	}
	if committed != 1 {
		t.Errorf("one key of an event was taken %d times: %v", committed, errs)
	}
}
