package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// fileAll brings an item's writes onto the chart, in order, and finishes the item when all are there.
func (d *drainer) fileAll(ctx context.Context, i *connector.Item, rows []connector.WriteRow) error {
	for n := range rows {
		w := &rows[n]
		if w.State == connector.WriteFiled || w.State == connector.WriteDropped {
			d.know(w)
			continue
		}
		if ok, err := d.fileOne(ctx, i, rows, n); !ok || err != nil {
			return err
		}
	}
	for n := range rows {
		if rows[n].Attempts == 0 { // it needed no attempt, so no commit has it yet
			d.storeRow(&rows[n])
		}
	}
	d.audit("file", "C", 0, i, map[string]string{"kind": string(i.Kind), "entries": entries(rows)})
	d.finish(i, connector.Filed, "")
	d.filed(i)
	return nil
}

func entries(rows []connector.WriteRow) string {
	out := ""
	for _, w := range rows {
		if w.Receipt.Reference != "" {
			out += w.Receipt.Reference + " "
		}
	}
	return out
}

// know remembers what a filed write's symbol stands for; the completion itself may still wait for its commit.
func (d *drainer) know(w *connector.WriteRow) {
	if w.Provides != "" && w.State == connector.WriteFiled {
		d.known[w.Provides] = w.Receipt.Reference
	}
}

// fileOne makes one attempt of one write. It reports true when the write needs nothing more.
func (d *drainer) fileOne(ctx context.Context, i *connector.Item, rows []connector.WriteRow, n int) (bool, error) {
	w := &rows[n]
	final, err := d.resolved(ctx, w.Write)
	if err != nil {
		return false, d.unresolved(ctx, i, err)
	}
	w.Write = final
	if w.Attempts == 0 { // else it has the key it was committed with, which may not be the plan's (takenByOther)
		w.Key = final.Key
		if w.Write.Update != nil || w.Write.After != "" {
			w.Key += "|" + i.ID // an update is this item's own; entries are unique in their EHR
		}
	}
	made, err := d.c.making.enter(ctx, w)
	if err != nil {
		return false, err
	}
	defer made()
	if done, ok, err := d.takenByOther(ctx, i, w); err != nil || done || !ok {
		return done, err
	}
	if done, ok, err := d.lookFirst(ctx, i, rows, n); err != nil || done || !ok {
		return done, err
	}
	if done, ok, err := d.prepare(ctx, i, w); err != nil || done || !ok {
		return done, err
	}
	if err := d.c.EHR.Gate(w.Write); err != nil {
		return d.refuse(i, w, nil, err), nil
	}
	t, err := d.c.enter(ctx, d.asker())
	if err != nil {
		return false, d.notEntered(ctx, i, err)
	}
	defer t.cancel() // where it came to no request
	a, err := d.commitAttempt(ctx, i, rows, n)
	made()
	if err != nil {
		return false, err
	}
	if !t.leaves() { // another lane was told so meanwhile: nothing has left
		err := notNow(connector.EHRUnavailable, errClosed)
		return d.outcome(ctx, i, w, a, connector.Receipt{}, err)
	}
	receipt, err := d.attempt(ctx, w.Write)
	t.done(err)
	d.asked(t)
	return d.outcome(ctx, i, w, a, receipt, err)
}

// notEntered makes an item wait for the pace; nothing has been tried.
func (d *drainer) notEntered(ctx context.Context, i *connector.Item, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.unavailable(i, err)
	return nil
}

// unresolved settles a plan that names an entry which is not on the chart: it waits for that, or for a person where nothing is
// under way that would bring it there.
func (d *drainer) unresolved(ctx context.Context, i *connector.Item, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errSymbol) {
		if comes, err := d.mayCome(ctx, i); err != nil {
			return err
		} else if !comes {
			d.park(i, connector.NotExpressible, "It refers to an entry that is not on the chart, and nothing that waits here would bring it there.")
			return nil
		}
		d.hold(i, connector.EarlierItem, d.e.clock.Now().Add(recheckPatient(i.Tries)), "")
		return nil
	}
	return err
}

// resolved replaces the symbols of a write by the references they stand for.
func (d *drainer) resolved(ctx context.Context, w connector.Write) (connector.Write, error) {
	var symbols []string
	var err error
	if w.Symbolic() {
		if symbols, err = symbolsIn(w.Body); err != nil {
			return w, err
		}
	}
	if w.Update != nil {
		symbols = append(symbols, w.Update.Target)
	}
	if w.After != "" {
		symbols = append(symbols, w.After)
	}
	known := map[string]string{connector.SymPatient: d.thread.Bound.Reference}
	if err := d.lookUp(ctx, symbols, known); err != nil {
		return w, err
	}
	return Resolve(w, known)
}

// lookUp finds what symbols stand for: first among this drain's own results, then in the store.
func (d *drainer) lookUp(ctx context.Context, symbols []string, known map[string]string) error {
	var ask []string
	for _, s := range symbols {
		if _, ok := known[s]; ok || !isSymbol(s) {
			continue
		}
		if ref, ok := d.known[d.provides(s, d.thread.Channel)]; ok {
			known[s] = ref
			continue
		}
		ask = append(ask, s)
	}
	if len(ask) == 0 {
		return nil
	}
	return d.e.store.View(ctx, func(tx connector.Tx) error {
		for _, s := range ask {
			w, err := tx.WriteByProvides(d.c.ID, d.provides(s, d.thread.Channel))
			if errors.Is(err, connector.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if w.State == connector.WriteFiled {
				known[s] = w.Receipt.Reference
			}
		}
		return nil
	})
}

// takenByOther looks whether another item already owns this write, such as a RelatedPerson two threads need at once. A
// filed one is used; one under way is waited for.
func (d *drainer) takenByOther(ctx context.Context, i *connector.Item, w *connector.WriteRow) (done, ok bool, err error) {
	if w.Attempts > 0 || w.Write.Update != nil || w.Write.After != "" {
		return false, true, nil
	}
	var other connector.WriteRow
	var owner connector.Item
	err = d.e.store.View(ctx, func(tx connector.Tx) (err error) {
		if other, err = tx.WriteByKey(d.c.ID, w.Key); err == nil && other.Item != i.ID {
			owner, err = tx.Item(other.EHR, other.Item)
		}
		return err
	})
	switch {
	case errors.Is(err, connector.ErrNotFound) || (err == nil && other.Item == i.ID):
		return false, true, nil
	case err != nil:
		return false, false, err
	case other.State == connector.WriteDropped: // left out or in another's way there, which says nothing about here
		w.Key += "|" + i.ID
		return false, true, nil
	case other.State == connector.WriteFiled:
		w.State, w.Receipt, w.Key = connector.WriteDropped, other.Receipt, w.Key+"|"+i.ID
		if w.Provides != "" {
			d.known[w.Provides] = other.Receipt.Reference
			w.Provides = ""
		}
		return true, true, nil
	case owner.State == connector.Parked: // a person has it
		d.hold(i, connector.EarlierItem, d.e.clock.Now().Add(recheckPatient(i.Tries)), "")
		return false, false, nil
	case owner.State.Done() && !(other.State == connector.WriteAttempted && d.e.clock.Now().Before(other.AttemptedAt.Add(d.c.settle()))):
		w.Key += "|" + i.ID // a person took that item off the list before this was written
		return false, true, nil
	default:
		// It takes a round trip or two, and then this item is next.
		d.hold(i, connector.EarlierItem, d.e.clock.Now().Add(jitter(min(100*time.Millisecond<<min(i.Tries, 8), recheckPatient(0)))), "")
		return false, false, nil
	}
}

// prepare completes writes that depend on what the chart shows now: updates, and entries that may be there already but
// have no identifier (Provenance).
func (d *drainer) prepare(ctx context.Context, i *connector.Item, w *connector.WriteRow) (done, ok bool, err error) {
	if w.Write.After != "" {
		_, err := d.find(ctx, w.Write)
		switch {
		case err == nil:
			w.State = connector.WriteDropped // it is there
			return true, true, nil
		case errors.Is(err, connector.ErrAbsent):
			return false, true, nil
		case errors.Is(err, errClosed), errors.Is(err, errCrowded):
			d.unavailable(i, err)
			return false, false, nil
		default:
			w.State = connector.WriteDropped // cannot be known: not at all (DESIGN §5)
			return true, true, nil
		}
	}
	if w.Write.Update == nil {
		return false, true, nil
	}
	p, can := d.c.EHR.(connector.Preparer)
	if !can {
		return d.refuse(i, w, nil, &connector.Refused{Reason: connector.NotExpressible}), false, nil
	}
	var final connector.Write
	var receipt *connector.Receipt
	err = d.c.ask(ctx, d.asker(), func(ctx context.Context) (err error) {
		final, receipt, err = p.Prepare(ctx, w.Write)
		return err
	})
	var refused *connector.Refused
	switch {
	case errors.As(err, &refused):
		return d.refuse(i, w, nil, err), false, nil
	case ctx.Err() != nil:
		return false, false, ctx.Err()
	case err != nil:
		d.unavailable(i, err)
		return false, false, nil
	case receipt != nil:
		w.State, w.Receipt, w.FiledAt = connector.WriteFiled, *receipt, d.e.clock.Now()
		if w.Attempts > 0 {
			d.storeRow(w)
		}
		return true, true, nil
	}
	final.Key, final.Update = w.Write.Key, w.Write.Update // a retry reads and patches anew
	w.Write = final
	return false, true, nil
}
