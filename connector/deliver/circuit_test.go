package deliver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

var (
	noAnswer = &connector.Ambiguous{Cause: context.DeadlineExceeded}
	noLink   = &connector.Retry{Reason: connector.EHRUnavailable}
	askedFor = func(d time.Duration) error {
		return &connector.Retry{Reason: connector.RateLimited, Status: 429, After: d}
	}
)

func of(n int) asker { return asker{lane: fmt.Sprint("lane ", n)} }

// enters takes a ticket that must be there.
func enters(t *testing.T, p *pace, by asker) *ticket {
	t.Helper()
	k, err := p.enter(t.Context(), by)
	if err != nil {
		t.Fatalf("%s was not let in: %v", by.lane, err)
	}
	return k
}

// fails makes requests of n lanes that all end so.
func fails(t *testing.T, p *pace, n int, err error) {
	t.Helper()
	var all []*ticket
	for i := range n {
		all = append(all, enters(t, p, of(i)))
	}
	for _, k := range all {
		k.done(err)
	}
}

func TestTheCircuitOpensWhenSeveralLanesFail(t *testing.T) {
	for name, c := range map[string]struct {
		lanes int
		err   error
		open  bool
	}{
		"one lane times out":            {1, noAnswer, false},
		"two lanes time out":            {2, noAnswer, false},
		"three lanes time out":          {3, noAnswer, true},
		"three lanes get no connection": {3, noLink, true},
		"three lanes get 500":           {3, &connector.Ambiguous{Status: 500}, true},
		"three lanes get 503":           {3, &connector.Ambiguous{Status: 503}, true},
		"three lanes get 429":           {3, &connector.Retry{Status: 429}, false},
		"three lanes get 422":           {3, &connector.Refused{Status: 422}, false},
		"three lanes get 409":           {3, &connector.Conflicted{Status: 409}, false},
		"three lanes find nothing":      {3, connector.ErrAbsent, false},
		"three lanes were fenced off":   {3, connector.ErrFenced, false},
		"three lanes an unknown error":  {3, errors.New("x"), true},
		"one lane is asked to wait":     {1, askedFor(time.Second), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace(clock.System, 0, 8)
				fails(t, p, c.lanes, c.err)
				if p.isOpen() != c.open {
					t.Errorf("open is %v", !c.open)
				}
			})
		})
	}
}

// A thread that wedges, and it alone, must not stop the others: that was once 2.8 times their waiting.
func TestWedgedLanesDoNotOpenTheCircuitWhileOthersAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(clock.System, 0, 16)
		for range 5 { // rounds of ten lanes that hang for 30 s, while one answer comes a second
			var hung []*ticket
			for n := range 10 {
				if k, err := p.enter(t.Context(), of(n)); err == nil {
					hung = append(hung, k)
				}
			}
			for n := range 30 {
				k := enters(t, p, of(100+n))
				time.Sleep(time.Second)
				k.done(nil)
			}
			for _, k := range hung {
				k.done(noAnswer)
			}
			if p.isOpen() {
				t.Fatal("ten wedged lanes opened the circuit")
			}
		}
	})
}

func TestSuspectsShareAFewSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(clock.System, 0, 8)
		for n := range 10 {
			k := enters(t, p, of(n))
			enters(t, p, of(99)).done(nil)
			k.done(noAnswer)
		}
		in := 0
		for n := range 10 {
			if _, err := p.enter(t.Context(), of(n)); err == nil {
				in++
			} else if !errors.Is(err, errCrowded) {
				t.Errorf("refused with %v", err)
			}
		}
		if in != 2 {
			t.Errorf("%d failing lanes are tried at once, want a quarter of 8", in)
		}
		for n := range 6 {
			enters(t, p, of(100+n))
		}
	})
}

func TestHungRequestsLeaveTheirSlots(t *testing.T) {
	for name, c := range map[string]struct {
		answers bool
		want    int // further requests that get a slot within five seconds
	}{"while others are answered": {true, 4}, "but one only while nothing is answered": {false, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace(clock.System, 0, 4)
				if c.answers {
					p.slots = 5
					k := enters(t, p, of(9))
					for n := range 4 {
						enters(t, p, of(n))
					}
					time.Sleep(time.Second)
					k.done(nil)
					p.slots = 4
				} else {
					for n := range 4 {
						enters(t, p, of(n))
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				var wg sync.WaitGroup
				var mu sync.Mutex
				in := 0
				for n := range 10 {
					wg.Go(func() {
						if _, err := p.enter(ctx, of(10+n)); err == nil {
							mu.Lock()
							in++
							mu.Unlock()
						}
					})
				}
				wg.Wait()
				if in != c.want {
					t.Errorf("%d more got in, want %d", in, c.want)
				}
			})
		})
	}
}

// A request that a later one has overtaken is taken for hung sooner than one of which nothing can be said.
func TestAnOvertakenRequestLeavesItsSlotSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(clock.System, 0, 4)
		k := enters(t, p, of(9))
		time.Sleep(20 * time.Millisecond)
		k.done(nil)
		for n := range 4 {
			enters(t, p, of(n))
		}
		begun := time.Now()
		for n := range 3 { // the first shows that the others hang
			k := enters(t, p, of(10+n))
			if waited := time.Since(begun); waited != slowLeast {
				t.Errorf("request %d left after %v, want %v", n, waited, slowLeast)
			}
			if n == 0 {
				k.done(nil)
			}
		}
	})
}

// During an outage of an hour, with fifty lanes that all want in, at most one request a second leaves; and when the EHR is
// back one request closes the circuit, and load comes back gently.
func TestOneProbeASecondAndThenARamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(clock.System, 50, 8)
		fails(t, p, 3, noLink)
		var mu sync.Mutex
		var left []time.Time
		down := true
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for n := range 50 {
			wg.Go(func() {
				for ctx.Err() == nil {
					if k, err := p.enter(ctx, of(n)); err == nil {
						mu.Lock()
						left = append(left, time.Now())
						fail := down
						mu.Unlock()
						time.Sleep(20 * time.Millisecond)
						if fail {
							k.done(noLink)
						} else {
							k.done(nil)
						}
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		time.Sleep(time.Hour)
		mu.Lock()
		for n := 1; n < len(left); n++ {
			if d := left[n].Sub(left[n-1]); d < time.Second {
				t.Errorf("two probes left within %v", d)
			}
		}
		if len(left) < 3600/31 {
			t.Errorf("%d probes in an hour: the waits grow beyond half a minute", len(left))
		}
		down, left = false, nil
		mu.Unlock()
		time.Sleep(32 * time.Second)
		mu.Lock()
		back := left[0]
		within := func(d time.Duration) (n int) {
			for _, at := range left {
				if at.Sub(back) < d {
					n++
				}
			}
			return n
		}
		if n := within(20 * time.Millisecond); n != 1 {
			t.Errorf("%d requests left before the first was answered", n)
		}
		if n := within(time.Second); n > 20 {
			t.Errorf("%d requests in the first second at a limit of 50: the EHR is stormed", n)
		}
		mu.Unlock() // whoever has its ticket writes it down before it leaves
		cancel()
		wg.Wait()
	})
}

func TestNothingLeavesBeforeRetryAfter(t *testing.T) {
	for name, c := range map[string]struct{ asked, want time.Duration }{
		"seconds": {7 * time.Second, 7 * time.Second},
		"an hour": {time.Hour, time.Hour},
		"absurd":  {1000 * time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace(clock.System, 0, 8)
				flying, late := enters(t, p, of(1)), enters(t, p, of(2))
				asks := enters(t, p, of(3))
				asks.done(askedFor(c.asked))
				flying.done(nil) // an answer to what was under way does not take it back
				if late.leaves() {
					t.Error("a request that had its ticket may still leave")
				}
				late.cancel()
				enters := func() bool { k, err := p.enter(t.Context(), of(4)); return err == nil && k != nil }
				time.Sleep(c.want - time.Millisecond)
				if enters() {
					t.Error("a request left before the time the EHR asked for")
				}
				time.Sleep(time.Millisecond)
				if !enters() {
					t.Error("none left after it")
				}
				if enters() {
					t.Error("two left at once after it")
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // a shorter wait does not take back a longer one
		p := newPace(clock.System, 0, 8)
		a, b := enters(t, p, of(1)), enters(t, p, of(2))
		a.done(askedFor(time.Minute))
		b.done(askedFor(time.Second))
		if wait, _ := p.closedFor(clock.System.Now()); wait != time.Minute {
			t.Errorf("closed for %v", wait)
		}
	})
}

// A probe whose lane hangs must not keep the EHR closed.
func TestAProbeThatHangsLetsTheNextOneGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(clock.System, 0, 8)
		fails(t, p, 3, noAnswer)
		time.Sleep(2*time.Second + time.Millisecond)
		hangs := enters(t, p, of(1))
		if _, err := p.enter(t.Context(), of(9)); !errors.Is(err, errClosed) {
			t.Errorf("a second probe: %v", err)
		}
		time.Sleep(probeHangs)
		enters(t, p, of(9)).done(nil)
		if p.isOpen() {
			t.Error("it is still open")
		}
		hangs.done(noAnswer)
		if p.isOpen() {
			t.Error("the probe that hung opened it again")
		}
	})
}

func TestRequestsAreSpacedAndTheFrontPassesTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(clock.System, 10, 100)
		var mu sync.Mutex
		var order []bool
		var wg sync.WaitGroup
		begun := time.Now()
		queue := func(n int, front bool) {
			for i := range n {
				wg.Go(func() {
					by := of(i)
					by.front = front
					k, err := p.enter(t.Context(), by)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					order = append(order, front)
					mu.Unlock()
					k.done(nil)
				})
			}
		}
		queue(40, false)
		synctest.Wait()
		queue(9, true)
		wg.Wait()
		if d := time.Since(begun); d < 4500*time.Millisecond || d > 5*time.Second {
			t.Errorf("49 requests at 10 a second took %v", d)
		}
		last := 0
		for n, front := range order {
			if front {
				last = n
			}
		}
		if last < 10 || last > 15 {
			t.Errorf("the last of nine in front came %dth: three of four turns are theirs", last)
		}
	})
}

func TestStallsAreToldOnceTheyLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(clock.System, 0, 8)
		var since time.Time
		moved := 0
		p.stalled = func(s time.Time) { since = s }
		p.moving = func() { moved++ }
		enters(t, p, of(1)).done(nil)
		if moved != 1 {
			t.Error("the first answer after a start is not told")
		}
		moved = 0
		time.Sleep(time.Minute)
		begun := clock.System.Now()
		enters(t, p, of(1)).done(noLink)
		time.Sleep(time.Minute)
		enters(t, p, of(2)).done(&connector.Refused{Reason: connector.Unauthorized})
		if !since.Equal(begun) || moved != 0 {
			t.Errorf("since %v, moved %d times", since.Sub(begun), moved)
		}
		enters(t, p, of(1)).done(nil)
		enters(t, p, of(1)).done(nil)
		if moved != 1 {
			t.Errorf("told %d times that it moves", moved)
		}
	})
}
