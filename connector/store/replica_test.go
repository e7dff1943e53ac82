package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// replicas opens several stores on one Postgres, as several processes would.
func replicas(t *testing.T, n int) []*DB {
	url, s := pgtest.New(t), newSealer(t)
	var out []*DB
	for range n {
		out = append(out, mustOpen(t, url, Options{Sealer: s, Lease: time.Hour, Committers: 2}))
	}
	return out
}

func TestReplicasWakeEachOther(t *testing.T) {
	dbs := replicas(t, 2)
	bell, stop := dbs[1].Listen("E")
	defer stop()
	// Listening begins some time after Open and rings once for what was missed; a touch for each ring that may be that one.
	for range 2 {
		if err := dbs[0].Update(t.Context(), "s", func(tx connector.Tx) error { return tx.TouchLane("E", "t", connector.LaneChart, time.Now(), "") }); err != nil {
			t.Fatal(err)
		}
		<-bell
	}
}

func TestReplicasLoseNothingToEachOther(t *testing.T) {
	dbs := replicas(t, 3)
	ctx := t.Context()
	const each, threads = 25, 3
	err := dbs[0].Update(ctx, "s", func(tx connector.Tx) error {
		for n := range threads {
			if err := tx.PutThread(&connector.Thread{ID: fmt.Sprint("t", n), EHR: "E", Channel: "sms", Ext: fmt.Sprint(n)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var fresh atomic.Int64
	var wg sync.WaitGroup
	for r, db := range dbs {
		for n := range threads {
			for i := range each {
				wg.Go(func() {
					// Each replica commits in other shards, and touches rows in another order, than the others.
					err := db.Update(ctx, fmt.Sprint(r, n, i%3), func(tx connector.Tx) error {
						ids := []string{fmt.Sprint("t", n), fmt.Sprint("t", (n+1+r%2)%threads)}
						for _, id := range ids {
							th, err := tx.Thread("E", id)
							if err != nil {
								return err
							}
							th.NextSeq++
							if err := tx.PutThread(&th); err != nil {
								return err
							}
							if err := tx.TouchLane("E", id, connector.LaneChart, time.Now(), ""); err != nil {
								return err
							}
						}
						item := connector.Item{ID: connector.NewID(time.Now()), EHR: "E", Thread: ids[0], Kind: connector.ItemExchange, State: connector.Waiting, Channel: "sms"}
						return tx.PutItem(&item)
					})
					if err != nil {
						t.Errorf("Update: %v", err)
					}
					var isNew bool
					err = db.Update(ctx, fmt.Sprint(r, n), func(tx connector.Tx) (err error) {
						isNew, err = tx.InsertEvent(connector.EventRow{ID: connector.NewID(time.Now()), EHR: "E", Channel: "sms", Key: fmt.Sprint(n, i)})
						return err
					})
					if err != nil {
						t.Errorf("InsertEvent: %v", err)
					}
					if isNew {
						fresh.Add(1)
					}
				})
			}
		}
		wg.Go(func() {
			if err := db.foldTallies(ctx); err != nil {
				t.Errorf("folding: %v", err)
			}
		})
	}
	wg.Wait()
	total := int64(0)
	err = dbs[0].View(ctx, func(tx connector.Tx) error {
		for n := range threads {
			th, err := tx.Thread("E", fmt.Sprint("t", n))
			if err != nil {
				return err
			}
			total += th.NextSeq
			touched, err := tx.LaneTouched(connector.Lane{EHR: "E", Thread: th.ID, Kind: connector.LaneChart})
			if err != nil || touched != th.NextSeq {
				t.Errorf("lane touched %d times, thread counted %d times (%v)", touched, th.NextSeq, err)
			}
		}
		sums, err := tx.Tallies()
		if len(sums) != 1 || sums[0].N != int64(len(dbs)*threads*each) {
			t.Errorf("Tallies = %+v", sums)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(len(dbs) * threads * each * 2); total != want {
		t.Errorf("counted %d, want %d", total, want)
	}
	if got := fresh.Load(); got != threads*each {
		t.Errorf("%d events were new to somebody, want %d", got, threads*each)
	}
}

func TestReplicasClaimEachLaneOnce(t *testing.T) {
	dbs := replicas(t, 3)
	const lanes = 90
	err := dbs[0].Update(t.Context(), "s", func(tx connector.Tx) error {
		for n := range lanes {
			if err := tx.TouchLane("E", fmt.Sprint(n), connector.LaneChart, time.Now().Add(-time.Second), ""); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for _, db := range dbs {
		for range 3 {
			wg.Go(func() {
				for range 10 * lanes {
					got, err := db.Claim(context.Background(), "E", []connector.LaneKind{connector.LaneChart}, 4, time.Now())
					if err != nil {
						t.Errorf("Claim: %v", err)
						return
					}
					mu.Lock()
					for _, l := range got {
						seen[l.Thread]++
					}
					n := len(seen)
					mu.Unlock()
					if n == lanes {
						return
					}
				}
			})
		}
	}
	wg.Wait()
	for th, n := range seen {
		if n != 1 {
			t.Errorf("lane %s was claimed %d times", th, n)
		}
	}
	if len(seen) != lanes {
		t.Errorf("%d lanes claimed, want %d", len(seen), lanes)
	}
}

// Rows that no transaction locks when it reads them, such as the EHR's or a refusal's count, lose nothing either.
func TestReplicasReadWhatTheyWriteOver(t *testing.T) {
	dbs := replicas(t, 3)
	const each = 20
	minute := time.Unix(1_800_000_000, 0)
	raw(t, dbs[0], `INSERT INTO ehr VALUES ('E', 'main', '', 0, 0, 1)`)
	var wg sync.WaitGroup
	for r, db := range dbs {
		for n := range each {
			wg.Go(func() {
				err := db.Update(t.Context(), fmt.Sprint(r, n%2), func(tx connector.Tx) error {
					e, err := tx.EHR("E")
					if err != nil {
						return err
					}
					e.Cursor = e.Cursor.Add(time.Microsecond)
					return errors.Join(tx.PutEHR(e), tx.CountRefusal("E", "sms", "192.0.2.1", "signature", minute))
				})
				if err != nil {
					t.Errorf("Update: %v", err)
				}
			})
		}
	}
	wg.Wait()
	if err := dbs[0].EndRefusals(t.Context(), minute.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	err := dbs[0].View(t.Context(), func(tx connector.Tx) error {
		e, err := tx.EHR("E")
		if got := e.Cursor.UnixMicro(); got != int64(1+len(dbs)*each) {
			t.Errorf("the cursor was moved %d times, want %d", got-1, len(dbs)*each)
		}
		return err
	})
	rows, e := dbs[0].AuditLog("E").Unsealed(t.Context(), 10)
	if err := errors.Join(err, e); err != nil || len(rows) != 1 {
		t.Fatalf("%d audit rows, %v", len(rows), err)
	}
	part, err := dbs[0].sealer.Open(rows[0].Sealed, auditPlace("E", "", rows[0].ID).aad("detail"))
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := rows[0].Opened(part); err != nil || rec.Detail["count"] != fmt.Sprint(len(dbs)*each) {
		t.Errorf("counted %s refusals, want %d (%v)", rec.Detail["count"], len(dbs)*each, err)
	}
}

// The server may drop every connection at any time.
func TestALostConnectionCostsOneTry(t *testing.T) {
	db := mustOpen(t, pgtest.New(t), Options{Committers: 1})
	kill := func(db *DB) {
		c, err := db.eng.view(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		_ = c.rows(sq(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`), nil,
			func(scan func(...any) error) error { return nil })
	}
	runs := 0
	err := db.Update(t.Context(), "s", func(tx connector.Tx) error {
		runs++
		if _, err := tx.Meta("nothing"); !errors.Is(err, connector.ErrNotFound) {
			return err
		}
		if runs == 1 {
			kill(db)
		}
		return tx.PutMeta("k", "v")
	})
	if err != nil && !errors.Is(err, connector.ErrStore) {
		t.Errorf("Update = %v, want success or ErrStore", err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("Ping afterwards: %v", err)
	}
	kill(db)
	if err := db.View(t.Context(), func(tx connector.Tx) error { _, err := tx.Tallies(); return err }); err != nil && !errors.Is(err, connector.ErrStore) {
		t.Errorf("View = %v, want success or ErrStore", err)
	}
}
