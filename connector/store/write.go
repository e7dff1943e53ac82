package store

import (
	"errors"
	"fmt"

	"github.com/chartwire/chartwire/connector"
)

var (
	writeCols = `SELECT ehr_id, id, thread_id, item_id, ord, state, attempts, attempted_at, filed_at, request, receipt FROM chart_write `
	writePut  = sq(`INSERT INTO chart_write (ehr_id, id, thread_id, item_id, ord, state, attempts, attempted_at, filed_at,
		request, receipt, key_hash, provides_hash, ref_hash, identified, control_hash)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
		ON CONFLICT (ehr_id, id) DO UPDATE SET thread_id = excluded.thread_id, item_id = excluded.item_id, ord = excluded.ord,
		state = excluded.state, attempts = excluded.attempts, attempted_at = excluded.attempted_at, filed_at = excluded.filed_at,
		request = excluded.request, receipt = excluded.receipt, key_hash = excluded.key_hash,
		provides_hash = excluded.provides_hash, ref_hash = excluded.ref_hash, identified = excluded.identified,
		control_hash = excluded.control_hash`)
	writeByKey      = sqRow(writeCols + `WHERE ehr_id = ?1 AND key_hash = ?2`)
	writeByProvides = sq(writeCols + `WHERE ehr_id = ?1 AND provides_hash = ?2
		ORDER BY CASE WHEN state = 'filed' THEN 0 ELSE 1 END, id DESC LIMIT 1`)
	writesByRef  = sq(writeCols + `WHERE ehr_id = ?1 AND ref_hash = ?2 ORDER BY id`)
	writesOfItem = sq(writeCols + `WHERE ehr_id = ?1 AND item_id = ?2 ORDER BY ord, id`)
	writeFiled   = sq(writeCols + `WHERE ehr_id = ?1 AND state = 'filed' AND identified = 1 ORDER BY id DESC LIMIT 100`)
	writeOutcome = sqOne(`UPDATE chart_write SET state = ?3, attempts = ?4, attempted_at = ?5, filed_at = ?6, receipt = ?7, ref_hash = ?8
		WHERE ehr_id = ?1 AND id = ?2`)

	attemptPut = sq(`INSERT INTO attempt (ehr_id, id, thread_id, write_id, no, fence, started_at, ended_at, outcome, reason, status, answer, request)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (ehr_id, id) DO UPDATE SET
		thread_id = excluded.thread_id, write_id = excluded.write_id, no = excluded.no, fence = excluded.fence,
		started_at = excluded.started_at, ended_at = excluded.ended_at, outcome = excluded.outcome, reason = excluded.reason,
		status = excluded.status, answer = excluded.answer, request = excluded.request`)
	attemptCols = `SELECT ehr_id, id, thread_id, write_id, no, fence, started_at, ended_at, outcome, reason, status, answer, request FROM attempt `
	attemptsOf  = sq(attemptCols + `WHERE ehr_id = ?1 AND write_id = ?2 ORDER BY no, id`)

	bornPut = sq(`INSERT INTO born (ehr_id, id, thread_id, item_id, created_at, request, ref_hash)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (ehr_id, id) DO UPDATE SET thread_id = excluded.thread_id,
		item_id = excluded.item_id, created_at = excluded.created_at, request = excluded.request, ref_hash = excluded.ref_hash`)
	bornCols  = `SELECT ehr_id, id, thread_id, item_id, created_at, request FROM born `
	bornByRef = sqRow(bornCols + `WHERE ehr_id = ?1 AND ref_hash = ?2`)
)

// writeRequest is what of a write is sealed besides its receipt.
type writeRequest struct {
	Key      string
	Provides string `json:",omitempty"`
	Write    connector.Write
}

func writePlace(w *connector.WriteRow) place { return place{w.EHR, w.Thread, "chart_write", w.ID} }

// PutWrite is connector.Tx: it inserts or updates by ID. Of the receipt, Echo and Response are not kept.
func (t *tx) PutWrite(w *connector.WriteRow) error {
	switch w.State {
	case connector.WriteReady, connector.WriteAttempted, connector.WriteFiled, connector.WriteDropped:
	default:
		return fmt.Errorf("store: write %s has a state that is not one of connector.WriteState", w.ID)
	}
	p := writePlace(w)
	request, err := t.seal(p, "request", writeRequest{w.Key, w.Provides, w.Write})
	if err != nil {
		return err
	}
	receipt, err := t.receipt(w)
	if err != nil {
		return err
	}
	return t.exec(writePut, w.EHR, w.ID, w.Thread, w.Item, int64(w.Ord), string(w.State), int64(w.Attempts),
		micros(w.AttemptedAt), micros(w.FiledAt), request, receipt, t.s.Lookup("write", w.EHR, w.Key),
		t.hash("provides", w.EHR, w.Provides), t.hash("ref", w.EHR, w.Receipt.Reference), bit(!w.Write.Identity.IsZero()), t.control(w))
}

// PutOutcome is connector.Tx. The request is neither sealed nor written again, which is most of what a write holds.
func (t *tx) PutOutcome(w *connector.WriteRow) error {
	if w.State != connector.WriteAttempted && w.State != connector.WriteFiled {
		return fmt.Errorf("store: write %s was attempted, and its outcome is neither that nor filed", w.ID)
	}
	receipt, err := t.receipt(w)
	if err != nil {
		return err
	}
	n, err := t.execN(writeOutcome, w.EHR, w.ID, string(w.State), int64(w.Attempts), micros(w.AttemptedAt), micros(w.FiledAt), receipt,
		t.hash("ref", w.EHR, w.Receipt.Reference))
	if err == nil && n == 0 {
		return fmt.Errorf("store: write %s: %w", w.ID, connector.ErrNotFound)
	}
	return err
}

func (t *tx) receipt(w *connector.WriteRow) ([]byte, error) {
	if w.Receipt.Reference == "" && w.Receipt.At.IsZero() && w.Receipt.Status == 0 && w.Receipt.Version == "" {
		return nil, nil
	}
	return t.seal(writePlace(w), "receipt", w.Receipt)
}

// control is the keyed hash of the MSH-10 that the write's identity gives: an interface engineer finds the write by it.
func (t *tx) control(w *connector.WriteRow) []byte {
	if w.Write.Identity.IsZero() {
		return nil
	}
	return t.hash("control", w.EHR, connector.ControlID(w.Write.Identity))
}

func readWrite(t *tx, scan func(...any) error) (connector.WriteRow, error) {
	var (
		w                               connector.WriteRow
		ord, attempts, attempted, filed int64
		state                           string
		sealed, receipt                 []byte
		r                               writeRequest
	)
	err := scan(&w.EHR, &w.ID, &w.Thread, &w.Item, &ord, &state, &attempts, &attempted, &filed, &sealed, &receipt)
	if err != nil {
		return w, err
	}
	w.Ord, w.State, w.Attempts = int(ord), connector.WriteState(state), int(attempts)
	w.AttemptedAt, w.FiledAt = fromMicros(attempted), fromMicros(filed)
	p := writePlace(&w)
	err = errors.Join(t.open(p, "request", sealed, &r), t.open(p, "receipt", receipt, &w.Receipt))
	w.Key, w.Provides, w.Write = r.Key, r.Provides, r.Write
	return w, err
}

func (t *tx) WriteByKey(ehr, key string) (connector.WriteRow, error) {
	return one(t, readWrite, writeByKey, ehr, t.s.Lookup("write", ehr, key))
}

// WriteByProvides is connector.Tx: of several writes the filed one, else the newest.
func (t *tx) WriteByProvides(ehr, provides string) (connector.WriteRow, error) {
	return one(t, readWrite, writeByProvides, ehr, t.hash("provides", ehr, provides))
}

// WritesByRef is connector.Tx, oldest first.
func (t *tx) WritesByRef(ehr, ref string) ([]connector.WriteRow, error) {
	return many(t, readWrite, writesByRef, ehr, t.hash("ref", ehr, ref))
}

// WritesOf is connector.Tx, in the order of Ord.
func (t *tx) WritesOf(ehr, item string) ([]connector.WriteRow, error) {
	return many(t, readWrite, writesOfItem, ehr, item)
}

// NewestFiled is connector.Tx. The type is sealed with the request, so that rows are opened until one is of it.
func (t *tx) NewestFiled(ehr, typ string) (connector.WriteRow, error) {
	rows, err := many(t, readWrite, writeFiled, ehr)
	if err != nil {
		return connector.WriteRow{}, err
	}
	for _, w := range rows {
		if w.Write.Type == typ {
			return w, nil
		}
	}
	return connector.WriteRow{}, connector.ErrNotFound
}

var knownOutcomes = map[string]bool{"": true, "filed": true, "refused": true, "retry": true, "ambiguous": true,
	"conflict": true, "found": true, "absent": true, "resend": true}

// PutAttempt is connector.Tx: it inserts or updates by ID.
func (t *tx) PutAttempt(a *connector.Attempt) error {
	if !knownOutcomes[a.Outcome] || !knownReasons[a.Reason] {
		return fmt.Errorf("store: attempt %s has an outcome or a reason that is not one of ours", a.ID)
	}
	p := place{a.EHR, a.Thread, "attempt", a.ID}
	var request []byte
	if a.Sent != nil {
		var err error
		if request, err = t.seal(p, "request", a.Sent); err != nil {
			return err
		}
	}
	return t.exec(attemptPut, a.EHR, a.ID, a.Thread, a.Write, int64(a.No), a.Fence, micros(a.StartedAt), micros(a.EndedAt),
		a.Outcome, string(a.Reason), int64(a.Status), t.sealBytes(p, "answer", a.Answer), request)
}

func readAttempt(t *tx, scan func(...any) error) (connector.Attempt, error) {
	var (
		a                          connector.Attempt
		no, started, ended, status int64
		reason                     string
		answer, request            []byte
	)
	err := scan(&a.EHR, &a.ID, &a.Thread, &a.Write, &no, &a.Fence, &started, &ended, &a.Outcome, &reason, &status, &answer, &request)
	if err != nil {
		return a, err
	}
	a.No, a.Reason, a.Status, a.StartedAt, a.EndedAt = int(no), connector.Reason(reason), int(status), fromMicros(started), fromMicros(ended)
	p := place{a.EHR, a.Thread, "attempt", a.ID}
	if a.Answer, err = t.openBytes(p, "answer", answer); err != nil {
		return a, err
	}
	return a, t.open(p, "request", request, &a.Sent)
}

// Attempts is connector.Tx, in the order of No.
func (t *tx) Attempts(ehr, write string) ([]connector.Attempt, error) {
	return many(t, readAttempt, attemptsOf, ehr, write)
}

// bornRequest is what of a born request came from the EHR.
type bornRequest struct{ Ref, Version string }

func bornPlace(b *connector.Born) place { return place{b.EHR, b.Thread, "born", b.ID} }

// PutBorn is connector.Tx: it inserts or updates by ID.
func (t *tx) PutBorn(b *connector.Born) error {
	sealed, err := t.seal(bornPlace(b), "request", bornRequest{b.Ref, b.Version})
	if err != nil {
		return err
	}
	return t.exec(bornPut, b.EHR, b.ID, b.Thread, b.Item, micros(b.CreatedAt), sealed, t.s.Lookup("ref", b.EHR, b.Ref))
}

func readBorn(t *tx, scan func(...any) error) (connector.Born, error) {
	var (
		b      connector.Born
		at     int64
		sealed []byte
		r      bornRequest
	)
	if err := scan(&b.EHR, &b.ID, &b.Thread, &b.Item, &at, &sealed); err != nil {
		return b, err
	}
	err := t.open(bornPlace(&b), "request", sealed, &r)
	b.Ref, b.Version, b.CreatedAt = r.Ref, r.Version, fromMicros(at)
	return b, err
}

func (t *tx) BornByRef(ehr, ref string) (connector.Born, error) {
	return one(t, readBorn, bornByRef, ehr, t.s.Lookup("ref", ehr, ref))
}
