package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// faulty is an engine whose commits are counted and may be made to fail or to wait.
type faulty struct {
	engine
	commits atomic.Int64
	commit  func(n int64, commit func() (bool, error)) (bool, error) // nil commits
	isLost  func(error) bool
	clash   atomic.Int64 // so many statements will meet another transaction's change
}

var errClash = errors.New("another transaction was first")

func (e *faulty) again(err error, runs int) bool {
	return errors.Is(err, errClash) && runs < 7 || e.engine.again(err, runs)
}

func (e *faulty) begin() (conn, error) {
	c, err := e.engine.begin()
	return &faultyConn{c, e}, err
}

func (e *faulty) lost(err error) bool { return e.isLost != nil && e.isLost(err) }

type faultyConn struct {
	conn
	e *faulty
}

func (c *faultyConn) exec(q *query, args ...any) error {
	if slices.Contains(args, any("clash")) && c.e.clash.Add(-1) >= 0 {
		return errClash
	}
	return c.conn.exec(q, args...)
}

func (c *faultyConn) commit() (bool, error) {
	n := c.e.commits.Add(1)
	if c.e.commit == nil {
		return c.conn.commit()
	}
	return c.e.commit(n, c.conn.commit)
}

func openFaulty(t *testing.T, url string) (*DB, *faulty) {
	db := mustOpen(t, url, Options{Committers: 1})
	e := &faulty{engine: db.eng}
	db.eng = e
	return db, e
}

// queueUp blocks the committer, queues calls one after the other, and lets go. fn is given the number of the call.
func queueUp(t *testing.T, db *DB, calls int, shard func(n int) string, fn func(n int, tx connector.Tx) error) []error {
	t.Helper()
	k := db.committers[0]
	inside, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	var once sync.Once
	wg.Go(func() {
		_ = db.Update(context.Background(), "block", func(connector.Tx) error {
			once.Do(func() { close(inside) })
			<-free
			return nil
		})
	})
	<-inside
	errs := make([]error, calls)
	for n := range calls {
		wg.Go(func() {
			errs[n] = db.Update(context.Background(), shard(n), func(tx connector.Tx) error { return fn(n, tx) })
		})
		for len(k.queue) < n+1 {
			runtime.Gosched()
		}
	}
	close(free)
	wg.Wait()
	return errs
}

func TestOneShardKeepsItsOrderAndManySharingACommit(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db, e := openFaulty(t, url)
		const calls = 200
		errs := queueUp(t, db, calls, func(n int) string { return fmt.Sprint(n % 3) }, func(n int, tx connector.Tx) error {
			key := fmt.Sprint("order", n%3)
			v, err := tx.Meta(key)
			if err != nil && !errors.Is(err, connector.ErrNotFound) {
				return err
			}
			return tx.PutMeta(key, v+fmt.Sprint(" ", n))
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if n := e.commits.Load(); n > 1+(calls+maxBatch-1)/maxBatch {
			t.Errorf("%d commits for %d calls that were all queued, want %d and the one before", n, calls, (calls+maxBatch-1)/maxBatch)
		}
		err := db.View(t.Context(), func(tx connector.Tx) error {
			for s := range 3 {
				var want strings.Builder
				for n := s; n < calls; n += 3 {
					fmt.Fprint(&want, " ", n)
				}
				if got, err := tx.Meta(fmt.Sprint("order", s)); err != nil || got != want.String() {
					t.Errorf("shard %d ran as%s, %v", s, got, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A function that met another transaction's change runs again with all that follow it in its shard, and holds up no other.
func TestAClashKeepsTheOrder(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db, e := openFaulty(t, url)
		e.clash.Store(2)
		errs := queueUp(t, db, 20, func(n int) string { return fmt.Sprint(n % 2) }, func(n int, tx connector.Tx) error {
			key := fmt.Sprint("order", n%2)
			v, err := tx.Meta(key)
			if err != nil && !errors.Is(err, connector.ErrNotFound) {
				return err
			}
			if n == 6 {
				if err := tx.PutMeta("clash", "x"); err != nil {
					return err
				}
			}
			return tx.PutMeta(key, v+fmt.Sprint(" ", n))
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		err := db.View(t.Context(), func(tx connector.Tx) error {
			for key, want := range map[string]string{"order0": " 0 2 4 6 8 10 12 14 16 18", "order1": " 1 3 5 7 9 11 13 15 17 19"} {
				if got, err := tx.Meta(key); err != nil || got != want {
					t.Errorf("%s:%s, %v", key, got, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// One that clashes for ever is given up, with the error of the last run.
func TestClashingForEver(t *testing.T) {
	db, e := openFaulty(t, "sqlite::memory:")
	e.clash.Store(1 << 40)
	runs := 0
	err := db.Update(t.Context(), "s", func(tx connector.Tx) error {
		runs++
		return tx.PutMeta("clash", "x")
	})
	if !errors.Is(err, connector.ErrStore) || !errors.Is(err, errClash) || runs != 7 {
		t.Errorf("Update = %v after %d runs, want ErrStore after 7", err, runs)
	}
}

// What a transaction counts is what it would see after its commit, also of the functions before it.
func TestTalliesAcrossABatch(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db, e := openFaulty(t, url)
		errs := queueUp(t, db, 2, func(int) string { return "s" }, func(n int, tx connector.Tx) error {
			if n == 0 {
				return tx.PutItem(&connector.Item{ID: "1", EHR: "E", Kind: connector.ItemExchange, State: connector.Waiting})
			}
			sums, err := tx.Tallies()
			if len(sums) != 1 || sums[0].N != 1 {
				t.Errorf("Tallies = %+v", sums)
			}
			return err
		})
		if err := errors.Join(errs...); err != nil || e.commits.Load() != 2 {
			t.Errorf("%v, %d commits", err, e.commits.Load())
		}
	})
}

func TestAFailedCommitFailsAllAndIsNotRepeated(t *testing.T) {
	broken := errors.New("no space")
	for _, c := range []struct {
		name   string
		unsure bool
		lost   bool
		runs   int64 // of each function
		fails  bool
	}{
		{"refused", false, false, 1, true},
		{"connection lost before the commit was sent", false, true, 2, false},
		{"connection lost after the commit was sent", true, true, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, url string) {
				db, e := openFaulty(t, url)
				e.isLost = func(err error) bool { return c.lost && errors.Is(err, broken) }
				e.commit = func(n int64, commit func() (bool, error)) (bool, error) {
					if n == 2 {
						return c.unsure, broken
					}
					return commit()
				}
				var runs atomic.Int64
				errs := queueUp(t, db, 5, func(n int) string { return fmt.Sprint(n) }, func(n int, tx connector.Tx) error {
					runs.Add(1)
					return tx.PutMeta(fmt.Sprint(n), "x")
				})
				for n, err := range errs {
					if c.fails && (!errors.Is(err, connector.ErrStore) || !errors.Is(err, broken)) || !c.fails && err != nil {
						t.Errorf("call %d: %v", n, err)
					}
				}
				if got := runs.Load(); got != 5*c.runs {
					t.Errorf("%d runs of 5 functions, want %d", got, 5*c.runs)
				}
				_ = db.View(t.Context(), func(tx connector.Tx) error {
					if _, err := tx.Meta("0"); c.fails != errors.Is(err, connector.ErrNotFound) {
						t.Errorf("Meta = %v", err)
					}
					return nil
				})
				if err := db.Ping(t.Context()); err != nil {
					t.Errorf("Ping afterwards: %v", err)
				}
			})
		})
	}
}

// A caller may leave while the commit hangs, and is told that it does not know.
func TestLeavingDuringTheCommit(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db, e := openFaulty(t, url)
		ctx, cancel := context.WithCancelCause(t.Context())
		hangs := make(chan struct{})
		gone := errors.New("gone")
		e.commit = func(_ int64, commit func() (bool, error)) (bool, error) {
			cancel(gone)
			<-hangs
			return commit()
		}
		err := db.Update(ctx, "s", func(tx connector.Tx) error { return tx.PutMeta("k", "v") })
		if !errors.Is(err, connector.ErrStore) || !errors.Is(err, gone) {
			t.Errorf("Update = %v, want ErrStore with the context's cause", err)
		}
		close(hangs)
	})
}

// A function that is running is waited for, whatever its context says: it may write to its caller's variables.
func TestNotLeavingWhileTheFunctionRuns(t *testing.T) {
	db := mustOpen(t, "sqlite::memory:", Options{})
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	err := db.Update(ctx, "s", func(tx connector.Tx) error {
		cancel()
		for range 1000 {
			runtime.Gosched()
		}
		seen++
		return tx.PutMeta("k", "v")
	})
	if seen != 1 || err != nil && !errors.Is(err, connector.ErrStore) {
		t.Errorf("ran %d times, %v", seen, err)
	}
}

func TestClosed(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		var wg sync.WaitGroup
		for n := range 50 {
			wg.Go(func() {
				err := db.Update(context.Background(), fmt.Sprint(n), func(tx connector.Tx) error { return tx.PutMeta("k", "v") })
				if err != nil && !errors.Is(err, connector.ErrStore) {
					t.Errorf("Update while closing: %v", err)
				}
			})
		}
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		wg.Wait()
		if err := db.Update(t.Context(), "s", func(connector.Tx) error { return nil }); !errors.Is(err, connector.ErrStore) {
			t.Errorf("Update after Close: %v, want ErrStore", err)
		}
		if err := db.View(t.Context(), func(connector.Tx) error { return nil }); !errors.Is(err, connector.ErrStore) {
			t.Errorf("View after Close: %v, want ErrStore", err)
		}
	})
}
