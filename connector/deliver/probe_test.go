package deliver

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
)

// Who waits in line when the circuit opens is not let through by the very answer that opens it.
func TestTheLineDoesNotLeaveAsTheCircuitOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(clock.System, 0, 3)
		flying := []*ticket{enters(t, p, of(0)), enters(t, p, of(1)), enters(t, p, of(2))}
		let := 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for n := range 6 {
			wg.Go(func() {
				if _, err := p.enter(t.Context(), of(10+n)); err == nil {
					mu.Lock()
					let++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		for _, k := range flying {
			k.done(noLink)
		}
		synctest.Wait()
		if let != 2 { // one for each answer before
			t.Errorf("%d were let through", let)
		}
		wg.Wait()
	})
}

// TestProbesKeepASecondApart is about what comes between a probe's ticket and its outcome.
func TestProbesKeepASecondApart(t *testing.T) {
	opened := func(t *testing.T) *pace {
		p := newPace(clock.System, 0, 8)
		fails(t, p, 3, noAnswer)
		time.Sleep(3 * time.Second)
		return p
	}
	t.Run("a request nobody waited for has left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := opened(t)
			c := &conn{Connection: Connection{Deadline: time.Minute}, e: &Engine{clock: clock.System}, pace: p, heeding: make(chan struct{}, 1), heeded: clock.System.Now()}
			ctx, cancel := context.WithCancel(t.Context())
			_ = c.ask(ctx, of(1), func(context.Context) error { cancel(); return ctx.Err() })
			if wait, _ := p.closedFor(clock.System.Now()); wait != time.Second {
				t.Errorf("the next probe may leave after %v", wait)
			}
		})
	})
	t.Run("the next one is counted from when it leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := opened(t)
			k := enters(t, p, of(1))
			time.Sleep(probeHangs - 100*time.Millisecond) // its commit takes that long
			if !k.leaves() {
				t.Fatal("it may not leave")
			}
			if wait, _ := p.closedFor(clock.System.Now()); wait != time.Second {
				t.Errorf("the next probe may leave after %v", wait)
			}
		})
	})
	t.Run("it does not leave once another took its place", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := opened(t)
			k := enters(t, p, of(1))
			time.Sleep(probeHangs)
			if next := enters(t, p, of(2)); k.leaves() || !next.leaves() {
				t.Error("two probes leave at once")
			}
		})
	})
	t.Run("429 to one that hung does not end a Retry-After", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := opened(t)
			k := enters(t, p, of(1))
			time.Sleep(probeHangs)
			enters(t, p, of(2)).done(askedFor(time.Minute))
			k.done(askedFor(0))
			if wait, _ := p.closedFor(clock.System.Now()); wait != time.Minute {
				t.Errorf("closed for %v", wait)
			}
		})
	})
}
