package clock

import (
	"slices"
	"sync"
	"time"
)

// Fake is a clock moved by hand, for tests that are not in a testing/synctest
// bubble. It never moves by itself.
type Fake struct {
	mu     sync.Mutex
	now    time.Time
	timers []*fakeTimer // armed ones only
	armed  chan struct{}
}

// NewFake returns a Fake standing at start (taken as UTC).
func NewFake(start time.Time) *Fake {
	return &Fake{now: start.UTC(), armed: make(chan struct{})}
}

// Now is the time the Fake stands at.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Set jumps to t without firing anything, also backwards: a wall clock that was
// corrected.
func (f *Fake) Set(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	jump := t.Sub(f.now)
	f.now = t.UTC()
	for _, ft := range f.timers {
		ft.at = ft.at.Add(jump) // timers run on elapsed time, not on the wall
	}
}

// Advance moves forward by d and fires, in order of their time, all timers due
// on the way; each receives its own due time.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.now.Add(d)
	slices.SortStableFunc(f.timers, func(a, b *fakeTimer) int { return a.at.Compare(b.at) })
	for len(f.timers) > 0 && !f.timers[0].at.After(end) {
		ft := f.timers[0]
		f.timers = f.timers[1:]
		ft.c <- ft.at
	}
	f.now = end
}

// Waiting blocks until at least n timers are armed, so that a test can Advance
// knowing that the code under test has reached its wait.
func (f *Fake) Waiting(n int) {
	for {
		f.mu.Lock()
		if len(f.timers) >= n {
			f.mu.Unlock()
			return
		}
		armed := f.armed
		f.mu.Unlock()
		<-armed
	}
}

// NewTimer is Clock.NewTimer.
func (f *Fake) NewTimer(d time.Duration) Timer {
	ft := &fakeTimer{f: f, c: make(chan time.Time, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	ft.arm(d)
	return ft
}

type fakeTimer struct {
	f  *Fake
	c  chan time.Time // one slot: fires once between arms
	at time.Time
}

func (t *fakeTimer) C() <-chan time.Time { return t.c }

func (t *fakeTimer) Stop() bool {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	return t.disarm()
}

func (t *fakeTimer) Reset(d time.Duration) bool {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	was := t.disarm()
	t.arm(d)
	return was
}

// arm is called with the Fake locked and the timer not armed.
func (t *fakeTimer) arm(d time.Duration) {
	t.at = t.f.now.Add(d)
	if d <= 0 {
		t.at = t.f.now
		t.c <- t.at
		return
	}
	t.f.timers = append(t.f.timers, t)
	close(t.f.armed)
	t.f.armed = make(chan struct{})
}

// disarm is called with the Fake locked; true when the timer was armed.
func (t *fakeTimer) disarm() bool {
	select {
	case <-t.c:
	default:
	}
	i := slices.Index(t.f.timers, t)
	if i < 0 {
		return false
	}
	t.f.timers = slices.Delete(t.f.timers, i, i+1)
	return true
}
