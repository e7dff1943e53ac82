package deliver

import (
	"context"
	"errors"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// A platform's events come in any order, and a correction may have waited for a person while its message was retracted. Its
// words must not stand on the chart as valid: what is not written is left out, and what is there is taken back as well.

// leftOut ends a correction of a retracted message of which nothing is on the chart, or can be.
func (d *drainer) leftOut(ctx context.Context, i *connector.Item, rows []connector.WriteRow) (bool, error) {
	if i.Kind != connector.ItemCorrection || d.maybeThere(rows) {
		return false, nil
	}
	gone := false
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		r, _, err := takenBack(tx, i)
		gone = r != nil
		return err
	})
	if gone {
		d.audit("file", "C", 0, i, map[string]string{"kind": string(i.Kind), "reason": string(connector.TakenBack)})
		d.finish(i, connector.NotDue, connector.TakenBack)
	}
	return gone, err
}

// maybeThere says whether an entry is on the chart, or may be. A receiver that knows repeats may have one that it was sent.
func (d *drainer) maybeThere(rows []connector.WriteRow) bool {
	d.c.mu.Lock()
	resends := d.c.traits.Resends
	d.c.mu.Unlock()
	return slices.ContainsFunc(rows, func(w connector.WriteRow) bool {
		return isEntry(w) && (w.State == connector.WriteFiled || w.State == connector.WriteAttempted || resends && w.Attempts > 0)
	})
}

// retractToo takes a correction back that came to the chart after its message's retraction had been planned. A transcript
// that tells of the one tells of the other.
func (d *drainer) retractToo(i *connector.Item) {
	if i.Detail.Telling != nil {
		return
	}
	c, now := *i, d.e.clock.Now()
	d.later(func(tx connector.Tx) error {
		r, first, err := takenBack(tx, &c)
		if r == nil || err != nil {
			return err
		}
		n := connector.Item{ID: connector.NewID(now), EHR: c.EHR, Thread: c.Thread, Lane: connector.LaneChart, Kind: connector.ItemRetraction,
			Message: first.ID, MsgKey: c.MsgKey, Revision: c.Revision, State: connector.Waiting, Channel: c.Channel, Direction: c.Direction,
			Sequence: c.Sequence, SentAt: c.SentAt, Priority: c.Priority, CommittedAt: now, ChangedAt: now,
			Detail: connector.ItemDetail{Retraction: r}}
		if err := tx.PutItem(&n); err != nil {
			return err
		}
		return tx.TouchLane(n.EHR, n.Thread, n.Lane, now, n.Priority)
	})
}

// takenBack gives the retraction of a correction's message, and that message's first revision; nil where there is none, or where
// one that has no writes yet is to come after the correction.
func takenBack(tx connector.Tx, c *connector.Item) (*connector.Retraction, connector.MessageRow, error) {
	first, err := tx.MessageByExt(c.EHR, c.Thread, c.MsgKey, 1)
	if errors.Is(err, connector.ErrNotFound) {
		return nil, first, nil
	}
	if err != nil || first.Retracted == nil {
		return nil, first, err
	}
	open, err := tx.LaneItems(connector.Lane{EHR: c.EHR, Thread: c.Thread, Kind: connector.LaneChart})
	if err != nil {
		return nil, first, err
	}
	for _, i := range open {
		if i.Kind != connector.ItemRetraction || i.MsgKey != c.MsgKey || i.Revision > 1 && i.Revision != c.Revision {
			continue
		}
		rows, err := tx.WritesOf(i.EHR, i.ID)
		if err != nil || len(rows) == 0 {
			return nil, first, err
		}
	}
	return first.Retracted, first, nil
}
