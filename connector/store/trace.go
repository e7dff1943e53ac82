package store

import (
	"errors"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// traceIDs finds threads by ids of ours, traceHashes by the keyed hashes of other parties' ids.
var (
	traceIDs = sq(`SELECT id FROM thread WHERE ehr_id = ?1 AND id = ?2
		UNION SELECT thread_id FROM message WHERE ehr_id = ?1 AND id = ?2
		UNION SELECT thread_id FROM message WHERE ehr_id = ?1 AND client_id = ?2 AND client_id <> ''
		UNION SELECT thread_id FROM item WHERE ehr_id = ?1 AND id = ?2
		UNION SELECT thread_id FROM chart_write WHERE ehr_id = ?1 AND id = ?2
		UNION SELECT thread_id FROM attempt WHERE ehr_id = ?1 AND id = ?2
		UNION SELECT thread_id FROM event_kept WHERE ehr_id = ?1 AND id = ?2`)
	traceHashes = sq(`SELECT id FROM thread WHERE ehr_id = ?1 AND ext_hash = ?2
		UNION SELECT thread_id FROM message WHERE ehr_id = ?1 AND ext_hash = ?3
		UNION SELECT id FROM thread WHERE ehr_id = ?1 AND bound_hash = ?4
		UNION SELECT thread_id FROM chart_write WHERE ehr_id = ?1 AND ref_hash = ?4
		UNION SELECT thread_id FROM chart_write WHERE ehr_id = ?1 AND control_hash = ?5
		UNION SELECT thread_id FROM born WHERE ehr_id = ?1 AND ref_hash = ?4
		UNION SELECT thread_id FROM event WHERE ehr_id = ?1 AND key_hash = ?6`)
	auditOfThread = sq(auditCols + `WHERE ehr_id = ?1 AND thread_id = ?2 AND thread_id <> '' ORDER BY at, id`)
)

// AuditOf is connector.Tx.
func (t *tx) AuditOf(ehr, thread string) ([]connector.AuditEntry, error) {
	return many(t, func(t *tx, scan func(...any) error) (a connector.AuditEntry, err error) {
		row, err := readAudit(t, scan)
		if err != nil {
			return a, err
		}
		part, err := t.openBytes(auditPlace(row.EHR, row.Thread, row.ID), "detail", row.Sealed)
		if err != nil {
			return a, err
		}
		r, err := row.Opened(part)
		return connector.AuditEntry{ID: r.ID, EHR: r.EHR, At: r.At, Kind: string(r.Kind), Action: string(r.Action), Outcome: int(r.Outcome),
			Agent: r.Agent.String(), OnBehalf: r.Agent.OnBehalfOf, Thread: r.Thread, Item: r.Item, Detail: r.Detail}, err
	}, auditOfThread, ehr, thread)
}

// Trace is connector.Tx. It also finds by our client_message_id, by an event's key (webhook-id) and by the reference of a bound patient.
// The threads come oldest first; none is not an error.
func (t *tx) Trace(id string) ([]connector.Thread, error) {
	if id == "" {
		return nil, nil
	}
	ehrs, err := t.ehrs()
	if err != nil {
		return nil, err
	}
	var out []connector.Thread
	for _, e := range ehrs {
		ours, err := many(t, readText, traceIDs, e, id)
		if err != nil {
			return nil, err
		}
		theirs, err := many(t, readText, traceHashes, e, t.hash("thread", e, id), t.hash("message", e, id), t.hash("ref", e, id), t.hash("control", e, id),
			t.hash("event", e, id))
		if err != nil {
			return nil, err
		}
		ids := append(ours, theirs...)
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			th, err := t.Thread(e, id)
			if errors.Is(err, connector.ErrNotFound) { // an event that belongs to no thread
				continue
			}
			if err != nil {
				return nil, err
			}
			out = append(out, th)
		}
	}
	slices.SortStableFunc(out, func(a, b connector.Thread) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return out, nil
}
