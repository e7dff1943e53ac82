package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

const (
	patience = 10 * time.Second // of whoever sends an event
	recovery = 5 * time.Second  // after a repair, without a restart
)

// put commits one marked change, as a thread's or as another's. An acknowledged one must be there for ever.
func put(db *DB, n int) error {
	shard := fmt.Sprint(n % 5)
	if n%2 == 0 {
		shard = connector.Shard("E", "sms", shard)
	}
	return db.Update(context.Background(), shard, func(tx connector.Tx) error { return tx.PutMeta(fmt.Sprint("n", n), "x") })
}

// refuses wants many callers at once to be told within a sender's patience that nothing was stored.
func refuses(t *testing.T, db *DB, from int) {
	t.Helper()
	const callers = 40
	began := clock.System.Now()
	errs := make(chan error, callers)
	for n := range callers {
		go func() { errs <- put(db, from+n) }()
	}
	for range callers {
		if err := <-errs; !errors.Is(err, connector.ErrStore) {
			t.Fatalf("Update during the outage = %v, want ErrStore", err)
		}
	}
	if took := clock.System.Now().Sub(began); took > patience {
		t.Errorf("the callers waited %v for their refusal, want at most %v", took, patience)
	}
	if _, err := db.Claim(t.Context(), "E", []connector.LaneKind{connector.LaneChart}, 1, began); !errors.Is(err, connector.ErrStore) {
		t.Errorf("Claim during the outage = %v, want ErrStore", err)
	}
}

// recovers wants commits to be possible again soon after a repair, and everything acknowledged to be there.
func recovers(t *testing.T, db *DB, acked int) {
	t.Helper()
	began := clock.System.Now()
	for db.Ping(t.Context()) != nil {
		if clock.System.Now().Sub(began) > recovery {
			t.Fatalf("%v after the repair nothing can be committed", recovery)
		}
		_ = clock.Sleep(t.Context(), clock.System, 20*time.Millisecond)
	}
	t.Logf("recovered after %v", clock.System.Now().Sub(began).Round(time.Millisecond))
	for n := range acked {
		err := db.View(t.Context(), func(tx connector.Tx) error { _, err := tx.Meta(fmt.Sprint("n", n)); return err })
		if err != nil {
			t.Fatalf("change %d was acknowledged and is not there: %v", n, err)
		}
	}
}

// server is a Postgres that a test has to itself.
type server struct {
	*pgtest.Cluster
	t *testing.T
}

func ownServer(t *testing.T) server {
	t.Helper()
	c, err := pgtest.Start(pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return server{c, t}
}

func (s server) done(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s server) stop()   { s.done(s.Down("immediate")) }
func (s server) start()  { s.done(s.Up()) }
func (s server) freeze() { s.done(s.Signal(syscall.SIGSTOP)) }
func (s server) thaw()   { s.done(s.Signal(syscall.SIGCONT)) }

func TestPostgresOutages(t *testing.T) {
	pg := ownServer(t)
	for name, outage := range map[string][2]func(){
		"stopped": {pg.stop, pg.start},
		"frozen":  {pg.freeze, pg.thaw},
	} {
		t.Run(name, func(t *testing.T) {
			db := mustOpen(t, pg.URL("postgres"), Options{})
			for n := range 20 {
				if err := put(db, n); err != nil {
					t.Fatal(err)
				}
			}
			outage[0]()
			refuses(t, db, 100)
			outage[1]()
			recovers(t, db, 20)
		})
	}
	t.Run("restarted", func(t *testing.T) {
		db := mustOpen(t, pg.URL("postgres"), Options{})
		if err := put(db, 0); err != nil {
			t.Fatal(err)
		}
		pg.stop()
		pg.start()
		recovers(t, db, 1)
	})
}

func TestAnUnreachablePostgresAtTheStart(t *testing.T) {
	pg := ownServer(t)
	refused := func(t *testing.T, url, says string) {
		t.Helper()
		began := clock.System.Now()
		_, err := Open(t.Context(), url, Options{Sealer: newSealer(t)})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Open = %v, want it to say %q", err, says)
		}
		if took := clock.System.Now().Sub(began); took > patience {
			t.Errorf("it took %v to say so", took)
		}
	}
	t.Run("no such database", func(t *testing.T) {
		refused(t, strings.Replace(pg.URL("postgres"), "/postgres?", "/nowhere?", 1), "does not exist there; create it")
	})
	t.Run("no such role", func(t *testing.T) {
		refused(t, strings.Replace(pg.URL("postgres"), "postgres@", "nobody@", 1), "refuses this user or password")
	})
	t.Run("frozen", func(t *testing.T) {
		pg.freeze()
		defer pg.thaw()
		refused(t, pg.URL("postgres"), "cannot be reached; start it")
	})
	t.Run("stopped", func(t *testing.T) {
		pg.stop()
		defer pg.start()
		refused(t, pg.URL("postgres"), "cannot be reached; start it")
	})
}

// A replica that is frozen inside a transaction does not keep its row locks: the server ends its transaction.
func TestAFrozenReplicaLosesItsLocks(t *testing.T) {
	url := pgtest.New(t)
	dbs := []*DB{mustOpen(t, url, Options{Committers: 1}), mustOpen(t, url, Options{Committers: 1})}
	if err := put(dbs[0], 1); err != nil {
		t.Fatal(err)
	}
	c, err := dbs[0].eng.begin() // and never another word
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.execN(metaPut, "n1", "frozen"); err != nil {
		t.Fatal(err)
	}
	began := clock.System.Now()
	if err := dbs[1].Update(t.Context(), "s", func(tx connector.Tx) error { return tx.PutMeta("n1", "y") }); err != nil {
		t.Errorf("the other replica could not write for good: %v", err)
	}
	t.Logf("the row was free after %v", clock.System.Now().Sub(began).Round(time.Millisecond))
	if _, err := c.commit(); err == nil {
		t.Error("the frozen replica's transaction was committed after all")
	}
}

// Every connection of the pool has its limits.
func TestPostgresSessionLimits(t *testing.T) {
	db := mustOpen(t, pgtest.New(t), Options{})
	for name, want := range map[string]string{"lock_timeout": "100ms", "statement_timeout": "8s", "idle_in_transaction_session_timeout": "5s"} {
		var got string
		err := db.eng.(*postgres).pool.QueryRow(t.Context(), "SHOW "+pgx.Identifier{name}.Sanitize()).Scan(&got)
		if err != nil || got != want {
			t.Errorf("%s is %s, want %s (%v)", name, got, want, err)
		}
	}
}
