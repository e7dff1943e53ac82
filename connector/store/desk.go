package store

import (
	"time"

	"github.com/chartwire/chartwire/connector"
)

var (
	// A patient's threads are few, so that they are put in order as they are read: an index by time would be written with every
	// message. The two parts have no thread in common. Who waits comes first: no limit leaves them out for what is only newer.
	threadsOfPatient = sq(`SELECT * FROM (` + threadCols + `WHERE ehr_id = ?1 AND bound_hash = ?2 UNION ALL ` +
		threadCols + `WHERE ehr_id = ?1 AND named_hash = ?2) AS found ORDER BY need_at = 0, need_at, last_at DESC, id DESC LIMIT ?3`)
	threadsWaiting = sq(threadCols + `WHERE ehr_id = ?1 AND pool_hash = ?2 AND need_at > 0 AND (patience, need_at, id) > (?3, ?4, ?5)
		ORDER BY patience, need_at, id LIMIT ?6`)
)

// deskDetail is what of a desk is sealed.
type deskDetail struct {
	Pool    string             `json:",omitempty"`
	Urgency connector.Priority `json:",omitempty"`
	Asked   time.Time          `json:",omitzero"`
	Holder  string             `json:",omitempty"`
	HeldAt  time.Time          `json:",omitzero"`
	Task    string             `json:",omitempty"`
	Version int64              `json:",omitempty"`
}

func detailOf(d connector.Desk) deskDetail {
	return deskDetail{d.Pool, d.Urgency, d.Asked, d.Holder, d.HeldAt, d.Task, d.Version}
}

func (d deskDetail) desk(need, last int64) connector.Desk {
	return connector.Desk{Need: fromMicros(need), Last: fromMicros(last), Urgency: d.Urgency, Asked: d.Asked, Pool: d.Pool, Holder: d.Holder,
		HeldAt: d.HeldAt, Task: d.Task, Version: d.Version}
}

// byPatience is an urgency as the index of those that wait has it.
func byPatience(p connector.Priority) int64 { return int64(connector.Stat.Rank() - p.Rank()) }

// poolHash is never NULL: threads of no pool are looked for too.
func (t *tx) poolHash(ehr, pool string) []byte { return t.s.Lookup("pool", ehr, pool) }

// named is the hash of the reference a thread is found by while it is not bound.
func (t *tx) named(r *connector.Thread) []byte {
	if r.Bound.Reference != "" {
		return nil
	}
	return t.hash("ref", r.EHR, r.Patient.Reference)
}

// PatientThreads is connector.Tx.
func (t *tx) PatientThreads(ehr, patient string, limit int) ([]connector.Thread, error) {
	return many(t, readThread, threadsOfPatient, ehr, t.hash("ref", ehr, patient), int64(max(limit, 0)))
}

// PoolThreads is connector.Tx.
func (t *tx) PoolThreads(ehr, pool string, after connector.DeskPlace, limit int) ([]connector.Thread, error) {
	from := int64(-1)
	if after != (connector.DeskPlace{}) {
		from = byPatience(after.Urgency)
	}
	return many(t, readThread, threadsWaiting, ehr, t.poolHash(ehr, pool), from, micros(after.Need), after.Thread, int64(max(limit, 0)))
}
