package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
	"github.com/chartwire/chartwire/cmd/prove/rig"
)

// lossyAnswers loses the answer of about 13 of 100 writes, in the ways P3 names, and refuses some after all.
const lossyAnswers = `
POST * %20 commit-then-timeout
POST * %21 commit-then-reset
POST * %50 5xx-after-commit
POST * %51 5xx
`

// modes are the EHRs of P3, one after what it offers to write something once.
var modes = []struct {
	name   string
	store  string
	traits func() ehr.Traits
	lag    time.Duration
	blind  bool
}{
	{name: "honours-if-none-exist", store: rig.SQLite, traits: ehr.Full},
	{name: "search-only", store: rig.Postgres, traits: lagging, lag: time.Second},
	{name: "neither", store: rig.SQLite, traits: ehr.Blind, blind: true},
}

func lagging() ehr.Traits {
	t := ehr.SearchOnly()
	t.SearchLag = time.Second
	return t
}

// once is P3: whatever becomes of an answer, each exchange is on the chart once, or a person knows that it may not be.
func (r *run) once(ctx context.Context) error {
	for _, m := range modes {
		script := script.Must[ehr.Script](lossyAnswers)
		o := rig.Options{Store: m.store, Traits: m.traits(), Script: script, Deadline: time.Second,
			Lag: m.lag, Workers: 32}
		err := r.in(ctx, "P3-"+m.name, o, func(ctx context.Context, w *rig.World) error {
			const messages = 5
			r.say("P3 %s: %d exchanges", m.name, r.Exchanges)
			if err := w.Send(ctx, rig.Load{Senders: 32, Messages: messages, Threads: (r.Exchanges + messages - 1) / messages, Replies: 25}); err != nil {
				return err
			}
			states, v, err := r.settle(ctx, w, 30*time.Minute)
			if err != nil {
				return err
			}
			hits := len(script.Hits())
			note := fmt.Sprintf("of %d acked on %s, %d answers lost or refused, %d parked", v.Acked, m.store, hits, states["parked"])
			r.zero("P3-"+m.name+"-duplicates", v.Duplicates, note)
			missing := v.Lost
			if m.blind { // what nobody can look for waits for a person: those may or may not be there
				missing = max(0, v.Lost-states["parked"])
				if states["parked"] == 0 {
					return fmt.Errorf("no answer was lost in %s: it proves nothing", m.name)
				}
			} else if states["parked"] > 0 {
				missing += states["parked"]
			}
			r.zero("P3-"+m.name+"-lost", missing, note)
			r.zero("P3-"+m.name+"-wrong", v.Inversions+v.WrongPatient+v.WrongWords+v.Strangers, "inversions, patients, words, strangers")
			if hits == 0 {
				return fmt.Errorf("the EHR misbehaved not once")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
