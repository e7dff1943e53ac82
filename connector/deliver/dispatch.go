package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/crash"
)

var (
	filingKinds = []connector.LaneKind{connector.LaneChart, connector.LaneRequest}
	sendKinds   = []connector.LaneKind{connector.LaneSend}
	mediaKinds  = []connector.LaneKind{connector.LaneMedia}
)

const (
	sendWorkers  = 8
	mediaWorkers = 2
	// recheck bounds how long a dispatcher sleeps without a wake-up, so that a lane whose wake-up was lost with another
	// replica is still found.
	recheck = 30 * time.Second
)

// goDispatch starts the dispatcher of one EHR and one group of lane kinds.
func (e *Engine) goDispatch(ctx context.Context, c *conn, kinds []connector.LaneKind, workers int) {
	if workers < 1 {
		workers = 1
	}
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		e.dispatch(ctx, c, kinds, workers)
	}()
}

// dispatch claims due lanes as workers come free and drains each in a goroutine of its own. Nothing runs for an idle
// thread: it sleeps until a commit touches a lane or the next lane is due.
func (e *Engine) dispatch(ctx context.Context, c *conn, kinds []connector.LaneKind, workers int) {
	bell, stop := e.store.Listen(c.ID)
	defer stop()
	free := make(chan struct{}, workers)
	for range workers {
		free <- struct{}{}
	}
	busy := 0
	done := make(chan struct{}, workers)
	defer func() {
		for ; busy > 0; busy-- {
			<-done
		}
	}()
	for {
		lanes := e.claim(ctx, c, kinds, workers-busy)
		for _, l := range lanes {
			busy++
			go func() {
				defer func() { done <- struct{}{} }()
				e.drain(ctx, c, l)
			}()
		}
		wait := e.idleFor(ctx, c, kinds, busy == workers)
		timer := e.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-done:
			busy--
		case <-bell:
		case <-timer.C():
		}
		timer.Stop()
		for drained := true; drained; {
			select {
			case <-done:
				busy--
			default:
				drained = false
			}
		}
	}
}

func (e *Engine) claim(ctx context.Context, c *conn, kinds []connector.LaneKind, n int) []connector.Lane {
	if n <= 0 || ctx.Err() != nil || (kinds[0] == connector.LaneChart && c.closedFor(e.clock.Now()) > 0) {
		return nil
	}
	lanes, err := e.store.Claim(ctx, c.ID, kinds, n, e.clock.Now())
	if err != nil && !errors.Is(err, context.Canceled) {
		e.log.Error("lanes could not be claimed; trying again", "ehr", c.Name, "error", err)
	}
	if len(lanes) > 0 {
		crash.At(crash.DeliverAfterClaim)
	}
	return lanes
}

// idleFor is how long the dispatcher may sleep when nothing wakes it.
func (e *Engine) idleFor(ctx context.Context, c *conn, kinds []connector.LaneKind, full bool) time.Duration {
	if full {
		return recheck // a worker coming free wakes it
	}
	now := e.clock.Now()
	wait := recheck
	due, ok, err := e.store.NextDue(ctx, c.ID, kinds)
	switch {
	case err != nil:
		return time.Second
	case ok:
		wait = min(wait, max(due.Sub(now), 0))
	}
	if kinds[0] == connector.LaneChart {
		wait = max(wait, c.closedFor(now))
	}
	// A lane that is due but was not claimed is leased by another replica or its EHR is paused: look again in a while,
	// not at once.
	return max(wait, 20*time.Millisecond)
}

// drain works one claimed lane until nothing of it can move, then gives it back.
func (e *Engine) drain(ctx context.Context, c *conn, l connector.Lane) {
	d := &drainer{e: e, c: c, lane: l, shard: connector.Shard(l.EHR, "", l.Thread),
		known: map[string]string{}, done: map[string]bool{}, requests: map[string]bool{}}
	next, err := d.run(ctx)
	if errors.Is(err, connector.ErrFenced) {
		// The lane was taken over, or a row of it changed under our hands. What we had not committed is void; if the lane is
		// still ours it is given back, else that is refused too.
		e.log.Warn("a lane changed hands; it is read anew", "ehr", c.Name, "thread", l.Thread)
		d.pending, d.moved = nil, nil
		d.release(context.WithoutCancel(ctx), e.clock.Now().Add(jitter(time.Second)))
		return
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
