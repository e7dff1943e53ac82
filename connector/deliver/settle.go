package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/crash"
)

// settle decides an attempt whose outcome is open: by its deadline passing, then by Find. It reports true when the
// write is known to be filed (row filed) or known to be absent (row ready for a new attempt).
func (d *drainer) settle(ctx context.Context, i *connector.Item, w *connector.WriteRow) (bool, error) {
	now := d.e.clock.Now()
	due := later(w.AttemptedAt, d.e.restoredAt()).Add(d.c.settle())
	if now.Before(due) {
		// The worker that made the attempt may be alive, and the EHR's index may lag: nothing can be concluded yet.
		i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, due
		d.put(i)
		return false, nil
	}
	r, err := d.search(ctx, w)
	crash.At(crash.DeliverAfterFind)
	var refused *connector.Refused
	var early tooNew
	switch {
	case err == nil:
		r.Found = true
		d.audit("find", "R", 0, i, map[string]string{"outcome": "found"})
		d.settled(w, "found")
		return d.accept(i, w, nil, r), nil
	case errors.Is(err, connector.ErrAbsent), d.c.resends(w.Write, err):
		outcome := "absent"
		if !errors.Is(err, connector.ErrAbsent) {
			outcome = "resend"
		}
		d.audit("find", "R", 0, i, map[string]string{"outcome": outcome})
		d.settled(w, outcome)
		w.State = connector.WriteReady
		if d.exhausted(i) {
			d.storeRow(w)
			d.park(i, connector.RetriesExhausted, "")
			return false, nil
		}
		return true, nil
	case errors.Is(err, connector.ErrNotSearchable):
		if w.Write.Optional {
			w.State = connector.WriteDropped
			d.storeRow(w)
			return true, nil
		}
		d.park(i, connector.NotSearchable, "")
		return false, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.As(err, &early):
		i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, now.Add(time.Duration(early))
		d.put(i)
		return false, nil
	case errors.As(err, &refused) && refused.Reason == connector.Unauthorized:
		d.c.reopen()
		d.unsettled(i, err)
		return false, nil
	case errors.As(err, &refused) && w.Write.Optional:
		w.State = connector.WriteDropped
		d.storeRow(w)
		return true, nil
	case errors.As(err, &refused):
		// A refused search says nothing about the write: it stays attempted, and a replay searches again.
		d.park(i, refused.Reason, refused.Detail.Reveal())
		return false, nil
	}
	d.unsettled(i, err)
	return false, nil
}

// resume settles what earlier attempts of an item left open. It reports false where the item can go no further now.
func (d *drainer) resume(ctx context.Context, i *connector.Item, rows []connector.WriteRow) (bool, error) {
	for n := range rows {
		if rows[n].State != connector.WriteAttempted {
			continue
		}
		if ok, err := d.settle(ctx, i, &rows[n]); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// settled ends the attempt of a worker that never told how it went.
func (d *drainer) settled(w *connector.WriteRow, outcome string) {
	id, now := w.ID, d.e.clock.Now()
	d.later(func(tx connector.Tx) error {
		attempts, err := tx.Attempts(d.c.ID, id)
		if err != nil || len(attempts) == 0 {
			return err
		}
		a := attempts[len(attempts)-1]
		if !a.EndedAt.IsZero() {
			return nil
		}
		a.EndedAt, a.Outcome = now, outcome
		return tx.PutAttempt(&a)
	})
}

// search looks for a write on the chart. A search by identifier may conclude "absent" only on a connection where it has
// found a write of ours before; elsewhere the chart is listed and contents are compared; where that is not possible
// either, it cannot be known.
func (d *drainer) search(ctx context.Context, w *connector.WriteRow) (connector.Receipt, error) {
	if w.Write.Update != nil || w.Write.After != "" {
		return d.find(ctx, w.Write)
	}
	r, err := d.find(ctx, w.Write)
	if err == nil || !(errors.Is(err, connector.ErrAbsent) || errors.Is(err, connector.ErrNotSearchable)) {
		return r, err
	}
	if errors.Is(err, connector.ErrAbsent) {
		proven, perr := d.proven(ctx, w.Write.Type)
		if perr != nil {
			return r, perr
		}
		if proven {
			return r, err
		}
	}
	l, ok := d.c.EHR.(connector.Lister)
	if !ok {
		return r, connector.ErrNotSearchable
	}
	err = d.askEach(ctx, func(ctx context.Context) (err error) {
		r, err = l.List(ctx, w.Write)
		return err
	})
	return r, err
}

func (d *drainer) find(ctx context.Context, w connector.Write) (r connector.Receipt, err error) {
	err = d.askEach(ctx, func(ctx context.Context) error {
		r, err = d.c.EHR.Find(ctx, w)
		return err
	})
	return r, err
}

// tooNew says that what Find is proven with may not be in the EHR's index for this long.
type tooNew time.Duration

func (tooNew) Error() string { return "the write that Find is proven with is too new to be found" }

// proven says whether a Find by identifier is known to see what we write here. Where it is not known yet, a write that is
// known to be filed is looked for now: an EHR may index the identifiers of one resource type and not of another. That messages
// are found proves it for all.
func (d *drainer) proven(ctx context.Context, typ string) (bool, error) {
	var row connector.EHRRow
	var known connector.WriteRow
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		var err error
		if row, err = tx.EHR(d.c.ID); err != nil || row.FindProven {
			return err
		}
		known, err = proofOf(tx, d.c.ID, typ)
		return err
	})
	if err != nil || row.FindProven || known.ID == "" {
		return row.FindProven, err
	}
	known = d.c.probeWith(typ, &known)
	if wait := known.FiledAt.Add(d.c.SearchLag).Sub(d.e.clock.Now()); wait > 0 { // not in the index yet, perhaps
		return false, tooNew(wait)
	}
	r, err := d.find(ctx, known.Write)
	switch {
	case errors.Is(err, connector.ErrAbsent), errors.Is(err, connector.ErrNotSearchable), errors.As(err, new(*connector.Refused)),
		err == nil && r.Reference != known.Receipt.Reference:
		d.c.probeWith(typ, nil)
		return false, nil
	case err != nil:
		return false, err
	}
	if holdsMessages(known.Write.Type) {
		d.findProven()
	}
	return true, nil
}

// proofOf gives a filed write by which Find can be proven for a type: one of it, or else a message; zero where there is none.
func proofOf(tx connector.Tx, ehr, typ string) (w connector.WriteRow, err error) {
	types := []string{typ}
	if !holdsMessages(typ) {
		types = append(types, "Communication", "DocumentReference")
	}
	for _, t := range types {
		if w, err = tx.NewestFiled(ehr, t); !errors.Is(err, connector.ErrNotFound) {
			return w, err
		}
	}
	return connector.WriteRow{}, nil
}

// holdsMessages says whether a resource type is one that messages are filed as.
func holdsMessages(typ string) bool { return typ == "Communication" || typ == "DocumentReference" }

// findProven remembers that Find sees our messages.
func (d *drainer) findProven() {
	d.later(func(tx connector.Tx) error {
		row, err := tx.EHR(d.c.ID)
		if err != nil {
			return err
		}
		row.FindProven = true
		return tx.PutEHR(row)
	})
}
