package store

import (
	"errors"

	"github.com/chartwire/chartwire/connector"
)

// messageArrived finds the revisions of a message by what the channel calls it and its thread.
var messageArrived = sq(messageCols + `WHERE ehr_id = ?1 AND thread_id = (SELECT id FROM thread WHERE ehr_id = ?1 AND ext_hash = ?2
	AND channel = ?3) AND ext_hash = ?4 ORDER BY revision`)

// arrival is what was read ahead of an event, to be given to the first who asks for it.
type arrival struct {
	of        connector.Arrival
	known     bool
	threads   []connector.Thread // none or one
	revisions []connector.MessageRow

	event, thread, message bool // still to be given
}

// Expect is connector.Tx. Only in a wave, where each read is a round trip, it reads at all; SQLite is not asked twice. A row
// that does not open is left to the read proper, which says so.
func (t *tx) Expect(of connector.Arrival) error {
	r, wave := t.c.(*runner)
	if !wave || t.batch == nil || len(r.writes) > 0 {
		return nil
	}
	a := &arrival{of: of}
	thread := t.hash("thread", of.EHR, of.Thread)
	var bad [2]error
	asks := []ask{
		{eventKnown, []any{of.EHR, t.s.Lookup("event", of.EHR, of.Key), of.Channel}, func(func(...any) error) error {
			a.known = true
			return nil
		}},
		{threadByExt.lock, []any{of.EHR, thread, of.Channel}, taking(t, readThread, &a.threads, &bad[0])},
	}
	if of.Message != "" {
		asks = append(asks, ask{messageArrived, []any{of.EHR, thread, of.Channel, t.hash("message", of.EHR, of.Message)},
			taking(t, readMessage, &a.revisions, &bad[1])})
	}
	if err := t.note(r.ask(asks)); err != nil {
		return err
	}
	a.event, a.thread, a.message = true, bad[0] == nil, of.Message != "" && bad[1] == nil
	t.arrived = a
	return nil
}

// taking reads rows into a list, as many does; an error of opening a value is kept apart.
func taking[T any](t *tx, read func(*tx, func(...any) error) (T, error), into *[]T, bad *error) func(func(...any) error) error {
	return func(scan func(...any) error) error {
		v, err := read(t, scan)
		if errors.As(err, new(*OpenError)) {
			*bad = err
			return nil
		}
		*into = append(*into, v)
		return err
	}
}

// eventArrived says whether an event is known, where that was read ahead and not yet asked for.
func (t *tx) eventArrived(r *connector.EventRow) (known, read bool) {
	a := t.arrived
	if a == nil || !a.event || a.of.EHR != r.EHR || a.of.Channel != r.Channel || a.of.Key != r.Key {
		return false, false
	}
	a.event = false
	return a.known, true
}

func (t *tx) threadArrived(ehr, channel, ext string) (th connector.Thread, err error, read bool) {
	a := t.arrived
	if a == nil || !a.thread || a.of.EHR != ehr || a.of.Channel != channel || a.of.Thread != ext || t.wrote("thread") {
		return th, nil, false
	}
	a.thread = false
	if len(a.threads) == 0 {
		return th, connector.ErrNotFound, true
	}
	return a.threads[0], nil, true
}

func (t *tx) revisionsArrived(ehr, thread, ext string) (all []connector.MessageRow, read bool) {
	a := t.arrived
	if a == nil || !a.message || a.of.EHR != ehr || a.of.Message != ext || len(a.threads) != 1 || a.threads[0].ID != thread ||
		t.wrote("thread") || t.wrote("message") {
		return nil, false
	}
	a.message = false
	return a.revisions, true
}

// wrote says whether the function has kept back a write to a table.
func (t *tx) wrote(table string) bool {
	r, wave := t.c.(*runner)
	return wave && r.wrote[table]
}
