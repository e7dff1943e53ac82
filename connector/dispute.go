package connector

import "slices"

// ByPerson is Binding.How of a thread that a person linked.
const ByPerson = "person"

// disputedMost bounds how many other patients a thread remembers having been named. What is not remembered is not settled
// with the rest: it stops the thread again when it is named again.
const disputedMost = 20

// Disputes says whether an event that names k names another patient than the thread is about. What a person has settled is
// no dispute, whichever of its names the platform uses.
func (t *Thread) Disputes(k PatientKey) bool {
	if slices.ContainsFunc(t.Info.Settled, func(s PatientKey) bool { return s.covers(k) }) {
		return false
	}
	if t.Bound.How == ByPerson && len(t.Patient.Identifiers) == 0 && len(k.Identifiers) > 0 {
		return true // nothing says that they are this patient's
	}
	return !t.Patient.SameIdentifiers(k)
}

// Dispute stops the thread, about which an event has named another patient: nothing files until a person has settled it
// (Settle).
func (t *Thread) Dispute(k PatientKey) {
	t.Changed = true
	if len(t.Info.Disputed) < disputedMost && !slices.ContainsFunc(t.Info.Disputed, func(d PatientKey) bool { return d.covers(k) && k.covers(d) }) {
		t.Info.Disputed = append(slices.Clone(t.Info.Disputed), k)
	}
}

// Settle links the thread to the patient a person has decided for, known as who. All that events have named until now was
// before that person: none of it is a dispute any more, nor are the identifiers the EHR shows of the patient (shown).
// Whatever else an event names from now on stops the thread again.
func (t *Thread) Settle(b Binding, who PatientKey, shown []Identifier) {
	settled := append(slices.Clone(t.Info.Settled), t.Info.Disputed...)
	if !t.Patient.IsZero() {
		settled = append(settled, t.Patient)
	}
	settled = append(settled, PatientKey{Reference: b.Reference, Identifiers: shown})
	t.Info.Settled = nil
	for _, k := range settled {
		k = PatientKey{Reference: k.Reference, Identifiers: k.Identifiers} // names and phones settle nothing
		if !slices.ContainsFunc(t.Info.Settled, func(s PatientKey) bool { return s.covers(k) }) {
			t.Info.Settled = append(t.Info.Settled, k)
		}
	}
	t.Info.Disputed, t.Changed, t.Bound, t.Patient = nil, false, b, who
}

// covers says whether everything by which other names a patient was named in k, and it names one at all.
func (k PatientKey) covers(other PatientKey) bool {
	if other.IsZero() || other.Reference != "" && other.Reference != k.Reference {
		return false
	}
	return !slices.ContainsFunc(other.Identifiers, func(i Identifier) bool { return !slices.Contains(k.Identifiers, i) })
}
