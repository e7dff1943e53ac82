package store

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

func TestNewestIsWhatWasCommittedLast(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		at := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
		c := clock.NewFake(at)
		db := mustOpen(t, url, Options{Clock: c})
		if newest, err := db.Newest(t.Context()); !newest.IsZero() || err != nil {
			t.Errorf("Newest of an empty store = %v, %v", newest, err)
		}
		if err := db.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		if newest, err := db.Newest(t.Context()); !newest.Equal(at) || err != nil {
			t.Errorf("Newest = %v, %v, want %v", newest, err, at)
		}
	})
}

func TestLeadIsOfTheDatabasesClock(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			db := mustOpen(t, e.url(t), Options{Clock: clock.NewFake(time.Now().Add(-time.Hour))})
			want := time.Hour
			if e.name != "postgres" {
				want = 0
			}
			if lead, err := db.Lead(t.Context()); err != nil || (lead-want).Abs() > time.Minute {
				t.Errorf("Lead = %v, %v, want %v", lead, err, want)
			}
		})
	}
}

// What a clock that was ahead has written is due again, and no wait within the hour is cut short.
func TestPullBack(t *testing.T) {
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	for name, ahead := range map[string]time.Duration{"+1h": time.Hour, "+24h": 24 * time.Hour, "+10y": 87660 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, url string) {
				db := mustOpen(t, url, Options{Clock: clock.NewFake(now)})
				newest := now.Add(ahead)
				due := map[string][2]time.Time{ // thread → as written, and as it must be
					"right-soon":  {now.Add(50 * time.Minute), now.Add(50 * time.Minute)},
					"past":        {now.Add(-time.Minute), now.Add(-time.Minute)},
					"wrong-due":   {newest.Add(-time.Second), now},
					"wrong-later": {newest.Add(40 * time.Minute), now.Add(40 * time.Minute)},
					"never":       {connector.Never, connector.Never},
				}
				if ahead == time.Hour {
					due["wrong-due"] = [2]time.Time{newest.Add(-time.Second), newest.Add(-time.Second)} // within the hour
				}
				err := db.Update(t.Context(), "s", func(tx connector.Tx) error {
					if err := tx.PutEHR(connector.EHRRow{ID: "E", Name: "main"}); err != nil {
						return err
					}
					if err := connector.SetAsked(tx, "E", newest.Add(40*time.Minute)); err != nil {
						return err
					}
					for thread, d := range due {
						i := connector.Item{ID: thread, EHR: "E", Thread: thread, Lane: connector.LaneChart, Kind: connector.ItemExchange,
							State: connector.Waiting, CommittedAt: newest, ChangedAt: newest, FirstTried: newest, NextAt: d[0]}
						done := i
						done.ID, done.State = thread+"-done", connector.Filed
						w := connector.WriteRow{ID: thread, EHR: "E", Thread: thread, Item: i.ID, Key: thread, State: connector.WriteAttempted, AttemptedAt: newest}
						f := w
						f.ID, f.Key, f.Item, f.State, f.FiledAt, f.Write.Identity = done.ID, done.ID, done.ID, connector.WriteFiled, newest, connector.Identifier{System: "s", Value: thread}
						f.Write.Type = "Communication"
						for _, err := range []error{tx.PutItem(&i), tx.PutItem(&done), tx.PutWrite(&w), tx.PutWrite(&f), tx.TouchLane("E", thread, connector.LaneChart, d[0], "")} {
							if err != nil {
								return err
							}
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := db.PullBack(t.Context(), newest, now); err != nil {
					t.Fatal(err)
				}
				err = db.View(t.Context(), func(ct connector.Tx) error {
					for thread, d := range due {
						i, err := ct.Item("E", thread)
						if err != nil || !i.CommittedAt.Equal(now) || !i.ChangedAt.Equal(now) || !i.FirstTried.Equal(now) || !i.NextAt.Equal(d[1]) {
							t.Errorf("%s: %+v, %v, want now and next %v", thread, i, err, d[1])
						}
						var next int64
						if err := ct.(*tx).single(sq(`SELECT next_at FROM lane WHERE ehr_id = 'E' AND thread_id = ?1`), []any{thread}, &next); err != nil || !fromMicros(next).Equal(d[1]) {
							t.Errorf("the lane of %s is due at %v, want %v (%v)", thread, fromMicros(next), d[1], err)
						}
						if rows, err := ct.WritesOf("E", thread); err != nil || !rows[0].AttemptedAt.Equal(now) {
							t.Errorf("the attempt of %s was at %v (%v)", thread, rows[0].AttemptedAt, err)
						}
						if done, err := ct.Item("E", thread+"-done"); err != nil || !done.CommittedAt.Equal(newest) {
							t.Errorf("what is done was committed at %v (%v)", done.CommittedAt, err)
						}
					}
					if until, err := connector.ReadAsked(ct, "E"); err != nil || !until.Equal(now.Add(40*time.Minute)) {
						t.Errorf("the EHR asked for no requests until %v (%v)", until, err)
					}
					w, err := ct.NewestFiled("E", "Communication")
					if !w.FiledAt.Equal(now) {
						t.Errorf("the newest filed write is of %v", w.FiledAt)
					}
					return err
				})
				if at, e := db.Newest(t.Context()); err != nil || e != nil || !at.Equal(now) {
					t.Errorf("Newest = %v (%v, %v)", at, err, e)
				}
			})
		})
	}
}

// The process that held a lease on the file is gone with its lock, so its lanes are free at once, whatever its clock was.
func TestLeasesEndWithTheProcessOnSQLite(t *testing.T) {
	url, s := "sqlite:"+filepath.Join(t.TempDir(), "x.db"), newSealer(t)
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	chart := []connector.LaneKind{connector.LaneChart}
	fence := int64(0)
	for _, wall := range []time.Time{now.Add(24 * time.Hour), now, now.Add(-time.Hour)} {
		db := mustOpen(t, url, Options{Sealer: s, Lease: time.Hour})
		if err := db.Update(t.Context(), "s", func(tx connector.Tx) error {
			return tx.TouchLane("E", "t", connector.LaneChart, wall, "")
		}); err != nil {
			t.Fatal(err)
		}
		lanes, err := db.Claim(t.Context(), "E", chart, 1, wall)
		if err != nil || len(lanes) != 1 || lanes[0].Fence <= fence {
			t.Fatalf("Claim = %+v, %v after fence %d", lanes, err, fence)
		}
		fence = lanes[0].Fence
		if err := db.Close(); err != nil { // as a crash leaves it: nothing was given back
			t.Fatal(err)
		}
	}
}

// Where the database's clock was set back, a lease that would end a day from now begins anew: it is not taken at once, for
// its holder may live, and not after a day either.
func TestLeasesBeginAnewWhenTheDatabasesClockIsSetBack(t *testing.T) {
	address, s := pgtest.New(t), newSealer(t)
	const lease = time.Second
	db := mustOpen(t, address, Options{Sealer: s, Lease: lease})
	chart := []connector.LaneKind{connector.LaneChart}
	now := time.Now()
	if err := db.Update(t.Context(), "s", func(tx connector.Tx) error { return tx.TouchLane("E", "t", connector.LaneChart, now, "") }); err != nil {
		t.Fatal(err)
	}
	old, err := db.Claim(t.Context(), "E", chart, 1, now)
	if err != nil || len(old) != 1 {
		t.Fatal(old, err)
	}
	raw(t, db, `UPDATE lane SET lease_until = lease_until + 86400000000`) // as a clock set back by a day leaves it
	again := mustOpen(t, address, Options{Sealer: s, Lease: lease})       // it looks at its first claim
	began := time.Now()
	var lanes []connector.Lane
	for len(lanes) == 0 && t.Context().Err() == nil && time.Since(began) < time.Minute {
		if lanes, err = again.Claim(t.Context(), "E", chart, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if len(lanes) != 1 || lanes[0].Fence <= old[0].Fence {
		t.Fatalf("after %v: %+v", time.Since(began), lanes)
	}
	if took := time.Since(began); took < lease/2 {
		t.Errorf("the lane was taken after %v, before its lease could be renewed", took)
	}
}
