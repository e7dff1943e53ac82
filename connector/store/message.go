package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/chartwire/chartwire/connector"
)

var (
	messageCols = `SELECT ehr_id, id, thread_id, revision, client_id, born_id, requested, received_at, message, delivery,
		retracted, corrected FROM message `
	messageByID     = sqRow(messageCols + `WHERE ehr_id = ?1 AND id = ?2`)
	messageNewest   = sqRow(messageCols + `WHERE ehr_id = ?1 AND ext_hash = ?3 AND thread_id = ?2 ORDER BY revision DESC LIMIT 1`)
	messageRevision = sqRow(messageCols + `WHERE ehr_id = ?1 AND ext_hash = ?3 AND thread_id = ?2 AND revision = ?4`)
	messageAll      = sq(messageCols + `WHERE ehr_id = ?1 AND ext_hash = ?3 AND thread_id = ?2 ORDER BY revision`)
	messageByClient = sqRow(messageCols + `WHERE ehr_id = ?1 AND client_id = ?2 AND client_id <> '' ORDER BY revision LIMIT 1`)
	// Every message has an item in its thread, and so needs no index by thread.
	messageOfThread = sq(messageCols + `WHERE ehr_id = ?1 AND thread_id = ?2 AND id IN
		(SELECT message_id FROM item WHERE ehr_id = ?1 AND thread_id = ?2) ORDER BY id`)
	messagePut = sq(`INSERT INTO message (ehr_id, id, thread_id, revision, client_id, born_id, requested, received_at,
		message, delivery, retracted, corrected, ext_hash)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
		ON CONFLICT (ehr_id, id) DO UPDATE SET thread_id = excluded.thread_id, revision = excluded.revision,
		client_id = excluded.client_id, born_id = excluded.born_id, requested = excluded.requested,
		received_at = excluded.received_at, message = excluded.message, delivery = excluded.delivery,
		retracted = excluded.retracted, corrected = excluded.corrected, ext_hash = excluded.ext_hash`)

	blobPut = sq(`INSERT INTO blob (ehr_id, message_id, attachment_hash, thread_id, name, data)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (ehr_id, message_id, attachment_hash)
		DO UPDATE SET thread_id = excluded.thread_id, name = excluded.name, data = excluded.data`)
	blobOfMessage = sq(`SELECT attachment_hash, name, data FROM blob WHERE ehr_id = ?1 AND thread_id = ?2 AND message_id = ?3`)
)

func messagePlace(m *connector.MessageRow) place { return place{m.EHR, m.Thread, "message", m.ID} }

// PutMessage is connector.Tx. Attachments are kept without their bytes, whatever m holds.
func (t *tx) PutMessage(m *connector.MessageRow) error {
	if !utf8.ValidString(m.Message.Text) {
		return fmt.Errorf("store: the text of message %s is not UTF-8: it cannot be kept exactly", m.ID)
	}
	p := messagePlace(m)
	words := m.Message
	words.Attachments = withoutData(words.Attachments)
	var errs [4]error
	var sealed [4][]byte
	sealed[0], errs[0] = t.seal(p, "message", words)
	if m.Delivery != (connector.Delivery{}) {
		sealed[1], errs[1] = t.seal(p, "delivery", m.Delivery)
	}
	if m.Retracted != nil {
		sealed[2], errs[2] = t.seal(p, "retracted", m.Retracted)
	}
	if m.Corrected != nil {
		c := *m.Corrected
		c.Text, c.Attachments = "", withoutData(c.Attachments)
		sealed[3], errs[3] = t.seal(p, "corrected", c)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	return t.exec(messagePut, m.EHR, m.ID, m.Thread, int64(m.Revision), m.Client, m.Born, bit(m.Requested), micros(m.ReceivedAt),
		sealed[0], sealed[1], sealed[2], sealed[3], t.hash("message", m.EHR, m.Message.ID))
}

func withoutData(as []connector.Attachment) []connector.Attachment {
	if len(as) == 0 {
		return as
	}
	out := make([]connector.Attachment, len(as))
	for i, a := range as {
		a.Data = nil
		out[i] = a
	}
	return out
}

func readMessage(t *tx, scan func(...any) error) (connector.MessageRow, error) {
	var (
		m                                    connector.MessageRow
		revision, requested, at              int64
		words, delivery, retracted, correted []byte
	)
	err := scan(&m.EHR, &m.ID, &m.Thread, &revision, &m.Client, &m.Born, &requested, &at, &words, &delivery, &retracted, &correted)
	if err != nil {
		return m, err
	}
	m.Revision, m.Requested, m.ReceivedAt = int(revision), requested == 1, fromMicros(at)
	p := messagePlace(&m)
	return m, errors.Join(t.open(p, "message", words, &m.Message), t.open(p, "delivery", delivery, &m.Delivery),
		t.open(p, "retracted", retracted, &m.Retracted), t.open(p, "corrected", correted, &m.Corrected))
}

func (t *tx) Message(ehr, id string) (connector.MessageRow, error) {
	return one(t, readMessage, messageByID, ehr, id)
}

func (t *tx) MessageByExt(ehr, thread, ext string, revision int) (connector.MessageRow, error) {
	h := t.hash("message", ehr, ext)
	if revision == 0 {
		return one(t, readMessage, messageNewest, ehr, thread, h)
	}
	return one(t, readMessage, messageRevision, ehr, thread, h, int64(revision))
}

func (t *tx) MessageByClient(ehr, client string) (connector.MessageRow, error) {
	return one(t, readMessage, messageByClient, ehr, client)
}

func (t *tx) Revisions(ehr, thread, ext string) ([]connector.MessageRow, error) {
	if all, read := t.revisionsArrived(ehr, thread, ext); read {
		return all, nil
	}
	return many(t, readMessage, messageAll, ehr, thread, t.hash("message", ehr, ext))
}

// blobPlace names a blob by its message and its attachment's hash.
func blobPlace(ehr, thread, message string, hash []byte) place {
	return place{ehr, thread, "blob", message + "/" + hex.EncodeToString(hash)}
}

func (t *tx) PutBlob(ehr, thread, message, attachment string, data []byte) error {
	h := t.s.Lookup("attachment", ehr, message, attachment)
	p := blobPlace(ehr, thread, message, h)
	return t.exec(blobPut, ehr, message, h, thread, t.sealBytes(p, "name", []byte(attachment)), t.sealBytes(p, "data", notNil(data)))
}

func (t *tx) Blobs(ehr, thread, message string) (map[string][]byte, error) {
	type blob struct {
		name string
		data []byte
	}
	all, err := many(t, func(t *tx, scan func(...any) error) (b blob, err error) {
		var hash, name, data []byte
		if err := scan(&hash, &name, &data); err != nil {
			return b, err
		}
		p := blobPlace(ehr, thread, message, hash)
		if name, err = t.openBytes(p, "name", name); err != nil {
			return b, err
		}
		b.name = string(name)
		b.data, err = t.openBytes(p, "data", data)
		return b, err
	}, blobOfMessage, ehr, thread, message)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(all))
	for _, b := range all {
		out[b.name] = b.data
	}
	return out, nil
}
