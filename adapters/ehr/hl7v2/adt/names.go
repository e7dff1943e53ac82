package adt

import (
	"cmp"
	"slices"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
)

// names are the assigning authorities the configuration knows, by the identifier systems of the channel.
type names map[string]filing.Authority

// patients are those of PID-3 that a configured authority gave, in the order of [filing.Assigned]. The rest is not kept.
func (n names) patients(all []hl7.CX) []connector.ADTIdentifier {
	var out []hl7.CX
	for _, c := range all {
		if a, ok := n.of(c, false); ok {
			out = append(out, hl7.CX{ID: c.ID, Authority: hl7.HD{Namespace: a.Namespace}, Type: a.Type})
		}
	}
	slices.SortFunc(out, filing.RecordFirst)
	return identifiers(slices.Compact(out))
}

func identifiers(all []hl7.CX) []connector.ADTIdentifier {
	out := make([]connector.ADTIdentifier, len(all))
	for i, c := range all {
		out[i] = connector.ADTIdentifier{Reference: filing.PatientReference(c), Namespace: c.Authority.Namespace, Type: c.Type, Value: c.ID}
	}
	return out
}

// visit is PV1-19 by its configured authority; false where none gave it.
func (n names) visit(c hl7.CX) (hl7.CX, bool) {
	a, ok := n.of(c, true)
	return hl7.CX{ID: c.ID, Authority: hl7.HD{Namespace: a.Namespace}, Type: a.Type}, ok
}

// of is the one authority that gave an identifier, of visits or of patients; false where it is none of the configured ones, or
// could be several. An identifier may lack its type, and a visit's its authority too: many senders leave them out.
func (n names) of(c hl7.CX, visits bool) (filing.Authority, bool) {
	var found []filing.Authority
	for system, a := range n {
		if c.ID == "" || (a.Type == filing.VisitNumber) != visits || c.Type != "" && c.Type != a.Type || slices.Contains(found, a) {
			continue
		}
		if gave(c.Authority, system, a) || visits && c.Authority == (hl7.HD{}) {
			found = append(found, a)
		}
	}
	if len(found) != 1 {
		return filing.Authority{}, false
	}
	return found[0], true
}

// gave says whether an assigning authority is the configured one: by its local name, or by the OID that is the channel's system.
func gave(by hl7.HD, system string, a filing.Authority) bool {
	return by.Namespace == a.Namespace || by.UniversalType == "ISO" && by.Universal != "" && system == "urn:oid:"+by.Universal
}

// system is what the channel calls the systems of an authority: of several the first.
func (n names) system(a filing.Authority) string {
	first := ""
	for system, known := range n {
		if known == a && (first == "" || cmp.Less(system, first)) {
			first = system
		}
	}
	return first
}

// contradicts says whether two lists of identifiers are of two patients: of some authority and type both have one, and none
// is in both.
func contradicts(a, b []connector.ADTIdentifier) bool {
	for _, x := range a {
		same, other := false, false
		for _, y := range b {
			if x.Namespace == y.Namespace && x.Type == y.Type {
				other = true
				same = same || slices.ContainsFunc(a, func(z connector.ADTIdentifier) bool { return z == y })
			}
		}
		if other && !same {
			return true
		}
	}
	return false
}

func has(all []connector.ADTIdentifier, reference string) bool {
	return slices.ContainsFunc(all, func(i connector.ADTIdentifier) bool { return i.Reference == reference })
}

// without are those that are not among the others.
func without(all, others []connector.ADTIdentifier) []connector.ADTIdentifier {
	return slices.DeleteFunc(slices.Clone(all), func(i connector.ADTIdentifier) bool { return has(others, i.Reference) })
}
