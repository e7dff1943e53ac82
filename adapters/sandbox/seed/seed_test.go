package seed_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/fhir/validate"
)

var events = [][]byte{
	[]byte(`{"type":"message.created","timestamp":"2026-11-22T18:03:12Z","data":{"thread":{"id":"t-1","encounter":{"system":"urn:visit","value":"V1"},"about":["Appointment/appt-a"]},
	"message":{"id":"m-2","sender":{"role":"clinician","id":"prac-ana","identifier":{"system":"http://hl7.org/fhir/sid/us-npi","value":"1234567893"},"name":"Ana Rivera"},
	"recipients":[{"role":"proxy","id":"u-9","name":"Maria Cho"}]}}}`),
	[]byte(`{"type":"message.created","timestamp":"2026-11-22T18:01:00Z","data":{"thread":{"id":"t-1"},
	"patient":{"identifiers":[{"system":"urn:oid:1","value":"MRN1"},{"system":"urn:oid:2","value":"X7"}],"name":{"family":"Cho","given":["Daniel"]},"birth_date":"2015-07-04","phone":"+15005550006"},
	"message":{"id":"m-1","sender":{"role":"proxy","id":"u-9"},"recipients":[{"role":"pool","id":"nurse-triage","name":"Nurse triage"},{"role":"pool","id":"cardiology-team"}]}}}`),
	[]byte(`{"type":"message.retracted","timestamp":"2026-11-22T19:00:00Z","data":{"thread":{"id":"t-1"},"retraction":{"message_id":"m-1","by":{"role":"staff","id":"lena","name":"Lena Ortmann"}}}}`),
	[]byte(`{"type":"message.created","timestamp":"2026-11-22T20:00:00Z","data":{"thread":{"id":"t-2"},"patient":{"identifiers":[{"system":"urn:oid:2","value":"X7"}]},
	"message":{"id":"m-1","sender":{"role":"clinician","identifier":{"system":"http://hl7.org/fhir/sid/us-npi","value":"1993000000"},"name":"Dr. Dev Sharma"}}}}`),
}

func TestFromEvents(t *testing.T) {
	p, err := seed.FromEvents(events)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Patients) != 1 || len(p.Staff) != 3 || len(p.Pools) != 2 {
		t.Fatalf("%+v", p)
	}
	got := p.Patients[0]
	if len(got.Identifiers) != 2 || got.Family != "Cho" || got.BirthDate != "2015-07-04" || len(got.Visits) != 1 || len(got.About) != 1 ||
		!got.Since.Equal(time.Date(2026, 11, 22, 18, 1, 0, 0, time.UTC)) {
		t.Errorf("%+v", got)
	}
	if _, err := seed.FromEvents([][]byte{[]byte("{}"), []byte("{")}); err == nil || !strings.Contains(err.Error(), "event 2") {
		t.Errorf("%v", err)
	}
}

func TestBundle(t *testing.T) {
	people, err := seed.FromEvents(events)
	if err != nil {
		t.Fatal(err)
	}
	raw, refs := seed.Bundle(people)
	again, _ := seed.Bundle(people)
	if !bytes.Equal(raw, again) {
		t.Error("the same people gave other bytes")
	}
	gate := validate.New()
	if err := gate.Base(raw); err != nil {
		t.Errorf("the Bundle: %v", err)
	}
	var b struct {
		Entry []struct {
			Resource json.RawMessage
			Request  struct{ Method, URL string }
		}
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	byRef := map[string]map[string]any{}
	number := regexp.MustCompile(`^[0-9]+$`)
	for _, e := range b.Entry {
		if err := gate.Base(e.Resource); err != nil {
			t.Errorf("%s: %v", e.Request.URL, err)
		}
		_, id, _ := strings.Cut(e.Request.URL, "/")
		if e.Request.Method != "PUT" || number.MatchString(id) || byRef[e.Request.URL] != nil {
			t.Errorf("%+v", e.Request)
		}
		var r map[string]any
		_ = json.Unmarshal(e.Resource, &r)
		byRef[e.Request.URL] = r
	}
	mrn, other := seed.Identifier{System: "urn:oid:1", Value: "MRN1"}, seed.Identifier{System: "urn:oid:2", Value: "X7"}
	patient := refs.Patients[mrn]
	if patient == "" || refs.Patients[other] != patient || refs.Encounters[mrn] == "" {
		t.Fatalf("%+v", refs)
	}
	encounter := byRef[refs.Encounters[mrn]]
	if encounter["status"] != "in-progress" || encounter["subject"].(map[string]any)["reference"] != patient {
		t.Errorf("%v", encounter)
	}
	for id, typ := range map[string]string{"nurse-triage": "HealthcareService", "cardiology-team": "CareTeam"} {
		if !strings.HasPrefix(refs.Pools[id], typ+"/") || byRef[refs.Pools[id]] == nil {
			t.Errorf("%s is %s", id, refs.Pools[id])
		}
	}
	for _, id := range []string{"prac-ana", "lena", "http://hl7.org/fhir/sid/us-npi|1993000000"} {
		if byRef[refs.People[id]] == nil || byRef[refs.Roles[id]] == nil {
			t.Errorf("%s: %s %s", id, refs.People[id], refs.Roles[id])
		}
	}
	if byRef["Appointment/appt-a"] == nil {
		t.Error("the appointment a thread is about is missing")
	}
	if byRef[refs.Probe] == nil {
		t.Error("there is no patient to probe with")
	}
	twins(t, byRef, refs, patient)
}

func TestSplitKeepsReferencesBackwards(t *testing.T) {
	people, err := seed.FromEvents(events)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := seed.Bundle(people)
	parts, err := seed.Split(raw, 3)
	if err != nil || len(parts) < 4 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	there := map[string]bool{}
	reference := regexp.MustCompile(`"reference":"([^"]+)"`)
	count := 0
	for _, part := range parts {
		var b struct {
			Entry []struct{ Request struct{ URL string } }
		}
		if err := json.Unmarshal(part, &b); err != nil || len(b.Entry) > 3 {
			t.Fatalf("%d entries, %v", len(b.Entry), err)
		}
		for _, e := range b.Entry {
			there[e.Request.URL] = true
			count++
		}
		for _, m := range reference.FindAllSubmatch(part, -1) {
			if !there[string(m[1])] {
				t.Errorf("%s comes later", m[1])
			}
		}
	}
	if want := bytes.Count(raw, []byte(`"request":`)); count != want {
		t.Errorf("%d entries, want %d", count, want)
	}
	if _, err := seed.Split([]byte("{"), 3); err == nil {
		t.Error("split what is no Bundle")
	}
}

// twins: one shares the name and not the birth date, one the phone and neither name nor birth date; none an identifier.
func twins(t *testing.T, byRef map[string]map[string]any, refs seed.Refs, patient string) {
	t.Helper()
	if len(refs.Twins) != 2 {
		t.Fatalf("%v", refs.Twins)
	}
	field := func(ref, name string) string {
		raw, _ := json.Marshal(byRef[ref][name])
		return string(raw)
	}
	name, phone := refs.Twins[0], refs.Twins[1]
	if field(name, "name") != field(patient, "name") || field(name, "birthDate") == field(patient, "birthDate") || field(name, "telecom") != "null" {
		t.Errorf("name twin %v", byRef[name])
	}
	if field(phone, "telecom") != field(patient, "telecom") || field(phone, "name") == field(patient, "name") || field(phone, "birthDate") == field(patient, "birthDate") {
		t.Errorf("phone twin %v", byRef[phone])
	}
	for _, twin := range refs.Twins {
		if strings.Contains(field(twin, "identifier"), `"MRN1"`) {
			t.Errorf("%s has the patient's identifier", twin)
		}
	}
}
