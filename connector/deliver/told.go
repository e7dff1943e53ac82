package deliver

import (
	"cmp"
	"context"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// told reads the messages of a transcript, in the thread's order: those it is made for and, where it tells the whole, those
// that are on the chart in one already. What happened to them becomes part of it in the same reading: news that is shown and
// not settled would be told a second time, or parked where the chart cannot show it.
func (d *drainer) told(ctx context.Context, b book, t *telling, whole bool) (out []connector.Told, err error) {
	var messages []member
	var with []*connector.Item
	err = d.e.store.View(ctx, func(tx connector.Tx) error {
		var err error
		if b.items, err = tx.ThreadItems(d.lane.EHR, d.lane.Thread); err != nil {
			return err
		}
		out, messages = nil, inThread(b.toTell(t, whole))
		waits := map[string]bool{} // corrections whose files have not come, by message row
		for _, m := range messages {
			one, err := d.toldOf(tx, b, m, waits)
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		with = slices.DeleteFunc(d.followUps(b, t, whole), func(i *connector.Item) bool {
			return i.Kind == connector.ItemCorrection && waits[i.Message]
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for n, m := range messages {
		if !m.item.State.Done() {
			delivery := out[n].Delivery
			m.item.Detail.Delivery = &delivery // what the chart shows once this is filed
		}
	}
	for _, i := range with {
		t.members = append(t.members, member{item: i})
		if !slices.Contains(d.items, i) {
			d.items = append(d.items, i) // it came after the lane was read
		}
	}
	return out, nil
}

// toTell are the messages of a transcript, in no order.
func (b book) toTell(t *telling, whole bool) (out []member) {
	for _, m := range t.members {
		if m.item.Kind == connector.ItemExchange {
			out = append(out, m)
		}
	}
	for n := range b.items {
		if i := &b.items[n]; whole && b.tells(*i) {
			out = append(out, member{item: i, late: i.Late, afterGap: i.Detail.Telling.AfterGap})
		}
	}
	return out
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
// none. One whose files are not here yet is left for a later version, as are those after it, and noted in waits.
func (d *drainer) toldOf(tx connector.Tx, b book, m member, waits map[string]bool) (connector.Told, error) {
	var t connector.Told
	rows, err := tx.Revisions(d.lane.EHR, d.lane.Thread, m.item.MsgKey)
	if err != nil {
		return t, err
	}
	waiting := false
	slices.SortFunc(rows, func(x, y connector.MessageRow) int { return cmp.Compare(x.Revision, y.Revision) })
	for _, row := range rows {
		blobs, err := tx.Blobs(d.lane.EHR, d.lane.Thread, row.ID)
		if err != nil {
			return t, err
		}
		files, here := slices.Clone(row.Message.Attachments), true
		for n := range files {
			data, ok := blobs[files[n].ID]
			files[n].Data, here = data, here && ok
		}
		if row.Revision <= 1 {
			t.Message, t.Received, t.Delivery, t.Retraction = row.Message, row.ReceivedAt, row.Delivery, row.Retracted
			t.Message.Attachments = files
			continue
		}
		if keptOff(b.items, row.ID) {
			continue
		}
		if waiting = waiting || !here; waiting {
			waits[row.ID] = true
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
