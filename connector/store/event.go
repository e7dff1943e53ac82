package store

import (
	"errors"

	"github.com/chartwire/chartwire/connector"
)

var (
	eventInsert = sqOne(`INSERT INTO event (ehr_id, id, channel, key_hash, thread_id, received_at, head, body)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (ehr_id, channel, key_hash) DO NOTHING`)
	eventKnown = sq(`SELECT 1 FROM event WHERE ehr_id = ?1 AND channel = ?2 AND key_hash = ?3`)
	eventCols  = `SELECT ehr_id, id, channel, thread_id, received_at, head, body FROM event `
	eventByID  = sq(eventCols + `WHERE ehr_id = ?1 AND id = ?2`)
)

// eventHead is what else of an event came from the platform.
type eventHead struct {
	Key  string
	Type connector.EventType
}

func eventPlace(r connector.EventRow) place { return place{r.EHR, r.Thread, "event", r.ID} }

func (t *tx) InsertEvent(r connector.EventRow) (bool, error) {
	key := t.s.Lookup("event", r.EHR, r.Key)
	if _, wave := t.c.(*runner); wave { // which keeps the insert back and cannot tell what it will do
		if known, read := t.eventArrived(&r); known {
			return false, nil
		} else if !read {
			var is int64
			err := t.single(eventKnown, []any{r.EHR, r.Channel, key}, &is)
			if !errors.Is(err, connector.ErrNotFound) {
				return false, err
			}
		}
	}
	p := eventPlace(r)
	head, err := t.seal(p, "head", eventHead{r.Key, r.Type})
	if err != nil {
		return false, err
	}
	n, err := t.execN(eventInsert, r.EHR, r.ID, r.Channel, key, r.Thread, micros(r.ReceivedAt),
		head, t.sealBytes(p, "body", notNil(r.Body)))
	return n == 1, err
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

func (t *tx) Event(ehr, id string) (connector.EventRow, error) {
	return one(t, readEvent, eventByID, ehr, id)
}
