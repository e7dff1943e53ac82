package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// fetch gets the attachments of one message that the platform gave by url. Its exchange waits for them.
func (d *drainer) fetch(ctx context.Context, i *connector.Item) error {
	var row connector.MessageRow
	var have map[string][]byte
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		var err error
		if row, err = tx.Message(d.thread.EHR, i.Message); err != nil {
			return err
		}
		have, err = tx.Blobs(d.thread.EHR, d.thread.ID, row.ID)
		return err
	})
	if err != nil {
		return err
	}
	if i.FirstTried.IsZero() {
		i.FirstTried = d.e.clock.Now()
	}
	for _, a := range row.Message.Attachments {
		if _, ok := have[a.ID]; ok || a.URL == "" {
			continue
		}
		if ok, err := d.fetchOne(ctx, i, row, a); !ok || err != nil {
			return err
		}
	}
	d.finish(i, connector.Filed, "")
	d.unheld(row)
	return nil
}

func (d *drainer) fetchOne(ctx context.Context, i *connector.Item, row connector.MessageRow, a connector.Attachment) (bool, error) {
	now := d.e.clock.Now()
	f, ok := d.line.Channel.(connector.MediaFetcher)
	if !ok {
		d.park(i, connector.AttachmentLost, "the channel cannot fetch attachments")
		d.unheld(row)
		return false, nil
	}
	i.Tries++
	ctx, cancel := context.WithTimeout(ctx, d.c.Deadline)
	defer cancel()
	data, err := f.Fetch(ctx, a)
	var refused *connector.Refused
	switch {
	case err == nil:
		d.later(func(tx connector.Tx) error { return tx.PutBlob(row.EHR, row.Thread, row.ID, a.ID, data) })
		d.audit("fetch", "R", 0, i, nil)
		return true, nil
	case errors.As(err, &refused):
		d.park(i, refused.Reason, refused.Detail.Reveal())
		d.unheld(row)
		return false, nil
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
		return false, ctx.Err()
	case now.Sub(i.FirstTried) > d.within():
		d.park(i, connector.AttachmentLost, "")
		d.unheld(row)
		return false, nil
	}
	var retry *connector.Retry
	wait := backoff(i.Tries)
	if errors.As(err, &retry) {
		wait = max(wait, retry.After)
	}
	d.wait(i, connector.NeedsAttachment, now.Add(wait))
	return false, nil
}

func (d *drainer) within() time.Duration {
	if d.line.MediaWithin > 0 {
		return d.line.MediaWithin
	}
	return d.e.horizon
}

// unheld lets the message's exchange look at its attachments again.
func (d *drainer) unheld(row connector.MessageRow) {
	now := d.e.clock.Now()
	d.later(func(tx connector.Tx) error {
		items, err := tx.ItemsOf(row.EHR, row.Thread, row.ID)
		if err != nil {
			return err
		}
		for _, it := range items {
			if it.Reason != connector.NeedsAttachment || it.State != connector.Held {
				continue
			}
			it.State, it.Reason, it.NextAt, it.ChangedAt = connector.Waiting, "", now, now
			if err := tx.PutItem(&it); err != nil {
				return err
			}
		}
		return tx.TouchLane(row.EHR, row.Thread, connector.LaneChart, now, row.Message.Priority)
	})
}
