package deliver

import (
	"cmp"
	"context"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// told reads the messages of a transcript, in the thread's order: those it is made for and, where it tells the whole, those
// that are on the chart in one already.
func (d *drainer) told(ctx context.Context, b book, t telling, whole bool) (out []connector.Told, err error) {
	var items []member
	for _, m := range t.members {
		if m.item.Kind == connector.ItemExchange {
			items = append(items, m)
		}
	}
	for n := range b.items {
		if whole && isTold(b.items[n]) {
			items = append(items, member{item: &b.items[n], late: b.items[n].Late, afterGap: b.items[n].Detail.Telling.AfterGap})
		}
	}
	items = inThread(items)
	err = d.e.store.View(ctx, func(tx connector.Tx) error {
		out = nil
		for _, m := range items {
			one, err := d.toldOf(tx, b, m)
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		return nil
	})
	for n, m := range items {
		if n < len(out) && !m.item.State.Done() {
			delivery := out[n].Delivery
			m.item.Detail.Delivery = &delivery // what the chart shows once this is filed
		}
	}
	return out, err
}

// inThread puts messages in the order of their thread, as earliest does.
func inThread(items []member) []member {
	var out []member
	rest := make([]*connector.Item, len(items))
	for n, m := range items {
		rest[n] = m.item
	}
	for len(rest) > 0 {
		e := earliest(rest)
		out = append(out, items[slices.IndexFunc(items, func(m member) bool { return m.item == e })])
		rest = slices.DeleteFunc(rest, func(i *connector.Item) bool { return i == e })
	}
	return out
}

// toldOf reads one message with all that happened to it. A correction that a person or the policy has kept off the chart is
// none.
func (d *drainer) toldOf(tx connector.Tx, b book, m member) (connector.Told, error) {
	var t connector.Told
	rows, err := tx.Revisions(d.lane.EHR, d.lane.Thread, m.item.MsgKey)
	if err != nil {
		return t, err
	}
	slices.SortFunc(rows, func(x, y connector.MessageRow) int { return cmp.Compare(x.Revision, y.Revision) })
	for _, row := range rows {
		blobs, err := tx.Blobs(d.lane.EHR, d.lane.Thread, row.ID)
		if err != nil {
			return t, err
		}
		files := slices.Clone(row.Message.Attachments)
		for n := range files {
			files[n].Data = blobs[files[n].ID]
		}
		if row.Revision <= 1 {
			t.Message, t.Received, t.Delivery, t.Retraction = row.Message, row.ReceivedAt, row.Delivery, row.Retracted
			t.Message.Attachments = files
			continue
		}
		if keptOff(b.items, row.ID) {
			continue
		}
		c := connector.Correction{Version: row.Revision}
		if row.Corrected != nil {
			c = *row.Corrected
		}
		c.Text, c.Attachments = row.Message.Text, files
		t.Corrections = append(t.Corrections, c)
	}
	t.Late, t.AfterGap = m.item.Late || m.late, m.afterGap
	for _, i := range b.items { // news may be newer than what its message was told
		if i.Kind == connector.ItemStatus && i.MsgKey == m.item.MsgKey && i.Detail.Delivery != nil {
			t.Delivery = d.newest(t.Delivery, &i)
		}
	}
	return t, nil
}

// keptOff says whether the correction of a message row is not to come to the chart.
func keptOff(items []connector.Item, row string) bool {
	return slices.ContainsFunc(items, func(i connector.Item) bool {
		return i.Kind == connector.ItemCorrection && i.Message == row && (i.State == connector.Parked || i.State == connector.NotDue)
	})
}
