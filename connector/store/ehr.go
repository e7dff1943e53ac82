package store

import "github.com/chartwire/chartwire/connector"

var (
	metaGet = sq(`SELECT value FROM meta WHERE key = ?1`)
	metaPut = sq(`INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`)

	ehrCols   = `SELECT ehr_id, name, paused, paused_at, find_proven, cursor_at FROM ehr `
	ehrByName = sq(ehrCols + `WHERE name = ?1`)
	ehrByID   = sq(ehrCols + `WHERE ehr_id = ?1`)
	ehrIDs    = sq(`SELECT ehr_id FROM ehr ORDER BY ehr_id`)
	ehrPut    = sq(`INSERT INTO ehr (ehr_id, name, paused, paused_at, find_proven, cursor_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT (ehr_id) DO UPDATE SET name = excluded.name, paused = excluded.paused, paused_at = excluded.paused_at,
		find_proven = excluded.find_proven, cursor_at = excluded.cursor_at`)
)

func (t *tx) Meta(key string) (string, error) {
	var v string
	err := t.single(metaGet, []any{key}, &v)
	return v, err
}

func (t *tx) PutMeta(key, value string) error { return t.exec(metaPut, key, value) }

func readEHR(_ *tx, scan func(...any) error) (connector.EHRRow, error) {
	var (
		r                connector.EHRRow
		paused           string
		at, proven, curs int64
	)
	err := scan(&r.ID, &r.Name, &paused, &at, &proven, &curs)
	r.Paused, r.PausedAt, r.FindProven, r.Cursor = connector.Reason(paused), fromMicros(at), proven == 1, fromMicros(curs)
	return r, err
}

func (t *tx) EHRByName(name string) (connector.EHRRow, error) {
	return one(t, readEHR, ehrByName, name)
}
func (t *tx) EHR(id string) (connector.EHRRow, error) { return one(t, readEHR, ehrByID, id) }

// PutEHR also wakes claimers: the connection may have been resumed.
func (t *tx) PutEHR(r connector.EHRRow) error {
	t.ring(touched{ehr: r.ID})
	return t.exec(ehrPut, r.ID, r.Name, string(r.Paused), micros(r.PausedAt), bit(r.FindProven), micros(r.Cursor))
}

// ehrs lists the tenants.
func (t *tx) ehrs() ([]string, error) {
	return many(t, readText, ehrIDs)
}

// ring wakes claimers of lanes after the commit.
func (t *tx) ring(what touched) {
	if t.bells == nil {
		t.bells = map[touched]bool{}
	}
	t.bells[what] = true
}
