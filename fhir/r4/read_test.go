package r4

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadPatient(t *testing.T) {
	p, err := ReadPatient([]byte(`{"resourceType":"Patient","id":"p1","meta":{"versionId":"7"},"active":true,"birthDate":"2015-07-04",
		"name":[{"use":"official","family":"Cho","given":["Daniel",null,"M"],"_given":[null,{"extension":[]}]},{"use":"old","family":"Park"},{"text":"Danny"}],
		"telecom":[{"system":"phone","value":"+1 555 0100"},{"system":"email","value":"a@b"},{"system":"sms","value":"5550101"},{"system":"phone"}],
		"identifier":[{"use":"usual","type":{"coding":[{"code":"MR"}]},"system":"urn:oid:1.2","value":"MRN1"}],
		"link":[{"type":"seealso","other":{"reference":"Patient/p2"}},{"type":"replaced-by","other":{"reference":"Patient/p3"}}],"vendor":{"x":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := PatientView{
		ID: "p1", VersionID: "7", Active: true, BirthDate: "2015-07-04",
		Names:       []PatientName{{Use: "official", Family: "Cho", Given: []string{"Daniel", "M"}}, {Use: "old", Family: "Park"}, {Text: "Danny"}},
		Phones:      []string{"+1 555 0100", "5550101"},
		Identifiers: []PatientIdentifier{{"usual", "urn:oid:1.2", "MRN1", []string{"MR"}}},
		Links:       []PatientLink{{"seealso", "Patient/p2"}, {"replaced-by", "Patient/p3"}},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	if p.ReplacedBy() != "Patient/p3" || !p.HasIdentifier("urn:oid:1.2", "MRN1") || p.HasIdentifier("urn:oid:1.2", "mrn1") {
		t.Error("ReplacedBy or HasIdentifier")
	}
	for raw, active := range map[string]bool{`{"resourceType":"Patient"}`: true, `{"resourceType":"Patient","active":false}`: false} {
		if p, err := ReadPatient([]byte(raw)); err != nil || p.Active != active || p.ReplacedBy() != "" {
			t.Errorf("%s: %+v %v", raw, p, err)
		}
	}
	if _, err := ReadPatient([]byte(`{"resourceType":"Group"}`)); !errors.Is(err, ErrResourceType) {
		t.Errorf("%v", err)
	}
	if _, err := ReadPatient([]byte(`{"resourceType":"Patient","name":"Zebra"}`)); err == nil || strings.Contains(err.Error(), "Zebra") {
		t.Errorf("%v", err)
	}
}

func TestReadEchoOfCommunication(t *testing.T) {
	raw, err := message().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	raw, err = Patch(raw, map[string]any{"id": "c1", "meta": map[string]string{"versionId": "2"}, "subject": Ref("https://ehr.example/fhir/Patient/p1/_history/4")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := ReadEcho(raw)
	if err != nil {
		t.Fatal(err)
	}
	if e.ID != "c1" || e.VersionID != "2" || e.Status != "completed" || e.Subject.LocalID() != "Patient/p1" ||
		!e.HasIdentifier("https://x.example/sid/texting/message", "t-1/m-7") || e.Sender.IdentifierValue != "r1" ||
		e.PartOf[0].LocalID() != "Communication/thread-1" || e.Recipients[0].Reference != "CareTeam/ct1" || e.Categories[0] != "notification" {
		t.Errorf("%+v", e)
	}
	if len(e.Texts) != 1 || e.Texts[0] != "BP <98/60> & pulse\n👍" {
		t.Errorf("texts %q", e.Texts)
	}
	if a := e.Attachments[0]; a.SHA256 != sha256.Sum256([]byte{0xff, 0xd8}) || a.Size != 2 || a.Title != "reading.jpg" {
		t.Errorf("attachment %+v", a)
	}
}

func TestReadEchoOfDocument(t *testing.T) {
	e, err := ReadEcho([]byte(`{"resourceType":"DocumentReference","id":"d1","masterIdentifier":{"system":"m","value":"1"},"identifier":[{"system":"s","value":"2"}],
		"status":"current","subject":{"reference":"Patient/1"},"date":"2026-11-22T19:15:00Z","author":[{"reference":"Practitioner/1"}],
		"relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/d0"}},{"code":"appends","target":{"reference":"DocumentReference/dx"}}],
		"content":[{"attachment":{"contentType":"text/plain","data":"aGVs\nbG8="}},{"attachment":{"url":"Binary/1"}}],"context":{"encounter":[{"reference":"Encounter/e"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !e.HasIdentifier("m", "1") || !e.HasIdentifier("s", "2") || len(e.Replaces) != 1 || e.Encounter.Reference != "Encounter/e" ||
		string(e.Attachments[0].Data) != "hello" || e.Attachments[1].Data != nil || e.Attachments[1].URL != "Binary/1" {
		t.Errorf("%+v", e)
	}
	if _, err := ReadEcho([]byte(`{"resourceType":"DocumentReference","content":[{"attachment":{"data":"%%"}}]}`)); err == nil {
		t.Error("data that is not base64 was read")
	}
	if _, err := ReadEcho([]byte(`{"resourceType":"Patient"}`)); !errors.Is(err, ErrResourceType) {
		t.Errorf("%v", err)
	}
}

func TestLocalID(t *testing.T) {
	for in, want := range map[string]string{
		"Patient/1": "Patient/1", "https://h/fhir/Patient/a.b-c/_history/3": "Patient/a.b-c", "/Patient/1/": "Patient/1",
		"Patient/1/_history/2": "Patient/1", "urn:uuid:1": "", "#p": "", "": "", "Patient": "", "https://h/": "", "Patient?identifier=1": "",
		"https://h/fhir/Patient/1?x=2": "Patient/1",
	} {
		if got := LocalID(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestReadBundle(t *testing.T) {
	b, err := ReadBundle([]byte(`{"resourceType":"Bundle","type":"searchset","total":2,"link":[{"relation":"self","url":"a"},{"relation":"next","url":"https://h/next"}],
		"entry":[{"fullUrl":"https://h/Patient/1","resource":{"resourceType":"Patient","id":"1","n":1.50},"search":{"mode":"match"}},
		{"resource":{"resourceType":"Organization","id":"o"},"search":{"mode":"include"}},
		{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}},{"resource":{"resourceType":"Patient","id":"2"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if b.Total != 2 || b.Next != "https://h/next" || len(b.Entries) != 4 || len(b.Matches()) != 2 || b.Matches()[1].ID != "2" {
		t.Errorf("%+v", b)
	}
	if string(b.Entries[0].Resource) != `{"resourceType":"Patient","id":"1","n":1.50}` {
		t.Errorf("the entry's bytes changed: %s", b.Entries[0].Resource)
	}
	b, err = ReadBundle([]byte(`{"resourceType":"Bundle","type":"transaction-response","entry":[
		{"response":{"status":"201 Created","location":"Communication/1/_history/1","etag":"W/\"1\""}},{"response":{"status":"200"},"resource":null},{"response":{"status":"oops"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if b.Total != -1 || b.Entries[0].Status != 201 || b.Entries[0].ETag != `W/"1"` || b.Entries[1].Status != 200 || b.Entries[1].Resource != nil || b.Entries[2].Status != 0 {
		t.Errorf("%+v", b.Entries)
	}
	if _, err := ReadBundle([]byte(`{"resourceType":"Bundle","entry":[{"resource":"x"}]}`)); err == nil {
		t.Error("an entry that is no resource was read")
	}
}

func TestReadOutcomeKeepsTextApart(t *testing.T) {
	raw := []byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid",
		"details":{"coding":[{"code":"59108","display":"for Zebra"}],"text":"Zebra is unknown"},"diagnostics":"Patient Zebra",
		"expression":["Communication.subject","Patient.name.where(family='Zebra')"],"location":["/f:Communication/f:subject"]},
		{"severity":"information","code":"Zebra and more"}]}`)
	issues, ok := ReadOutcome(raw)
	if !ok || !Failed(issues) || Failed(issues[1:]) {
		t.Fatalf("%v %v", issues, ok)
	}
	encoded, err := json.Marshal(issues)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprintf("%v", issues), fmt.Sprintf("%+v", issues), fmt.Sprintf("%#v", issues), string(encoded)} {
		if strings.Contains(shown, "Zebra") {
			t.Errorf("PHI is shown: %s", shown)
		}
	}
	if diff := cmp.Diff([]string{"Communication.subject"}, issues[0].Expression); diff != "" || issues[0].Detail[0] != "59108" {
		t.Errorf("%s %+v", diff, issues[0])
	}
	if got := issues[0].Text.Reveal(); !strings.Contains(got, "Zebra is unknown") || !strings.Contains(got, "Patient Zebra") {
		t.Errorf("the text is lost: %s", got)
	}
	for _, raw := range []string{``, `<html>`, `{"resourceType":"Patient"}`, `[]`} {
		if _, ok := ReadOutcome([]byte(raw)); ok {
			t.Errorf("%q was read as an outcome", raw)
		}
	}
}

// FuzzReaders: whatever a server sends, the readers do not panic and their errors quote nothing.
func FuzzReaders(f *testing.F) {
	for _, raw := range examples(f) {
		f.Add(raw)
	}
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"response":{"status":"2"}}]}`))
	f.Add([]byte(`{"resourceType":"CapabilityStatement","rest":[{"resource":[{"type":"Patient"}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = ReadPatient(raw)
		_, _ = ReadEcho(raw)
		_, _ = ReadBundle(raw)
		_, _ = ReadOutcome(raw)
		_, _ = ReadCapability(raw)
	})
}
