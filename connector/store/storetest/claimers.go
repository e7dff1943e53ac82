package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// held is what the claimers know of one lane together.
type held struct {
	by     bool
	fence  int64
	claims int
}

// claimers work lanes together: each claims some, works under their leases and gives them back, until every lane was
// claimed so many times.
type claimers struct {
	*fixture
	mu    sync.Mutex
	lanes map[string]*held
	least int
}

// take notes a claim: nobody else may hold the lane, and its fence is higher than any before.
func (c *claimers) take(l connector.Lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.lanes[l.Thread]
	if h.by {
		c.Errorf("lane %s was claimed twice at a time", l.Thread)
	}
	if l.Fence <= h.fence {
		c.Errorf("lane %s: fence %d after %d", l.Thread, l.Fence, h.fence)
	}
	h.by, h.fence = true, l.Fence
	h.claims++
}

func (c *claimers) give(l connector.Lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lanes[l.Thread].by = false
}

// over says whether every lane was claimed often enough. A lane that is claimed many times as often as another would starve
// that one.
func (c *claimers) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	least, most := 1<<30, 0
	for _, h := range c.lanes {
		least, most = min(least, h.claims), max(most, h.claims)
	}
	if most > 5*c.least && least < c.least {
		c.Errorf("one lane was claimed %d times while another was claimed %d times", most, least)
		return true
	}
	return least >= c.least
}

func (c *claimers) work(ctx context.Context) {
	for !c.over() && ctx.Err() == nil {
		lanes, err := c.s.Claim(ctx, c.ehr, chart, 3, time.Now())
		if err != nil {
			c.Errorf("Claim: %v", err)
			return
		}
		for _, l := range lanes {
			c.take(l)
		}
		for n, l := range lanes {
			err := c.s.Update(ctx, l.Thread, func(tx connector.Tx) error {
				h := l
				if err := tx.HoldLane(&h, time.Now()); err != nil {
					return err
				}
				if n == 0 {
					return errOn // its work came to nothing; the lease is as it was
				}
				return tx.PutMeta("worked"+c.ehr+l.Thread, fmt.Sprint(l.Fence))
			})
			if err != nil && !errors.Is(err, errOn) {
				c.Errorf("working under the lease of %s: %v", l.Thread, err)
			}
			c.give(l) // before the commit that lets others have it
			if err := c.s.Update(ctx, l.Thread, func(tx connector.Tx) error { return tx.ReleaseLane(l, time.Now(), time.Now()) }); err != nil {
				c.Errorf("ReleaseLane: %v", err)
			}
		}
	}
}

var claimerCases = []testCase{
	{"concurrent claimers have each lane alone, with growing fences, and starve none", func(f *fixture) {
		c := &claimers{fixture: f, lanes: map[string]*held{}, least: 8}
		for n := range 12 {
			th := fmt.Sprint("t", n)
			c.lanes[th] = &held{}
			f.touch(th, connector.LaneChart, f.now, connector.Routine)
		}
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() { c.work(f.Context()) })
		}
		wg.Wait()
	}},
	{"a backlog is claimed once by whoever comes", func(f *fixture) {
		const lanes = 60
		f.update(func(tx connector.Tx) error {
			for n := range lanes {
				if err := tx.TouchLane(f.ehr, fmt.Sprint("t", n), connector.LaneChart, f.now, connector.Routine); err != nil {
					return err
				}
			}
			return nil
		})
		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for range lanes {
					got := f.claim(chart, 4, f.now)
					mu.Lock()
					for _, l := range got {
						seen[l.Thread]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for n := range lanes {
			if th := fmt.Sprint("t", n); seen[th] != 1 {
				f.Errorf("lane %s was claimed %d times", th, seen[th])
			}
		}
	}},
	{"an abort undoes all of its function and nothing of another's", func(f *fixture) {
		const calls, shards = 80, 7
		errs := make([]error, calls)
		var wg sync.WaitGroup
		for n := range calls {
			wg.Go(func() {
				ctx, cancel := context.WithCancelCause(f.Context())
				defer cancel(nil)
				errs[n] = f.s.Update(ctx, fmt.Sprint(n%shards), func(tx connector.Tx) error { return f.everything(tx, n, cancel) })
			})
		}
		wg.Wait()
		for n := range shards { // whoever left did not see the end of its commit: this comes after it
			if err := f.s.Update(f.Context(), fmt.Sprint(n), func(connector.Tx) error { return nil }); err != nil {
				f.Fatal(err)
			}
		}
		waiting := int64(0)
		for n, err := range errs {
			there := f.kept(n)
			waiting += int64(there)
			switch want := []int{4, 0, 0, 4}[n%4]; {
			case n%4 == 3 && errors.Is(err, errOn) && there == 0: // left before it ran
			case n%4 == 3 && errors.Is(err, connector.ErrStore) && (there == 0 || there == 4): // left while it was committed
			case n%4 == 1 && !errors.Is(err, errOn), n%4 == 2 && err == nil, (n%4 == 0 || n%4 == 3) && err != nil, there != want:
				f.Errorf("call %d: %v, and %d of 4 things are there, want %d", n, err, there, want)
			}
		}
		f.view(func(tx connector.Tx) error {
			if got := f.tallies(tx)["sms/from_patient/waiting"]; got != waiting/4 {
				f.Errorf("%d exchanges are counted, want %d", got, waiting/4)
			}
			return nil
		})
		if lanes := f.claim(chart, calls, f.now); int64(len(lanes)) != waiting/4 {
			f.Errorf("%d lanes are due, want %d", len(lanes), waiting/4)
		}
	}},
}

// everything writes four things in several tables, and then ends as its number says: well, by an error, by a panic, or well
// with its caller's context cancelled meanwhile.
func (f *fixture) everything(tx connector.Tx, n int, cancel context.CancelCauseFunc) error {
	key := fmt.Sprint("all-", n)
	th := f.thread(key)
	th.ID = f.ehr + key
	i := f.item(th.ID, connector.Waiting)
	i.ID = f.ehr + key
	for _, err := range []error{tx.PutThread(&th), tx.PutItem(&i), tx.TouchLane(f.ehr, th.ID, connector.LaneChart, f.now, connector.Routine), tx.PutMeta(f.ehr+key, "x")} {
		if err != nil {
			return err
		}
	}
	switch n % 4 {
	case 1:
		return errOn
	case 2:
		panic("Ada Öz")
	case 3:
		cancel(errOn)
	}
	return nil
}

// kept counts what is there of everything.
func (f *fixture) kept(n int) (there int) {
	id := f.ehr + fmt.Sprint("all-", n)
	f.view(func(tx connector.Tx) error {
		_, e1 := tx.Thread(f.ehr, id)
		_, e2 := tx.Item(f.ehr, id)
		_, e3 := tx.LaneTouched(connector.Lane{EHR: f.ehr, Thread: id, Kind: connector.LaneChart})
		_, e4 := tx.Meta(id)
		for _, err := range []error{e1, e2, e3, e4} {
			if err == nil {
				there++
			} else if !errors.Is(err, connector.ErrNotFound) {
				f.Errorf("call %d: %v", n, err)
			}
		}
		return nil
	})
	return there
}
