package store

import (
	"encoding/hex"

	"github.com/chartwire/chartwire/connector"
)

var (
	consentPut = sq(`INSERT INTO consent (ehr_id, channel, person_hash, consent) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (ehr_id, channel, person_hash) DO UPDATE SET consent = excluded.consent`)
	consentGet = sq(`SELECT consent FROM consent WHERE ehr_id = ?1 AND channel = ?2 AND person_hash = ?3`)
)

// consentPlace names a consent by its channel and its person's hash.
func consentPlace(ehr, channel string, person []byte) place {
	return place{ehr, "", "consent", channel + "/" + hex.EncodeToString(person)}
}

func (t *tx) Consent(ehr, channel, person string) (connector.ConsentRow, error) {
	h := t.s.Lookup("person", ehr, channel, person)
	r := connector.ConsentRow{EHR: ehr, Channel: channel, Person: person}
	var sealed []byte
	if err := t.single(consentGet, []any{ehr, channel, h}, &sealed); err != nil {
		return r, err
	}
	return r, t.open(consentPlace(ehr, channel, h), "consent", sealed, &r.Consent)
}

func (t *tx) PutConsent(r connector.ConsentRow) error {
	h := t.s.Lookup("person", r.EHR, r.Channel, r.Person)
	sealed, err := t.seal(consentPlace(r.EHR, r.Channel, h), "consent", r.Consent)
	if err != nil {
		return err
	}
	return t.exec(consentPut, r.EHR, r.Channel, h, sealed)
}
