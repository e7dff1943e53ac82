package store

import (
	"errors"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// What open pages show is asked for several times a second, and mostly nothing has changed: these statements read ids and
// versions alone. Postgres is asked once for all of it; SQLite, where a question costs no round trip, for each.
var (
	versionsOfPatient = `SELECT id, version FROM (SELECT id, version, need_at, last_at FROM thread WHERE ehr_id = ?1 AND bound_hash = {of}
		UNION ALL SELECT id, version, need_at, last_at FROM thread WHERE ehr_id = ?1 AND named_hash = {of}) AS found
		ORDER BY need_at = 0, need_at, last_at DESC, id DESC LIMIT `
	versionsOfPool = `SELECT id, version FROM thread WHERE ehr_id = ?1 AND pool_hash = {of} AND need_at > 0
		ORDER BY patience, need_at, id LIMIT `

	threadVersion   = sq(`SELECT id, version FROM thread WHERE ehr_id = ?1 AND id = ?2`)
	patientVersions = sq(listOf(versionsOfPatient, "?2") + "?3")
	poolVersions    = sq(listOf(versionsOfPool, "?2") + "?3")
	shownVersions   = sq(`SELECT 0, 0, id, version FROM thread WHERE ehr_id = ?1 AND id = ANY(CAST(?2 AS TEXT[])) UNION ALL
		SELECT 1, p.no, f.id, f.version FROM unnest(CAST(?3 AS BYTEA[])) WITH ORDINALITY AS p (hash, no),
		LATERAL (` + listOf(versionsOfPatient, "p.hash") + `?5) AS f UNION ALL
		SELECT 2, p.no, f.id, f.version FROM unnest(CAST(?4 AS BYTEA[])) WITH ORDINALITY AS p (hash, no),
		LATERAL (` + listOf(versionsOfPool, "p.hash") + `?6) AS f`)

	sessionVersion  = sq(`SELECT id, version FROM inbox_session WHERE ehr_id = ?1 AND id = ?2`)
	sessionVersions = sq(`SELECT id, version FROM inbox_session WHERE ehr_id = ?1 AND id = ANY(CAST(?2 AS TEXT[]))`)
)

// listOf says in a statement whose list it reads.
func listOf(text, whose string) string { return strings.ReplaceAll(text, "{of}", whose) }

// Versions is connector.Tx.
func (t *tx) Versions(ehr string, of connector.Shown) (connector.ShownVersions, error) {
	var patients, pools [][]byte
	for _, p := range of.Patients {
		patients = append(patients, t.hash("ref", ehr, p))
	}
	for _, p := range of.Pools {
		pools = append(pools, t.poolHash(ehr, p))
	}
	perPatient, perPool := int64(max(of.PerPatient, 0)), int64(max(of.PerPool, 0))
	out := connector.ShownVersions{Threads: map[string]int64{}, Patients: map[string]map[string]int64{}, Pools: map[string]map[string]int64{}}
	if _, ok := t.db.eng.(*postgres); ok {
		return out, t.rows(shownVersions, []any{ehr, of.Threads, patients, pools, perPatient, perPool}, func(scan func(...any) error) error {
			var kind, no, version int64
			var id string
			if err := scan(&kind, &no, &id, &version); err != nil {
				return err
			}
			switch kind {
			case 1:
				noted(out.Patients, of.Patients[no-1])[id] = version
			case 2:
				noted(out.Pools, of.Pools[no-1])[id] = version
			default:
				out.Threads[id] = version
			}
			return nil
		})
	}
	err := t.versions(threadVersion, ehr, of.Threads, out.Threads)
	for n, p := range of.Patients {
		err = errors.Join(err, t.rows(patientVersions, []any{ehr, patients[n], perPatient}, into(func() map[string]int64 { return noted(out.Patients, p) })))
	}
	for n, p := range of.Pools {
		err = errors.Join(err, t.rows(poolVersions, []any{ehr, pools[n], perPool}, into(func() map[string]int64 { return noted(out.Pools, p) })))
	}
	return out, err
}

// noted gives the list of a patient or a pool, which is there from now on.
func noted(all map[string]map[string]int64, of string) map[string]int64 {
	if all[of] == nil {
		all[of] = map[string]int64{}
	}
	return all[of]
}

// into reads ids and versions into a map, which is made with the first.
func into(list func() map[string]int64) func(scan func(...any) error) error {
	return func(scan func(...any) error) error {
		var id string
		var version int64
		err := scan(&id, &version)
		list()[id] = version
		return err
	}
}

// versions reads the versions of single rows.
func (t *tx) versions(q *query, ehr string, ids []string, out map[string]int64) (err error) {
	for _, id := range ids {
		err = errors.Join(err, t.rows(q, []any{ehr, id}, into(func() map[string]int64 { return out })))
	}
	return err
}

// SessionVersions is connector.Tx.
func (t *tx) SessionVersions(ehr string, ids []string) (map[string]int64, error) {
	out := make(map[string]int64, len(ids))
	if _, ok := t.db.eng.(*postgres); ok {
		return out, t.rows(sessionVersions, []any{ehr, ids}, into(func() map[string]int64 { return out }))
	}
	return out, t.versions(sessionVersion, ehr, ids, out)
}
