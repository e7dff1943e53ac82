package clock

import (
	"context"
	"sync"
	"time"
)

const (
	// Jump is how far the wall clock must be off before that counts as a jump. Less is followed slowly.
	Jump = 2 * time.Second
	// checkEvery is how often Watch looks at the wall clock.
	checkEvery = time.Second
	// slew is how fast small drift is followed: parts of the time that passed, as NTP's own clients do it.
	slew = 0.005
)

// Steady is the machine's clock without its jumps: the wall's time when it was made, and since then what has passed by the
// monotonic clock. Leases, backoff, Retry-After and settle run on it, so that a wall clock that is set forward ends none of
// them early and one that is set back makes none of them endless. A small drift is followed slowly; a jump is never adopted
// while the process runs, only told (Offset). A new process begins at the wall's time again.
//
// Now never goes back. Safe for concurrent use.
type Steady struct {
	wall func() time.Time     // may jump
	ran  func() time.Duration // only grows

	mu      sync.Mutex
	anchor  time.Time     // Now at began
	began   time.Duration // of the monotonic clock
	checked time.Duration // when drift was last followed
	last    time.Time     // what Now has given
	offset  time.Duration // the wall's lead at the last check, where that is a jump
}

// NewSteady anchors a Steady at the machine's time of day.
func NewSteady() *Steady {
	start := time.Now()
	return SteadyOn(func() time.Time { return time.Now().Round(0).UTC().Add(jumped()) },
		func() time.Duration { return time.Since(start) })
}

// SteadyOn is a Steady over any two clocks, so that a test can have the wall jump.
func SteadyOn(wall func() time.Time, ran func() time.Duration) *Steady {
	s := &Steady{wall: wall, ran: ran, anchor: wall(), began: ran()}
	s.checked, s.last = s.began, s.anchor
	return s
}

// Now is the steady time in UTC.
func (s *Steady) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.anchor.Add(s.ran() - s.began); now.After(s.last) { // after drift was taken back, time stands until it is caught up
		s.last = now
	}
	return s.last
}

// NewTimer is Clock.NewTimer: timers run on what passes, so no jump moves them.
func (s *Steady) NewTimer(d time.Duration) Timer { return System.NewTimer(d) }

// Offset is by how much the wall clock is ahead of this clock (negative: behind) since it jumped; 0 where it has not.
func (s *Steady) Offset() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offset
}

// check compares with the wall clock: small drift is followed a little, a jump is remembered.
func (s *Steady) check() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	ran, wall := s.ran(), s.wall()
	off := wall.Sub(s.anchor.Add(ran - s.began))
	if off >= Jump || off <= -Jump {
		s.offset, s.checked = off, ran
		return off
	}
	most := time.Duration(slew * float64(ran-s.checked))
	s.anchor = s.anchor.Add(max(-most, min(off, most)))
	s.offset, s.checked = 0, ran
	return 0
}

// Watch looks at the wall clock every second until ctx ends, and tells each change: the wall clock jumped, and is off by
// this much now, or is right again (0).
func (s *Steady) Watch(ctx context.Context, changed func(offset time.Duration)) {
	var told time.Duration
	for Sleep(ctx, System, checkEvery) == nil {
		off := s.check()
		if step := off - told; step >= Jump || step <= -Jump || (off == 0) != (told == 0) {
			told = off
			changed(off)
		}
	}
}
