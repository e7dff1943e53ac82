package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/connector"
)

var (
	chart    = []connector.LaneKind{connector.LaneChart}
	allKinds = []connector.LaneKind{connector.LaneChart, connector.LaneRequest, connector.LaneSend, connector.LaneMedia, connector.LaneTask}
)

func (f *fixture) touch(thread string, kind connector.LaneKind, due time.Time, p connector.Priority) {
	f.Helper()
	f.update(func(tx connector.Tx) error { return tx.TouchLane(f.ehr, thread, kind, due, p) })
}

func (f *fixture) claim(kinds []connector.LaneKind, limit int, now time.Time) []connector.Lane {
	f.Helper()
	lanes, err := f.s.Claim(f.Context(), f.ehr, kinds, limit, now)
	if err != nil {
		f.Fatalf("Claim: %v", err)
	}
	return lanes
}

// claimed wants the threads of the claim, in order.
func (f *fixture) claimed(kinds []connector.LaneKind, limit int, now time.Time, threads ...string) []connector.Lane {
	f.Helper()
	lanes := f.claim(kinds, limit, now)
	var got []string
	for _, l := range lanes {
		got = append(got, l.Thread)
		if l.EHR != f.ehr || !l.Until.Equal(now.Add(f.s.Lease())) || l.Fence < 1 {
			f.Errorf("claimed lane %+v: want this EHR, a fence and Until %v", l, now.Add(f.s.Lease()))
		}
	}
	if d := cmp.Diff(threads, got); d != "" {
		f.Fatalf("claimed threads (-want +got):\n%s", d)
	}
	return lanes
}

func (f *fixture) release(l connector.Lane, next time.Time) {
	f.Helper()
	f.update(func(tx connector.Tx) error { return tx.ReleaseLane(l, next, f.now) })
}

func (f *fixture) due(kinds []connector.LaneKind, want time.Time) {
	f.Helper()
	got, ok, err := f.s.NextDue(f.Context(), f.ehr, kinds)
	if err != nil || ok == want.IsZero() || !got.Equal(want) {
		f.Errorf("NextDue = %v, %v, %v; want %v", got, ok, err, want)
	}
}

var laneCases = []testCase{
	{"the most urgent first, then the oldest", func(f *fixture) {
		f.claimed(allKinds, 10, f.now)
		f.due(allKinds, time.Time{})
		ago := func(n int) time.Time { return f.now.Add(-time.Duration(n) * time.Second) }
		f.touch("t1", connector.LaneChart, ago(1), connector.Routine)
		f.touch("t2", connector.LaneChart, ago(2), connector.Routine)
		f.touch("t3", connector.LaneChart, ago(0), connector.Stat)
		f.touch("t4", connector.LaneChart, f.now.Add(time.Microsecond), connector.Stat) // not due
		f.touch("t5", connector.LaneSend, ago(9), connector.Stat)
		f.touch("t6", connector.LaneRequest, ago(3), connector.Urgent)
		f.touch("t7", connector.LaneRequest, ago(5), connector.Routine)
		f.due(chart, ago(2))
		f.claimed(nil, 10, f.now)
		f.claimed(chart, 0, f.now)
		f.claimed([]connector.LaneKind{connector.LaneRequest, connector.LaneChart}, 3, f.now, "t3", "t6", "t7")
		f.claimed(chart, 10, f.now, "t2", "t1")
		f.claimed(chart, 10, f.now)
		f.due(chart, f.now.Add(time.Microsecond))
		f.claimed(allKinds, 10, f.now, "t5")
	}},
	{"in front are the urgent, and those that became due a moment ago", func(f *fixture) {
		ago := func(n int) time.Time { return f.now.Add(-time.Duration(n) * time.Second) }
		f.touch("backlog", connector.LaneChart, ago(1000), connector.Routine)
		f.touch("edge", connector.LaneChart, ago(10), connector.Routine)
		f.touch("newest", connector.LaneChart, ago(0), connector.Routine)
		f.touch("new", connector.LaneChart, ago(9), connector.Routine)
		f.touch("urgent", connector.LaneRequest, ago(2000), connector.Urgent)
		f.touch("later", connector.LaneChart, f.now.Add(time.Second), connector.Stat)
		f.touch("send", connector.LaneSend, ago(1), connector.Stat)
		filing := []connector.LaneKind{connector.LaneChart, connector.LaneRequest}
		front := func(limit int, threads ...string) {
			lanes, err := f.s.ClaimFront(f.Context(), f.ehr, filing, limit, f.now, ago(10))
			var got []string
			for _, l := range lanes {
				got = append(got, l.Thread)
			}
			if d := cmp.Diff(threads, got); d != "" || err != nil {
				f.Fatalf("claimed threads (-want +got):\n%s%v", d, err)
			}
		}
		front(0)
		front(2, "urgent", "new")
		front(9, "newest")
		front(9)
		f.claimed(filing, 10, f.now, "backlog", "edge")
	}},
	{"a touch makes a lane due earlier, never later, and more urgent", func(f *fixture) {
		f.touch("t", connector.LaneChart, f.now.Add(time.Hour), connector.Routine)
		f.touch("t", connector.LaneChart, f.now.Add(time.Minute), connector.Urgent)
		f.touch("t", connector.LaneChart, f.now.Add(time.Hour), connector.Routine)
		f.due(chart, f.now.Add(time.Minute))
		f.touch("other", connector.LaneChart, f.now.Add(time.Second), connector.Routine)
		f.claimed(chart, 10, f.now.Add(time.Hour), "t", "other")
	}},
	{"a fence grows with every claim", func(f *fixture) {
		f.touch("t", connector.LaneChart, f.now, connector.Routine)
		last := int64(0)
		for range 3 {
			l := f.claimed(chart, 1, f.now, "t")[0]
			if l.Fence <= last {
				f.Fatalf("fence %d after %d", l.Fence, last)
			}
			last = l.Fence
			f.release(l, f.now)
		}
	}},
	{"release", func(f *fixture) {
		f.touch("t", connector.LaneChart, f.now, connector.Stat)
		l := f.claimed(chart, 1, f.now, "t")[0]
		f.due(chart, time.Time{})
		f.release(l, f.now.Add(time.Minute))
		f.due(chart, f.now.Add(time.Minute))
		f.claimed(chart, 1, f.now.Add(time.Minute-1))
		l = f.claimed(chart, 1, f.now.Add(time.Minute), "t")[0]
		f.release(l, time.Time{})
		f.due(chart, time.Time{})
		f.claimed(chart, 1, f.now.Add(1000*time.Hour))
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { return tx.ReleaseLane(l, f.now, f.now) })
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { c := l; return tx.HoldLane(&c, f.now) })
		// What was urgent is done: the next touch is as urgent as it says.
		f.touch("t", connector.LaneChart, f.now, connector.Routine)
		f.touch("u", connector.LaneChart, f.now.Add(-1*time.Second), connector.Routine)
		f.claimed(chart, 2, f.now, "u", "t")
	}},
	{"a touch during the drain is not lost", func(f *fixture) {
		f.touch("t", connector.LaneChart, f.now, connector.Routine)
		l := f.claimed(chart, 1, f.now, "t")[0]
		f.view(func(tx connector.Tx) error { same(f, "LaneTouched", l.Touched)(tx.LaneTouched(l)); return nil })
		f.touch("t", connector.LaneChart, f.now.Add(time.Hour), connector.Routine)
		f.release(l, time.Time{})
		l = f.claimed(chart, 1, f.now, "t")[0]
		f.touch("t", connector.LaneChart, f.now, connector.Routine)
		f.view(func(tx connector.Tx) (err error) { l.Touched, err = tx.LaneTouched(l); return err })
		f.release(l, time.Time{})
		f.due(chart, time.Time{})
		f.view(func(tx connector.Tx) error {
			absent[int64](f, "LaneTouched")(tx.LaneTouched(connector.Lane{EHR: f.ehr, Thread: "none", Kind: connector.LaneChart}))
			return nil
		})
	}},
	{"a paused EHR's own lanes stand still", func(f *fixture) {
		for n, k := range allKinds {
			f.touch(fmt.Sprint("t", n), k, f.now, connector.Routine)
		}
		pause := func(r connector.Reason) {
			f.update(func(tx connector.Tx) error {
				e, err := tx.EHR(f.ehr)
				e.Paused = r
				return errors.Join(err, tx.PutEHR(e))
			})
		}
		l := f.claim(chart, 1, f.now)[0]
		f.update(func(tx connector.Tx) error { return tx.HoldToSend(&l, f.now) })
		if !l.Until.Equal(f.now.Add(f.s.Lease())) {
			f.Errorf("HoldToSend set Until %v, want %v", l.Until, f.now.Add(f.s.Lease()))
		}
		pause(connector.WrongSubject)
		f.refused(connector.ErrPaused, func(tx connector.Tx) error { c := l; return tx.HoldToSend(&c, f.now) })
		f.update(func(tx connector.Tx) error { c := l; return tx.HoldLane(&c, f.now) })
		f.release(l, f.now)
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { c := l; return tx.HoldLane(&c, f.now) })
		f.due(chart, time.Time{})
		if n := len(f.claim(allKinds, 10, f.now)); n != 2 {
			f.Errorf("claimed %d lanes of a paused EHR, want send and media", n)
		}
		f.claimed([]connector.LaneKind{connector.LaneChart, connector.LaneRequest, connector.LaneTask}, 10, f.now)
		bell, stop := f.s.Listen(f.ehr)
		defer stop()
		pause("")
		f.heard(bell)
		l = f.claimed([]connector.LaneKind{connector.LaneChart}, 10, f.now, "t0")[0]
		l.Fence++
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { return tx.HoldToSend(&l, f.now) })
		f.claimed([]connector.LaneKind{connector.LaneRequest}, 10, f.now, "t1")
		f.claimed([]connector.LaneKind{connector.LaneTask}, 10, f.now, "t4")
	}},
	{"a lane that is taken from its holder can be claimed at once, and the holder is fenced", func(f *fixture) {
		f.touch("t", connector.LaneChart, f.now, connector.Routine)
		f.touch("t", connector.LaneTask, f.now, connector.Routine)
		old := f.claimed(chart, 1, f.now, "t")[0]
		f.claimed(chart, 1, f.now)
		f.update(func(tx connector.Tx) error {
			return errors.Join(tx.TakeLane(f.ehr, "t", connector.LaneChart), tx.TakeLane(f.ehr, "t", connector.LaneRequest), tx.TouchLane(f.ehr, "t", connector.LaneChart, f.now, ""))
		})
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { c := old; return tx.HoldLane(&c, f.now) })
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { return tx.ReleaseLane(old, time.Time{}, f.now) })
		l := f.claimed(chart, 1, f.now, "t")[0]
		if l.Fence <= old.Fence {
			f.Errorf("fence %d after %d", l.Fence, old.Fence)
		}
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { c := old; return tx.HoldLane(&c, f.now) })
		f.update(func(tx connector.Tx) error { return tx.HoldLane(&l, f.now) })
		f.release(l, time.Time{})
		f.claimed([]connector.LaneKind{connector.LaneTask}, 1, f.now, "t") // another lane of the thread is left alone
	}},
	{"the bell rings after a commit that touched a lane", func(f *fixture) {
		bell, stop := f.s.Listen(f.ehr)
		other, stopOther := f.s.Listen("somebody else")
		defer stopOther()
		sends, stopSends := f.s.Listen(f.ehr, connector.LaneSend, connector.LaneMedia)
		defer stopSends()
		f.refused(errOn, func(tx connector.Tx) error {
			return errors.Join(tx.TouchLane(f.ehr, "t", connector.LaneChart, f.now, ""), errOn)
		})
		select {
		case <-bell:
			f.Error("rang for a touch that was rolled back")
		default:
		}
		for range 3 {
			f.touch("t", connector.LaneChart, f.now, connector.Routine)
		}
		f.heard(bell)
		stop()
		f.touch("t", connector.LaneChart, f.now, connector.Routine)
		select {
		case <-other:
			f.Error("rang for another EHR's lane")
		case <-sends:
			f.Error("rang for a lane of another kind")
		default:
		}
		f.touch("t", connector.LaneMedia, f.now, connector.Routine)
		f.heard(sends)
	}},
	{"many claimers, each lane once", func(f *fixture) {
		const lanes, claimers = 120, 8
		f.update(func(tx connector.Tx) error {
			for n := range lanes {
				p := []connector.Priority{connector.Routine, connector.Urgent, connector.ASAP, connector.Stat}[n%4]
				if err := tx.TouchLane(f.ehr, fmt.Sprint("t", n), allKinds[n%3], f.now, p); err != nil {
					return err
				}
			}
			return nil
		})
		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for range claimers {
			wg.Go(func() {
				for range 10 * lanes { // a claimer may meet only rows that others are claiming: then it asks again
					got, err := f.s.Claim(f.Context(), f.ehr, allKinds, 5, f.now)
					if err != nil {
						f.Errorf("Claim: %v", err)
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
		wg.Wait()
		for th, n := range seen {
			if n != 1 {
				f.Errorf("lane of %s was claimed %d times", th, n)
			}
		}
		if len(seen) != lanes {
			f.Errorf("%d lanes were claimed, want %d", len(seen), lanes)
		}
	}},
}

// heard waits for the bell.
func (f *fixture) heard(bell <-chan struct{}) {
	f.Helper()
	select {
	case <-bell:
	case <-f.Context().Done():
		f.Fatal("the bell did not ring")
	}
}

// retaken claims until the lease of the lane has ended.
func (f *fixture) retaken(thread string) connector.Lane {
	f.Helper()
	for {
		for _, l := range f.claim(chart, 1, f.now.Add(time.Hour)) {
			if l.Thread == thread {
				return l
			}
			f.Fatalf("claimed %s, want %s", l.Thread, thread)
		}
		if f.Context().Err() != nil {
			f.Fatal("the lease never ended")
		}
	}
}

var leaseCases = []testCase{
	{"an ended lease is taken over, and its old holder is fenced", func(f *fixture) {
		f.touch("t", connector.LaneChart, f.now, connector.Routine)
		old := f.claimed(chart, 1, f.now, "t")[0]
		l := f.retaken("t")
		if l.Fence <= old.Fence {
			f.Errorf("fence %d after %d", l.Fence, old.Fence)
		}
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { c := old; return tx.HoldLane(&c, f.now) })
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { return tx.ReleaseLane(old, time.Time{}, f.now) })
		now := f.now.Add(time.Hour)
		f.update(func(tx connector.Tx) error { return tx.HoldLane(&l, now) })
		if !l.Until.Equal(now.Add(f.s.Lease())) {
			f.Errorf("HoldLane set Until %v, want %v", l.Until, now.Add(f.s.Lease()))
		}
		f.release(l, time.Time{})
	}},
	{"a lease that has ended can still be renewed by its holder", func(f *fixture) {
		f.touch("t", connector.LaneChart, f.now, connector.Routine)
		l := f.claimed(chart, 1, f.now, "t")[0]
		for { // NextDue tells when it has ended
			if _, ok, err := f.s.NextDue(f.Context(), f.ehr, chart); err != nil {
				f.Fatal(err)
			} else if ok {
				break
			}
		}
		f.update(func(tx connector.Tx) error { c := l; return tx.HoldLane(&c, time.Now()) })
		f.release(l, time.Time{})
	}},
}
