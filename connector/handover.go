package connector

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
)

// ErrOtherMessage says that the platform gave a message of ours an id, or a thread, that contradicts what it said before:
// nothing is written down, and a person has to compare.
var ErrOtherMessage = errors.New("the platform names another message or thread than before")

// Never is the NextAt of an item that only a person or another commit can move.
var Never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Placed says whether the platform has given the thread its id. Before that Ext is the thread's own ULID, and nothing of it
// may be put on a chart, since its identifiers there are made of the platform's id.
func (t Thread) Placed() bool { return t.Ext != t.ID }

// TakeHandover writes down that the platform has a message of ours, by its answer to the send or by an event about the
// message, whichever comes first: the ids and the sequence it gave, the thread's id where Chartwire started the thread, and
// at least handed-over as the message's delivery. The message's items on the chart lane get the new key and are no longer
// held for it. Empty fields of h change nothing. It may be called any number of times. The send item is the caller's.
//
// Where the platform's thread came in meanwhile as a thread of its own, ours is moved into it (Tx.Rehome).
// ErrOtherMessage is as said there; other errors are the store's.
func TakeHandover(tx Tx, m MessageRow, h Handover, now time.Time) (Thread, MessageRow, error) {
	t, err := tx.Thread(m.EHR, m.Thread)
	if err != nil {
		return t, m, err
	}
	named := t.Placed()
	if h.ThreadID != "" && h.ThreadID != t.Ext {
		if t, err = placeThread(tx, t, h.ThreadID, now); err != nil {
			return t, m, err
		}
		if m, err = tx.Message(m.EHR, m.ID); err != nil {
			return t, m, err
		}
	}
	was := m.Message.ID
	if err := nameMessage(tx, t, &m, h); err != nil {
		return t, m, err
	}
	if m.Delivery.State.Advance(HandedOver) == HandedOver {
		at := h.At
		if at.IsZero() {
			at = now
		}
		if m.Delivery.State != HandedOver {
			m.Delivery = Delivery{State: HandedOver, At: at}
		}
	}
	if err := TakeAwaited(tx, &t, &m); err != nil {
		return t, m, err
	}
	if err := tx.PutMessage(&m); err != nil {
		return t, m, err
	}
	if err := freeItems(tx, t, m, was, now); err != nil {
		return t, m, err
	}
	if err := tx.PutThread(&t); err != nil {
		return t, m, err
	}
	if !named && t.Placed() {
		if err := wakeTasks(tx, t, now); err != nil {
			return t, m, err
		}
	}
	return t, m, tx.TouchLane(m.EHR, t.ID, LaneChart, now, m.Message.Priority)
}

// placeThread gives a thread of ours the platform's id, or merges it with the thread that has it already: ours into that
// one, or that one into ours where something of ours is on its way to a chart under its own name.
func placeThread(tx Tx, t Thread, ext string, now time.Time) (Thread, error) {
	if t.Placed() {
		return t, ErrOtherMessage
	}
	other, err := tx.ThreadByExt(t.EHR, t.Channel, ext)
	if errors.Is(err, ErrNotFound) {
		t.Ext, t.Info.ID = ext, ext
		return t, nil
	}
	if err != nil {
		return t, err
	}
	kept, gone := other, t
	if err = tx.Rehome(t.EHR, gone.ID, kept.ID); err != nil && !errors.Is(err, ErrStore) {
		kept, gone = t, other
		err = tx.Rehome(t.EHR, gone.ID, kept.ID)
	}
	switch {
	case errors.Is(err, ErrStore):
		return t, err
	case err != nil: // both have gone too far to be one: a person has to look
		return t, ErrOtherMessage
	}
	if kept, err = tx.Thread(kept.EHR, kept.ID); err != nil {
		return t, err
	}
	kept.Ext, kept.Info.ID = ext, ext
	kept.absorb(gone)
	return kept, mergeSpells(tx, kept, gone.Desk, now)
}

// absorb takes over what a merged thread knew and this one does not. Two patients in one thread stop it: nothing files
// until a person has settled it.
func (t *Thread) absorb(gone Thread) {
	switch {
	case t.Patient.IsZero():
		t.Patient = gone.Patient
	case !gone.Patient.IsZero() && t.Disputes(gone.Patient):
		t.Dispute(gone.Patient)
	}
	for _, k := range gone.Info.Disputed {
		t.Dispute(k)
	}
	t.Changed = t.Changed || gone.Changed
	t.Info.Subject = cmp.Or(t.Info.Subject, gone.Info.Subject)
	t.Info.Topic = cmp.Or(t.Info.Topic, gone.Info.Topic)
	t.Info.Priority = cmp.Or(t.Info.Priority, gone.Info.Priority)
	if t.Info.Encounter == nil {
		t.Info.Encounter = gone.Info.Encounter
	}
	if len(t.Info.About) == 0 {
		t.Info.About = gone.Info.About
	}
	if gone.Info.TurnedAt.After(t.Info.TurnedAt) {
		t.Info.TurnedAt, t.Closed = gone.Info.TurnedAt, gone.Closed
	}
	t.ChangeDesk(func(d *Desk) { d.absorb(gone.Desk) })
	for _, ext := range gone.Info.Awaits {
		t.Await(ext)
	}
}

// nameMessage gives the message the platform's id and sequence.
func nameMessage(tx Tx, t Thread, m *MessageRow, h Handover) error {
	if h.Sequence > 0 && m.Message.Sequence == 0 {
		m.Message.Sequence = h.Sequence
	}
	if h.MessageID == "" || h.MessageID == m.Message.ID {
		return nil
	}
	if m.Message.ID != m.Client {
		return ErrOtherMessage
	}
	other, err := tx.MessageByExt(m.EHR, t.ID, h.MessageID, 1)
	switch {
	case errors.Is(err, ErrNotFound):
		m.Message.ID = h.MessageID
		return nil
	case err != nil:
		return err
	case other.ID == m.ID:
		return nil
	default:
		return ErrOtherMessage // the platform gave the same id to a message of its own
	}
}

// freeItems hands the message's new key to its items on the chart lane and lets go those that waited for the handover.
func freeItems(tx Tx, t Thread, m MessageRow, was string, now time.Time) error {
	items, err := tx.ItemsOf(m.EHR, m.Thread, m.ID)
	if err != nil {
		return err
	}
	if t.Header != "" {
		header, err := tx.Item(m.EHR, t.Header)
		if err != nil {
			return err
		}
		items = append(items, header)
	}
	for n := range items {
		i := &items[n]
		changed := false
		if i.Lane == LaneChart && i.Message == m.ID && i.MsgKey == was && (was != m.Message.ID || i.Sequence != m.Message.Sequence) {
			i.MsgKey, i.Sequence, changed = m.Message.ID, m.Message.Sequence, true
			if err := renameEntry(tx, *i, was); err != nil {
				return err
			}
		}
		waits := i.Reason == NeedsHandover && !i.State.Done()
		given := i.Reason == SendUnknown && i.State == NotDue // its send was released before the thread had a name
		if i.Lane == LaneChart && (waits || given) {
			i.State, i.Reason, i.NextAt, changed = Waiting, "", time.Time{}, true
		}
		if !changed {
			continue
		}
		i.ChangedAt = now
		if err := tx.PutItem(i); err != nil {
			return err
		}
	}
	return nil
}

// renameEntry makes the entry of a message that was filed before it had the platform's name known by that name, too: what
// comes later refers to it so.
func renameEntry(tx Tx, i Item, was string) error {
	if was == i.MsgKey || i.Kind != ItemExchange {
		return nil
	}
	rows, err := tx.WritesOf(i.EHR, i.ID)
	if err != nil {
		return err
	}
	for _, w := range rows {
		if before, ok := strings.CutSuffix(w.Provides, "/"+was+"}"); ok {
			w.Provides = before + "/" + i.MsgKey + "}"
			if err := tx.PutWrite(&w); err != nil {
				return err
			}
		}
	}
	return nil
}

// Await notes that an event named a message that has not come, so that the message, when it comes, looks for what was said
// about it (TakeAwaited). The caller puts the thread.
func (t *Thread) Await(ext string) {
	if !slices.Contains(t.Info.Awaits, ext) {
		t.Info.Awaits = append(t.Info.Awaits, ext)
	}
}

// TakeAwaited brings a message up to what came before it: the newest delivery news and a retraction. The items themselves
// stay as they are; deliver finds their message by MsgKey. The caller puts both rows.
func TakeAwaited(tx Tx, t *Thread, m *MessageRow) error {
	at := slices.Index(t.Info.Awaits, m.Message.ID)
	if at < 0 {
		return nil
	}
	items, err := tx.ThreadItems(m.EHR, t.ID)
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.MsgKey != m.Message.ID {
			continue
		}
		if d := i.Detail.Delivery; i.Kind == ItemStatus && d != nil && m.Message.Direction == ToPatient &&
			m.Delivery.State.Advance(d.State) != m.Delivery.State {
			m.Delivery = *d
		}
		if r := i.Detail.Retraction; i.Kind == ItemRetraction && r != nil && m.Retracted == nil {
			m.Retracted = r
		}
	}
	t.Info.Awaits = slices.Delete(t.Info.Awaits, at, at+1)
	return nil
}
