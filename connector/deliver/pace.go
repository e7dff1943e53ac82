package deliver

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

const (
	probeEvery  = time.Second      // at most one request in this time while the circuit is open
	probeHangs  = 3 * time.Second  // a probe this long under way, and ever longer, lets the next one go: its lane may hang
	openMost    = 30 * time.Second // the jitter between probes grows to this
	openAt      = 3                // lanes that failed with no good answer between open the circuit
	askedRamp   = 10 * time.Second // who asked for this much patience is come back to slowly
	hungAfter   = 2 * time.Second  // a request this long under way may leave its slot to another one, or one that is …
	hungTimes   = 8                // … so many times as long under way as others, …
	hungLeast   = 250 * time.Millisecond
	slowTimes   = 4 // the same for one that a later one has overtaken
	slowLeast   = 100 * time.Millisecond
	frontTurns  = 3      // requests of lanes in front for one of the others
	suspectsMax = 10_000 // lanes remembered as failing
)

// errClosed says that nothing may leave toward the EHR now, errCrowded that this lane may not: lanes whose last request
// failed get a small share of the slots. Nothing was sent.
var (
	errClosed  = errors.New("the EHR is down or asked for patience")
	errCrowded = errors.New("other lanes that fail too are being tried")
)

// pace is how hard one EHR may be pressed now. Every request of a connection takes a ticket from it and gives it back with
// what the request came to; from that the pace learns. It is shared by all workers and safe for them.
//
// Three things hold requests back. The load: requests a second and requests under way, a share of the configured limits
// that is halved when the EHR refuses for load and grows back (throttle). The circuit: open while the EHR is down, with one
// request a second at most to see whether it is back (circuit). And the EHR's own Retry-After, which nothing passes.
type pace struct {
	clock clock.Clock
	rate  float64 // configured requests a second, 0 for no limit
	slots int     // configured requests under way

	// reopened rings when requests may leave again.
	reopened chan struct{}
	// stalled hears of every failure with the time since when nothing has answered well; moving of every good answer
	// after such a time. They must not block.
	stalled func(since time.Time)
	moving  func()

	mu       sync.Mutex
	load     throttle
	breaker  circuit
	tokens   float64
	filled   time.Time
	flying   map[*ticket]struct{}
	suspects map[string]int // by lane: failures in a row
	trying   int            // tickets of suspects under way
	front    []*waiter
	back     []*waiter
	turn     int           // requests of front lanes since the last of the others
	usual    time.Duration // that a request takes, of late
	overtook time.Time     // when the latest request began that has been answered well
	failing  time.Time     // since when nothing has been answered well; from the start, or what was open before would stay so
}

// asker is on whose behalf a request is made.
type asker struct {
	lane  string // whose failures are counted together
	front bool   // urgent, or became due a moment ago: it does not wait behind a backlog
}

type waiter struct {
	by      asker
	granted *ticket
	look    chan struct{} // rings when it is granted, or first in line
}

func newPace(c clock.Clock, perSecond float64, slots int) *pace {
	p := &pace{clock: c, rate: max(perSecond, 0), slots: max(slots, 1), reopened: make(chan struct{}, 1), load: newThrottle(),
		flying: map[*ticket]struct{}{}, suspects: map[string]int{}, filled: c.Now(), failing: c.Now(), stalled: func(time.Time) {}, moving: func() {}}
	p.tokens = p.burst()
	return p
}

// burst is how many requests may leave at once after a pause.
func (p *pace) burst() float64 { return max(1, p.rate/5) }

// closedFor is how long nothing may leave. probe says that exactly one request may.
func (p *pace) closedFor(now time.Time) (wait time.Duration, probe bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.breaker.closedFor(now)
}

// isOpen says whether the circuit is open.
func (p *pace) isOpen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.breaker.open
}

// enter waits for the right to make one request. It gives errClosed or errCrowded in a *connector.Retry, without waiting,
// where that would be long.
func (p *pace) enter(ctx context.Context, by asker) (*ticket, error) {
	p.mu.Lock()
	now := p.clock.Now()
	if err := p.refused(now, by); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	if p.breaker.open {
		t := p.take(now, by)
		t.probe = true
		p.breaker.probed(now)
		p.mu.Unlock()
		return t, nil
	}
	w := &waiter{by: by, look: make(chan struct{}, 1)}
	if by.front {
		p.front = append(p.front, w)
	} else {
		p.back = append(p.back, w)
	}
	p.grant(now)
	for w.granted == nil {
		first, wait := p.first() == w, p.next(now)
		p.mu.Unlock()
		err := p.look(ctx, w, first, wait)
		p.mu.Lock()
		now = p.clock.Now()
		if w.granted != nil {
			break
		}
		if err == nil {
			err = p.refused(now, by)
		}
		if err != nil || p.breaker.open {
			p.leave(w)
			p.mu.Unlock()
			if err == nil {
				err = notNow(connector.EHRUnavailable, errClosed)
			}
			return nil, err
		}
		p.grant(now)
	}
	t := w.granted
	p.mu.Unlock()
	return t, nil
}

// look waits until there may be something for w. Only the first in line watches the clock.
func (p *pace) look(ctx context.Context, w *waiter, first bool, wait time.Duration) error {
	var due <-chan time.Time
	if first {
		timer := p.clock.NewTimer(wait)
		defer timer.Stop()
		due = timer.C()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.look:
	case <-due:
	}
	return nil
}

// refused says why a request may not even wait.
func (p *pace) refused(now time.Time, by asker) error {
	switch wait, probe := p.breaker.closedFor(now); {
	case wait > 0:
		return notNow(p.breaker.why, errClosed)
	case probe:
		return nil
	}
	if p.suspects[by.lane] > 0 && p.trying >= max(1, p.may()/4) {
		return notNow(connector.EHRUnavailable, errCrowded)
	}
	return nil
}

func notNow(r connector.Reason, cause error) error { return &connector.Retry{Reason: r, Cause: cause} }

// may is how many requests may be under way now.
func (p *pace) may() int { return max(1, int(math.Round(float64(p.slots)*p.load.share))) }

// first is whose turn it is.
func (p *pace) first() *waiter {
	switch {
	case len(p.front) > 0 && (p.turn < frontTurns || len(p.back) == 0):
		return p.front[0]
	case len(p.back) > 0:
		return p.back[0]
	}
	return nil
}

// grant gives tickets to those in line while there are slots and tokens.
func (p *pace) grant(now time.Time) {
	p.fill(now)
	if p.breaker.open {
		return // those in line are on their way out of it
	}
	granted := false
	for w := p.first(); w != nil && p.free(now) && (p.rate == 0 || p.tokens >= 1); w = p.first() {
		if w.by.front {
			p.turn++
		} else {
			p.turn = 0
		}
		p.leave(w)
		w.granted = p.take(now, w.by)
		ring(w.look)
		granted = true
	}
	if w := p.first(); granted && w != nil {
		ring(w.look) // it watches the clock now
	}
}

func (p *pace) take(now time.Time, by asker) *ticket {
	t := &ticket{p: p, by: by, began: now, suspect: p.suspects[by.lane] > 0}
	p.flying[t] = struct{}{}
	if t.suspect {
		p.trying++
	}
	p.tokens--
	return t
}

// leave takes w out of its line.
func (p *pace) leave(w *waiter) {
	line := &p.back
	if w.by.front {
		line = &p.front
	}
	for n, x := range *line {
		if x == w {
			*line = append((*line)[:n], (*line)[n+1:]...)
			break
		}
	}
	if first := p.first(); first != nil {
		ring(first.look)
	}
}

func (p *pace) fill(now time.Time) {
	if p.rate > 0 {
		p.tokens = min(p.tokens+now.Sub(p.filled).Seconds()*p.rate*p.load.share, p.burst())
	}
	p.filled = now
}

// free says whether another request may be under way. One that hangs while others are answered leaves its slot, as many
// as there are slots; where nothing is answered, one in all does: that is how it shows whether only its own lane hangs.
func (p *pace) free(now time.Time) bool {
	may := p.may()
	if len(p.flying) < may {
		return true
	}
	hung, alone := 0, 0
	slow, long := p.long()
	for t := range p.flying {
		switch took := now.Sub(t.began); {
		case took < slow:
		case p.overtook.After(t.began), took >= long && p.breaker.good.After(t.began):
			hung++
		default:
			alone = 1
		}
	}
	return len(p.flying)-min(hung+alone, p.slots) < may
}

// long is how long a request is under way before it counts as hung: slow where one that began after it has been answered.
func (p *pace) long() (slow, long time.Duration) {
	if p.usual == 0 {
		return hungAfter, hungAfter
	}
	return min(max(slowTimes*p.usual, slowLeast), hungAfter), min(max(hungTimes*p.usual, hungLeast), hungAfter)
}

// next is how long the first in line waits for a token, or for a request under way to count as hung.
func (p *pace) next(now time.Time) time.Duration {
	if p.rate > 0 && p.tokens < 1 {
		return time.Duration((1-p.tokens)/(p.rate*p.load.share)*float64(time.Second)) + time.Microsecond
	}
	wait := hungAfter
	slow, long := p.long()
	for t := range p.flying {
		for _, d := range []time.Duration{slow, long} {
			if left := t.began.Add(d).Sub(now); left > 0 {
				wait = min(wait, left)
			}
		}
	}
	return wait
}

// ring wakes whoever listens, once.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// wakeAll wakes all in line, to see that the circuit is open.
func (p *pace) wakeAll() {
	for _, w := range p.front {
		ring(w.look)
	}
	for _, w := range p.back {
		ring(w.look)
	}
}

// asked closes the pace until a time that another process was told to wait for.
func (p *pace) asked(now, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(now) && until.After(p.breaker.until) {
		p.breaker.asked(now, until.Sub(now))
		p.wakeAll()
	}
}
