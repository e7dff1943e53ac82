package adt

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/adapters/ehr/hl7v2"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
)

// EHR is an hl7v2 connection whose patients and visits are those an ADT feed has told of. It is safe for concurrent use.
type EHR struct {
	*hl7v2.EHR
	store connector.Store
	id    string
	names names
}

// The ports it has besides those of the connection.
var (
	_ connector.EncounterFinder = (*EHR)(nil)
	_ connector.PatientAwaiter  = (*EHR)(nil)
)

// Over gives the connection with its patients in a store. id is its ehr_id; authorities are those of the channel's systems.
func Over(e *hl7v2.EHR, store connector.Store, id string, authorities map[string]filing.Authority) *EHR {
	return &EHR{EHR: e, store: store, id: id, names: authorities}
}

// Match finds the patient among those the feed has told of. ErrNoMatch: it has told of none of the identifiers. ErrAmbiguous: of
// several patients, or of one who has another number of the same authority. One who was merged into another counts as the
// other only where the channel names both; by the old number alone it is the old patient, replaced.
func (e *EHR) Match(ctx context.Context, k connector.PatientKey) (connector.Patient, error) {
	var found connector.Patient
	err := e.store.View(ctx, func(tx connector.Tx) (err error) {
		if len(k.Identifiers) == 0 && k.Reference != "" {
			found, err = e.Stored(tx, k.Reference)
			return err
		}
		p, err := e.match(tx.ADTPatients, identifiers(filing.Assigned(e.names, k)))
		found = e.patient(p)
		return err
	})
	switch {
	case errors.Is(err, connector.ErrNoMatch), errors.Is(err, connector.ErrAmbiguous):
		return connector.Patient{}, err
	case err != nil:
		return connector.Patient{}, &connector.Retry{Reason: connector.EHRUnavailable, Cause: err}
	}
	return found, nil
}

// Stored is connector.PatientAwaiter.
func (e *EHR) Stored(tx connector.Tx, reference string) (connector.Patient, error) {
	found, err := e.match(tx.HoldADTPatients, []connector.ADTIdentifier{{Reference: reference}})
	p := e.patient(found)
	p.Reference = reference // a patient may be asked for by the reference of another identifier than the first
	return p, err
}

// reader gives the patients who have an identifier which makes a reference: connector.ADTIndex's, or those it holds.
type reader func(ehr, reference string) ([]connector.ADTPatient, error)

func (e *EHR) match(read reader, wanted []connector.ADTIdentifier) (connector.ADTPatient, error) {
	hits := map[string]connector.ADTPatient{}
	var unknown []connector.ADTIdentifier
	for _, w := range wanted {
		all, err := read(e.id, w.Reference)
		if err != nil {
			return connector.ADTPatient{}, err
		}
		if len(all) == 0 {
			unknown = append(unknown, w)
		}
		for _, p := range all {
			hits[p.Reference] = p
		}
	}
	for _, p := range slices.Collect(maps.Values(hits)) {
		if p.ReplacedBy == "" {
			continue
		}
		into, err := survivor(read, p)
		if err != nil {
			return p, err
		}
		if _, named := hits[into]; named && into != p.Reference {
			delete(hits, p.Reference)
		}
	}
	if len(hits) == 0 {
		return connector.ADTPatient{}, connector.ErrNoMatch
	}
	for _, p := range hits {
		if len(hits) == 1 && !contradicts(unknown, p.Identifiers) {
			return p, nil
		}
	}
	return connector.ADTPatient{}, connector.ErrAmbiguous
}

// mergesDeep bounds a chain of merges, so that one that leads back to its beginning ends.
const mergesDeep = 50

// survivor is the reference of the patient that one was merged into in the end; their own where they were not.
func survivor(read reader, p connector.ADTPatient) (string, error) {
	at := p.Reference
	for range mergesDeep {
		if p.ReplacedBy == "" {
			break
		}
		at = p.ReplacedBy
		all, err := read(p.EHR, at)
		if err != nil {
			return "", err
		}
		i := slices.IndexFunc(all, func(q connector.ADTPatient) bool { return q.Reference == at })
		if i < 0 {
			break
		}
		p = all[i]
	}
	return at, nil
}

// patient is what deliver compares.
func (e *EHR) patient(p connector.ADTPatient) connector.Patient {
	out := connector.Patient{Reference: p.Reference, Version: p.SaidAt.UTC().Format("20060102150405"), Active: p.ReplacedBy == "", ReplacedBy: p.ReplacedBy,
		Names: p.Names, BirthDate: p.BirthDate, Phones: p.Phones}
	for _, i := range p.Identifiers {
		if system := e.names.system(filing.Authority{Namespace: i.Namespace, Type: i.Type}); system != "" {
			out.Identifiers = append(out.Identifiers, connector.Identifier{System: system, Value: i.Value})
		}
	}
	return out
}

// Encounters gives the visits the feed has told of as that patient's: the one the platform named, open or closed, or all. Those of
// a patient who was merged into this one are found by their number.
func (e *EHR) Encounters(ctx context.Context, q connector.EncounterQuery) ([]connector.Encounter, error) {
	var out []connector.Encounter
	err := e.store.View(ctx, func(tx connector.Tx) error {
		visits, err := e.visits(tx, q)
		out = nil
		for _, v := range visits {
			out = append(out, e.encounter(v))
		}
		return err
	})
	if err != nil {
		return nil, &connector.Retry{Reason: connector.EHRUnavailable, Cause: err}
	}
	return out, nil
}

func (e *EHR) visits(tx connector.Tx, q connector.EncounterQuery) ([]connector.ADTVisit, error) {
	known, err := tx.ADTPatients(e.id, q.Patient)
	if err != nil {
		return nil, err
	}
	if q.Reference != "" {
		return theirVisit(tx, e.id, q.Patient, q.Reference, known)
	}
	if q.Visit.IsZero() {
		var all []connector.ADTVisit
		for _, p := range known {
			theirs, err := tx.ADTVisits(e.id, p.Reference)
			if err != nil {
				return nil, err
			}
			all = append(all, theirs...)
		}
		return all, nil
	}
	a, ok := e.names[q.Visit.System]
	if !ok || a.Type != filing.VisitNumber {
		return nil, nil
	}
	named := filing.VisitReference(hl7.CX{ID: q.Visit.Value, Authority: hl7.HD{Namespace: a.Namespace}})
	return theirVisit(tx, e.id, q.Patient, named, known)
}

// theirVisit gives a visit by its reference, where it is one of a patient's whom these records are of.
func theirVisit(tx connector.Tx, ehr, patient, reference string, known []connector.ADTPatient) ([]connector.ADTVisit, error) {
	v, err := tx.ADTVisit(ehr, reference)
	if errors.Is(err, connector.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	whose, err := survivor(tx.ADTPatients, connector.ADTPatient{EHR: ehr, Reference: patient, ReplacedBy: v.Patient})
	if err != nil || !slices.ContainsFunc(known, func(p connector.ADTPatient) bool { return p.Reference == whose }) {
		return nil, err
	}
	return []connector.ADTVisit{v}, nil
}

// encounter is what a choice among visits depends on.
func (e *EHR) encounter(v connector.ADTVisit) connector.Encounter {
	out := connector.Encounter{Reference: v.Reference, Status: "finished", Start: v.Began}
	if v.Open {
		out.Status = "in-progress"
	}
	if system := e.names.system(filing.Authority{Namespace: v.Namespace, Type: filing.VisitNumber}); system != "" {
		out.Identifiers = []connector.Identifier{{System: system, Value: v.Number}}
	}
	return out
}

// Awaits gives the references by which news of this patient wakes who waits for it.
func (e *EHR) Awaits(k connector.PatientKey) []string {
	if len(k.Identifiers) == 0 {
		if !strings.HasPrefix(k.Reference, "Patient/") {
			return nil
		}
		return []string{k.Reference}
	}
	var out []string
	for _, c := range filing.Assigned(e.names, k) {
		out = append(out, filing.PatientReference(c))
	}
	return out
}
