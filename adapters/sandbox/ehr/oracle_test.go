package ehr_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

func millennium(t *testing.T) *world {
	t.Helper()
	traits, err := ehr.Profile("oracle")
	if err != nil {
		t.Fatal(err)
	}
	traits.Auth = false
	w := start(t, ehr.Options{Traits: traits})
	if _, err := w.Put([]byte(`{"resourceType":"Group","id":"triage","type":"practitioner","actual":true}`)); err != nil {
		t.Fatal(err)
	}
	return w
}

const staffMessage = `{"resourceType":"Communication","status":"completed","priority":"urgent","subject":{"reference":"Patient/daniel"},
 "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/communication-category","code":"notification"}]}],
 "topic":{"text":"Home readings"},"encounter":{"reference":"Encounter/visit"},
 "extension":[{"url":"https://fhir-ehr.cerner.com/r4/StructureDefinition/reply-to","valueReference":{"reference":"Group/triage"}}],
 "recipient":[{"reference":"Practitioner/ana"},{"reference":"Group/triage"}],"sender":{"reference":"Practitioner/ana"},
 "payload":[{"contentAttachment":{"contentType":"text/plain;charset=utf-8","data":"aGVsbG8="}}]}`

const document = `{"resourceType":"DocumentReference","status":"current","docStatus":"final","subject":{"reference":"Patient/daniel"},
 "type":{"coding":[{"system":"http://loinc.org","code":"34748-4"}]},"author":[{"reference":"Practitioner/ana"}],
 "content":[{"attachment":{"contentType":"text/plain;charset=utf-8","data":"aGVsbG8="}}],
 "context":{"encounter":[{"reference":"Encounter/visit"}],"period":{"start":"2026-11-22T17:00:00Z","end":"2026-11-22T18:00:00Z"}}}`

// TestOracleTakesItsOwnShapes: as the vendor's pages describe them, with nothing in the answer but where it is.
func TestOracleTakesItsOwnShapes(t *testing.T) {
	w := millennium(t)
	for kind, body := range map[string]string{"Communication": staffMessage, "DocumentReference": document} {
		a := w.do("POST", "/"+kind, body, "Prefer", "return=representation")
		w.want(a, 201, "")
		if len(a.raw) != 0 || a.header.Get("ETag") == "" {
			t.Errorf("%s: ETag %q, body %s", kind, a.header.Get("ETag"), a.raw)
		}
		_, at, _ := strings.Cut(a.header.Get("Location"), "/fhir/")
		at, _, _ = strings.Cut(at, "/_history")
		read := w.do("GET", "/"+at, "")
		if strings.Contains(string(read.raw), "aGVsbG8=") || !strings.Contains(string(read.raw), "Binary/") {
			t.Errorf("%s is read with its content: %s", kind, read.raw)
		}
		if strings.Contains(string(read.raw), "contentAttachment") {
			t.Errorf("a message's body is read without its Binary: %s", read.raw)
		}
		_, binary, _ := strings.Cut(string(read.raw), `Binary/`)
		binary, _, _ = strings.Cut(binary, `"`)
		if b := w.do("GET", "/Binary/"+binary, ""); !strings.Contains(string(b.raw), "aGVsbG8=") && string(b.raw) != "hello" {
			t.Errorf("%s: the Binary holds %s", kind, b.raw)
		}
	}
}

// TestOracleRefusesTheRest: without a word of why.
func TestOracleRefusesTheRest(t *testing.T) {
	w := millennium(t)
	changed := func(body string, f func(map[string]any)) string {
		var r map[string]any
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatal(err)
		}
		f(r)
		out, _ := json.Marshal(r)
		return string(out)
	}
	set := func(name string, v any) func(map[string]any) {
		return func(r map[string]any) {
			if r[name] = v; v == nil {
				delete(r, name)
			}
		}
	}
	data := base64.StdEncoding.EncodeToString([]byte("x"))
	ref := func(s string) any { return map[string]any{"reference": s} }
	file := func(kind string) any { return map[string]any{"contentType": kind, "data": data} }
	for kind, c := range map[string]struct {
		body  string
		wrong map[string]func(map[string]any)
	}{
		"Communication": {staffMessage, map[string]func(map[string]any){
			"in progress": set("status", "in-progress"), "no category": set("category", nil), "no sender": set("sender", nil),
			"another category": set("category", []any{map[string]any{"coding": []any{map[string]any{"system": "http://terminology.hl7.org/CodeSystem/communication-category", "code": "alert"}}}}),
			"a patient's":      set("sender", ref("Patient/daniel")), "for a patient": set("recipient", []any{ref("Patient/daniel")}), "for nobody": set("recipient", nil),
			"stat": set("priority", "stat"), "an encounter of nobody's": set("subject", nil), "a note": set("note", []any{map[string]any{"text": "x"}}),
			"a header's": set("partOf", []any{ref("Communication/x")}), "a reply": set("inResponseTo", []any{ref("Communication/x")}),
			"identified":   set("identifier", []any{map[string]any{"system": "urn:x", "value": "1"}}),
			"no payload":   set("payload", nil),
			"a string":     set("payload", []any{map[string]any{"contentString": "hello"}}),
			"two payloads": set("payload", []any{map[string]any{"contentAttachment": file("text/plain")}, map[string]any{"contentAttachment": file("text/plain")}}),
			"a picture":    set("payload", []any{map[string]any{"contentAttachment": file("image/png")}}),
			"coded topic":  set("topic", map[string]any{"coding": []any{map[string]any{"system": "urn:x", "code": "1"}}, "text": "x"}),
			"a displayed":  set("sender", map[string]any{"reference": "Practitioner/ana", "display": "Ana"}),
		}},
		"DocumentReference": {document, map[string]func(map[string]any){
			"superseded": set("status", "superseded"), "preliminary": set("docStatus", "preliminary"), "no docStatus": set("docStatus", nil),
			"no type": set("type", nil), "another type": set("type", map[string]any{"coding": []any{map[string]any{"system": "http://snomed.info/sct", "code": "1"}}}),
			"two types": set("type", map[string]any{"coding": []any{map[string]any{"system": "http://loinc.org", "code": "34748-4"},
				map[string]any{"system": "https://fhir.cerner.com/x/codeSet/72", "code": "1"}}}),
			"no subject": set("subject", nil), "a patient's": set("author", []any{ref("Patient/daniel")}), "no context": set("context", nil),
			"a day":       set("context", map[string]any{"period": map[string]any{"end": "2026-11-22"}}),
			"no charset":  set("content", []any{map[string]any{"attachment": file("text/plain")}}),
			"a picture":   set("content", []any{map[string]any{"attachment": file("image/png;charset=utf-8")}}),
			"identified":  set("identifier", []any{map[string]any{"system": "urn:x", "value": "1"}}),
			"categorized": set("category", []any{map[string]any{"text": "x"}}), "dated": set("date", "2026-11-22T18:00:00Z"),
			"related": set("relatesTo", []any{map[string]any{"code": "replaces", "target": ref("DocumentReference/x")}}),
		}},
	} {
		for name, f := range c.wrong {
			a := w.do("POST", "/"+kind, changed(c.body, f))
			if a.status != 400 || a.diagnostics() != "Invalid request" {
				t.Errorf("%s, %s: %d %s", kind, name, a.status, a.raw)
			}
		}
	}
	for _, path := range []string{
		"/Communication?patient=daniel", "/Communication?category=notification&recipient:Group=triage&received=ge2026-11-22T00:00:00Z",
		"/Communication?category=notification&recipient:Group=triage&received=ge2026-11-22&-email-status=received",
		"/Communication?identifier=urn:x%7C1", "/DocumentReference?type=34748-4", "/DocumentReference?patient=daniel&period=ge2026-11-22T00:00:00Z",
		"/DocumentReference?patient=daniel&date=ge2026-11-22", "/DocumentReference",
	} {
		if a := w.do("GET", path, ""); a.status != 400 || a.diagnostics() != "Invalid request" {
			t.Errorf("%s: %d %s", path, a.status, a.raw)
		}
	}
}

func TestOracleSearches(t *testing.T) {
	w := millennium(t)
	w.want(w.do("POST", "/Communication", staffMessage), 201, "")
	w.want(w.do("POST", "/DocumentReference", document), 201, "")
	for path, want := range map[string]int{
		"/Communication?category=notification&recipient:Group=triage&received=ge2026-11-22T00:00:00Z&-email-status=received":  1,
		"/Communication?category=notification&recipient:Group=triage&received=ge2026-11-22T00:00:00Z&-email-status=completed": 0,
		"/DocumentReference?patient=daniel": 1, "/DocumentReference?patient=daniel&period=ge2026-11-22T00:00:00Z&period=lt2026-11-23T00:00:00Z": 1,
	} {
		a := w.do("GET", path, "")
		w.want(a, 200, "")
		if entries, _ := a.body["entry"].([]any); len(entries) != want {
			t.Errorf("%s: %d entries, want %d", path, len(entries), want)
		}
	}
}

// TestOracleUpdates: a document, with its version, and nothing of a message.
func TestOracleUpdates(t *testing.T) {
	w := millennium(t)
	at := func(kind, body string) string {
		a := w.do("POST", "/"+kind, body)
		_, at, _ := strings.Cut(a.header.Get("Location"), "/fhir/")
		at, _, _ = strings.Cut(at, "/_history")
		return at
	}
	message, doc := at("Communication", staffMessage), at("DocumentReference", document)
	if a := w.do("PUT", "/"+message, strings.Replace(staffMessage, `{"res`, `{"id":"`+strings.TrimPrefix(message, "Communication/")+`","res`, 1), "If-Match", `W/"1"`); a.status != 405 {
		t.Errorf("a message is changed: %d", a.status)
	}
	body := strings.Replace(strings.Replace(document, "current", "entered-in-error", 1), `{"res`, `{"id":"`+strings.TrimPrefix(doc, "DocumentReference/")+`","res`, 1)
	for version, want := range map[string]int{"": 428, `W/"7"`: 412} {
		var headers []string
		if version != "" {
			headers = []string{"If-Match", version}
		}
		if a := w.do("PUT", "/"+doc, body, headers...); a.status != want {
			t.Errorf("If-Match %q: %d, want %d", version, a.status, want)
		}
	}
	w.want(w.do("PUT", "/"+doc, body, "If-Match", `W/"1"`), 200, "")
}
