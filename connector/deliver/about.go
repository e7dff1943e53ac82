package deliver

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// told is what the store knows about the message of an item.
type told struct {
	row         connector.MessageRow
	blobs       map[string][]byte
	exchange    connector.Item // its exchange item
	fetch       connector.ItemState
	request     connector.ItemState // "" where there is none
	requestRef  string
	filed       map[int]connector.Item // by revision: the items that brought it to the chart
	charted     connector.Delivery
	parentFiled bool
	parentAs    string // the resource type of its entry, "" where no write tells
	noHeader    bool
}

// message reads what an item is about, in one read transaction.
func (d *drainer) message(ctx context.Context, i *connector.Item) (told, error) {
	var m told
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		m = told{}
		first, err := tx.MessageByExt(d.thread.EHR, d.thread.ID, i.MsgKey, 1)
		if err != nil {
			return err
		}
		m.row = first
		if i.Message != "" && i.Message != first.ID {
			if m.row, err = tx.Message(d.thread.EHR, i.Message); err != nil {
				return err
			}
			fillFrom(&m.row, first)
		}
		if m.blobs, err = tx.Blobs(d.thread.EHR, d.thread.ID, m.row.ID); err != nil {
			return err
		}
		if err := m.itemsOf(tx, d.thread, first); err != nil {
			return err
		}
		if err := m.born(tx, first); err != nil {
			return err
		}
		return m.parent(tx, d.thread)
	})
	return m, err
}

// fillFrom gives a correction that came before its original what only the original says.
func fillFrom(m *connector.MessageRow, first connector.MessageRow) {
	o := first.Message
	if m.Message.Direction == "" {
		m.Message.Direction, m.Message.Sender, m.Message.Recipients = o.Direction, o.Sender, o.Recipients
	}
	if m.Message.SentAt.IsZero() {
		m.Message.SentAt = o.SentAt
	}
	m.Message.ID = o.ID
	m.Delivery, m.Client, m.Born, m.Requested = first.Delivery, first.Client, first.Born, first.Requested
}

// itemsOf reads how far the items of the message and its revisions have got.
func (m *told) itemsOf(tx connector.Tx, t connector.Thread, first connector.MessageRow) error {
	revisions, err := tx.Revisions(t.EHR, t.ID, first.Message.ID)
	if err != nil {
		return err
	}
	for _, r := range revisions {
		items, err := tx.ItemsOf(t.EHR, r.Thread, r.ID)
		if err != nil {
			return err
		}
		for _, it := range items {
			m.note(it, r)
		}
	}
	if t.Header == "" {
		m.noHeader = true
		return nil
	}
	header, err := tx.Item(t.EHR, t.Header)
	m.noHeader = header.State == connector.Parked || header.State == connector.NotDue || elsewhere(&header)
	return err
}

func (m *told) files(revision int, it connector.Item) {
	if m.filed == nil {
		m.filed = map[int]connector.Item{}
	}
	m.filed[revision] = it
}

// revisions are those on the chart, newest last.
func (m *told) revisions() []int { return slices.Sorted(maps.Keys(m.filed)) }

// added gives the revisions that came to the chart after a later one, oldest first: they replaced nothing there. An item that is
// filed does not change any more.
func (m *told) added() []int {
	all := m.revisions()
	return slices.DeleteFunc(slices.Clone(all), func(r int) bool {
		return !slices.ContainsFunc(all, func(o int) bool { return o > r && filedBefore(m.filed[o], m.filed[r]) })
	})
}

// filedBefore says whether a was filed before b.
func filedBefore(a, b connector.Item) bool {
	return cmp.Or(a.ChangedAt.Compare(b.ChangedAt), byCommit(&a, &b)) < 0
}

func (m *told) note(it connector.Item, r connector.MessageRow) {
	if elsewhere(&it) { // nothing here may refer to it
		if it.Kind == connector.ItemExchange {
			m.exchange = it
		}
		return
	}
	switch it.Kind {
	case connector.ItemExchange:
		m.exchange = it
		if it.State == connector.Filed {
			m.files(1, it)
			m.chart(it.Detail.Delivery)
		}
	case connector.ItemCorrection:
		if it.State == connector.Filed {
			m.files(r.Revision, it)
		}
	case connector.ItemStatus:
		if it.State == connector.Filed {
			m.chart(it.Detail.Delivery)
		}
	case connector.ItemFetch:
		if it.Message == m.row.ID {
			m.fetch = it.State
		}
	case connector.ItemRequest:
		if it.Detail.Status == "active" {
			m.request, m.requestRef = it.State, connector.SymRequest(it.Detail.Request)
		}
	}
}

func (m *told) chart(d *connector.Delivery) {
	if d != nil && m.charted.State.Advance(d.State) == d.State {
		m.charted = *d
	}
}

// born gives the reference of the EHR's own request where the message answers one.
func (m *told) born(tx connector.Tx, first connector.MessageRow) error {
	if first.Born == "" {
		return nil
	}
	m.request, m.requestRef = connector.Filed, m.exchange.Detail.Request
	return nil
}

// parent says whether the message replied to is on the chart.
func (m *told) parent(tx connector.Tx, t connector.Thread) error {
	id := m.row.Message.InReplyTo
	if id == "" {
		return nil
	}
	p, err := tx.MessageByExt(t.EHR, t.ID, id, 1)
	if errors.Is(err, connector.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	items, err := tx.ItemsOf(t.EHR, p.Thread, p.ID)
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.Kind == connector.ItemExchange && it.State == connector.Filed && !elsewhere(&it) {
			m.parentFiled = true
			if m.parentAs, err = entryType(tx, it); err != nil {
				return err
			}
		}
	}
	return nil
}
