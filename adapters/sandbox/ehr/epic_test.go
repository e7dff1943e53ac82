package ehr_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

const epicVisits = `{"resourceType":"Bundle","entry":[
{"resource":{"resourceType":"Encounter","id":"done","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/daniel"}}},
{"resource":{"resourceType":"Encounter","id":"later","status":"planned","class":{"code":"AMB"},"subject":{"reference":"Patient/daniel"}}},
{"resource":{"resourceType":"Encounter","id":"off","status":"cancelled","class":{"code":"AMB"},"subject":{"reference":"Patient/daniel"}}},
{"resource":{"resourceType":"Encounter","id":"danas","status":"in-progress","class":{"code":"AMB"},"subject":{"reference":"Patient/dana"}}}
]}`

// epicNote is a note Epic takes, with its parts to replace.
const epicNote = `{"resourceType":"DocumentReference","identifier":[{"system":"https://cw.example/sid/texting/message","value":"t/1"}],
"status":"current","docStatus":"final","type":{"coding":[{"system":"http://loinc.org","code":"11506-3"}]},
"category":[{"coding":[{"system":"http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category","code":"clinical-note"}]}],
"subject":{"reference":"Patient/daniel"},"date":"2026-11-01T10:00:00Z",
"content":[{"attachment":{"contentType":"text/plain","data":"aGVsbG8="}}],
"context":{"encounter":[{"reference":"Encounter/visit"}]}}`

func startEpic(t *testing.T) *world {
	t.Helper()
	traits, err := ehr.Profile("epic")
	if err != nil {
		t.Fatal(err)
	}
	traits.Auth = false
	w := start(t, ehr.Options{Traits: traits})
	if err := w.Seed([]byte(epicVisits)); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestEpicRefuses: what Epic does not take is refused with an OperationOutcome, its own code in it where one is on record.
func TestEpicRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		status   int
		code     string
		says     string
	}{
		"no encounter":          {`"context":{"encounter":[{"reference":"Encounter/visit"}]}`, `"language":"en"`, 400, "59108", "Valid encounter required"},
		"another's encounter":   {"Encounter/visit", "Encounter/danas", 400, "", "Valid encounter required"},
		"a cancelled encounter": {"Encounter/visit", "Encounter/off", 400, "", "Valid encounter required"},
		"signed before a visit": {"Encounter/visit", "Encounter/later", 400, "", "has not begun"},
		"HTML":                  {"text/plain", "text/html", 422, "", "text/plain"},
		"no text":               {`"data":"aGVsbG8="`, `"url":"Binary/x"`, 400, "59108", "no text"},
		"other note type":       {"11506-3", "34748-4", 422, "", "note type"},
		"discharge summary":     {"11506-3", "18842-5", 422, "", "note type"},
		"superseded":            {`"current"`, `"superseded"`, 422, "59012", "current"},
		"amended":               {`"final"`, `"amended"`, 422, "", "final or preliminary"},
		"no docStatus":          {`"docStatus":"final",`, ``, 400, "59108", "docStatus"},
	} {
		t.Run(name, func(t *testing.T) {
			w := startEpic(t)
			a := w.do("POST", "/DocumentReference", replace(epicNote, c.from, c.to))
			w.want(a, c.status, c.says)
			var oo struct {
				Issue []struct {
					Details struct{ Coding []struct{ Code string } }
				}
			}
			_ = json.Unmarshal(a.raw, &oo)
			code := ""
			if d := oo.Issue[0].Details.Coding; len(d) > 0 {
				code = d[0].Code
			}
			if code != c.code {
				t.Errorf("code %q, want %q", code, c.code)
			}
			if n := len(w.All("DocumentReference")) + len(w.All("Binary")); n != 0 {
				t.Errorf("%d resources were kept of what was refused", n)
			}
		})
	}
}

// TestEpicTakes: a finished visit, a draft before a visit, an organization's own note type.
func TestEpicTakes(t *testing.T) {
	w := startEpic(t)
	for _, change := range [][]string{
		{"Encounter/visit", "Encounter/done"}, {"Encounter/visit", "Encounter/later", `"final"`, `"preliminary"`},
		{"http://loinc.org", "urn:oid:1.2.840.114350.1.13.0.1.7.4.737880.5010", "11506-3", "1"}, {"text/plain", "text/plain; charset=utf-8"},
	} {
		w.want(w.do("POST", "/DocumentReference", replace(epicNote, change...)), 201, "")
	}
}

// TestEpicKeeps: identifiers and all but the first attachment are dropped, the text is shown behind an address, a repeat is a second
// note, and nothing can be changed.
func TestEpicKeeps(t *testing.T) {
	w := startEpic(t)
	note := replace(epicNote, `"content":[`, `"masterIdentifier":{"system":"urn:ietf:rfc:3986","value":"urn:uuid:1"},"description":"x","content":[`,
		`"aGVsbG8="}}`, `"aGVsbG8="}},{"attachment":{"contentType":"application/pdf","data":"JVBERg=="}}`)
	first := w.do("POST", "/DocumentReference", note, "If-None-Exist", "identifier=https://cw.example/sid/texting/message|t/1", "Prefer", "return=representation")
	again := w.do("POST", "/DocumentReference", note, "If-None-Exist", "identifier=https://cw.example/sid/texting/message|t/1")
	at := first.header.Get("Location")
	if first.status != 201 || len(first.raw) != 0 || first.header.Get("ETag") != "" || !strings.HasPrefix(at, "DocumentReference/") {
		t.Fatalf("%d %q %v", first.status, first.raw, first.header)
	}
	if again.status != 201 || again.header.Get("Location") == at {
		t.Errorf("a repeat is %d at %s", again.status, again.header.Get("Location"))
	}
	for _, shown := range []answer{w.do("GET", "/"+at, ""), w.do("GET", "/DocumentReference?patient=Patient/daniel&date=ge2026-11-22", "")} {
		text := string(shown.raw)
		if shown.status != 200 || strings.Contains(text, "identifier") || strings.Contains(text, `"data"`) || strings.Contains(text, "pdf") ||
			strings.Contains(text, "description") || !strings.Contains(text, `"url":"Binary/`) || !strings.Contains(text, "User Interconnect") {
			t.Errorf("%d %s", shown.status, indent(shown.raw))
		}
	}
	var d struct {
		Content []struct{ Attachment struct{ URL string } }
	}
	_ = json.Unmarshal(w.do("GET", "/"+at, "").raw, &d)
	binary := w.do("GET", "/"+d.Content[0].Attachment.URL, "", "Accept", "application/fhir+json")
	data, _ := base64.StdEncoding.DecodeString(binary.body["data"].(string))
	if string(data) != "hello" || binary.body["contentType"] != "text/plain" {
		t.Errorf("the text is %s", binary.raw)
	}
	for method, status := range map[string]int{"PUT": 405, "PATCH": 405, "DELETE": 405} {
		w.want(w.do(method, "/"+at, note), status, "not supported")
	}
	w.want(w.do("GET", "/DocumentReference?identifier=t/1", ""), 400, "")
}

// TestEpicCommunication is declared and is of referrals; what is not declared is refused.
func TestEpicCommunication(t *testing.T) {
	w := startEpic(t)
	w.want(w.do("POST", "/Communication", communication("t/1", "hi")), 400, "referral")
	for _, typ := range []string{"CommunicationRequest", "RelatedPerson", "Provenance", "Binary", "Subscription"} {
		w.want(w.do("POST", "/"+typ, `{"resourceType":"`+typ+`"}`), 405, "not supported")
	}
	w.want(w.do("POST", "", `{"resourceType":"Bundle","type":"transaction"}`), 405, "")
}
