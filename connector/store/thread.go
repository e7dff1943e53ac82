package store

import (
	"errors"
	"fmt"

	"github.com/chartwire/chartwire/connector"
)

var (
	threadCols = `SELECT ehr_id, id, channel, changed, closed, header_id, strategy, next_seq, last_sent, version, created_at,
		ext, info, patient, bound, last_msg, need_at, last_at, desk FROM thread `
	threadByID  = sqRow(threadCols + `WHERE ehr_id = ?1 AND id = ?2`)
	threadByExt = sqRow(threadCols + `WHERE ehr_id = ?1 AND ext_hash = ?2 AND channel = ?3`)

	threadPut = sqOne(`INSERT INTO thread (ehr_id, id, channel, changed, closed, header_id, strategy, next_seq, last_sent, version,
		created_at, ext, info, patient, bound, last_msg, ext_hash, bound_hash, need_at, last_at, patience, pool_hash, named_hash, desk)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?18, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?19, ?20, ?21, ?22, ?23, ?24)
		ON CONFLICT (ehr_id, id) DO UPDATE SET version = excluded.version, channel = excluded.channel,
		changed = excluded.changed, closed = excluded.closed, header_id = excluded.header_id, strategy = excluded.strategy,
		next_seq = excluded.next_seq, last_sent = excluded.last_sent, created_at = excluded.created_at, ext = excluded.ext,
		info = excluded.info, patient = excluded.patient, bound = excluded.bound, last_msg = excluded.last_msg,
		ext_hash = excluded.ext_hash, bound_hash = excluded.bound_hash, need_at = excluded.need_at, last_at = excluded.last_at,
		patience = excluded.patience, pool_hash = excluded.pool_hash, named_hash = excluded.named_hash, desk = excluded.desk
		WHERE thread.version = excluded.version - 1`)
	threadPass = sqOne(`UPDATE thread SET version = version + 1, strategy = ?3, next_seq = ?4, last_sent = ?5, last_msg = ?6
		WHERE ehr_id = ?1 AND id = ?2`)
	threadBump = sq(`UPDATE thread SET version = version + 1 WHERE ehr_id = ?1 AND id = ?2`)
)

func threadPlace(ehr, id string) place { return place{ehr, id, "thread", id} }

// PutThread is connector.Tx. A thread that has another Version than the row gives connector.ErrStale, so that no caller undoes what
// another has set meanwhile (closed, patient changed).
func (t *tx) PutThread(r *connector.Thread) error {
	p := threadPlace(r.EHR, r.ID)
	var errs [6]error
	var sealed [6][]byte
	sealed[0], errs[0] = t.seal(p, "ext", r.Ext)
	sealed[1], errs[1] = t.seal(p, "info", r.Info)
	sealed[2], errs[2] = t.seal(p, "patient", r.Patient)
	if r.Bound != (connector.Binding{}) {
		sealed[3], errs[3] = t.seal(p, "bound", r.Bound)
	}
	if r.LastMsg != "" {
		sealed[4], errs[4] = t.seal(p, "last_msg", r.LastMsg)
	}
	if d := detailOf(r.Desk); d != (deskDetail{}) {
		sealed[5], errs[5] = t.seal(p, "desk", d)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	n, err := t.execN(threadPut, r.EHR, r.ID, r.Channel, bit(r.Changed), bit(r.Closed), r.Header, string(r.Strategy),
		r.NextSeq, micros(r.LastSent), micros(r.CreatedAt), sealed[0], sealed[1], sealed[2], sealed[3], sealed[4],
		t.hash("thread", r.EHR, r.Ext), t.hash("ref", r.EHR, r.Bound.Reference), r.Version+1,
		micros(r.Desk.Need), micros(r.Desk.Last), byPatience(r.Desk.Urgency), t.poolHash(r.EHR, r.Desk.Pool), t.named(r), sealed[5])
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("store: thread %s: %w", r.ID, connector.ErrStale)
	}
	r.Version++
	return nil
}

// PassThread is connector.Tx. It does not ask for the version: these columns are the lane's holder's alone.
func (t *tx) PassThread(r connector.Thread) error {
	var last []byte
	if r.LastMsg != "" {
		var err error
		if last, err = t.seal(threadPlace(r.EHR, r.ID), "last_msg", r.LastMsg); err != nil {
			return err
		}
	}
	n, err := t.execN(threadPass, r.EHR, r.ID, string(r.Strategy), r.NextSeq, micros(r.LastSent), last)
	if err == nil && n == 0 {
		return fmt.Errorf("store: thread %s: %w", r.ID, connector.ErrNotFound)
	}
	return err
}

// BumpThread is connector.Tx. A thread that is gone is no error.
func (t *tx) BumpThread(ehr, id string) error { return t.exec(threadBump, ehr, id) }

func readThread(t *tx, scan func(...any) error) (connector.Thread, error) {
	var (
		r                                     connector.Thread
		strategy                              string
		changed, closed, sent, at, need, said int64
		ext, info, patient, bound, last, desk []byte
		d                                     deskDetail
	)
	err := scan(&r.EHR, &r.ID, &r.Channel, &changed, &closed, &r.Header, &strategy, &r.NextSeq, &sent, &r.Version, &at,
		&ext, &info, &patient, &bound, &last, &need, &said, &desk)
	if err != nil {
		return r, err
	}
	r.Changed, r.Closed, r.Strategy = changed == 1, closed == 1, connector.Strategy(strategy)
	r.LastSent, r.CreatedAt = fromMicros(sent), fromMicros(at)
	p := threadPlace(r.EHR, r.ID)
	err = errors.Join(t.open(p, "ext", ext, &r.Ext), t.open(p, "info", info, &r.Info),
		t.open(p, "patient", patient, &r.Patient), t.open(p, "bound", bound, &r.Bound), t.open(p, "last_msg", last, &r.LastMsg),
		t.open(p, "desk", desk, &d))
	r.Desk = d.desk(need, said)
	return r, err
}

func (t *tx) Thread(ehr, id string) (connector.Thread, error) {
	return one(t, readThread, threadByID, ehr, id)
}

func (t *tx) ThreadByExt(ehr, channel, ext string) (connector.Thread, error) {
	if th, err, read := t.threadArrived(ehr, channel, ext); read {
		return th, err
	}
	return one(t, readThread, threadByExt, ehr, t.hash("thread", ehr, ext), channel)
}
