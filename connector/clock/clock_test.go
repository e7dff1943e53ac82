package clock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var start = time.Date(2026, 3, 8, 1, 59, 59, 0, time.UTC)

func received(t Timer) (time.Time, bool) {
	select {
	case at := <-t.C():
		return at, true
	default:
		return time.Time{}, false
	}
}

func TestFakeFiresInOrderAtDueTimes(t *testing.T) {
	f := NewFake(start)
	late, early, never := f.NewTimer(3*time.Second), f.NewTimer(time.Second), f.NewTimer(time.Minute)
	f.Advance(999 * time.Millisecond)
	if _, ok := received(early); ok {
		t.Fatal("fired before its time")
	}
	f.Advance(9*time.Second + time.Millisecond)
	for _, c := range []struct {
		timer Timer
		after time.Duration
	}{{early, time.Second}, {late, 3 * time.Second}} {
		at, ok := received(c.timer)
		if !ok || !at.Equal(start.Add(c.after)) {
			t.Errorf("timer of %v: fired=%v at %v", c.after, ok, at)
		}
	}
	if _, ok := received(never); ok {
		t.Error("a timer of a minute fired after ten seconds")
	}
	if want := start.Add(10 * time.Second); !f.Now().Equal(want) {
		t.Errorf("Now = %v, want %v", f.Now(), want)
	}
}

func TestFakeStopAndReset(t *testing.T) {
	f := NewFake(start)
	tm := f.NewTimer(time.Second)
	if !tm.Stop() || tm.Stop() {
		t.Error("Stop: want true once, then false")
	}
	f.Advance(time.Hour)
	if _, ok := received(tm); ok {
		t.Error("a stopped timer fired")
	}
	if tm.Reset(time.Second) {
		t.Error("Reset of a stopped timer said it was armed")
	}
	f.Advance(time.Second)
	if tm.Reset(time.Second) {
		t.Error("Reset of a fired timer said it was armed")
	}
	if _, ok := received(tm); ok {
		t.Error("a stale firing survived Reset")
	}
	if zero := f.NewTimer(0); !zeroFired(zero) {
		t.Error("a timer of zero did not fire at once")
	}
}

func zeroFired(tm Timer) bool { _, ok := received(tm); return ok }

func TestFakeSetMovesOnlyTheWall(t *testing.T) {
	f := NewFake(start)
	tm := f.NewTimer(time.Minute)
	f.Set(start.Add(-24 * time.Hour))
	f.Advance(59 * time.Second)
	if _, ok := received(tm); ok {
		t.Fatal("fired after 59 s of elapsed time")
	}
	f.Advance(time.Second)
	if _, ok := received(tm); !ok {
		t.Fatal("a backward jump of the wall clock delayed a timer")
	}
}

func TestSleep(t *testing.T) {
	f := NewFake(start)
	done := make(chan error)
	go func() { done <- Sleep(t.Context(), f, time.Hour) }()
	f.Waiting(1)
	f.Advance(time.Hour)
	if err := <-done; err != nil {
		t.Errorf("Sleep to its end: %v", err)
	}

	gone := errors.New("lease gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { done <- Sleep(ctx, f, time.Hour) }()
	f.Waiting(1)
	cancel(gone)
	if err := <-done; !errors.Is(err, gone) {
		t.Errorf("Sleep ended by its context = %v, want the cause", err)
	}
}

func TestSystemIsVirtualInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := System.Now()
		if err := Sleep(t.Context(), System, 72*time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := System.Now().Sub(before); got != 72*time.Hour {
			t.Errorf("elapsed %v, want 72h", got)
		}
		tm := System.NewTimer(time.Hour)
		if !tm.Stop() || tm.Reset(time.Minute) {
			t.Error("Stop and Reset do not follow time.Timer")
		}
		if at := <-tm.C(); at.IsZero() {
			t.Error("fired without a time")
		}
	})
	if System.Now().Location() != time.UTC {
		t.Error("System.Now is not in UTC")
	}
}
