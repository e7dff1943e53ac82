package filing

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// Resource types an element may name, where R4 is narrower than our participants are (standards.md §1).
var (
	senderTypes    = []string{"Device", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "HealthcareService"}
	requesterTypes = []string{"Device", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson"}
	authorTypes    = requesterTypes
)

// person is a participant as the chart refers to them.
type person struct {
	ref  r4.Reference
	kind string // resource type
}

// who refers to a participant: configured reference, then what the EHR resolved, then a RelatedPerson of ours for a proxy,
// then a logical reference (DESIGN §5, Participants). Only an unknown role is an error: an unknown person never parks.
func (p *planner) who(pt connector.Participant) (person, error) {
	switch pt.Role {
	case connector.RolePatient:
		return person{r4.Ref(connector.SymPatient), "Patient"}, nil
	case connector.RoleSystem:
		return p.organization(""), nil
	case connector.RoleProxy:
		return p.proxy(pt), nil
	case connector.RoleClinician, connector.RoleStaff:
		return p.configured(pt, "Practitioner"), nil
	case connector.RolePool:
		return p.configured(pt, firstNonEmpty(p.policy.PoolType, "HealthcareService")), nil
	default:
		return person{}, unknownRole(pt.Role)
	}
}

func knownRole(r connector.Role) bool {
	switch r {
	case connector.RolePatient, connector.RoleProxy, connector.RoleClinician, connector.RoleStaff, connector.RolePool, connector.RoleSystem:
		return true
	}
	return false
}

func unknownRole(r connector.Role) error {
	return refuse(connector.GateRefused, fmt.Sprintf("a participant has the role %q, which has no place on a chart", r))
}

// as narrows a participant to the types an element takes: whoever does not fit stands behind the clinic's Organization.
func (p *planner) as(pt connector.Participant, types []string) (person, error) {
	w, err := p.who(pt)
	if err == nil && !slices.Contains(types, w.kind) {
		return p.organization(clean(pt.Name)), nil
	}
	return w, err
}

func (p *planner) all(list []connector.Participant) ([]r4.Reference, error) {
	var out []r4.Reference
	for _, pt := range list {
		w, err := p.who(pt)
		if err != nil {
			return nil, err
		}
		out = append(out, w.ref)
	}
	return out, nil
}

func (p *planner) organization(display string) person {
	return person{r4.RefDisplay(p.policy.Organization, display), "Organization"}
}

func (p *planner) configured(pt connector.Participant, kind string) person {
	if literal := p.policy.People[pt.ID]; pt.ID != "" && literal != "" {
		return person{r4.RefDisplay(literal, clean(pt.Name)), typeOf(literal, kind)}
	}
	if ref, ok := p.x.Refs[pt.Key()]; ok {
		return resolved(ref, pt, kind)
	}
	if p.ours() && r4.LocalID(pt.ID) == pt.ID && pt.ID != "" {
		return person{r4.RefDisplay(pt.ID, clean(pt.Name)), typeOf(pt.ID, kind)}
	}
	return person{p.logical(pt, kind), kind}
}

// ours says whether the exchange was written here or asked for in the EHR. Its participants may then be named by EHR
// references; a platform's ids are never taken for such.
func (p *planner) ours() bool {
	return p.x.Message.ClientID != "" || p.x.BasedOn != "" || p.x.RequestID != "" || p.x.Task != nil
}

// proxy refers to the RelatedPerson the EHR knows, creates one where policy and EHR allow, else names them logically. A
// proxy never becomes the patient and is never matched by name.
func (p *planner) proxy(pt connector.Participant) person {
	key := pt.Key()
	if ref, ok := p.x.Refs[key]; ok && ref.Literal != "" {
		return resolved(ref, pt, "RelatedPerson")
	}
	if !p.x.Missing[key] || !p.policy.CreateProxies || !p.traits.Proxies {
		return person{p.logical(pt, "RelatedPerson"), "RelatedPerson"}
	}
	if ref, ok := p.known[key]; ok {
		return person{ref, "RelatedPerson"}
	}
	w, err := p.createProxy(pt)
	if err != nil { // cannot be written as a resource: naming them is still possible
		return person{p.logical(pt, "RelatedPerson"), "RelatedPerson"}
	}
	p.proxies = append(p.proxies, w)
	p.known[key] = r4.RefDisplay(w.Provides, proxyLabel(pt))
	return person{p.known[key], "RelatedPerson"}
}

func resolved(ref connector.Reference, pt connector.Participant, kind string) person {
	display := firstNonEmpty(clean(ref.Display), clean(pt.Name))
	if ref.Literal != "" {
		return person{r4.RefDisplay(ref.Literal, display), typeOf(ref.Literal, kind)}
	}
	kind = firstNonEmpty(ref.Type, kind)
	var id r4.Identifier
	if ref.Identifier != nil {
		id = identifier(*ref.Identifier)
	}
	return person{r4.LogicalRef(kind, id, display), kind}
}

// logical names a participant the EHR may not have as a resource: by the identifier the channel gave (an NPI, say), else
// by the channel's own id.
func (p *planner) logical(pt connector.Participant, kind string) r4.Reference {
	id := p.ids.Participant(pt.Key())
	if pt.Role != connector.RoleProxy && pt.Identifier != nil && pt.Identifier.System != "" {
		id = *pt.Identifier
		id.System = firstNonEmpty(p.policy.Systems[id.System], id.System)
	}
	id.Value = clean(id.Value)
	if !isURI(id.System) || id.Value == "" {
		return r4.Reference{Type: r4.String(kind), Display: r4.String(firstNonEmpty(clean(pt.Name), string(pt.Role)))}
	}
	display := clean(pt.Name)
	if pt.Role == connector.RoleProxy {
		display = proxyLabel(pt)
	}
	return r4.LogicalRef(kind, identifier(id), display)
}

// isURI says whether a platform's identifier system can be one on a chart.
func isURI(s string) bool {
	_, err := url.Parse(s)
	return err == nil && r4.CarriableString(s) && !strings.ContainsFunc(s, unicode.IsSpace)
}

// typeOf is the resource type a reference names.
func typeOf(reference, otherwise string) string {
	if kind, _, ok := strings.Cut(r4.LocalID(reference), "/"); ok {
		return kind
	}
	return otherwise
}

// relationships are the v3-RoleCode codes of the relationships platforms name. Others travel as text alone.
var relationships = map[string]string{
	"mother": "MTH", "father": "FTH", "parent": "PRN", "guardian": "GUARD", "legal guardian": "GUARD",
	"stepmother": "STPMTH", "stepfather": "STPFTH", "foster parent": "PRNFOST", "adoptive parent": "ADOPTP",
	"grandmother": "GRMTH", "grandfather": "GRFTH", "grandparent": "GRPRN", "aunt": "AUNT", "uncle": "UNCLE",
	"spouse": "SPS", "husband": "HUSB", "wife": "WIFE", "domestic partner": "DOMPART", "partner": "SIGOTHR",
	"child": "CHILD", "daughter": "DAU", "son": "SON", "sister": "SIS", "brother": "BRO", "sibling": "SIB",
	"grandchild": "GRNDCHILD", "friend": "FRND", "neighbor": "NBOR", "roommate": "ROOM",
	"power of attorney": "POWATT", "healthcare power of attorney": "HPOWATT",
}

const systemRoleCode = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"

func proxyLabel(pt connector.Participant) string {
	name, relation := clean(pt.Name), clean(pt.Relationship)
	if name != "" && relation != "" {
		return name + " (" + relation + ")"
	}
	return firstNonEmpty(name, relation)
}

// createProxy makes the RelatedPerson of one patient. The same person acting for two patients is two RelatedPersons, so
// the key and the condition name the patient too.
func (p *planner) createProxy(pt connector.Participant) (connector.Write, error) {
	id := p.ids.Participant(pt.Key())
	rp := r4.NewRelatedPerson(identifier(id), r4.Ref(connector.SymPatient))
	if relation := clean(pt.Relationship); relation != "" {
		concept := r4.Concept(relation)
		if code := relationships[strings.ToLower(relation)]; code != "" {
			concept.Coding = []r4.Coding{r4.NewCoding(systemRoleCode, code, "")}
		}
		rp.Relationship = []r4.CodeableConcept{concept}
	}
	if name := clean(pt.Name); name != "" {
		rp.Name = []r4.HumanName{{Text: &name}}
	}
	condition := ""
	if p.traits.IfNoneExist {
		condition = "patient=" + connector.SymPatient + "&" + r4.IdentifierQuery(id.System, id.Value)
	}
	w, err := create("RelatedPerson", rp, id, condition)
	if err != nil {
		return w, err
	}
	w.Key = id.Token() + "@" + connector.SymPatient
	w.Provides = connector.SymParticipant(pt.Key())
	w.Expect = connector.Expect{Subject: connector.SymPatient}
	return w, nil
}
