package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

const adtPatientsOf = `SELECT ref_hash, patient FROM adt_patient WHERE ehr_id = ?1
	AND ref_hash IN (SELECT i.ref_hash FROM adt_identifier AS i WHERE i.ehr_id = ?1 AND i.id_hash = ?2)`

var (
	adtMessageKnown = sqRow(`SELECT digest FROM adt_message WHERE ehr_id = ?1 AND control_hash = ?2`)
	adtMessagePut   = sq(`INSERT INTO adt_message (ehr_id, control_hash, digest, received_at) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (ehr_id, control_hash) DO UPDATE SET digest = excluded.digest, received_at = excluded.received_at`)
	adtMessageDrop = sq(`DELETE FROM adt_message WHERE ehr_id = ?1 AND received_at < ?2`)

	adtPatients     = sqRow(adtPatientsOf)
	adtPatientsHeld = sqHeld(adtPatientsOf)
	adtPatientPut   = sq(`INSERT INTO adt_patient (ehr_id, ref_hash, said_at, patient) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (ehr_id, ref_hash) DO UPDATE SET said_at = excluded.said_at, patient = excluded.patient`)
	adtIdentifiersDrop = sq(`DELETE FROM adt_identifier WHERE ehr_id = ?1 AND ref_hash = ?2`)
	adtIdentifierPut   = sq(`INSERT INTO adt_identifier (ehr_id, id_hash, ref_hash) VALUES (?1, ?2, ?3)
		ON CONFLICT (ehr_id, id_hash, ref_hash) DO NOTHING`)

	adtVisitCols  = `SELECT ref_hash, visit FROM adt_visit `
	adtVisitByRef = sqRow(adtVisitCols + `WHERE ehr_id = ?1 AND ref_hash = ?2`)
	adtVisitsOf   = sq(adtVisitCols + `WHERE ehr_id = ?1 AND patient_hash = ?2`)
	adtVisitPut   = sq(`INSERT INTO adt_visit (ehr_id, ref_hash, patient_hash, said_at, visit) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (ehr_id, ref_hash) DO UPDATE SET patient_hash = excluded.patient_hash, said_at = excluded.said_at, visit = excluded.visit`)

	adtWaitPut = sq(`INSERT INTO adt_wait (ehr_id, id_hash, thread_id) VALUES (?1, ?2, ?3)
		ON CONFLICT (ehr_id, id_hash, thread_id) DO NOTHING`)
	// adtWake leaves a lane alone that is gone: its thread became part of another one.
	adtWake = sq(`UPDATE lane SET next_at = CASE WHEN CAST(?3 AS BIGINT) < next_at THEN CAST(?3 AS BIGINT) ELSE next_at END, touched = touched + 1
		WHERE ehr_id = ?1 AND kind = ?4 AND thread_id IN (SELECT w.thread_id FROM adt_wait AS w WHERE w.ehr_id = ?1 AND w.id_hash = ?2)`)
	adtWaitDrop = sq(`DELETE FROM adt_wait WHERE ehr_id = ?1 AND id_hash = ?2`)
)

// InsertADTMessage is connector.Tx. Two replicas that take a message for the first time at the same moment may both be told that
// it is new: what a message says is the same said twice.
func (t *tx) InsertADTMessage(ehr, control string, message []byte, now time.Time, keep time.Duration) (bool, error) {
	key, digest := t.s.Lookup("adt message", ehr, control), t.s.Lookup("adt bytes", ehr, string(message))
	var before []byte
	err := t.single(adtMessageKnown.in(t), []any{ehr, key}, &before)
	if err != nil && !errors.Is(err, connector.ErrNotFound) {
		return false, err
	}
	if bytes.Equal(before, digest) {
		return false, nil
	}
	if err := t.exec(adtMessagePut, ehr, key, digest, micros(now)); err != nil {
		return false, err
	}
	return true, t.exec(adtMessageDrop, ehr, micros(now.Add(-keep)))
}

func adtPlace(ehr, table string, hash []byte) place {
	return place{ehr, "", table, hex.EncodeToString(hash)}
}

// ADTPatients is connector.Tx.
func (t *tx) ADTPatients(ehr, reference string) ([]connector.ADTPatient, error) {
	return t.adtPatients(adtPatients, ehr, reference)
}

// HoldADTPatients is connector.Tx.
func (t *tx) HoldADTPatients(ehr, reference string) ([]connector.ADTPatient, error) {
	return t.adtPatients(adtPatientsHeld, ehr, reference)
}

func (t *tx) adtPatients(q *query, ehr, reference string) ([]connector.ADTPatient, error) {
	return many(t, func(t *tx, scan func(...any) error) (p connector.ADTPatient, err error) {
		var hash, sealed []byte
		if err := scan(&hash, &sealed); err != nil {
			return p, err
		}
		err = t.open(adtPlace(ehr, "adt_patient", hash), "patient", sealed, &p)
		return p, err
	}, q.in(t), ehr, t.hash("ref", ehr, reference))
}

// PutADTPatient is connector.Tx.
func (t *tx) PutADTPatient(p connector.ADTPatient) error {
	hash := t.s.Lookup("ref", p.EHR, p.Reference)
	sealed, err := t.seal(adtPlace(p.EHR, "adt_patient", hash), "patient", p)
	if err != nil {
		return err
	}
	err = errors.Join(t.exec(adtPatientPut, p.EHR, hash, micros(p.SaidAt), sealed), t.exec(adtIdentifiersDrop, p.EHR, hash))
	for _, id := range p.Identifiers {
		err = errors.Join(err, t.exec(adtIdentifierPut, p.EHR, t.s.Lookup("ref", p.EHR, id.Reference), hash))
	}
	return err
}

func readADTVisit(ehr string) func(t *tx, scan func(...any) error) (connector.ADTVisit, error) {
	return func(t *tx, scan func(...any) error) (v connector.ADTVisit, err error) {
		var hash, sealed []byte
		if err := scan(&hash, &sealed); err != nil {
			return v, err
		}
		err = t.open(adtPlace(ehr, "adt_visit", hash), "visit", sealed, &v)
		return v, err
	}
}

// ADTVisit is connector.Tx.
func (t *tx) ADTVisit(ehr, reference string) (connector.ADTVisit, error) {
	return one(t, readADTVisit(ehr), adtVisitByRef, ehr, t.hash("ref", ehr, reference))
}

// ADTVisits is connector.Tx.
func (t *tx) ADTVisits(ehr, patient string) ([]connector.ADTVisit, error) {
	return many(t, readADTVisit(ehr), adtVisitsOf, ehr, t.hash("ref", ehr, patient))
}

// PutADTVisit is connector.Tx: it inserts or replaces by Reference.
func (t *tx) PutADTVisit(v connector.ADTVisit) error {
	hash := t.s.Lookup("ref", v.EHR, v.Reference)
	sealed, err := t.seal(adtPlace(v.EHR, "adt_visit", hash), "visit", v)
	if err != nil {
		return err
	}
	return t.exec(adtVisitPut, v.EHR, hash, t.s.Lookup("ref", v.EHR, v.Patient), micros(v.SaidAt), sealed)
}

// AwaitPatient is connector.Tx.
func (t *tx) AwaitPatient(ehr, thread string, references []string) error {
	for _, r := range references {
		if err := t.exec(adtWaitPut, ehr, t.s.Lookup("ref", ehr, r), thread); err != nil {
			return err
		}
	}
	return nil
}

// WakeAwaiting is connector.Tx. It reads the notes of these references and no backlog.
func (t *tx) WakeAwaiting(ehr string, references []string, now time.Time) error {
	for _, r := range references {
		hash := t.s.Lookup("ref", ehr, r)
		if err := errors.Join(t.exec(adtWake, ehr, hash, now.UnixMicro(), string(connector.LaneChart)), t.exec(adtWaitDrop, ehr, hash)); err != nil {
			return err
		}
	}
	t.ring(touched{ehr, connector.LaneChart})
	return nil
}
