package ehr_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/fhir/validate"
)

var gate = validate.New()

// clock is a clock tests move by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a running EHR with a clinic, two patients and a clinician on its chart.
type world struct {
	*ehr.Server
	t     *testing.T
	clock *clock
	http  *http.Client
}

const people = `{"resourceType":"Bundle","entry":[
{"resource":{"resourceType":"Organization","id":"clinic","name":"Clinic"}},
{"resource":{"resourceType":"Practitioner","id":"ana","name":[{"family":"Rivera","given":["Ana"]}]}},
{"resource":{"resourceType":"Patient","id":"daniel","active":true,"identifier":[{"system":"urn:oid:1.2.3","value":"MRN1"}],
 "name":[{"family":"Cho","given":["Daniel","José"]}],"birthDate":"2015-07-04","telecom":[{"system":"phone","value":"+15005550006"},{"system":"email","value":"d@example.org"}]}},
{"resource":{"resourceType":"Patient","id":"dana","active":true,"identifier":[{"system":"urn:oid:1.2.3","value":"MRN2"}],
 "name":[{"family":"Chó","given":["Dana"]}],"birthDate":"1980-02"}},
{"resource":{"resourceType":"Encounter","id":"visit","status":"in-progress","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},
 "subject":{"reference":"Patient/daniel"},"period":{"start":"2026-11-22T17:00:00Z"}}}
]}`

func start(t *testing.T, opts ehr.Options) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), http: &http.Client{Transport: &http.Transport{}}}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.ServeHTTP(rw, r) }))
	opts.Base = "http://" + web.Listener.Addr().String() + "/fhir"
	opts.Now = w.clock.Now
	opts.Validate = gate.Base
	opts.Seed = 7
	var err error
	if w.Server, err = ehr.New(opts); err != nil {
		t.Fatal(err)
	}
	if err := w.Seed([]byte(people)); err != nil {
		t.Fatal(err)
	}
	web.Start()
	t.Cleanup(func() {
		w.Close()
		w.http.CloseIdleConnections()
		web.CloseClientConnections()
		web.Close()
	})
	return w
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

// diagnostics is the text of an OperationOutcome's first issue.
func (a answer) diagnostics() string {
	var oo struct {
		ResourceType string
		Issue        []struct{ Diagnostics string }
	}
	if json.Unmarshal(a.raw, &oo) != nil || oo.ResourceType != "OperationOutcome" || len(oo.Issue) == 0 {
		return ""
	}
	return oo.Issue[0].Diagnostics
}

func (w *world) try(method, path, body string, headers ...string) (answer, error) {
	url := path
	if !strings.HasPrefix(path, "http") {
		url = w.Base() + path
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: raw}
	_ = json.Unmarshal(raw, &a.body)
	return a, err
}

func (w *world) do(method, path, body string, headers ...string) answer {
	w.t.Helper()
	a, err := w.try(method, path, body, headers...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// want fails unless the answer has the status and, for errors, is an OperationOutcome whose text holds the words.
func (w *world) want(a answer, status int, words string) {
	w.t.Helper()
	if a.status != status {
		w.t.Fatalf("status %d, want %d: %s", a.status, status, a.raw)
	}
	if status >= 400 && a.diagnostics() == "" {
		w.t.Fatalf("an error without an OperationOutcome: %s", a.raw)
	}
	if !strings.Contains(a.diagnostics(), words) {
		w.t.Fatalf("diagnostics %q do not say %q", a.diagnostics(), words)
	}
}

// communication is a valid message with the identifier value and text.
func communication(value, text string) string {
	raw, _ := json.Marshal(map[string]any{
		"resourceType": "Communication", "status": "completed", "subject": map[string]any{"reference": "Patient/daniel"},
		"identifier": []any{map[string]any{"system": "https://cw.example/sid/texting/message", "value": value}},
		"sent":       "2026-11-22T13:03:11-05:00", "sender": map[string]any{"reference": "Practitioner/ana"},
		"payload": []any{map[string]any{"contentString": text}},
	})
	return string(raw)
}

// ids lists the ids of a searchset's entries.
func ids(a answer) []string {
	var b struct {
		Entry []struct{ Resource struct{ ID string } }
	}
	_ = json.Unmarshal(a.raw, &b)
	out := []string{}
	for _, e := range b.Entry {
		out = append(out, e.Resource.ID)
	}
	return out
}

func id(a answer) string {
	s, _ := a.body["id"].(string)
	return s
}

func replace(s string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(s) }

func indent(raw []byte) string {
	var b bytes.Buffer
	_ = json.Indent(&b, raw, "", " ")
	return b.String()
}
