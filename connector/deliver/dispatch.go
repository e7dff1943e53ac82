package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/crash"
)

var (
	filingKinds = connector.FilingLanes()
	sendKinds   = []connector.LaneKind{connector.LaneSend}
	mediaKinds  = []connector.LaneKind{connector.LaneMedia}
)

const (
	sendWorkers  = 8
	mediaWorkers = 2
	// recheck, or a lease where that is shorter, bounds how long a dispatcher sleeps without a wake-up: a lane whose
	// wake-up was lost with another replica, or whose worker was killed, rings no bell.
	recheck = 30 * time.Second
	// inFront is how long a lane that became due counts as new.
	inFront = 10 * time.Second
)

// crew is how many lanes of an EHR are worked on at once. Lanes in front, urgent or due a moment ago, may take any place;
// the others leave some for them, so that a backlog of long lanes does not keep a new thread waiting.
type crew struct {
	all, others int
	busy, back  int // at work: in all, and of the others
}

func newCrew(workers int) crew {
	return crew{all: workers, others: max(1, workers-max(1, workers/4))}
}

// filers is the crew that files into one EHR: for each request that may be under way one lane that makes it, and as many
// again whose request hangs; but no more than get their turn, at the EHR's rate, within a lease.
func (e *Engine) filers(c *conn) crew {
	n := 2*max(c.Concurrent, 1) + 1
	if c.PerSecond > 0 {
		n = min(n, max(2, int(c.PerSecond*e.store.Lease().Seconds()/8)))
	}
	return newCrew(n)
}

// dispatcher claims due lanes of one EHR and one group of kinds as places come free, and has each drained in a goroutine
// of its own. Nothing runs for an idle thread: it sleeps until a commit touches a lane or the next lane is due.
type dispatcher struct {
	e      *Engine
	c      *conn
	kinds  []connector.LaneKind
	crew   crew
	paced  bool // toward the EHR: nothing is claimed while its pace lets nothing leave
	probed time.Time
	done   chan bool // true for a lane in front
}

// goDispatch starts the dispatcher of one EHR and one group of lane kinds.
func (e *Engine) goDispatch(ctx context.Context, c *conn, kinds []connector.LaneKind, workers crew) {
	d := &dispatcher{e: e, c: c, kinds: kinds, crew: workers, paced: kinds[0] == connector.LaneChart, done: make(chan bool, workers.all)}
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		d.run(ctx)
	}()
}

func (d *dispatcher) run(ctx context.Context) {
	bell, stop := d.e.store.Listen(d.c.ID, d.kinds...)
	defer stop()
	defer func() {
		for ; d.crew.busy > 0; d.crew.busy-- {
			<-d.done
		}
	}()
	var reopened chan struct{}
	if d.paced {
		reopened = d.c.pace.reopened
	}
	for {
		more := d.claim(ctx)
		timer := d.e.clock.NewTimer(d.idleFor(ctx, more))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case front := <-d.done:
			d.back(front)
		case <-bell:
		case <-reopened:
		case <-timer.C():
		}
		timer.Stop()
		for drained := true; drained; {
			select {
			case front := <-d.done:
				d.back(front)
			default:
				drained = false
			}
		}
	}
}

// back notes that a lane was given back.
func (d *dispatcher) back(front bool) {
	d.crew.busy--
	if !front {
		d.crew.back--
	}
}

// claim leases what there is place for, oldest first, and where more is due than that, the lanes in front. It reports
// whether more may be due.
func (d *dispatcher) claim(ctx context.Context) bool {
	now := d.e.clock.Now()
	places := d.crew.others - d.crew.back
	if d.paced {
		if err := d.c.commitStop(ctx); err != nil {
			d.failed(err)
			return false
		}
		if err := d.c.heed(ctx); err != nil {
			d.failed(err)
			return false
		}
		wait, probe := d.c.pace.closedFor(now)
		switch {
		case wait > 0:
			return true
		case probe && now.Sub(d.probed) < probeEvery:
			return true
		case probe: // one lane to make the one request that may leave
			d.probed = now
			d.start(ctx, d.lanes(ctx, min(1, d.crew.all-d.crew.busy), now, time.Time{}), true)
			return true
		}
	}
	places = min(places, d.crew.all-d.crew.busy)
	lanes := d.lanes(ctx, places, now, time.Time{})
	d.start(ctx, lanes, false)
	if len(lanes) < places {
		return false
	}
	places = d.crew.all - d.crew.busy
	front := d.lanes(ctx, places, now, now.Add(-inFront))
	d.start(ctx, front, true)
	return len(front) == places
}

// lanes claims up to n lanes: all that are due, or where since is not zero those in front.
func (d *dispatcher) lanes(ctx context.Context, n int, now, since time.Time) (lanes []connector.Lane) {
	if n <= 0 || ctx.Err() != nil {
		return nil
	}
	var err error
	if since.IsZero() {
		lanes, err = d.e.store.Claim(ctx, d.c.ID, d.kinds, n, now)
	} else {
		lanes, err = d.e.store.ClaimFront(ctx, d.c.ID, d.kinds, n, now, since)
	}
	d.failed(err)
	if len(lanes) > 0 {
		crash.At(crash.DeliverAfterClaim)
	}
	return lanes
}

func (d *dispatcher) failed(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		d.e.log.Error("lanes could not be claimed; trying again", "ehr", d.c.Name, "error", err)
	}
}

func (d *dispatcher) start(ctx context.Context, lanes []connector.Lane, front bool) {
	for _, l := range lanes {
		d.crew.busy++
		if !front {
			d.crew.back++
		}
		go func() {
			defer func() { d.done <- front }()
			d.e.drain(ctx, d.c, l, front)
		}()
	}
}

// idleFor is how long the dispatcher may sleep when nothing wakes it. more says that lanes are due for which there was no
// place, or that the pace lets nothing leave.
func (d *dispatcher) idleFor(ctx context.Context, more bool) time.Duration {
	now := d.e.clock.Now()
	closed := time.Duration(0)
	if d.paced {
		if closed, _ = d.c.pace.closedFor(now); closed == 0 && d.c.pace.isOpen() {
			closed = d.probed.Add(probeEvery).Sub(now) // the lane that probes has not asked yet
		}
	}
	switch {
	case closed > 0:
		return max(closed, 20*time.Millisecond)
	case more && d.crew.busy == d.crew.all:
		return recheck // a lane given back wakes it
	case d.crew.back == d.crew.others:
		return time.Second // likewise, and a commit; but nothing wakes it for a lane in front that is due by the clock
	}
	wait := min(recheck, d.e.store.Lease())
	due, ok, err := d.e.store.NextDue(ctx, d.c.ID, d.kinds)
	switch {
	case err != nil:
		return time.Second
	case ok:
		wait = min(wait, max(due.Sub(now), 0))
	}
	// A lane that is due but was not claimed is leased by another replica, is not in front, or its EHR is paused: look
	// again in a while, not at once.
	return max(wait, 20*time.Millisecond)
}

// drain works one claimed lane until nothing of it can move, then gives it back.
func (e *Engine) drain(ctx context.Context, c *conn, l connector.Lane, front bool) {
	d := &drainer{e: e, c: c, lane: l, front: front, shard: connector.Shard(l.EHR, "", l.Thread),
		known: map[string]string{}, done: map[string]bool{}, requests: map[string]bool{}, waited: map[connector.Reason]time.Time{}}
	next, err := d.run(ctx)
	if errors.Is(err, connector.ErrFenced) {
		// The lane was taken over, or a row of it changed under our hands. What we had not committed is void; if the lane is
		// still ours it is given back, else that is refused too.
		e.log.Warn("a lane changed hands; it is read anew", "ehr", c.Name, "thread", l.Thread)
		d.pending, d.moved = nil, nil
		d.release(context.WithoutCancel(ctx), e.clock.Now().Add(jitter(time.Second)))
		return
	}
	if ctx.Err() == nil {
		c.tellFailing(l, err != nil)
	}
	if err != nil && ctx.Err() == nil {
		e.log.Error("a lane could not go on; trying again", "ehr", c.Name, "thread", l.Thread, "lane", string(l.Kind), "error", err)
		next = e.clock.Now().Add(jitter(5 * time.Second))
	}
	if ctx.Err() != nil {
		next = e.clock.Now()
	}
	d.release(context.WithoutCancel(ctx), next)
}
