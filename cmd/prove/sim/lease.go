package sim

import (
	"fmt"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// leases are what the judge knows of who has which lane, by thread|kind.
type leases struct {
	have  map[string]lease
	doubt map[string]string // lane and fence → why its successor came too early, unless it was given back before
}

type lease struct {
	fence   int64
	at      time.Time // claimed
	until   time.Time // as far as commits have told
	claimed int64     // commits that had begun when the claim was over
}

func laneKey(l connector.Lane) string { return l.Thread + "|" + string(l.Kind) }

func fenceKey(k string, fence int64) string { return fmt.Sprint(k, "#", fence) }

// claimed notes who has a lane. A newer claim makes every older one stale, and comes when the older is over: given back, or
// past its lease.
func (j *judge) claimed(p *process, lanes []connector.Lane) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range lanes {
		k := laneKey(l)
		if l.Fence <= j.fences[k] {
			j.failLocked("the lane %s was claimed with fence %d after fence %d", k, l.Fence, j.fences[k])
		}
		j.fences[k] = l.Fence
		j.noteLocked("process %d claims %s fence %d", p.n, k, l.Fence)
		at := clock.System.Now() // a process that froze as it asked may count from when it did, which shortens its lease
		if was, ok := j.leases.have[k]; ok && at.Before(was.until) {
			// That it was given back may be told to us later than that it was claimed.
			j.leases.doubt[fenceKey(k, was.fence)] = fmt.Sprintf("the lane %s was claimed at %s with fence %d, and was leased until %s with fence %d",
				k, at.Sub(began), l.Fence, was.until.Sub(began), was.fence)
		}
		j.leases.have[k] = lease{l.Fence, at, l.Until, j.w.order.Load()}
	}
}

// committed takes what a transaction did to leases. Whoever has lost a lane commits nothing of it.
func (s *leases) committed(j *judge, n *noted) {
	for _, l := range n.held {
		k := laneKey(l)
		has := s.have[k]
		switch {
		case has.fence == l.Fence && l.Until.After(has.until):
			has.until = l.Until
			s.have[k] = has
		case l.Fence < has.fence && n.seq > has.claimed:
			j.failLocked("work on the lane %s was committed with fence %d after it had been claimed with fence %d", k, l.Fence, has.fence)
		}
	}
	for _, l := range n.back {
		k := laneKey(l)
		delete(s.doubt, fenceKey(k, l.Fence))
		if has := s.have[k]; has.fence == l.Fence {
			has.until = time.Time{}
			s.have[k] = has
		}
	}
}

// end tells of the lanes that had two workers.
func (s *leases) end(j *judge) {
	for _, why := range s.doubt {
		j.failLocked("%s", why)
	}
}
