package store

import (
	"github.com/chartwire/chartwire/connector"
)

var filedOfThread = sq(`SELECT id, item_id, filed_at, identified, receipt FROM chart_write
	WHERE ehr_id = ?1 AND thread_id = ?2 AND state = 'filed' ORDER BY id`)

// ThreadMessages is connector.Tx.
func (t *tx) ThreadMessages(ehr, thread string) ([]connector.MessageRow, error) {
	return many(t, readMessage, messageOfThread, ehr, thread)
}

// FiledWrites is connector.Tx.
func (t *tx) FiledWrites(ehr, thread string) ([]connector.FiledWrite, error) {
	return many(t, func(t *tx, scan func(...any) error) (w connector.FiledWrite, err error) {
		var id string
		var at, identified int64
		var sealed []byte
		if err := scan(&id, &w.Item, &at, &identified, &sealed); err != nil {
			return w, err
		}
		w.FiledAt, w.Identified = fromMicros(at), identified == 1
		err = t.open(place{ehr, thread, "chart_write", id}, "receipt", sealed, &w.Receipt)
		return w, err
	}, filedOfThread, ehr, thread)
}
