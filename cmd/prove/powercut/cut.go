package powercut

import (
	"context"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/rig"
	"github.com/chartwire/chartwire/connector/clock"
)

// cuts cuts the power n times under load, or until the control has lost something.
func (r *Run) cuts(ctx context.Context, w *rig.World, n int, control bool, out *outcome) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet, sent, sampled := make(chan struct{}), make(chan struct{}), make(chan *rig.Samples, 1)
	go func() {
		defer close(sent)
		if err := w.Send(ctx, rig.Load{Senders: 6, Pause: 10 * time.Millisecond, Seed: r.Seed, Until: quiet}); err != nil && !control {
			cancel(err)
		}
	}()
	watching, enough := context.WithCancel(ctx)
	go func() { sampled <- w.Watch(watching) }()
	err := r.all(ctx, w, n, control, out)
	close(quiet)
	if err != nil || control {
		cancel(err) // a control that has forgotten what it acknowledged need not come to an end
	}
	<-sent
	enough()
	out.samples = *<-sampled
	if err == nil && !control {
		w.Sample(ctx, &out.samples)
		err = context.Cause(ctx)
	}
	return err
}

func (r *Run) all(ctx context.Context, w *rig.World, n int, control bool, out *outcome) error {
	for out.cuts < n {
		if err := clock.Sleep(ctx, clock.System, time.Duration(300+r.random.IntN(900))*time.Millisecond); err != nil {
			return err
		}
		acked := w.Acks.Acked() // these were durable before the power went
		err := r.cut(ctx, w, acked, out)
		switch {
		case err != nil && control && r.mount != nil && ctx.Err() == nil: // the store does not even come up again
			out.gone = acked
			r.say("powercut: the control's store is gone: %v", err)
		case err != nil:
			return fmt.Errorf("cut %d: %w", out.cuts, err)
		}
		if out.cuts%10 == 0 {
			r.say("powercut: %d of %d cuts, %d acked, %d pages lost", out.cuts, n, w.Acks.Acked(), out.pages)
		}
		if control && out.gone > 0 {
			return nil
		}
	}
	return nil
}

// cut is one power failure and its end. In every other one a third of the unsynced pages reaches the disk all the same,
// in no order.
func (r *Run) cut(ctx context.Context, w *rig.World, acked int, out *outcome) error {
	w.Kill()
	if r.pg != nil {
		if err := r.pg.Down("kill"); err != nil {
			return err
		}
	}
	if err := r.unmount(ctx); err != nil {
		return err
	}
	survive := 0.0
	if out.cuts%2 == 1 {
		survive = 1.0 / 3
	}
	out.pages += r.disk.Cut(r.random, survive)
	out.cuts++
	began := clock.System.Now()
	var err error
	if r.mount, err = r.disk.Mount(r.dir); err != nil {
		return err
	}
	if r.pg != nil {
		if err := r.pg.Up(); err != nil {
			return err
		}
	}
	if err := w.Up(ctx); err != nil {
		return err
	}
	out.longest = max(out.longest, clock.System.Now().Sub(began))
	states, err := counted(ctx, w)
	if err != nil {
		return err
	}
	out.gone = max(out.gone, acked-states.Accepted())
	return nil
}

// countedWithin is how long the counts may take to be read: a database that has just recovered, on a disk in user space, is
// slow, and slow is not lost.
const countedWithin = 30 * time.Second

func counted(ctx context.Context, w *rig.World) (rig.States, error) {
	ctx, cancel := context.WithTimeout(ctx, countedWithin)
	defer cancel()
	for {
		states, err := w.States(ctx)
		if err == nil || clock.Sleep(ctx, clock.System, 100*time.Millisecond) != nil {
			return states, err
		}
	}
}

// unmount waits for the last of the killed to let go of its files.
func (r *Run) unmount(ctx context.Context) error {
	var err error
	for range 100 {
		if err = r.mount.Unmount(); err == nil {
			r.mount = nil
			return nil
		}
		if err := clock.Sleep(ctx, clock.System, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("the disk cannot be taken out of use: %w", err)
}
