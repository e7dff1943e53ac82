package seed

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Refs says which resource stands for whom, as Type/id.
type Refs struct {
	Organization string
	Patients     map[Identifier]string // by every identifier of the patient
	Encounters   map[Identifier]string // the patient's open encounter, by every identifier of the patient
	People       map[string]string     // Practitioner, by the platform's id or system|value
	Roles        map[string]string     // PractitionerRole, likewise
	Pools        map[string]string     // by the platform's id
	Twins        []string              // patients no message may ever reach
	Probe        string                // a patient for probes, who is nobody
}

type object = map[string]any

// builder collects resources as entries of a transaction Bundle of PUTs, so that the same bytes seed any R4 server that
// lets a client choose ids that are not numbers.
type builder struct {
	entries []any
	refs    Refs
	id      func(typ, id string) string
}

// Bundle builds the resources for the people. It is deterministic: ids come from what they stand for.
func Bundle(p People) ([]byte, Refs) {
	return BundleAs(p, func(_, id string) string { return id })
}

// BundleAs is Bundle with the ids an EHR would give: id is asked once for each resource.
func BundleAs(p People, id func(typ, id string) string) ([]byte, Refs) {
	b := &builder{id: id, refs: Refs{
		Patients: map[Identifier]string{}, Encounters: map[Identifier]string{}, People: map[string]string{},
		Roles: map[string]string{}, Pools: map[string]string{},
	}}
	b.refs.Organization = b.put("Organization", "clinic", object{
		"active": true, "name": "Riverbend Family Clinic",
		"identifier": []any{object{"system": "https://clinic.example/sid/organization", "value": "riverbend"}},
	})
	b.refs.Probe = b.putAs("Patient", "zz-test", object{
		"active": true, "name": []any{object{"family": "Zztest", "given": []any{"Probe"}}},
		"identifier":           identifiers(Identifier{"https://clinic.example/sid/test-patient", "zz-test"}),
		"managingOrganization": reference(b.refs.Organization),
	})
	for _, pool := range p.Pools {
		b.pool(pool)
	}
	for _, person := range p.Staff {
		b.person(person)
	}
	for i, patient := range p.Patients {
		b.patient(patient)
		b.twins(patient, i)
	}
	raw, err := json.Marshal(object{"resourceType": "Bundle", "type": "transaction", "entry": b.entries})
	if err != nil {
		panic("a Bundle of plain values always marshals: " + err.Error())
	}
	return raw, b.refs
}

// Split cuts a Bundle of Bundle's into several of at most n entries, for servers that bear no large transaction. Each
// refers only to itself and the ones before it.
func Split(bundle []byte, n int) ([][]byte, error) {
	var b struct {
		Entry []json.RawMessage `json:"entry"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		return nil, fmt.Errorf("seed: the bundle cannot be read: %w", err)
	}
	var out [][]byte
	for part := range slices.Chunk(b.Entry, n) {
		raw, err := json.Marshal(object{"resourceType": "Bundle", "type": "transaction", "entry": part})
		if err != nil {
			return nil, fmt.Errorf("seed: %w", err)
		}
		out = append(out, raw)
	}
	return out, nil
}

var idCoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// put adds a resource under an id made from what it stands for, and returns its reference.
func (b *builder) put(typ, key string, r object) string {
	sum := sha256.Sum256([]byte(typ + "\x00" + key))
	return b.putAs(typ, "s"+strings.ToLower(idCoding.EncodeToString(sum[:]))[:15], r)
}

func (b *builder) putAs(typ, id string, r object) string {
	id = b.id(typ, id)
	r["resourceType"], r["id"] = typ, id
	reference := typ + "/" + id
	b.entries = append(b.entries, object{"resource": r, "request": object{"method": "PUT", "url": reference}})
	return reference
}

func reference(to string) object { return object{"reference": to} }

func identifiers(list ...Identifier) []any {
	var out []any
	for _, id := range list {
		out = append(out, object{"system": id.System, "value": id.Value})
	}
	return out
}

func (b *builder) pool(p Pool) {
	name := cmp.Or(p.Name, p.ID)
	if strings.Contains(p.ID, "team") {
		b.refs.Pools[p.ID] = b.put("CareTeam", p.ID, object{
			"status": "active", "name": name, "managingOrganization": []any{reference(b.refs.Organization)},
		})
		return
	}
	b.refs.Pools[p.ID] = b.put("HealthcareService", p.ID, object{
		"active": true, "name": name, "providedBy": reference(b.refs.Organization),
	})
}

func (b *builder) person(p Person) {
	key := p.ID
	if key == "" {
		key = p.Identifier.System + "|" + p.Identifier.Value
	}
	given, family := splitName(cmp.Or(p.Name, "Staff Member"))
	r := object{"active": true, "name": []any{object{"family": family, "given": given}}}
	if p.Identifier != (Identifier{}) {
		r["identifier"] = identifiers(p.Identifier)
	}
	b.refs.People[key] = b.put("Practitioner", key, r)
	system, code := "http://terminology.hl7.org/CodeSystem/practitioner-role", "nurse"
	switch {
	case !p.Clinician: // practitioner-role has no code for clerks
		system, code = "https://clinic.example/sid/role", "administrator"
	case strings.HasPrefix(p.Name, "Dr"):
		code = "doctor"
	}
	b.refs.Roles[key] = b.put("PractitionerRole", key, object{
		"active": true, "practitioner": reference(b.refs.People[key]), "organization": reference(b.refs.Organization),
		"code": []any{object{"coding": []any{object{"system": system, "code": code}}}},
	})
}

func splitName(name string) (given []any, family string) {
	words := strings.Fields(name)
	if len(words) > 1 && strings.HasPrefix(words[0], "Dr") {
		words = words[1:]
	}
	for _, w := range words[:len(words)-1] {
		given = append(given, w)
	}
	if given == nil {
		given = []any{words[0]}
	}
	return given, words[len(words)-1]
}

// person-like fields of a Patient resource.
func patientResource(ids []any, family string, given []string, birthDate, phone string, org string) object {
	r := object{"active": true, "identifier": ids, "managingOrganization": reference(org)}
	name := object{"use": "official"}
	if family != "" {
		name["family"] = family
	}
	if len(given) > 0 {
		name["given"] = given
	}
	if len(name) == 1 {
		name["text"] = "Name not known"
	}
	r["name"] = []any{name}
	if birthDate != "" {
		r["birthDate"] = birthDate
	}
	if phone != "" {
		r["telecom"] = []any{object{"system": "phone", "value": phone, "use": "mobile"}}
	}
	return r
}

func (b *builder) patient(p Patient) {
	first := p.Identifiers[0]
	key := first.System + "|" + first.Value
	ref := b.put("Patient", key, patientResource(identifiers(p.Identifiers...), p.Family, p.Given, p.BirthDate, p.Phone, b.refs.Organization))
	start := p.Since.Add(-time.Hour).UTC().Format(time.RFC3339)
	visits := []Identifier{{}}
	if len(p.Visits) > 0 {
		visits = p.Visits
	}
	open := ""
	for _, v := range visits {
		r := object{
			"status": "in-progress", "subject": reference(ref), "period": object{"start": start}, "serviceProvider": reference(b.refs.Organization),
			"class": object{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
		}
		if v != (Identifier{}) {
			r["identifier"] = identifiers(v)
		}
		open = cmp.Or(open, b.put("Encounter", key+"\x00"+v.System+"|"+v.Value, r))
	}
	for _, id := range p.Identifiers {
		b.refs.Patients[id], b.refs.Encounters[id] = ref, open
	}
	for _, about := range p.About {
		b.putAs("Appointment", strings.TrimPrefix(about, "Appointment/"), object{
			"status": "booked", "start": start, "end": p.Since.UTC().Format(time.RFC3339),
			"participant": []any{object{"actor": reference(ref), "status": "accepted"}},
		})
	}
}

var otherNames = []struct{ given, family string }{
	{"Robin", "Halvorsen"}, {"Jordan", "Achterberg"}, {"Noor", "Lindqvist"}, {"Sasha", "Montclair"}, {"Ariel", "Vandermeer"},
}

// twins adds the two people a careless match would take for the patient: same name with another birth date, and same
// phone with another name. Both have identifiers of their own in the same systems.
func (b *builder) twins(p Patient, i int) {
	suffixed := func(suffix string) []any {
		var ids []Identifier
		for _, id := range p.Identifiers {
			ids = append(ids, Identifier{id.System, id.Value + suffix})
		}
		return identifiers(ids...)
	}
	first := p.Identifiers[0]
	key := first.System + "|" + first.Value
	born, err := time.Parse(time.DateOnly, p.BirthDate)
	if err != nil {
		born = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	named := patientResource(suffixed("-N"), p.Family, p.Given, born.AddDate(-2, 3, 1).Format(time.DateOnly), "", b.refs.Organization)
	b.refs.Twins = append(b.refs.Twins, b.put("Patient", key+"\x00name twin", named))
	if p.Phone == "" {
		return
	}
	other := otherNames[i%len(otherNames)]
	phoned := patientResource(suffixed("-P"), other.family, []string{other.given}, born.AddDate(11, -4, 9).Format(time.DateOnly), p.Phone, b.refs.Organization)
	b.refs.Twins = append(b.refs.Twins, b.put("Patient", key+"\x00phone twin", phoned))
}
