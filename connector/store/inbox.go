package store

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var (
	launchPut  = sq(`INSERT INTO inbox_launch (ehr_id, state_hash, expires_at, body) VALUES (?1, ?2, ?3, ?4)`)
	launchGet  = sqRow(`SELECT expires_at, body FROM inbox_launch WHERE ehr_id = ?1 AND state_hash = ?2`)
	launchDrop = sq(`DELETE FROM inbox_launch WHERE ehr_id = ?1 AND state_hash = ?2`)
	launchOld  = sq(`DELETE FROM inbox_launch WHERE ehr_id = ?1 AND state_hash IN
		(SELECT state_hash FROM inbox_launch WHERE ehr_id = ?1 AND expires_at < ?2 ORDER BY expires_at LIMIT ?3)`)

	sessionCols = `SELECT ehr_id, id, created_at, seen_at, ended_at, version, head, body FROM inbox_session `
	sessionByID = sqRow(sessionCols + `WHERE ehr_id = ?1 AND id = ?2`)
	sessionsOf  = sq(sessionCols + `WHERE ehr_id = ?1 AND user_hash = ?2 AND ended_at = 0 ORDER BY id`)
	sessionLeft = sq(sessionCols + `WHERE ehr_id = ?1 AND seen_at < ?2 AND ended_at = 0 ORDER BY seen_at LIMIT ?3`)
	sessionNew  = sqOne(`INSERT INTO inbox_session (ehr_id, id, created_at, seen_at, ended_at, version, head, body, user_hash)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (ehr_id, id) DO NOTHING`)
	sessionPut = sqOne(`UPDATE inbox_session SET created_at = ?3, seen_at = ?4, ended_at = ?5, version = ?6, head = ?7, body = ?8,
		user_hash = ?9 WHERE ehr_id = ?1 AND id = ?2 AND version = ?6 - 1`)
	sessionOld = sq(`DELETE FROM inbox_session WHERE ehr_id = ?1 AND id IN
		(SELECT id FROM inbox_session WHERE ehr_id = ?1 AND seen_at < ?2 AND ended_at < ?2 ORDER BY seen_at LIMIT ?3)`)

	draftCols      = `SELECT ehr_id, id, thread_id, send_at, sending, updated_at, version, head, body FROM draft `
	draftByID      = sqRow(draftCols + `WHERE ehr_id = ?1 AND id = ?2`)
	draftsOfThread = sq(draftCols + `WHERE ehr_id = ?1 AND thread_id = ?2 AND thread_id <> '' ORDER BY id`)
	draftsOf       = sq(draftCols + `WHERE ehr_id = ?1 AND patient_hash = ?2 ORDER BY id`)
	draftsDue      = sq(draftCols + `WHERE ehr_id = ?1 AND send_at > 0 AND send_at <= ?2 ORDER BY send_at, id LIMIT ?3`)
	draftNext      = sq(`SELECT send_at FROM draft WHERE ehr_id = ?1 AND send_at > 0 ORDER BY send_at LIMIT 1`)
	draftNew       = sqOne(`INSERT INTO draft (ehr_id, id, thread_id, send_at, sending, updated_at, version, head, body, patient_hash, user_hash)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (ehr_id, id) DO NOTHING`)
	draftPut = sqOne(`UPDATE draft SET thread_id = ?3, send_at = ?4, sending = ?5, updated_at = ?6, version = ?7, head = ?8, body = ?9,
		patient_hash = ?10, user_hash = ?11 WHERE ehr_id = ?1 AND id = ?2 AND version = ?7 - 1`)
	draftDrop     = sq(`DELETE FROM draft WHERE ehr_id = ?1 AND id = ?2`)
	draftBlobDrop = sq(`DELETE FROM blob WHERE ehr_id = ?1 AND message_id = ?2 AND thread_id = ''`)
)

func launchPlace(ehr string, state []byte) place {
	return place{ehr, "", "inbox_launch", hex.EncodeToString(state)}
}

// PutLaunch is connector.Tx. A state that is there already is an error.
func (t *tx) PutLaunch(r connector.LaunchRow) error {
	h := t.s.Lookup("launch", r.EHR, r.State)
	return t.exec(launchPut, r.EHR, h, micros(r.ExpiresAt), t.sealBytes(launchPlace(r.EHR, h), "body", notNil(r.Body)))
}

// TakeLaunch is connector.Tx.
func (t *tx) TakeLaunch(ehr, state string) (connector.LaunchRow, error) {
	h := t.s.Lookup("launch", ehr, state)
	r := connector.LaunchRow{State: state, EHR: ehr}
	var at int64
	var body []byte
	if err := t.single(launchGet.in(t), []any{ehr, h}, &at, &body); err != nil {
		return r, err
	}
	var err error
	r.ExpiresAt = fromMicros(at)
	r.Body, err = t.openBytes(launchPlace(ehr, h), "body", body)
	return r, errors.Join(err, t.exec(launchDrop, ehr, h))
}

// sessionHead is what of a session is sealed besides its body.
type sessionHead struct{ Handle, User, Person, Why string }

func sessionPlace(r *connector.SessionRow) place { return place{r.EHR, "", "inbox_session", r.ID} }

// PutSession is connector.Tx.
func (t *tx) PutSession(r *connector.SessionRow) error {
	p := sessionPlace(r)
	head, err := t.seal(p, "head", sessionHead{r.Handle, r.User, r.Person, r.Why})
	if err != nil {
		return err
	}
	n, err := t.execN(firstOr(r.Version, sessionNew, sessionPut), r.EHR, r.ID, micros(r.CreatedAt), micros(r.SeenAt), micros(r.EndedAt), r.Version+1, head,
		t.sealBytes(p, "body", notNil(r.Body)), t.hash("ref", r.EHR, cmp.Or(r.Person, r.User)))
	return grown("session", r.ID, &r.Version, n, err)
}

// firstOr gives the statement for a row of this version. One that was written before and is gone stays gone.
func firstOr(version int64, first, again *query) *query {
	if version == 0 {
		return first
	}
	return again
}

// grown says what a write that asks for the version has come to.
func grown(what, id string, version *int64, n int64, err error) error {
	if err == nil && n == 0 {
		return fmt.Errorf("store: %s %s: %w", what, id, connector.ErrStale)
	}
	if err == nil {
		*version++
	}
	return err
}

func readSession(t *tx, scan func(...any) error) (connector.SessionRow, error) {
	var (
		r                    connector.SessionRow
		created, seen, ended int64
		head, body           []byte
		h                    sessionHead
	)
	if err := scan(&r.EHR, &r.ID, &created, &seen, &ended, &r.Version, &head, &body); err != nil {
		return r, err
	}
	r.CreatedAt, r.SeenAt, r.EndedAt = fromMicros(created), fromMicros(seen), fromMicros(ended)
	p := sessionPlace(&r)
	err := t.open(p, "head", head, &h)
	r.Handle, r.User, r.Person, r.Why = h.Handle, h.User, h.Person, h.Why
	var e error
	r.Body, e = t.openBytes(p, "body", body)
	return r, errors.Join(err, e)
}

// Session is connector.Tx.
func (t *tx) Session(ehr, id string) (connector.SessionRow, error) {
	return one(t, readSession, sessionByID, ehr, id)
}

// SessionsOf is connector.Tx.
func (t *tx) SessionsOf(ehr, person string) ([]connector.SessionRow, error) {
	return many(t, readSession, sessionsOf, ehr, t.hash("ref", ehr, person))
}

// SessionsLeft is connector.Tx.
func (t *tx) SessionsLeft(ehr string, before time.Time, limit int) ([]connector.SessionRow, error) {
	return many(t, readSession, sessionLeft, ehr, micros(before), int64(max(limit, 0)))
}

// ForgetLaunches is connector.Tx.
func (t *tx) ForgetLaunches(before time.Time, limit int) (int, error) {
	return t.forget(launchOld, before, limit)
}

// ForgetSessions is connector.Tx.
func (t *tx) ForgetSessions(before time.Time, limit int) (int, error) {
	return t.forget(sessionOld, before, limit)
}

// forget removes what is over of every EHR connection, of each at most limit, and says how many of the one that had most.
func (t *tx) forget(q *query, before time.Time, limit int) (most int, err error) {
	ehrs, err := t.ehrs()
	if err != nil {
		return 0, err
	}
	for _, ehr := range ehrs {
		n, err := t.execN(q, ehr, micros(before), int64(max(limit, 0)))
		if err != nil {
			return most, err
		}
		most = max(most, int(n))
	}
	return most, nil
}

// draftHead is what of a draft is sealed besides its body.
type draftHead struct{ Patient, User string }

// draftPlace leaves the thread out: a draft goes with its thread when that is merged into another.
func draftPlace(r *connector.DraftRow) place { return place{r.EHR, "", "draft", r.ID} }

// PutDraft is connector.Tx.
func (t *tx) PutDraft(r *connector.DraftRow) error {
	p := draftPlace(r)
	head, err := t.seal(p, "head", draftHead{r.Patient, r.User})
	if err != nil {
		return err
	}
	n, err := t.execN(firstOr(r.Version, draftNew, draftPut), r.EHR, r.ID, r.Thread, micros(r.SendAt), bit(r.Sending), micros(r.UpdatedAt), r.Version+1, head,
		t.sealBytes(p, "body", notNil(r.Body)), t.hash("ref", r.EHR, r.Patient), t.hash("ref", r.EHR, r.User))
	return grown("draft", r.ID, &r.Version, n, err)
}

func readDraft(t *tx, scan func(...any) error) (connector.DraftRow, error) {
	var (
		r                      connector.DraftRow
		send, sending, updated int64
		head, body             []byte
		h                      draftHead
	)
	if err := scan(&r.EHR, &r.ID, &r.Thread, &send, &sending, &updated, &r.Version, &head, &body); err != nil {
		return r, err
	}
	r.SendAt, r.Sending, r.UpdatedAt = fromMicros(send), sending == 1, fromMicros(updated)
	p := draftPlace(&r)
	err := t.open(p, "head", head, &h)
	r.Patient, r.User = h.Patient, h.User
	var e error
	r.Body, e = t.openBytes(p, "body", body)
	return r, errors.Join(err, e)
}

// Draft is connector.Tx.
func (t *tx) Draft(ehr, id string) (connector.DraftRow, error) {
	return one(t, readDraft, draftByID, ehr, id)
}

// DropDraft is connector.Tx.
func (t *tx) DropDraft(ehr, id string) error {
	return errors.Join(t.exec(draftBlobDrop, ehr, id), t.exec(draftDrop, ehr, id))
}

// ThreadDrafts is connector.Tx.
func (t *tx) ThreadDrafts(ehr, thread string) ([]connector.DraftRow, error) {
	return many(t, readDraft, draftsOfThread, ehr, thread)
}

// PatientDrafts is connector.Tx.
func (t *tx) PatientDrafts(ehr, patient string) ([]connector.DraftRow, error) {
	return many(t, readDraft, draftsOf, ehr, t.hash("ref", ehr, patient))
}

// DueDrafts is connector.Tx.
func (t *tx) DueDrafts(ehr string, now time.Time, limit int) ([]connector.DraftRow, error) {
	return many(t, readDraft, draftsDue, ehr, micros(now), int64(max(limit, 0)))
}

// NextDraft is connector.Tx.
func (t *tx) NextDraft(ehr string) (time.Time, bool, error) {
	var at int64
	err := t.single(draftNext, []any{ehr}, &at)
	if errors.Is(err, connector.ErrNotFound) {
		return time.Time{}, false, nil
	}
	return fromMicros(at), err == nil, err
}
