package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
)

var (
	auditCols = `SELECT ehr_id, id, at, kind, action, outcome, agent_kind, agent_id, thread_id, item_id, entity_hash, detail,
		mac FROM audit `
	auditByID  = sq(auditCols + `WHERE ehr_id = ?1 AND id = ?2`)
	pgAuditIDs = sq(auditCols + `WHERE ehr_id = ?1 AND id = ANY(CAST(?2 AS TEXT[]))`)
	auditIDs   = sq(`SELECT id FROM audit WHERE ehr_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3`)

	waitPut   = sq(`INSERT INTO audit_wait (ehr_id, id, ids) VALUES (?1, ?2, ?3)`)
	waitFirst = sq(`SELECT id, ids FROM audit_wait WHERE ehr_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3`)
	waitLeft  = sq(`UPDATE audit_wait SET ids = ?3 WHERE ehr_id = ?1 AND id = ?2`)
	waitDrop  = sq(`DELETE FROM audit_wait WHERE ehr_id = ?1 AND id = ?2`)

	sealPut  = sq(`INSERT INTO audit_seal (ehr_id, seq, n, ids, hash_from, hashes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`)
	sealFrom = sq(`SELECT seq, ids FROM audit_seal WHERE ehr_id = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3`)
	sealLast = sq(`SELECT COALESCE(MAX(seq), -1) FROM audit_seal WHERE ehr_id = ?1`)
	hashesOf = sq(`SELECT hash_from, hashes FROM audit_seal WHERE ehr_id = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1`)

	headGet = sq(`SELECT checkpoint FROM audit_head WHERE ehr_id = ?1`)
	headPut = sq(`INSERT INTO audit_head (ehr_id, size, checkpoint) VALUES (?1, ?2, ?3)
		ON CONFLICT (ehr_id) DO UPDATE SET size = excluded.size, checkpoint = excluded.checkpoint WHERE audit_head.size = ?4`)
)

// writeWaits writes down, once a commit and log, which audit rows wait for their place.
func (b *batch) writeWaits(db *DB, c conn) error {
	for ehr, all := range b.audits {
		for ids := range slices.Chunk(all, audit.MaxBatch) {
			if err := c.exec(waitPut, ehr, connector.NewID(db.clock.Now()), strings.Join(ids, "\n")); err != nil {
				return err
			}
		}
	}
	return nil
}

// AuditLog is the audit log of one EHR connection, or of the installation (""): an audit.Log for audit.NewSealer, and
// its rows for audit.Verify.
func (db *DB) AuditLog(ehr string) *AuditLog { return &AuditLog{db, ehr} }

// AuditLog is one log in the store. Make one with DB.AuditLog.
type AuditLog struct {
	db  *DB
	ehr string
}

var _ audit.Log = (*AuditLog)(nil)

func (l *AuditLog) view(ctx context.Context, fn func(t *tx) error) error {
	return l.db.View(ctx, func(ct connector.Tx) error { return fn(ct.(*tx)) })
}

// Head is audit.Log.
func (l *AuditLog) Head(ctx context.Context) ([]byte, error) {
	var head []byte
	err := l.view(ctx, func(t *tx) error { return t.single(headGet, []any{l.ehr}, &head) })
	if errors.Is(err, connector.ErrNotFound) {
		return nil, nil
	}
	return head, err
}

// Unsealed is audit.Log, oldest commit first. A row that is not as Audit wrote it, or is gone, gives audit.ErrTampered.
func (l *AuditLog) Unsealed(ctx context.Context, limit int) (rows []audit.Row, err error) {
	err = l.view(ctx, func(t *tx) error {
		var ids []string
		err := t.eachWait(l.ehr, "", func(w wait) (bool, error) {
			ids = append(ids, w.ids...)
			return len(ids) < limit, nil
		})
		if err == nil {
			rows, err = t.waiting(l.ehr, ids[:min(limit, len(ids))])
		}
		return err
	})
	return rows, err
}

// waitPage is how many commits' rows are read at once.
const waitPage = 32

// eachWait gives the rows that wait, a commit at a time, from after one on, for as long as more is true.
func (t *tx) eachWait(ehr, after string, each func(w wait) (more bool, err error)) error {
	for {
		all, err := many(t, readWait, waitFirst, ehr, after, int64(waitPage))
		if err != nil {
			return err
		}
		for _, w := range all {
			if more, err := each(w); err != nil || !more {
				return err
			}
			after = w.id
		}
		if len(all) < waitPage {
			return nil
		}
	}
}

// wait is the rows of one commit.
type wait struct {
	id  string
	ids []string
}

func readWait(_ *tx, scan func(...any) error) (w wait, err error) {
	var ids string
	err = scan(&w.id, &ids)
	w.ids = strings.Split(ids, "\n")
	return w, err
}

// macRow is an audit row with its keyed hash.
type macRow struct {
	audit.Row
	mac []byte
}

func readAudit(_ *tx, scan func(...any) error) (macRow, error) {
	var (
		r            macRow
		at, outcome  int64
		kind, action string
	)
	err := scan(&r.EHR, &r.ID, &at, &kind, &action, &outcome, &r.Agent.Kind, &r.Agent.ID, &r.Thread, &r.Item, &r.EntityHash,
		&r.Sealed, &r.mac)
	r.At, r.Kind, r.Action, r.Outcome = fromMicros(at), audit.Kind(kind), audit.Action(action), audit.Outcome(outcome)
	r.Seq = audit.Unsealed
	return r, err
}

// auditRows reads rows by their ids, in that order, without those that are gone: together on Postgres, on SQLite one by one.
func (t *tx) auditRows(ehr string, ids []string) ([]macRow, error) {
	byID := make(map[string]macRow, len(ids))
	if t.remote() {
		some, err := many(t, readAudit, pgAuditIDs, ehr, ids)
		if err != nil {
			return nil, err
		}
		for _, r := range some {
			byID[r.ID] = r
		}
	} else {
		for _, id := range ids {
			r, err := one(t, readAudit, auditByID, ehr, id)
			if errors.Is(err, connector.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			byID[id] = r
		}
	}
	var out []macRow
	for _, id := range ids {
		if r, ok := byID[id]; ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// remote says whether the database is a server's, to which a round trip costs more than rows.
func (t *tx) remote() bool {
	_, is := t.db.eng.(*postgres)
	return is
}

// waiting reads rows that have no place yet and holds each to its keyed hash.
func (t *tx) waiting(ehr string, ids []string) ([]audit.Row, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	all, err := t.auditRows(ehr, ids)
	if err != nil {
		return nil, err
	}
	var out []audit.Row
	for i, r := range all {
		if r.ID != ids[i] {
			return nil, altered(ids[i])
		}
		if !bytes.Equal(r.mac, t.auditMAC(r.Row)) {
			return nil, altered(r.ID)
		}
		out = append(out, r.Row)
	}
	if len(out) < len(ids) {
		return nil, altered(ids[len(out)])
	}
	return out, nil
}

func altered(id string) error {
	return &OpenError{Table: "audit", Column: "mac", Row: id, Err: audit.ErrTampered}
}

// Append is audit.Log.
func (l *AuditLog) Append(ctx context.Context, b audit.Batch) error {
	return l.db.Update(ctx, "audit/"+l.ehr, func(ct connector.Tx) error {
		t := ct.(*tx)
		n, err := t.execN(headPut, l.ehr, b.From+int64(len(b.IDs)), b.Checkpoint, b.From)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("audit log %s, %d rows: %w", l.ehr, b.From, audit.ErrStale)
		}
		if err := t.takeWaits(l.ehr, b.IDs); err != nil {
			return err
		}
		var hashes []byte
		for _, h := range b.Hashes {
			hashes = append(hashes, h[:]...)
		}
		return t.exec(sealPut, l.ehr, b.From, int64(len(b.IDs)), strings.Join(b.IDs, "\n"), b.FirstHash, hashes)
	})
}

// takeWaits takes rows out of what waits; all of them, or the log is stale.
func (t *tx) takeWaits(ehr string, ids []string) error {
	left := make(map[string]bool, len(ids))
	for _, id := range ids {
		left[id] = true
	}
	err := t.eachWait(ehr, "", func(w wait) (bool, error) {
		rest := slices.DeleteFunc(slices.Clone(w.ids), func(id string) bool { return left[id] })
		for _, id := range w.ids {
			delete(left, id)
		}
		var err error
		switch {
		case len(rest) == 0:
			err = t.exec(waitDrop, ehr, w.id)
		case len(rest) < len(w.ids):
			err = t.exec(waitLeft, ehr, w.id, strings.Join(rest, "\n"))
		}
		return len(left) > 0, err
	})
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("audit log %s: %d of %d rows were not there to be sealed: %w", ehr, len(left), len(ids), audit.ErrStale)
	}
	return nil
}

// Hashes is audit.Log. Those that one sealing stored are read together.
func (l *AuditLog) Hashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	err := l.view(ctx, func(t *tx) error {
		var from int64
		var kept []byte
		for n, i := range indexes {
			if at := (i - from) * tlog.HashSize; at < 0 || at >= int64(len(kept)) {
				level, no := tlog.SplitStoredHashIndex(i)
				last := (no+1)<<level - 1 // the record that made this hash
				err := t.single(hashesOf, []any{l.ehr, last}, &from, &kept)
				if err != nil && !errors.Is(err, connector.ErrNotFound) {
					return err
				}
			}
			at := (i - from) * tlog.HashSize
			if at < 0 || at+tlog.HashSize > int64(len(kept)) {
				return fmt.Errorf("audit log %s, hash %d: %w", l.ehr, i, audit.ErrNoHash)
			}
			copy(out[n][:], kept[at:])
		}
		return nil
	})
	return out, err
}
