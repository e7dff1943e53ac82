package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// Patient is someone in the patient index.
type Patient struct {
	Ref         string   // what the ledger calls them
	Identifiers []hl7.CX // PID-3, each with the namespace of its assigning authority
	Names       []hl7.XPN
	Birth       hl7.TS // to the day; zero where it is not known
}

type key struct{ namespace, id string }

type indexed struct {
	patient *Patient
	cx      hl7.CX
}

// index finds patients by what PID-3 says.
type index map[key]indexed

func newIndex(patients []Patient) (index, error) {
	x := index{}
	for i := range patients {
		p := &patients[i]
		if p.Ref == "" || len(p.Identifiers) == 0 {
			return nil, fmt.Errorf("engine: patient %d has no Ref or no identifier", i+1)
		}
		for _, id := range p.Identifiers {
			k := key{id.Authority.Namespace, id.ID}
			if k.namespace == "" || k.id == "" {
				return nil, errors.New("engine: an identifier of " + p.Ref + " lacks its value or the namespace of its authority")
			}
			if other, taken := x[k]; taken && other.patient != p {
				return nil, errors.New("engine: " + p.Ref + " and " + other.patient.Ref + " have the same identifier")
			}
			x[k] = indexed{p, id}
		}
	}
	return x, nil
}

// find is the one patient that a PID names: by every identifier it gives, and with nothing in it that contradicts the index.
func (x index) find(pid hl7.PID) (*Patient, *hl7.Problem) {
	var found *Patient
	for i, id := range pid.Identifiers {
		at := hl7.ERL{Segment: "PID", Sequence: 1, Field: 3, Repetition: i + 1, Component: 1}
		hit, known := x[key{id.Authority.Namespace, id.ID}]
		switch {
		case !known || contradicts(hit.cx.Type, id.Type) || contradicts(hit.cx.Authority.Universal, id.Authority.Universal):
			return nil, &hl7.Problem{At: at, Code: hl7.UnknownKey, Text: "the patient index does not know this identifier"}
		case found != nil && found != hit.patient:
			return nil, &hl7.Problem{At: at, Code: hl7.UnknownKey, Text: "the identifiers are of different patients"}
		}
		found = hit.patient
	}
	switch {
	case found == nil:
		return nil, wrong("PID", 3, hl7.RequiredField, "the field is required")
	case !found.named(pid.Names):
		return nil, wrong("PID", 5, hl7.UnknownKey, "the patient with this identifier has another name")
	case contradicts(day(found.Birth), day(pid.Birth)):
		return nil, wrong("PID", 7, hl7.UnknownKey, "the patient with this identifier has another birth date")
	}
	return found, nil
}

// contradicts: both are known and differ.
func contradicts(ours, theirs string) bool { return ours != "" && theirs != "" && ours != theirs }

func day(t hl7.TS) string {
	if t.Precision < hl7.Day {
		return ""
	}
	return t.Time.Format("20060102")
}

// named says whether one of the names is one of the patient's: the family name and the first given name, as far as both say
// them, in whatever case.
func (p *Patient) named(names []hl7.XPN) bool {
	if len(p.Names) == 0 {
		return true
	}
	for _, ours := range p.Names {
		for _, n := range names {
			if agrees(ours.Family, n.Family) && agrees(first(ours.Given), first(n.Given)) {
				return true
			}
		}
	}
	return false
}

func first(given string) string {
	word, _, _ := strings.Cut(given, " ")
	return word
}

func agrees(ours, theirs string) bool {
	return ours == "" || theirs == "" || strings.EqualFold(ours, theirs)
}
