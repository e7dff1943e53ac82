package clock

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// machine is a wall clock that can be set and a monotonic one that cannot.
type machine struct {
	wall time.Time
	ran  time.Duration
}

func (m *machine) steady() *Steady {
	return SteadyOn(func() time.Time { return m.wall }, func() time.Duration { return m.ran })
}

func (m *machine) pass(d time.Duration) { m.wall, m.ran = m.wall.Add(d), m.ran+d }

// jumps are those of the promise: an hour, a day, ten years, either way.
var jumps = map[string]time.Duration{"+1h": time.Hour, "-1h": -time.Hour, "+24h": 24 * time.Hour, "-24h": -24 * time.Hour,
	"+10y": 87660 * time.Hour, "-10y": -87660 * time.Hour}

func TestSteadyKeepsItsTimeWhenTheWallJumps(t *testing.T) {
	for name, by := range jumps {
		t.Run(name, func(t *testing.T) {
			m := &machine{wall: start}
			s := m.steady()
			m.pass(10 * time.Second)
			m.wall = m.wall.Add(by)
			if got := s.check(); got != by || s.Offset() != by {
				t.Errorf("the jump is told as %v and %v, want %v", got, s.Offset(), by)
			}
			m.pass(20 * time.Second)
			if got := s.Now(); !got.Equal(start.Add(30 * time.Second)) {
				t.Errorf("30 s after %v it is %v", start, got)
			}
			m.wall = m.wall.Add(-by) // repaired
			if s.check(); s.Offset() != 0 || !s.Now().Equal(start.Add(30*time.Second)) {
				t.Errorf("after the repair the offset is %v and the time %v", s.Offset(), s.Now())
			}
		})
	}
}

func TestSteadyFollowsDriftSlowlyAndNeverGoesBack(t *testing.T) {
	for _, drift := range []time.Duration{1500 * time.Millisecond, -1500 * time.Millisecond} {
		m := &machine{wall: start}
		s := m.steady()
		m.wall = m.wall.Add(drift)
		before := s.Now()
		for range 600 {
			m.pass(time.Second)
			s.check()
			now := s.Now()
			if step := now.Sub(before); step < 990*time.Millisecond || step > 1010*time.Millisecond {
				t.Fatalf("a second took %v", step)
			}
			before = now
		}
		if !s.Now().Equal(m.wall) {
			t.Errorf("ten minutes later a drift of %v is followed to %v", drift, m.wall.Sub(s.Now()))
		}
		m.wall = m.wall.Add(-time.Second)
		m.pass(time.Second)
		before = s.Now()
		s.check() // takes a little back
		if at := s.Now(); at.Before(before) {
			t.Errorf("time went back by %v", before.Sub(at))
		}
	}
}

func TestSteadyTellsEachChangeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shift atomic.Int64
		began := time.Now()
		s := SteadyOn(func() time.Time { return time.Now().Round(0).Add(time.Duration(shift.Load())) }, func() time.Duration { return time.Since(began) })
		ctx, stop := context.WithCancel(t.Context())
		told := make(chan time.Duration, 10)
		ended := make(chan struct{})
		go func() { s.Watch(ctx, func(off time.Duration) { told <- off }); close(ended) }()
		for _, want := range []time.Duration{time.Hour, -time.Hour, 0} {
			shift.Store(int64(want))
			time.Sleep(10 * time.Second)
			if len(told) != 1 {
				t.Fatalf("%v: told %d times, want once", want, len(told))
			}
			if got := <-told; got != want {
				t.Errorf("told %v, want %v", got, want)
			}
		}
		if got := s.Now().Sub(began); got != 30*time.Second {
			t.Errorf("30 s took %v", got)
		}
		stop()
		<-ended
	})
}

func TestNewSteadyIsTheMachinesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSteady()
		if !s.Now().Equal(System.Now()) || s.Now().Location() != time.UTC {
			t.Errorf("it is %v, want %v in UTC", s.Now(), System.Now())
		}
		if err := Sleep(t.Context(), s, time.Hour); err != nil || !s.Now().Equal(System.Now()) {
			t.Errorf("an hour later it is %v, want %v (%v)", s.Now(), System.Now(), err)
		}
	})
}
