package deliver

import (
	"context"
	"errors"
	"fmt"

	"github.com/chartwire/chartwire/connector"
)

func foreseeRetract(i connector.Item, rows []connector.WriteRow) Fate {
	refs := entriesOf(rows)
	switch {
	case len(refs) > 0:
		return Fate{Will: WillRetract, Says: fmt.Sprintf("%d of its entries are marked as entered in error; it is then not due", len(refs)), At: firstOf(refs)}
	case openRow(rows):
		return Fate{Will: WillSearch, Says: "nobody knows whether it is on the chart; it is searched for, and marked as entered in error if it is there"}
	}
	return refusal(fmt.Errorf("%w: nothing of it is on the chart; release it", ErrNotThisWay))
}

func openRow(rows []connector.WriteRow) bool {
	for _, w := range rows {
		if w.State == connector.WriteAttempted && w.Receipt.Reference == "" {
			return true
		}
	}
	return false
}

// takeBack marks what is on the chart of an item as entered in error, because a person has said that it should not be
// there. It goes through the lane like every write: committed before it leaves, retried, settled.
func (d *drainer) takeBack(ctx context.Context, i *connector.Item, rows []connector.WriteRow) error {
	for n := range rows { // what nobody knows is found out first; an entry that answered wrongly is known
		if rows[n].State != connector.WriteAttempted || rows[n].Receipt.Reference != "" {
			continue
		}
		if ok, err := d.settle(ctx, i, &rows[n]); !ok || err != nil {
			return err
		}
	}
	for n, w := range rows {
		if !isEntry(w) || w.Receipt.Reference == "" || w.State == connector.WriteDropped {
			continue
		}
		if ok, err := d.takeBackOne(ctx, i, rows, n); !ok || err != nil {
			return err
		}
	}
	d.audit("file", "U", 0, i, map[string]string{"kind": "retract", "entries": entries(rows)})
	d.finish(i, connector.NotDue, i.Detail.Decision.Reason)
	return nil
}

// takeBackOne marks one entry; its write is dropped once that is filed, so that nothing refers to the entry any more.
func (d *drainer) takeBackOne(ctx context.Context, i *connector.Item, rows []connector.WriteRow, n int) (bool, error) {
	mark, err := d.mark(i, rows, n)
	var refused *connector.Refused
	if errors.As(err, &refused) {
		d.park(i, refused.Reason, refused.Detail.Reveal())
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if mark.State != connector.WriteFiled && mark.State != connector.WriteDropped {
		one := []connector.WriteRow{*mark}
		if ok, err := d.fileOne(ctx, i, one, 0); !ok || err != nil {
			return false, err
		}
		if one[0].Attempts == 0 { // the chart showed it already
			d.storeRow(&one[0])
		}
	}
	rows[n].State = connector.WriteDropped
	d.storeRow(&rows[n])
	return true, nil
}

// mark gives the write that marks an entry: the one an earlier turn committed, or a new one.
func (d *drainer) mark(i *connector.Item, rows []connector.WriteRow, n int) (*connector.WriteRow, error) {
	entry := rows[n]
	for k := range rows {
		if u := rows[k].Write.Update; u != nil && u.Target == entry.Receipt.Reference && u.Set["status"] == "entered-in-error" {
			return &rows[k], nil
		}
	}
	r, ok := d.c.EHR.(connector.Retractor)
	if !ok {
		return nil, &connector.Refused{Reason: connector.NotExpressible}
	}
	w, err := r.Retract(entry.Write, entry.Receipt.Reference)
	return &connector.WriteRow{ID: connector.NewID(d.e.clock.Now()), EHR: d.c.ID, Thread: d.thread.ID, Item: i.ID, Ord: 100 + n,
		State: connector.WriteReady, Write: w}, err
}

// retracting says whether a person has asked for the item's entries to be taken back.
func retracting(i *connector.Item) bool {
	return i.Detail.Decision != nil && i.Detail.Decision.Act == connector.ActRetract
}

// retractItem brings an item to where its entries can be taken back. Whose chart they are in does not matter: they are
// there, and should not be.
func (d *drainer) retractItem(ctx context.Context, i *connector.Item) error {
	rows, err := d.planned(ctx, i)
	if err != nil {
		return err
	}
	if _, err := d.c.can(ctx, d.asker()); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.cannot(i, err, openRow(rows))
		return nil
	}
	return d.takeBack(ctx, i, rows)
}
