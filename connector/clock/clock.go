// Package clock is the one place that reads the wall clock. Everything else
// takes a Clock (or a func() time.Time), so a test can run 72 hours of backoff
// in a moment and no decision hangs on the machine's time of day.
//
// Two ways to test: a testing/synctest bubble, in which System is already
// virtual, or a Fake moved by hand.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and wakes waiters. Implementations are safe for
// concurrent use.
type Clock interface {
	// Now is the current time in UTC. Only differences between two readings of
	// one Clock are meaningful to logic; store microseconds, not formatted text.
	Now() time.Time
	// NewTimer fires once, d from now; a d of zero or less fires at once.
	NewTimer(d time.Duration) Timer
}

// Timer is a one-shot alarm, with time.Timer's meaning since Go 1.23: after
// Stop or Reset returns, no stale value is received from C.
type Timer interface {
	// C delivers the time of firing, once.
	C() <-chan time.Time
	// Stop prevents firing; true when it did so before the timer fired.
	Stop() bool
	// Reset arms the timer anew; true when it had been armed.
	Reset(d time.Duration) bool
}

// System is the machine's clock, virtual inside a testing/synctest bubble.
var System Clock = system{}

type system struct{}

// Now keeps the monotonic reading (UTC preserves it), so that differences
// survive a jump of the wall clock.
func (system) Now() time.Time { return time.Now().UTC() }

func (system) NewTimer(d time.Duration) Timer { return systemTimer{time.NewTimer(d)} }

type systemTimer struct{ t *time.Timer }

func (s systemTimer) C() <-chan time.Time        { return s.t.C }
func (s systemTimer) Stop() bool                 { return s.t.Stop() }
func (s systemTimer) Reset(d time.Duration) bool { return s.t.Reset(d) }

// Sleep waits d by c's time, or until ctx ends; then it returns the cause of
// that end (context.Cause), and the caller stops what it was doing.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
