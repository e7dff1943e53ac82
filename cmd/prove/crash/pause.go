package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/cmd/prove/rig"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/crash"
)

const (
	replicas = 3
	lease    = 2 * time.Second
)

// stops is one run of SIGSTOPs.
type stops struct {
	name     string
	traits   ehr.Traits
	n        int
	from, to time.Duration // how long one lasts
	at       []string      // where replicas stop themselves, name:n; one beyond these is stopped at any time
}

// Pauses stops three replicas on one Postgres, each past its lease, n times in all: two of them exactly between an
// attempt's commit and its request, one at any time. Nothing may be doubled, neither where the EHR honours If-None-Exist
// nor where it only can be searched and the stop is within settle.
func (r *Run) Pauses(ctx context.Context, n int) error {
	settle := rig.Options{Lease: lease}.Settle()
	s := stops{name: "pauses-conditional", traits: ehr.Full(), n: n, from: lease + 200*time.Millisecond, to: settle - 500*time.Millisecond,
		at: []string{crash.EgressAfterFence + ":13", crash.DeliverAfterAttempt + ":11"}}
	within := func(_ context.Context, _ *rig.World, v rig.Verdict, note string) error {
		r.p10(s.name, v.Duplicates, "doubled; "+note)
		return nil
	}
	if err := r.pauses(ctx, s, within); err != nil {
		return err
	}
	s.name, s.traits = "pauses-search", searchOnly()
	if err := r.pauses(ctx, s, within); err != nil {
		return err
	}
	s.name, s.n, s.from, s.to = "pauses-long", max(n/10, 2), settle+500*time.Millisecond, settle+3*time.Second
	s.at = []string{crash.EgressAfterFence + ":5", crash.EgressAfterFence + ":6", crash.EgressAfterFence + ":7"}
	return r.pauses(ctx, s, r.reconciled)
}

// pauses runs one kind of stops; row adds the figure they are for. What is doubled counts there.
func (r *Run) pauses(ctx context.Context, s stops, row func(ctx context.Context, w *rig.World, v rig.Verdict, note string) error) error {
	w, err := rig.New(ctx, rig.Options{Binary: r.Binary, Store: rig.Postgres, Replicas: replicas, Lease: lease, Per: r.Per, Traits: s.traits, Keep: r.Keep})
	if err != nil {
		return err
	}
	for k, at := range s.at {
		w.Replicas[k].Env = []string{"PAUSEPOINT=" + at}
	}
	if err := w.Up(ctx); err != nil {
		return w.Close(err)
	}
	began := clock.System.Now()
	var inside int
	load := rig.Load{Senders: 8, Pause: 15 * time.Millisecond, Seed: r.Seed}
	v, samples, states, err := r.under(ctx, w, load, func(ctx context.Context) error {
		inside = r.stopAll(ctx, w, s)
		return r.letGo(ctx, w)
	})
	if err == nil {
		note := fmt.Sprintf("%d stops of %v to %v, %d of them between commit and write, %d replicas, lease %v, %d acked, %d parked, %v in all", s.n,
			s.from, s.to, inside, replicas, lease, v.Acked, states["parked"], clock.System.Now().Sub(began).Round(time.Second))
		r.figures(s.name, fmt.Sprintf("%d stops", s.n), v, samples, true)
		err = row(ctx, w, v, note)
	}
	if err == nil {
		v.Duplicates = 0 // the row has judged these
		err = kept(r, v, samples)
	}
	return w.Close(err)
}

// stopAll stops the replicas s.n times in all, each by a pauser of its own, and counts the stops between commit and write.
func (r *Run) stopAll(ctx context.Context, w *rig.World, s stops) int {
	var left, inside, all atomic.Int64
	left.Store(int64(s.n))
	var wg sync.WaitGroup
	for k, replica := range w.Replicas {
		wg.Add(1)
		go func() {
			defer wg.Done()
			p := pauser{replica: replica, self: k < len(s.at), random: rand.New(rand.NewPCG(r.Seed, uint64(k))), from: s.from, to: s.to}
			for ctx.Err() == nil && left.Add(-1) >= 0 {
				if p.once(ctx) {
					inside.Add(1)
				}
				if done := all.Add(1); done%50 == 0 {
					r.say("%s: %d of %d stops, %d acked", s.name, done, s.n, w.Acks.Acked())
				}
			}
		}()
	}
	wg.Wait()
	return int(inside.Load())
}

// letGo starts the replicas anew without their points: they would go on stopping themselves while the rest is filed.
func (r *Run) letGo(ctx context.Context, w *rig.World) error {
	w.Kill()
	for _, replica := range w.Replicas {
		replica.Env = nil
	}
	return w.Up(ctx)
}

// pauser stops one replica again and again.
type pauser struct {
	replica  *rig.Replica
	self     bool // the replica stops itself at a point; this one only waits for it, a while
	random   *rand.Rand
	from, to time.Duration
}

// once is one stop and its end. It says whether the process had stopped itself.
func (p *pauser) once(ctx context.Context) (inside bool) {
	running := time.Duration(300+p.random.IntN(700)) * time.Millisecond
	if p.self {
		running = 5 * time.Second
	}
	until := clock.System.Now().Add(running)
	for clock.System.Now().Before(until) && !p.replica.Stopped() {
		if clock.Sleep(ctx, clock.System, 10*time.Millisecond) != nil {
			return false
		}
	}
	inside = p.replica.Stopped()
	if !inside && p.replica.Signal(syscall.SIGSTOP) != nil {
		return false
	}
	long := p.from + time.Duration(p.random.Int64N(int64(p.to-p.from)))
	_ = clock.Sleep(ctx, clock.System, long) // where the run ends, the stop does
	_ = p.replica.Signal(syscall.SIGCONT)    // a process that is gone needs none
	return inside
}
