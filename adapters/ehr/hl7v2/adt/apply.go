package adt

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
)

const merges = "A40"

// step is the commit of one message.
type step struct {
	f    *Feed
	tx   connector.Tx
	msg  hl7.ADT
	at   time.Time // when the news was recorded
	now  time.Time
	woke []string // the references by which somebody may wait for what has changed
}

// What became of one patient of a message, for the audit log.
const (
	applied    = "applied"
	older      = "older"       // something newer is kept
	mergedAway = "merged-away" // the patient was merged into another one before
	notOurs    = "not-ours"    // no configured authority gave an identifier of the patient, or only those that are merged away
)

func (s *step) apply() error {
	for _, p := range s.msg.Patients {
		if err := s.patient(p); err != nil {
			return err
		}
	}
	return s.tx.WakeAwaiting(s.f.o.ID, s.woke, s.now)
}

// patient takes what a message says of one patient.
func (s *step) patient(p hl7.ADTPatient) error {
	prior := s.f.names.patients(p.Prior)
	// A survivor that lists the number it replaces does not have it: what is filed under that is held.
	ids := without(s.f.names.patients(p.Patient.Identifiers), prior)
	if len(ids) == 0 {
		return s.audit("E", notOurs, "", "")
	}
	row, known, err := s.find(ids, prior)
	if err != nil {
		return err
	}
	if row.ReplacedBy != "" {
		if s.msg.Header.Event != merges {
			return s.audit("E", mergedAway, row.Reference, "")
		}
		if !s.at.Before(row.MergedAt) { // it was the other way round, or was undone so
			row.ReplacedBy, row.MergedAt = "", time.Time{}
		}
	}
	outcome := older
	if !known || !s.at.Before(row.SaidAt) {
		outcome = applied
		if err := s.update(&row, ids, p.Patient); err != nil {
			return err
		}
	}
	row.Identifiers = without(row.Identifiers, prior)
	act := "U"
	if !known {
		act = "C"
	}
	if err := errors.Join(s.put(row), s.audit(act, outcome, row.Reference, "")); err != nil {
		return err
	}
	if err := s.merge(row, prior); err != nil {
		return err
	}
	return s.visit(row, p.Visit)
}

// find gives the patient that a message is about: who has one of its identifiers, the first that somebody has counting, and
// contradicts none. One who is to be merged away by it is not who it is about. known is false for a new one.
func (s *step) find(ids, prior []connector.ADTIdentifier) (row connector.ADTPatient, known bool, err error) {
	var away *connector.ADTPatient
	for n, id := range ids {
		all, err := s.tx.ADTPatients(s.f.o.ID, id.Reference)
		if err != nil {
			return row, false, err
		}
		slices.SortFunc(all, func(a, b connector.ADTPatient) int { // of several who claim it, who was known by it first
			return cmp.Or(first(b, id)-first(a, id), strings.Compare(a.Reference, b.Reference))
		})
		for _, p := range all {
			switch {
			case has(prior, p.Reference), n > 0 && contradicts(ids, p.Identifiers):
			case p.ReplacedBy == "":
				return p, true, nil
			case n == 0 && away == nil:
				away = &p
			}
		}
	}
	if away != nil {
		return *away, true, nil
	}
	return connector.ADTPatient{EHR: s.f.o.ID, Reference: ids[0].Reference}, false, nil
}

// first is 1 where the identifier is the one a patient's reference is made of.
func first(p connector.ADTPatient, id connector.ADTIdentifier) int {
	if p.Reference == id.Reference {
		return 1
	}
	return 0
}

// update takes the newest news of a patient: what a field says replaces what is kept, "" removes it, and an empty field says
// nothing.
func (s *step) update(row *connector.ADTPatient, ids []connector.ADTIdentifier, p hl7.PID) error {
	row.SaidAt = s.at
	kept := slices.DeleteFunc(row.Identifiers, func(i connector.ADTIdentifier) bool { return i.Reference != row.Reference })
	for _, id := range ids {
		theirs, err := s.ofMerged(*row, id)
		if err != nil {
			return err
		}
		if !theirs && !has(kept, id.Reference) {
			kept = append(kept, id)
		}
	}
	row.Identifiers = kept
	if n := namesOf(p.Names); len(n) > 0 || slices.Contains(p.Deleted, 5) {
		row.Names = n
	}
	if !p.Birth.IsZero() || slices.Contains(p.Deleted, 7) {
		row.BirthDate = day(p.Birth)
	}
	if n := phonesOf(p.Phones); len(n) > 0 || slices.Contains(p.Deleted, 13) || slices.Contains(p.Deleted, 14) {
		row.Phones = n
	}
	return nil
}

// ofMerged says whether an identifier is that of a patient who was merged into this one: it stays theirs, so that what is filed
// under it is held, whatever lists the senders make.
func (s *step) ofMerged(row connector.ADTPatient, id connector.ADTIdentifier) (bool, error) {
	all, err := s.tx.ADTPatients(s.f.o.ID, id.Reference)
	if err != nil {
		return false, err
	}
	for _, p := range all {
		if p.Reference == row.Reference || p.ReplacedBy == "" {
			continue
		}
		into, err := survivor(s.tx.ADTPatients, p)
		if err != nil || into == row.Reference {
			return true, err
		}
	}
	return false, nil
}

// merge makes every patient who has one of the prior identifiers one that was replaced. Who is not known yet is written down
// as that, or news that is on its way would make them a patient again.
func (s *step) merge(into connector.ADTPatient, prior []connector.ADTIdentifier) error {
	end, err := survivor(s.tx.ADTPatients, into)
	if err != nil {
		return err
	}
	stub := connector.ADTPatient{EHR: s.f.o.ID, SaidAt: s.at}
	for _, id := range prior {
		all, err := s.tx.ADTPatients(s.f.o.ID, id.Reference)
		if err != nil {
			return err
		}
		for _, p := range all {
			if err := s.replace(p, into, end); err != nil {
				return err
			}
		}
		if len(all) == 0 {
			stub.Identifiers = append(stub.Identifiers, id)
		}
	}
	if len(stub.Identifiers) == 0 {
		return nil
	}
	stub.Reference = stub.Identifiers[0].Reference
	return s.replace(stub, into, end)
}

// replace marks p as replaced, unless that would make a circle, or something newer was said about p.
func (s *step) replace(p, into connector.ADTPatient, end string) error {
	if p.Reference == into.Reference || p.Reference == end || p.MergedAt.After(s.at) {
		return nil
	}
	p.ReplacedBy, p.MergedAt = into.Reference, s.at
	return errors.Join(s.put(p), s.audit("U", applied, p.Reference, into.Reference))
}

// put keeps a patient and remembers whom that may wake.
func (s *step) put(p connector.ADTPatient) error {
	for _, id := range p.Identifiers {
		s.woke = append(s.woke, id.Reference)
	}
	return s.tx.PutADTPatient(p)
}

// visit takes what a message says of the patient's visit.
func (s *step) visit(row connector.ADTPatient, v *hl7.PV1) error {
	if v == nil {
		return nil
	}
	number, ok := s.f.names.visit(v.Visit)
	if !ok {
		return nil
	}
	ref := filing.VisitReference(number)
	was, err := s.tx.ADTVisit(s.f.o.ID, ref)
	known := !errors.Is(err, connector.ErrNotFound)
	if known && err != nil {
		return err
	}
	if known && s.at.Before(was.SaidAt) {
		return nil
	}
	next := connector.ADTVisit{EHR: s.f.o.ID, Reference: ref, Patient: row.Reference, Class: was.Class, Number: number.ID,
		Namespace: number.Authority.Namespace, Began: was.Began, Open: was.Open, SaidAt: s.at}
	if v.Class != "" {
		next.Class = v.Class
	}
	if !v.Admitted.IsZero() {
		next.Began = s.f.moment(v.Admitted).UTC().Truncate(time.Microsecond)
	}
	next.Open = s.open(*v, was.Open, known)
	return s.tx.PutADTVisit(next)
}

// open says whether a visit is open after this message: an admission or registration opens it, a discharge ends it. Other news
// of a visit nobody told the beginning of opens it where it says when it began.
func (s *step) open(v hl7.PV1, was, known bool) bool {
	switch {
	case s.msg.Header.Event == "A03", !v.Discharged.IsZero():
		return false
	case s.msg.Header.Event == "A01", s.msg.Header.Event == "A04", slices.Contains(v.Deleted, 45):
		return true
	case known:
		return was
	}
	return !v.Admitted.IsZero()
}

// audit writes down what became of one patient of the message. to is the patient they were merged into.
func (s *step) audit(action, outcome, patient, to string) error {
	detail := map[string]string{"type": s.msg.Header.Event, "message": s.msg.Header.ControlID, "outcome": outcome}
	if patient != "" {
		detail["patient"] = patient
	}
	if to != "" {
		detail["to"] = to
	}
	code := 0
	if outcome != applied {
		code = 4
	}
	return s.tx.Audit(connector.AuditEntry{ID: connector.NewID(s.now), EHR: s.f.o.ID, At: s.now, Kind: "adt", Action: action, Outcome: code,
		Agent: s.f.agent(), Detail: detail})
}

func namesOf(all []hl7.XPN) []connector.HumanName {
	var out []connector.HumanName
	for _, x := range all {
		n := connector.HumanName{Family: x.Family}
		for _, g := range []string{x.Given, x.Middle} {
			if g != "" {
				n.Given = append(n.Given, g)
			}
		}
		if n.Family != "" || len(n.Given) > 0 {
			out = append(out, n)
		}
	}
	return out
}

func phonesOf(all []hl7.XTN) []string {
	var out []string
	for _, x := range all {
		if n := x.Number(); n != "" {
			out = append(out, n)
		}
	}
	return out
}

// day is a birth date, "" where less than the day is known.
func day(t hl7.TS) string {
	if t.Precision < hl7.Day {
		return ""
	}
	return t.Time.Format(time.DateOnly)
}
