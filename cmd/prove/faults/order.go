package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/rig"
)

// order is P4: 100 messages a thread come in any order and come again, 8 workers file them, and every thread is on the
// chart in its order.
func (r *run) order(ctx context.Context) error {
	const messages = 100
	threads := max(10, r.Exchanges*5/messages)
	return r.in(ctx, "P4", rig.Options{Store: rig.Postgres, Workers: 8}, func(ctx context.Context, w *rig.World) error {
		r.say("P4: %d exchanges in %d threads, shuffled and repeated", threads*messages, threads)
		if err := w.Send(ctx, rig.Load{Senders: 64, Messages: messages, Threads: threads, Shuffled: true}); err != nil {
			return err
		}
		states, v, err := r.settle(ctx, w, 30*time.Minute)
		if err != nil {
			return err
		}
		note := fmt.Sprintf("of %d acked in %d threads, %d marked late", v.Acked, threads, v.Late)
		r.zero("P4-inversions", v.Inversions, note)
		r.zero("P4-lost", v.Lost+states["parked"], note)
		r.zero("P4-duplicates", v.Duplicates, note)
		r.zero("P4-wrong", v.WrongPatient+v.WrongWords+v.Strangers, note)
		return nil
	})
}
