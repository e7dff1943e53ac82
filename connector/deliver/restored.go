package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// restoredSlack is how much later than the restore a platform's clock may say a message was sent that was sent before it.
const restoredSlack = time.Hour

// Restored tells the engine since when its database is a restored backup; zero: it is none. What the database does not
// know as filed is then looked for on the chart before it is written. It may be called while Run runs.
func (e *Engine) Restored(at time.Time) { e.restored.Store(&at) }

func (e *Engine) restoredAt() time.Time {
	if at := e.restored.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// mayBeThere says whether a write that the database knows as not filed may be on the chart, because it was filed after the
// backup was made: its item came before the restore, or is about a message sent before it, which the platform has told
// again since. A thread's header and a proxy are shared by such messages, whenever they are asked for. An attempt made
// since the restore went through here.
func (d *drainer) mayBeThere(i *connector.Item, w *connector.WriteRow) bool {
	at := d.e.restoredAt()
	if at.IsZero() || w.Write.Update != nil || w.Write.Identity.IsZero() || !w.AttemptedAt.Before(at) {
		return false
	}
	if i.CommittedAt.Before(at) || i.Kind == connector.ItemHeader || w.Write.Type == "RelatedPerson" {
		return true
	}
	if i.Kind == connector.ItemRequest || i.Kind == connector.ItemTask {
		return false // its identity is an id of ours that was made since
	}
	return i.SentAt.IsZero() || i.SentAt.Before(at.Add(restoredSlack))
}

// lookFirst looks for such a write on the chart. done: it is there, or left out. Where neither done nor ok, the item waits
// or is parked.
func (d *drainer) lookFirst(ctx context.Context, i *connector.Item, rows []connector.WriteRow, n int) (done, ok bool, err error) {
	w := &rows[n]
	if !d.mayBeThere(i, w) {
		return false, true, nil
	}
	now := d.e.clock.Now()
	if due := d.e.restoredAt().Add(d.c.settle()); now.Before(due) { // what was written last may not be in the index yet
		d.wait(i, connector.Settling, due)
		return false, false, nil
	}
	r, err := d.search(ctx, w)
	var refused *connector.Refused
	var early tooNew
	switch {
	case err == nil:
		d.audit("find", "R", 0, i, map[string]string{"outcome": "found", "restored": "true"})
		for k := range rows {
			if rows[k].Attempts == 0 {
				d.storeRow(&rows[k])
			}
		}
		r.Found = true
		return d.accept(i, w, nil, r), false, nil
	case errors.Is(err, connector.ErrAbsent):
		d.audit("find", "R", 0, i, map[string]string{"outcome": "absent", "restored": "true"})
		return false, true, nil
	case errors.Is(err, connector.ErrNotSearchable):
		if w.Write.Optional {
			w.State = connector.WriteDropped
			return true, true, nil
		}
		d.park(i, connector.RestoredUnknown, "")
		return false, false, nil
	case ctx.Err() != nil:
		return false, false, ctx.Err()
	case errors.As(err, &early):
		d.wait(i, connector.Settling, now.Add(time.Duration(early)))
		return false, false, nil
	case errors.As(err, &refused):
		return d.refuse(i, w, nil, err), false, nil
	}
	d.unavailable(i, err)
	return false, false, nil
}

// mayHaveGone says whether a message that the database knows as not sent may have been, after the backup was made. A
// person who has looked since and replays it has decided.
func (d *drainer) mayHaveGone(i *connector.Item) bool {
	at := d.e.restoredAt()
	notDue := i.Reason == connector.NotYetDue && i.NextAt.After(at)
	return i.CommittedAt.Before(at) && i.ChangedAt.Before(at) && !notDue
}
