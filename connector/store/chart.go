package store

import (
	"time"

	"github.com/chartwire/chartwire/connector"
)

var (
	// The order is that of the index on the patient's keyed hash: threads of one patient come together, and which patient
	// comes first says nothing.
	filedThreads = sq(`SELECT t.id, t.bound_hash, t.bound FROM thread AS t
		WHERE t.ehr_id = ?1 AND t.bound_hash IS NOT NULL AND (t.bound_hash, t.id) > (?2, ?3)
		AND EXISTS (SELECT 1 FROM chart_write AS w WHERE w.ehr_id = t.ehr_id AND w.thread_id = t.id AND w.state = 'filed'
			AND w.filed_at >= ?4 AND w.filed_at < ?5)
		ORDER BY t.bound_hash, t.id LIMIT ?6`)
	writesOfThread = sq(writeCols + `WHERE ehr_id = ?1 AND thread_id = ?2 ORDER BY id`)
)

// FiledThreads is connector.Tx.
func (t *tx) FiledThreads(ehr string, from, until time.Time, after connector.FiledThread, limit int) ([]connector.FiledThread, error) {
	place := after.Place
	if len(place) == 0 {
		place = []byte{0} // before every hash, and never taken for NULL
	}
	return many(t, func(t *tx, scan func(...any) error) (connector.FiledThread, error) {
		var f connector.FiledThread
		var sealed []byte
		if err := scan(&f.ID, &f.Place, &sealed); err != nil {
			return f, err
		}
		var b connector.Binding
		err := t.open(threadPlace(ehr, f.ID), "bound", sealed, &b)
		f.Patient = b.Reference
		return f, err
	}, filedThreads, ehr, place, after.ID, micros(from), micros(until), int64(limit))
}

// ThreadWrites is connector.Tx.
func (t *tx) ThreadWrites(ehr, thread string) ([]connector.WriteRow, error) {
	return many(t, readWrite, writesOfThread, ehr, thread)
}
