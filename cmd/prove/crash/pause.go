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

// Pauses stops three replicas on one Postgres, each past its lease, n times in all: two of them exactly between an
// attempt's commit and its request, one at any time. Nothing may be doubled, neither where the EHR honours If-None-Exist
// nor where it only can be searched and the stop is within settle.
func (r *Run) Pauses(ctx context.Context, n int) error {
	for _, c := range []struct {
		name   string
		traits ehr.Traits
	}{{"pauses-conditional", ehr.Full()}, {"pauses-search", searchOnly()}} {
		if err := r.pauses(ctx, c.name, c.traits, n); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) pauses(ctx context.Context, name string, traits ehr.Traits, n int) error {
	o := rig.Options{Binary: r.Binary, Store: rig.Postgres, Replicas: replicas, Lease: lease, Traits: traits, Keep: r.Keep}
	w, err := rig.New(ctx, o)
	if err != nil {
		return err
	}
	w.Replicas[0].Env = []string{"PAUSEPOINT=" + crash.EgressAfterFence + ":31"}
	w.Replicas[1].Env = []string{"PAUSEPOINT=" + crash.DeliverAfterAttempt + ":23"}
	if err := w.Up(ctx); err != nil {
		return w.Close(err)
	}
	began := clock.System.Now()
	var left, inside, all atomic.Int64
	left.Store(int64(n))
	load := rig.Load{Senders: 8, Pause: 15 * time.Millisecond, Seed: r.Seed}
	v, s, states, err := r.under(ctx, w, load, func(ctx context.Context) error {
		var wg sync.WaitGroup
		for k, replica := range w.Replicas {
			wg.Add(1)
			go func() {
				defer wg.Done()
				p := pauser{replica: replica, self: k < 2, random: rand.New(rand.NewPCG(r.Seed, uint64(k))),
					from: lease + 200*time.Millisecond, to: o.Settle() - 500*time.Millisecond}
				for ctx.Err() == nil && left.Add(-1) >= 0 {
					if p.once(ctx) {
						inside.Add(1)
					}
					if done := all.Add(1); done%50 == 0 {
						r.say("%s: %d of %d stops, %d acked", name, done, n, w.Acks.Acked())
					}
				}
			}()
		}
		wg.Wait()
		return w.Continue() // who stopped itself meanwhile
	})
	if err != nil {
		return w.Close(err)
	}
	note := fmt.Sprintf("%d stops of %v to %v, %d of them between commit and write, %d replicas, lease %v, %d parked, %v in all", n,
		lease+200*time.Millisecond, o.Settle()-500*time.Millisecond, inside.Load(), replicas, lease, states["parked"],
		clock.System.Now().Sub(began).Round(time.Second))
	r.figures(name, note, v, s)
	r.p10(name, v.Duplicates, note)
	return w.Close(kept(r, v, s))
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
