package validate

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/fhir/go/fhirversion"
	"github.com/google/fhir/go/jsonformat"
	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/fhir/r4"
)

// gate is shared: building google's tables is the slow part, and sharing is the documented use.
var gate = New()

// secret stands for PHI in every value of the samples; no problem may ever hold it.
const secret = "Zebraquagga"

var fixedTime = time.Date(2026, 11, 22, 14, 3, 11, 0, time.FixedZone("", -5*3600))

func communication() *r4.Communication {
	c := r4.NewCommunication(r4.EventCompleted, r4.NewIdentifier("https://x.example/sid/message", secret+"/m-7"))
	c.PartOf = []r4.Reference{r4.Ref("Communication/thread-1")}
	c.Medium = []r4.CodeableConcept{r4.MediumOnline()}
	c.Subject = r4.Ptr(r4.RefDisplay("Patient/p1", secret))
	c.Sender = r4.Ptr(r4.LogicalRef("RelatedPerson", r4.NewIdentifier("https://x.example/sid/participant", secret), secret))
	c.Recipient = []r4.Reference{r4.Ref("CareTeam/ct1")}
	c.SetSent(fixedTime)
	c.Payload = []r4.Payload{
		r4.StringPayload(secret + " <b>&</b>"),
		r4.AttachmentPayload(r4.NewAttachment("image/jpeg", []byte{0xff, 0xd8, 0xff}, secret, fixedTime)),
	}
	return c
}

func document() *r4.DocumentReference {
	d := r4.NewDocumentReference(r4.NewIdentifier("https://x.example/sid/message", secret),
		r4.Concept("Secure message", r4.NewCoding(r4.SystemLOINC, "34748-4", "Telephone encounter Note")),
		r4.Ref("Patient/p1"), r4.NewAttachment(r4.ContentTypePlain, []byte(secret), secret, fixedTime))
	d.SetDate(fixedTime)
	d.SetContext("Encounter/e1", fixedTime, fixedTime)
	d.Author = []r4.Reference{r4.Ref("Practitioner/d1")}
	d.ClaimUSCore()
	return d
}

func provenance() *r4.Provenance {
	p := r4.NewProvenance(fixedTime, r4.Ref("Communication/c1"))
	p.Author(r4.Ref("Practitioner/d1"), r4.Ptr(r4.Ref("Organization/o1")))
	p.Transmitter(r4.Ref("Organization/o1"), nil)
	p.SetActivity("CREATE")
	return p
}

func task() *r4.Task {
	t := r4.NewTask(r4.TaskRequested, r4.NewIdentifier("s", secret), r4.Ref("Communication/c1"), r4.Ref("Patient/p1"))
	t.SetTimes(fixedTime, fixedTime)
	return t
}

func request() *r4.CommunicationRequest {
	c := r4.NewCommunicationRequest(r4.RequestActive, r4.NewIdentifier("s", secret))
	c.Subject = r4.Ptr(r4.Ref("Patient/p1"))
	c.Payload = []r4.Payload{r4.StringPayload(secret)}
	c.Requester = r4.Ptr(r4.Ref("Practitioner/d1"))
	c.SetAuthoredOn(fixedTime)
	return c
}

func build(t testing.TB, m json.Marshaler) []byte {
	t.Helper()
	raw, err := m.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// change sets a value deep in a JSON document; nil removes it. Path parts are keys or indices.
func change(t testing.TB, raw []byte, value any, path ...any) []byte {
	t.Helper()
	var root any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	at := root
	for _, p := range path[:len(path)-1] {
		switch p := p.(type) {
		case string:
			at = at.(map[string]any)[p]
		case int:
			at = at.([]any)[p]
		}
	}
	switch last := path[len(path)-1].(type) {
	case string:
		if value == nil {
			delete(at.(map[string]any), last)
		} else {
			at.(map[string]any)[last] = value
		}
	case int:
		at.([]any)[last] = value
	}
	out, err := r4.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWhatWeBuildPasses(t *testing.T) {
	related := r4.NewRelatedPerson(r4.NewIdentifier("s", secret), r4.Ref("Patient/p1"))
	related.Name = []r4.HumanName{{Family: r4.String("Cho"), Given: []string{"Maria"}}}
	for name, m := range map[string]json.Marshaler{
		"Communication": communication(), "CommunicationRequest": request(), "DocumentReference": document(),
		"Provenance": provenance(), "Task": task(), "RelatedPerson": related,
		"Binary":       r4.NewBinary("image/jpeg", []byte{1, 2, 3}, "Patient/p1"),
		"Subscription": r4.NewSubscription("CommunicationRequest?status=active", "https://x.example/notify", "EHR-born requests", "X-Secret: s"),
	} {
		if err := gate.Resource(build(t, m)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func expect(t *testing.T, name string, err error, path, text string) {
	t.Helper()
	var problem *Problem
	if !errors.As(err, &problem) {
		t.Errorf("%s: passed (%v)", name, err)
		return
	}
	if problem.Path != path || !strings.Contains(problem.Text, text) {
		t.Errorf("%s: got %s: %s; want %s: %s", name, problem.Path, problem.Text, path, text)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("%s: the problem quotes the resource: %v", name, err)
	}
}

// google's findings keep google's words, so that they can be looked up.
func TestGoogleFailuresVerbatim(t *testing.T) {
	good := build(t, communication())
	for _, c := range []struct {
		name       string
		raw        []byte
		path, text string
	}{
		{"no status", change(t, good, nil, "status"), "Communication", `missing required field "status"`},
		{"bad code", change(t, good, secret, "status"), "Communication.status", "code type mismatch"},
		{"reference type", change(t, good, "Practitioner/1", "subject", "reference"), "Communication.subject", "invalid reference to a Practitioner resource, want Patient, Group"},
		{"date", change(t, good, secret, "sent"), "Communication.sent", "expected datetime"},
		{"local time", change(t, good, "2026-11-22T14:03:11", "sent"), "Communication.sent", "expected datetime"},
		{"number for string", change(t, good, 5, "subject", "display"), "Communication.subject.display", "expected string"},
		{"bad id", change(t, good, "a b", "id"), "Communication.id", "invalid Id format"},
		{"bad base64", change(t, good, "%%%", "payload", 1, "contentAttachment", "data"), "Communication.payload[1].contentAttachment.data", "expected binary data"},
		{"size", change(t, good, -1, "payload", 1, "contentAttachment", "size"), "Communication.payload[1].contentAttachment.size", "invalid non-negative integer"},
		{"no recorded", change(t, build(t, provenance()), nil, "recorded"), "Provenance", `missing required field "recorded"`},
		{"no intent", change(t, build(t, task()), nil, "intent"), "Task", `missing required field "intent"`},
		{"no content", change(t, build(t, document()), nil, "content"), "DocumentReference", `missing required field "content"`},
	} {
		expect(t, c.name, gate.Base(c.raw), c.path, c.text)
		expect(t, c.name, gate.Resource(c.raw), c.path, c.text)
	}
}

func TestStructureFailures(t *testing.T) {
	good := build(t, communication())
	raw := func(s string) []byte { return []byte(s) }
	deep := strings.Repeat(`{"extension":[`, 40) + `{}` + strings.Repeat(`]}`, 40)
	for _, c := range []struct {
		name       string
		raw        []byte
		path, text string
	}{
		{"unknown key", change(t, good, secret, "colour"), "Communication.colour", "not an element R4 knows here"},
		{"unknown key below", change(t, good, secret, "payload", 1, "contentAttachment", "widht"), "Communication.payload[1].contentAttachment.widht", "not an element"},
		{"element of another resource", change(t, good, "order", "intent"), "Communication.intent", "not an element"},
		{"R5 payload", change(t, good, map[string]any{}, "payload", 0, "contentCodeableConcept"), "Communication.payload[0].contentCodeableConcept", "not an element"},
		{"upper-case key", change(t, good, "completed", "Status"), "Communication.Status", "not an element"},
		{"key that is no name", change(t, good, 1, secret+" was here"), "Communication.(not an element name)", "not an element"},
		{"google's reference key", change(t, good, map[string]any{"value": "1"}, "subject", "patientId"), "Communication.subject.patientId", "not an element"},
		{"google's fragment key", change(t, good, "x", "subject", "fragment"), "Communication.subject.fragment", "not an element"},
		{"duplicate key", raw(`{"resourceType":"Communication","status":"completed","subject":{"display":"a","display":"` + secret + `"}}`), "subject.display", "twice"},
		{"duplicate key, escaped", raw(`{"resourceType":"Communication","status":"completed","st\u0061tus":"unknown"}`), "status", "twice"},
		{"list for one", change(t, good, []any{map[string]any{"reference": "Patient/1"}}, "subject"), "Communication.subject", "not a list"},
		{"one for list", change(t, good, map[string]any{"reference": "Patient/1"}, "recipient"), "Communication.recipient", "expected a list"},
		{"empty list", change(t, good, []any{}, "recipient"), "Communication.recipient", "the list is empty"},
		{"empty element", change(t, good, map[string]any{}, "subject"), "Communication.subject", "the element is empty"},
		{"empty string", change(t, good, "", "subject", "display"), "Communication.subject.display", "blank"},
		{"control character", change(t, good, secret+"\x01", "payload", 0, "contentString"), "Communication.payload[0].contentString", "control characters"},
		{"null", raw(`{"resourceType":"Communication","status":null}`), "Communication.status", "null is not a value"},
		{"value in a sibling", change(t, good, map[string]any{"value": secret}, "_status"), "Communication._status.value", "only id and extension"},
		{"string for object", change(t, good, secret, "subject"), "Communication.subject", "expected a JSON object"},
		{"object for string", change(t, good, map[string]any{"a": 1}, "sent"), "Communication.sent", "expected a plain value"},
		{"lone surrogate", raw(`{"resourceType":"Communication","status":"completed","topic":{"text":"\ud83d"}}`), "topic.text", "surrogate"},
		{"surrogates swapped", raw(`{"resourceType":"Communication","status":"completed","topic":{"text":"\ude00\ud83d"}}`), "topic.text", "surrogate"},
		{"unknown resource", raw(`{"resourceType":"` + secret + `"}`), "", "not one of R4"},
		{"no resource", raw(`{"status":"completed"}`), "", `missing required field "resourceType"`},
		{"unknown contained", change(t, good, []any{map[string]any{"resourceType": secret}}, "contained"), "Communication.contained[0]", "resourceType"},
		{"not JSON", raw(`{"resourceType":` + secret), "", "not one JSON value"},
		{"two documents", raw(`{"resourceType":"Patient"}{}`), "", "not one JSON value"},
		{"an array", raw(`[{}]`), "", "not a JSON object"},
		{"not UTF-8", raw("{\"resourceType\":\"Communication\xff\"}"), "", "not UTF-8"},
		{"too deep", raw(`{"resourceType":"Patient","extension":[` + deep + `]}`), "extension[0]" + strings.Repeat(".extension[0]", 31) + ".extension", "nested more"},
	} {
		expect(t, c.name, gate.Base(c.raw), c.path, c.text)
	}
}

// The official examples pass the base check, and google reads and writes them unchanged: the
// oracle agrees with the examples our own wrappers are held to.
func TestOfficialExamples(t *testing.T) {
	files, err := filepath.Glob("../r4/testdata/examples/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := gate.Base(raw); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		sameThroughGoogle(t, f, raw)
	}
}

// What our builders write is read by google and written back as the same JSON: an oracle for the
// encoders that shares no code with them.
func TestBuiltResourcesThroughTheOracle(t *testing.T) {
	for _, m := range []json.Marshaler{communication(), request(), document(), provenance(), task()} {
		raw := build(t, m)
		sameThroughGoogle(t, r4.TypeOf(raw), raw)
	}
}

func sameThroughGoogle(t *testing.T, name string, raw []byte) {
	t.Helper()
	u, err := jsonformat.NewUnmarshaller("UTC", fhirversion.R4)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jsonformat.NewMarshaller(false, "", "", fhirversion.R4)
	if err != nil {
		t.Fatal(err)
	}
	message, err := u.Unmarshal(raw)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	back, err := m.Marshal(message)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if diff := cmp.Diff(decode(t, raw), decode(t, back)); diff != "" {
		t.Errorf("%s:\n%s", name, diff)
	}
}

func decode(t *testing.T, raw []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestGateIsConcurrent(t *testing.T) {
	fresh := New()
	good, bad := build(t, communication()), []byte(`{"resourceType":"Communication"}`)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := fresh.Resource(good); err != nil {
				t.Error(err)
			}
			if err := fresh.Resource(bad); err == nil {
				t.Error("passed")
			}
		})
	}
	wg.Wait()
}

func BenchmarkGate(b *testing.B) {
	raw := build(b, communication())
	if err := gate.Resource(raw); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := gate.Resource(raw); err != nil {
			b.Fatal(err)
		}
	}
}
