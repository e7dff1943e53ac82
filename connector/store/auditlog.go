package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
)

var (
	auditCols = `SELECT ehr_id, id, at, kind, action, outcome, agent_kind, agent_id, thread_id, item_id, entity_hash, detail,
		mac, COALESCE(seq, -1) FROM audit `
	auditUnsealed = sq(auditCols + `WHERE ehr_id = ?1 AND seq IS NULL AND id > ?2 ORDER BY id LIMIT ?3`)
	auditSealed   = sq(auditCols + `WHERE ehr_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3`)
	auditSeal     = sq(`UPDATE audit SET seq = ?3 WHERE ehr_id = ?1 AND id = ?2 AND seq IS NULL`)
	auditCount    = sq(`SELECT COUNT(*) FROM audit WHERE ehr_id = ?1 AND seq >= ?2 AND seq < ?3`)
	hashPut       = sq(`INSERT INTO audit_hash (ehr_id, ix, hash) VALUES (?1, ?2, ?3)`)
	hashGet       = sq(`SELECT hash FROM audit_hash WHERE ehr_id = ?1 AND ix = ?2`)
	pgSealAll     = sq(`UPDATE audit SET seq = n.seq FROM unnest(CAST(?2 AS TEXT[]), CAST(?3 AS BIGINT[])) AS n (id, seq)
		WHERE audit.ehr_id = ?1 AND audit.id = n.id AND audit.seq IS NULL`)
	pgHashAll = sq(`INSERT INTO audit_hash (ehr_id, ix, hash)
		SELECT ?1, n.ix, n.hash FROM unnest(CAST(?2 AS BIGINT[]), CAST(?3 AS BYTEA[])) AS n (ix, hash)`)
	headGet = sq(`SELECT checkpoint FROM audit_head WHERE ehr_id = ?1`)
	headPut = sq(`INSERT INTO audit_head (ehr_id, size, checkpoint) VALUES (?1, ?2, ?3)
		ON CONFLICT (ehr_id) DO UPDATE SET size = excluded.size, checkpoint = excluded.checkpoint WHERE audit_head.size = ?4`)
)

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

// Unsealed is audit.Log. A row that is not as Audit wrote it gives audit.ErrTampered.
func (l *AuditLog) Unsealed(ctx context.Context, limit int) (rows []audit.Row, err error) {
	err = l.view(ctx, func(t *tx) error {
		rows, err = many(t, readAudit, auditUnsealed, l.ehr, "", int64(limit))
		return err
	})
	return rows, err
}

func readAudit(t *tx, scan func(...any) error) (audit.Row, error) {
	var (
		r            audit.Row
		at, outcome  int64
		kind, action string
		mac          []byte
	)
	err := scan(&r.EHR, &r.ID, &at, &kind, &action, &outcome, &r.Agent.Kind, &r.Agent.ID, &r.Thread, &r.Item, &r.EntityHash,
		&r.Sealed, &mac, &r.Seq)
	if err != nil {
		return r, err
	}
	r.At, r.Kind, r.Action, r.Outcome = fromMicros(at), audit.Kind(kind), audit.Action(action), audit.Outcome(outcome)
	if r.Seq == audit.Unsealed && !bytes.Equal(mac, t.auditMAC(r)) {
		return r, &OpenError{Table: "audit", Column: "mac", Row: r.ID, Err: audit.ErrTampered}
	}
	return r, nil
}

// Append is audit.Log.
func (l *AuditLog) Append(ctx context.Context, b audit.Batch) error {
	return l.db.Update(ctx, "audit/"+l.ehr, func(ct connector.Tx) error {
		t := ct.(*tx)
		size := b.From + int64(len(b.IDs))
		n, err := t.execN(headPut, l.ehr, size, b.Checkpoint, b.From)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("audit log %s, %d rows: %w", l.ehr, b.From, audit.ErrStale)
		}
		if err := t.sealRows(l.ehr, b); err != nil {
			return err
		}
		if err := t.single(auditCount, []any{l.ehr, b.From, size}, &n); err != nil {
			return err
		}
		if n != int64(len(b.IDs)) {
			return fmt.Errorf("audit log %s: %d of %d rows were free to be sealed: %w", l.ehr, n, len(b.IDs), audit.ErrStale)
		}
		return nil
	})
}

// sealRows gives the rows of a batch their places and keeps its hashes: row by row, or on Postgres in two statements.
func (t *tx) sealRows(ehr string, b audit.Batch) error {
	if _, ok := t.c.(*pgConn); ok {
		seqs, ixs, hashes := make([]int64, len(b.IDs)), make([]int64, len(b.Hashes)), make([][]byte, len(b.Hashes))
		for i := range b.IDs {
			seqs[i] = b.From + int64(i)
		}
		for i := range b.Hashes {
			ixs[i], hashes[i] = b.FirstHash+int64(i), b.Hashes[i][:]
		}
		if err := t.exec(pgSealAll, ehr, b.IDs, seqs); err != nil {
			return err
		}
		return t.exec(pgHashAll, ehr, ixs, hashes)
	}
	for i, id := range b.IDs {
		if err := t.exec(auditSeal, ehr, id, b.From+int64(i)); err != nil {
			return err
		}
	}
	for i, h := range b.Hashes {
		if err := t.exec(hashPut, ehr, b.FirstHash+int64(i), h[:]); err != nil {
			return err
		}
	}
	return nil
}

// Hashes is audit.Log.
func (l *AuditLog) Hashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	err := l.view(ctx, func(t *tx) error {
		for n, i := range indexes {
			var h []byte
			err := t.single(hashGet, []any{l.ehr, i}, &h)
			if errors.Is(err, connector.ErrNotFound) || err == nil && len(h) != tlog.HashSize {
				return fmt.Errorf("audit log %s, hash %d: %w", l.ehr, i, audit.ErrNoHash)
			}
			if err != nil {
				return err
			}
			copy(out[n][:], h)
		}
		return nil
	})
	return out, err
}

// auditChunk is how many rows Rows reads at once.
const auditChunk = 1000

// Rows gives every row of the log, those in it in the order of Seq, then those that wait, for audit.Verify. Each chunk is
// read by itself, so that a long check holds nothing up.
func (l *AuditLog) Rows(ctx context.Context) iter.Seq2[audit.Row, error] {
	return func(yield func(audit.Row, error) bool) {
		var last any = int64(-1)
		q := auditSealed
		for {
			var rows []audit.Row
			err := l.view(ctx, func(t *tx) (err error) {
				rows, err = many(t, readAudit, q, l.ehr, last, int64(auditChunk))
				return err
			})
			if err != nil {
				yield(audit.Row{}, err)
				return
			}
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
				if last = r.Seq; q == auditUnsealed {
					last = r.ID
				}
			}
			switch {
			case len(rows) == auditChunk:
			case q == auditSealed:
				q, last = auditUnsealed, ""
			default:
				return
			}
		}
	}
}
