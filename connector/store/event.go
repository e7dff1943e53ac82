package store

import (
	"errors"

	"github.com/chartwire/chartwire/connector"
)

var (
	eventInsert = sqOne(`INSERT INTO event (ehr_id, key_hash, channel, id, thread_id, received_at)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (ehr_id, key_hash, channel) DO NOTHING`)
	eventKnown = sq(`SELECT 1 FROM event WHERE ehr_id = ?1 AND key_hash = ?2 AND channel = ?3`)
	keptCols   = `SELECT ehr_id, id, channel, thread_id, received_at, head, body FROM event_kept `
	keptByID   = sq(keptCols + `WHERE ehr_id = ?1 AND id = ?2`)
	keptInsert = sq(`INSERT INTO event_kept (ehr_id, id, channel, thread_id, received_at, head, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`)
)

// eventHead is what else of a kept event came from the platform.
type eventHead struct {
	Key  string
	Type connector.EventType
}

func eventPlace(r connector.EventRow) place { return place{r.EHR, r.Thread, "event_kept", r.ID} }

// InsertEvent is connector.Tx.
func (t *tx) InsertEvent(r connector.EventRow) (bool, error) {
	key := t.s.Lookup("event", r.EHR, r.Key)
	if _, wave := t.c.(*runner); wave { // which keeps the insert back and cannot tell what it will do
		if known, read := t.eventArrived(&r); known {
			return false, nil
		} else if !read {
			var is int64
			err := t.single(eventKnown, []any{r.EHR, key, r.Channel}, &is)
			if !errors.Is(err, connector.ErrNotFound) {
				return false, err
			}
		}
	}
	n, err := t.execN(eventInsert, r.EHR, key, r.Channel, r.ID, r.Thread, micros(r.ReceivedAt))
	return n == 1, err
}

// KeepEvent is connector.Tx.
func (t *tx) KeepEvent(r connector.EventRow) error {
	p := eventPlace(r)
	head, err := t.seal(p, "head", eventHead{r.Key, r.Type})
	if err != nil {
		return err
	}
	return t.exec(keptInsert, r.EHR, r.ID, r.Channel, r.Thread, micros(r.ReceivedAt), head, t.sealBytes(p, "body", notNil(r.Body)))
}

// notNil makes nil bytes empty ones, for columns that are never NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func readEvent(t *tx, scan func(...any) error) (connector.EventRow, error) {
	var (
		r          connector.EventRow
		at         int64
		head, body []byte
		h          eventHead
	)
	if err := scan(&r.EHR, &r.ID, &r.Channel, &r.Thread, &at, &head, &body); err != nil {
		return r, err
	}
	p := eventPlace(r)
	if err := t.open(p, "head", head, &h); err != nil {
		return r, err
	}
	var err error
	r.Body, err = t.openBytes(p, "body", body)
	r.Key, r.Type, r.ReceivedAt = h.Key, h.Type, fromMicros(at)
	return r, err
}

// KeptEvent is connector.Tx.
func (t *tx) KeptEvent(ehr, id string) (connector.EventRow, error) {
	return one(t, readEvent, keptByID, ehr, id)
}
