package filing

import (
	"cmp"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
)

// Authority is who assigns the identifiers of one of the channel's systems (PID-3.4.1) and of which type they are (PID-3.5,
// table 0203).
type Authority struct{ Namespace, Type string }

// VisitNumber is the type of an authority whose identifiers name a visit and not a patient.
const VisitNumber = "VN"

// Assigned gives those of a patient's identifiers that an assigning authority is configured for, the one to file under first:
// a medical record number (MR) before other types, then by namespace, type and value. The order does not depend on how the
// channel put them.
func Assigned(authorities map[string]Authority, who connector.PatientKey) []hl7.CX {
	var out []hl7.CX
	for _, id := range who.Identifiers {
		a, ok := authorities[id.System]
		if !ok || a.Type == VisitNumber || id.Value == "" {
			continue
		}
		out = append(out, hl7.CX{ID: id.Value, Authority: hl7.HD{Namespace: a.Namespace}, Type: a.Type})
	}
	slices.SortFunc(out, RecordFirst)
	return slices.Compact(out)
}

// RecordFirst is the order of [Assigned].
func RecordFirst(a, b hl7.CX) int {
	return cmp.Or(record(a)-record(b), cmp.Compare(a.Authority.Namespace, b.Authority.Namespace),
		cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
}

// record is 0 for a medical record number, 1 for every other type.
func record(c hl7.CX) int {
	if c.Type == "MR" {
		return 0
	}
	return 1
}

// PatientReference is what a patient with this identifier is called where the EHR shows no patient of its own. It is made of
// the authority, the type and the value, so that two systems of channels that stand for one authority give one patient.
func PatientReference(c hl7.CX) string {
	return "Patient/" + connector.ControlID(connector.Identifier{System: "patient\x00" + c.Authority.Namespace + "\x00" + c.Type, Value: c.ID})
}

// visitPrefix is what the references of [VisitReference] begin with.
const visitPrefix = "Encounter/"

// VisitReference is what a visit is called where the EHR shows none of its own. The number can be read from it, so that a
// document can name the visit that a policy has found.
func VisitReference(c hl7.CX) string {
	return visitPrefix + base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(c.Authority.Namespace+"\x00"+c.ID))
}

// visitOf is the visit that has this reference; false where it has none of [VisitReference].
func visitOf(reference string) (hl7.CX, bool) {
	text, ok := strings.CutPrefix(reference, visitPrefix)
	raw, err := base32.HexEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	namespace, number, both := strings.Cut(string(raw), "\x00")
	return hl7.CX{ID: number, Authority: hl7.HD{Namespace: namespace}, Type: VisitNumber}, ok && err == nil && both && number != ""
}

// pid is the patient as the message names them, by the identifier the thread is bound to.
func (p *planner) pid() (hl7.PID, error) {
	id, err := p.assigned()
	if err != nil {
		return hl7.PID{}, err
	}
	// PID-5 is required. Of a patient nobody named it says that the name is not specified (table 0200, U).
	name := hl7.XPN{Type: "U"}
	if n := p.x.Who.Name; n != nil {
		given := make([]string, 0, len(n.Given))
		for _, g := range n.Given {
			if g = clean(g); g != "" {
				given = append(given, g)
			}
		}
		full := hl7.XPN{Family: clean(n.Family), Type: "L"}
		if len(given) > 0 {
			full.Given, full.Middle = given[0], strings.Join(given[1:], " ")
		}
		if full.Family != "" || full.Given != "" {
			name = full
		}
	}
	pid := hl7.PID{Identifiers: []hl7.CX{id}, Names: []hl7.XPN{name}}
	if day, err := time.Parse(time.DateOnly, p.x.Who.BirthDate); err == nil {
		pid.Birth = hl7.OnDay(day)
	}
	return pid, nil
}

// assigned is the identifier the thread's patient is bound by; before that, and for chartwire map, the first there is.
func (p *planner) assigned() (hl7.CX, error) {
	// The EHR's own: a thread may name the patient by another number than the record's.
	who := connector.PatientKey{Identifiers: slices.Concat(p.x.Who.Identifiers, p.x.Known)}
	all := Assigned(p.policy.MDM.Authorities, who)
	if len(all) == 0 {
		return hl7.CX{}, refuse(connector.GateRefused, "none of the patient's identifiers has an assigning authority; add "+
			p.unassigned()+" to hl7.authorities, with the namespace the EHR knows it by, then replay")
	}
	if p.x.Patient == "" || p.x.Patient == connector.SymPatient {
		return all[0], nil
	}
	for _, c := range all {
		if PatientReference(c) == p.x.Patient {
			return c, nil
		}
	}
	return hl7.CX{}, refuse(connector.PatientChanged, "the identifier this thread was bound to the patient by is not among those the platform gives now, or hl7.authorities was changed since")
}

// unassigned lists the systems the platform gave.
func (p *planner) unassigned() string {
	var systems []string
	for _, id := range p.x.Who.Identifiers {
		systems = append(systems, id.System)
	}
	if len(systems) == 0 {
		return "the system of an identifier (the platform gave none)"
	}
	slices.Sort(systems)
	return strings.Join(slices.Compact(systems), " or ")
}

// visit is where the patient is treated: the configured class, and the visit the platform named where an authority of visit
// numbers is configured for it; where the EHR tells of its visits, the one of those that filing.encounter has found.
func (p *planner) visit() hl7.PV1 {
	v := hl7.PV1{Class: p.policy.MDM.PatientClass}
	named := p.x.Thread.Encounter
	if !p.policy.MDM.Visits {
		return v
	}
	if p.policy.MDM.VisitsTold && p.x.Encounter != connector.SymEncounter {
		if c, ok := visitOf(p.x.Encounter); ok {
			v.Visit = c
		}
		return v
	}
	if named != nil && p.policy.MDM.NamesVisit(*named) {
		v.Visit = hl7.CX{ID: named.Value, Authority: hl7.HD{Namespace: p.policy.MDM.Authorities[named.System].Namespace}, Type: VisitNumber}
	}
	return v
}

// NamesVisit says whether documents can name a visit the platform knows by this identifier: one with an authority of visit numbers.
func (m MDM) NamesVisit(visit connector.Identifier) bool {
	a, ok := m.Authorities[visit.System]
	return m.Visits && ok && a.Type == VisitNumber && visit.Value != ""
}

// documentID is TXA-12 of a document of the message: what names the message for ever, and its version.
func (p *planner) documentID(version string) hl7.EI {
	return hl7.EI{ID: connector.ControlID(p.ids.Message(p.x.Thread.ID, p.x.Message.ID, 1)) + "-" + version}
}

// revisionID is TXA-12 of a revision of the message.
func (p *planner) revisionID(revision int) hl7.EI {
	return p.documentID(fmt.Sprintf("v%d", max(revision, 1)))
}
