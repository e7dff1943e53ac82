package store

import "github.com/chartwire/chartwire/connector"

var (
	probePut = sq(`INSERT INTO probe (ehr_id, id, outcome) VALUES (?1, ?2, ?3)
		ON CONFLICT (ehr_id, id) DO UPDATE SET outcome = excluded.outcome`)
	probeLast = sq(`SELECT id, outcome FROM probe WHERE ehr_id = ?1 ORDER BY id DESC LIMIT 1`)
)

func probePlace(ehr, id string) place { return place{ehr, "", "probe", id} }

// PutProbe is connector.Tx: it inserts or updates by ID.
func (t *tx) PutProbe(p connector.Probe) error {
	sealed, err := t.seal(probePlace(p.EHR, p.ID), "outcome", p)
	if err != nil {
		return err
	}
	return t.exec(probePut, p.EHR, p.ID, sealed)
}

// LastProbe is connector.Tx.
func (t *tx) LastProbe(ehr string) (connector.Probe, error) {
	var (
		id     string
		sealed []byte
		p      connector.Probe
	)
	if err := t.single(probeLast, []any{ehr}, &id, &sealed); err != nil {
		return p, err
	}
	err := t.open(probePlace(ehr, id), "outcome", sealed, &p)
	p.EHR = ehr
	return p, err
}
