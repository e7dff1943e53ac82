package deliver

import (
	"context"
	"errors"

	"github.com/chartwire/chartwire/connector"
)

// settle decides an attempt whose outcome is open: by its deadline passing, then by Find. It reports true when the
// write is known to be filed (row filed) or known to be absent (row ready for a new attempt).
func (d *drainer) settle(ctx context.Context, i *connector.Item, w *connector.WriteRow) (bool, error) {
	now := d.e.clock.Now()
	due := w.AttemptedAt.Add(d.c.settle())
	if now.Before(due) {
		// The worker that made the attempt may be alive, and the EHR's index may lag: nothing can be concluded yet.
		i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, due
		d.put(i)
		return false, nil
	}
	r, err := d.search(ctx, w)
	var refused *connector.Refused
	switch {
	case err == nil:
		r.Found = true
		d.audit("find", "R", 0, i, map[string]string{"outcome": "found"})
		return d.accept(i, w, nil, r), nil
	case errors.Is(err, connector.ErrAbsent):
		d.audit("find", "R", 0, i, map[string]string{"outcome": "absent"})
		w.State = connector.WriteReady
		return true, nil
	case errors.Is(err, connector.ErrNotSearchable):
		if w.Write.Optional {
			w.State = connector.WriteDropped
			d.storeRow(w)
			return true, nil
		}
		d.park(i, connector.NotSearchable, "")
		return false, nil
	case errors.As(err, &refused):
		return d.refuse(i, w, nil, err), nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	}
	i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, d.c.unanswered(now, 0)
	i.Tries++
	d.put(i)
	return false, nil
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
		proven, perr := d.proven(ctx)
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
	if err := d.c.pace.Wait(ctx); err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.c.Deadline)
	defer cancel()
	return l.List(ctx, w.Write)
}

func (d *drainer) find(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if err := d.c.pace.Wait(ctx); err != nil {
		return connector.Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.c.Deadline)
	defer cancel()
	return d.c.EHR.Find(ctx, w)
}

// proven says whether a Find by identifier is known to see what we write here. Where it is not known yet, a write that
// is known to be filed is looked for now.
func (d *drainer) proven(ctx context.Context) (bool, error) {
	var row connector.EHRRow
	var known connector.WriteRow
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		var err error
		if row, err = tx.EHR(d.c.ID); err != nil {
			return err
		}
		known, err = tx.AnyFiled(d.c.ID)
		if errors.Is(err, connector.ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil || row.FindProven || known.ID == "" {
		return row.FindProven, err
	}
	r, err := d.find(ctx, known.Write)
	if err != nil || r.Reference != known.Receipt.Reference {
		return false, nil
	}
	d.later(func(tx connector.Tx) error {
		row, err := tx.EHR(d.c.ID)
		if err != nil {
			return err
		}
		row.FindProven = true
		return tx.PutEHR(row)
	})
	return true, nil
}
