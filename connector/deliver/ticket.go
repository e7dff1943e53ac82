package deliver

import (
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// ticket is the right to make one request. done gives it back.
type ticket struct {
	p       *pace
	by      asker
	began   time.Time
	suspect bool
	probe   bool
	asked   time.Time // done: until when the EHR asked for no requests
}

// leaves says whether the ticket's request may leave now: not where the circuit opened, or the EHR asked for patience, since
// it was taken, nor where it was a probe for so long that another one took its place.
func (t *ticket) leaves() bool {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return t.p.breaker.leaves(t, t.p.clock.Now())
}

// cancel gives a ticket back on which no request was made.
func (t *ticket) cancel() { t.done(connector.ErrFenced) }

// errLeft is the outcome of a request that left and that nobody waited for.
var errLeft = errors.New("nobody waited for what the request came to")

// done gives the ticket back with what the request came to, an error of connector.EHR or nil.
func (t *ticket) done(err error) {
	p, v := t.p, judge(err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, flying := p.flying[t]; !flying {
		return
	}
	delete(p.flying, t)
	if t.suspect {
		p.trying--
	}
	now := p.clock.Now()
	p.fill(now)
	wasOpen := p.breaker.open
	if v.busy && !t.probe { // one request alone is no load
		p.load.refused(now, t.began, v.after > 0)
	}
	switch {
	case !v.made:
		p.breaker.unprobed(t, v.left)
	case v.good:
		p.answered(t, now, v.denied)
	case v.after > 0:
		t.asked = p.breaker.asked(now, v.after)
	case v.many && t.probe && !p.breaker.until.After(now): // it is there, if only to say that it is busy
		p.breaker.close()
		p.load.ramp(now)
	case v.many: // neither an outage nor the lane's fault
	default:
		p.failed(t, now, v)
	}
	if v.made && (!v.good || v.denied) {
		p.unwell(now)
	}
	switch {
	case p.breaker.open && !wasOpen:
		p.wakeAll()
	case wasOpen && !p.breaker.open:
		ring(p.reopened)
	}
	p.grant(now)
}

// answered notes a good answer.
func (p *pace) answered(t *ticket, now time.Time, denied bool) {
	p.load.answered(now, t.began)
	p.overtook = later(p.overtook, t.began)
	if took := now.Sub(t.began); p.usual == 0 {
		p.usual = took
	} else {
		p.usual += (took - p.usual) / 8
	}
	delete(p.suspects, t.by.lane)
	if p.breaker.answered(now) {
		clear(p.suspects) // the outage was why they failed
		p.load.ramp(now)
		p.tokens = min(p.tokens, 1)
	}
	if !p.failing.IsZero() && !denied {
		p.failing = time.Time{}
		p.moving()
	}
}

// failed notes that a request was not answered, or by a server's error.
func (p *pace) failed(t *ticket, now time.Time, v answer) {
	if !v.busy {
		if len(p.suspects) >= suspectsMax {
			clear(p.suspects)
		}
		p.suspects[t.by.lane]++
	}
	p.breaker.failed(now, t, v.apart || v.busy || p.suspects[t.by.lane] == 1)
}

// unwell remembers since when nothing has been answered well.
func (p *pace) unwell(now time.Time) {
	if p.failing.IsZero() {
		p.failing = now
	}
	p.stalled(p.failing)
}
