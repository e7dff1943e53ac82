package deliver

import (
	"context"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// entryTypes gives the resource type of each revision's entry on the chart, for a follow-up: its thread may have gone on as
// something else since its message was filed (fallsBack). A revision whose entry is not known is left out.
func (d *drainer) entryTypes(ctx context.Context, i *connector.Item, m told) (map[int]string, error) {
	if !isFollowUp(i.Kind) || len(m.filed) == 0 {
		return nil, nil
	}
	var out map[int]string
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		out = map[int]string{}
		revisions, err := tx.Revisions(d.lane.EHR, d.lane.Thread, i.MsgKey)
		if err != nil {
			return err
		}
		for _, r := range revisions {
			items, err := tx.ItemsOf(d.lane.EHR, r.Thread, r.ID)
			if err != nil {
				return err
			}
			for _, of := range items {
				if of.State != connector.Filed || of.Kind != connector.ItemExchange && of.Kind != connector.ItemCorrection {
					continue
				}
				if typ, err := entryType(tx, of); err != nil {
					return err
				} else if typ != "" {
					out[max(r.Revision, 1)] = typ
				}
			}
		}
		return nil
	})
	return out, err
}

// entryType is the resource type of the entry that a filed item stands in, "" where no write tells.
func entryType(tx connector.Tx, i connector.Item) (string, error) {
	carrier := i.ID
	if follows(&i) {
		carrier = i.Detail.Telling.With
	}
	rows, err := tx.WritesOf(i.EHR, carrier)
	for _, w := range rows {
		if !isEntry(w) || w.State != connector.WriteFiled {
			continue
		}
		if typ, _, ok := strings.Cut(w.Receipt.Reference, "/"); ok && !isSymbol(w.Receipt.Reference) {
			return typ, err
		}
		return w.Write.Type, err
	}
	return "", err
}

// mayCome says whether something of the thread that is not done may bring what an item refers to onto the chart. What comes after
// the item, or behind it, is none of that.
func (d *drainer) mayCome(ctx context.Context, i *connector.Item) (comes bool, err error) {
	err = d.e.store.View(ctx, func(tx connector.Tx) error {
		items, err := tx.ThreadItems(d.lane.EHR, d.lane.Thread)
		comes = false
		for n := range items {
			o := &items[n]
			switch {
			case o.ID == i.ID || o.State.Done():
			case o.Kind == connector.ItemHeader, o.Kind == connector.ItemRequest:
				comes = true
			case i.Kind == connector.ItemExchange: // messages are filed in order, and this one's turn has come
			case o.Kind == connector.ItemExchange, o.Lane == i.Lane && byCommit(o, i) < 0:
				comes = true
			}
		}
		return err
	})
	return comes, err
}
