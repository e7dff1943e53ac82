package ehr_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

func TestCapabilityStatementFollowsTheTraits(t *testing.T) {
	type statement struct {
		FhirVersion string
		Rest        []struct {
			Interaction []struct{ Code string }
			Resource    []struct {
				Type              string
				ConditionalCreate bool
				Interaction       []struct{ Code string }
				SearchParam       []struct{ Name, Type string }
			}
		}
	}
	read := func(w *world) (statement, map[string]string) {
		a := w.do("GET", "/metadata", "")
		w.want(a, 200, "")
		if err := gate.Base(a.raw); err != nil {
			t.Errorf("CapabilityStatement: %v", err)
		}
		var s statement
		if err := json.Unmarshal(a.raw, &s); err != nil {
			t.Fatal(err)
		}
		codes := map[string]string{}
		for _, r := range s.Rest[0].Resource {
			for _, i := range r.Interaction {
				codes[r.Type] += i.Code + " "
			}
			for _, p := range r.SearchParam {
				codes[r.Type+"?"+p.Name] = p.Type
			}
			if r.ConditionalCreate {
				codes[r.Type] += "conditional"
			}
		}
		return s, codes
	}
	full, codes := read(start(t, ehr.Options{}))
	if full.FhirVersion != "4.0.1" || full.Rest[0].Interaction[0].Code != "transaction" {
		t.Errorf("%+v", full)
	}
	for name, want := range map[string]string{
		"Communication": "read vread history-instance search-type create update conditional",
		"Provenance":    "read vread history-instance search-type create conditional", "Patient": "read vread history-instance search-type ",
		"Communication?part-of": "reference", "Communication?identifier": "token", "Communication?sent": "date", "Communication?topic": "",
	} {
		if codes[name] != want {
			t.Errorf("%s: %q, want %q", name, codes[name], want)
		}
	}
	note, codes := read(start(t, ehr.Options{Traits: ehr.NoteOnly()}))
	if len(note.Rest[0].Interaction) != 0 {
		t.Errorf("%+v", note.Rest[0].Interaction)
	}
	for name, want := range map[string]string{
		"Communication":     "read vread history-instance search-type ",
		"DocumentReference": "read vread history-instance search-type create ",
	} {
		if codes[name] != want {
			t.Errorf("note only, %s: %q, want %q", name, codes[name], want)
		}
	}
	hidden := ehr.Blind()
	hidden.HideWrites = true
	w := start(t, ehr.Options{Traits: hidden})
	_, codes = read(w)
	made := w.do("POST", "/Communication", communication("t/1", "hi"))
	w.want(made, 201, "")
	w.want(w.do("GET", "/Communication/"+id(made), ""), 405, "read of Communication")
	w.want(w.do("GET", "/Communication/"+id(made)+"/_history", ""), 405, "read of Communication")
	if codes["Communication"] != "create update " {
		t.Errorf("hidden: %q", codes["Communication"])
	}
	_, codes = read(start(t, ehr.Options{Traits: ehr.Blind()}))
	if codes["Communication"] != "read vread history-instance create update " || codes["Communication?patient"] != "" {
		t.Errorf("blind: %q", codes["Communication"])
	}
}

func TestEveryErrorIsAnOperationOutcome(t *testing.T) {
	w := start(t, ehr.Options{})
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/Patient/nobody", 404}, {"GET", "/Nonsense", 404}, {"GET", "/Nonsense/1", 404}, {"GET", "/Patient/x/y/z/q", 404},
		{"GET", "/Patient/$everything", 404}, {"GET", "", 405}, {"PATCH", "/Patient/daniel", 405}, {"DELETE", "/Patient", 405},
		{"GET", "/Patient?name=%zz", 400}, {"GET", "/.well-known/smart-configuration", 404}, {"GET", "../other", 404},
	} {
		a := w.do(c.method, c.path, "")
		w.want(a, c.status, "")
		if !strings.HasPrefix(a.header.Get("Content-Type"), "application/fhir+json") {
			t.Errorf("%s %s: %s", c.method, c.path, a.header.Get("Content-Type"))
		}
	}
}

func TestStaffPutFindAndMerge(t *testing.T) {
	w := start(t, ehr.Options{})
	if _, err := w.Put([]byte(`{"resourceType":"Patient","id":"new-one","managingOrganization":{"reference":"Organization/none"}}`)); err == nil {
		t.Error("a dangling reference was taken")
	}
	if _, err := w.Put([]byte(`{"resourceType":"Patient","gender":"yes"}`)); err == nil {
		t.Error("an invalid resource was taken")
	}
	if err := w.MergePatient("daniel", "nobody"); err == nil {
		t.Error("merged into nobody")
	}
	if err := w.MergePatient("daniel", "dana"); err != nil {
		t.Fatal(err)
	}
	a := w.do("GET", "/Patient/daniel", "")
	link := a.body["link"].([]any)[0].(map[string]any)
	if a.body["active"] != false || link["type"] != "replaced-by" || link["other"].(map[string]any)["reference"] != "Patient/dana" {
		t.Errorf("%s", a.raw)
	}
	if l := w.Ledger(); len(l) != 1 || l[0].ClientID != "ehr" || l[0].Method != "PUT" || l[0].Version != 2 {
		t.Errorf("%+v", l)
	}
	if got := w.Find("Patient", ehr.Identifier{System: "urn:oid:1.2.3", Value: "MRN1"}); len(got) != 1 || got[0].Reference() != "Patient/daniel" {
		t.Errorf("%v", got)
	}
	if n := len(w.Versions("Patient", "daniel")); n != 2 {
		t.Errorf("%d versions", n)
	}
	if err := w.Seed([]byte(`{"entry":[{"resource":{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/none"}}}]}`)); err == nil {
		t.Error("a dangling seed was taken")
	}
}

func TestFaults(t *testing.T) {
	committed := func(w *world, n int) {
		w.t.Helper()
		if got := len(w.Find("Communication", ehr.Identifier{Value: "t/1"})); got != n {
			w.t.Errorf("%d on the chart, want %d", got, n)
		}
	}
	post := func(w *world) (answer, error) {
		return w.try("POST", "/Communication", communication("t/1", "hi  there ☕"))
	}
	cases := map[string]struct {
		fault     string
		committed int
		check     func(t *testing.T, a answer, err error)
	}{
		"commit-then-reset": {"commit-then-reset", 1, func(t *testing.T, _ answer, err error) {
			if err == nil {
				t.Error("an answer came")
			}
		}},
		"500 after commit": {"5xx-after-commit", 1, status(500)},
		"502 after commit": {"5xx-after-commit status=502", 1, status(502)},
		"html":             {"html-200", 0, isHTML},
		"html, done":       {"html-200 commit=yes", 1, isHTML},
		"garbage": {"garbage-json", 1, func(t *testing.T, a answer, err error) {
			if err != nil || a.status != 201 || json.Valid(a.raw) {
				t.Errorf("%v %d %s", err, a.status, a.raw)
			}
		}},
		"wrong subject": {"wrong-subject patient=Patient/dana", 1, func(t *testing.T, a answer, _ error) {
			if a.body["subject"].(map[string]any)["reference"] != "Patient/dana" {
				t.Errorf("%s", a.raw)
			}
		}},
		"normalised": {"normalised-text", 1, func(t *testing.T, a answer, _ error) {
			if !strings.Contains(string(a.raw), `"hi there ?"`) {
				t.Errorf("%s", a.raw)
			}
		}},
		"202":           {"accepted-202", 0, status(202)},
		"202, done":     {"accepted-202 commit=yes", 1, status(202)},
		"429":           {"429 retry-after=7", 0, retryAfter(429, "7")},
		"429 with date": {"429 retry-after=Sun,_22_Nov_2026_18:00:09_GMT", 0, retryAfter(429, "Sun, 22 Nov 2026 18:00:09 GMT")},
		"503":           {"503", 0, retryAfter(503, "")},
		"503 wait":      {"503 retry-after=3", 0, retryAfter(503, "3")},
		"409":           {"409", 0, status(409)},
		"412":           {"412", 0, status(412)},
		"413":           {"413", 0, status(413)},
		"401":           {"401", 0, status(401)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			faults := script.Must[ehr.Script]("POST Communication #1 " + c.fault)
			w := start(t, ehr.Options{Script: faults})
			a, err := post(w)
			c.check(t, a, err)
			committed(w, c.committed)
			if hits := faults.Hits(); len(hits) != 1 || hits[0].Line != 1 {
				t.Errorf("hits %+v", hits)
			}
			a, err = post(w) // the second is well
			if err != nil || a.status != 201 {
				t.Errorf("the request after the fault: %d %v", a.status, err)
			}
		})
	}
}

func status(want int) func(*testing.T, answer, error) {
	return func(t *testing.T, a answer, err error) {
		t.Helper()
		if err != nil || a.status != want {
			t.Errorf("%d %v, want %d", a.status, err, want)
		}
	}
}

func retryAfter(code int, want string) func(*testing.T, answer, error) {
	return func(t *testing.T, a answer, err error) {
		t.Helper()
		status(code)(t, a, err)
		if got := a.header.Get("Retry-After"); got != want {
			t.Errorf("Retry-After %q, want %q", got, want)
		}
	}
}

func isHTML(t *testing.T, a answer, err error) {
	t.Helper()
	if err != nil || a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("%v %d %v", err, a.status, a.header)
	}
}

func TestCommitThenTimeoutHangsUntilReleased(t *testing.T) {
	w := start(t, ehr.Options{Script: script.Must[ehr.Script]("POST Communication * commit-then-timeout")})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 2)
	send := func(ctx context.Context, value string) {
		req, _ := http.NewRequestWithContext(ctx, "POST", w.Base()+"/Communication", strings.NewReader(communication(value, "hi")))
		req.Header.Set("Content-Type", "application/fhir+json")
		resp, err := w.http.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		result <- err
	}
	go send(ctx, "t/1")
	until(t, func() bool { return len(w.All("Communication")) == 1 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("the client gave up with %v", err)
	}
	go send(t.Context(), "t/2")
	until(t, func() bool { return len(w.All("Communication")) == 2 })
	for { // the request may reach its wait only after a first Release
		w.Release()
		select {
		case err := <-result:
			if err == nil {
				t.Error("a released request was answered")
			}
			return
		default:
		}
	}
}

func TestScriptCountsAndMatches(t *testing.T) {
	faults := script.Must[ehr.Script](`
# a comment
POST Communication #2-3 503
GET  Patient       %2   429
POST Provenance    #1+  409
* metadata * 503
`)
	w := start(t, ehr.Options{Script: faults})
	var got []int
	for range 4 {
		got = append(got, w.do("POST", "/Communication", communication("t/1", "hi")).status)
	}
	for range 4 {
		got = append(got, w.do("GET", "/Patient/daniel", "").status)
	}
	transaction := tx(entry(urnA, postCommunication, communication("t/2", "hi")), entry(urnB, postProvenance, provenance(urnA)))
	got = append(got, w.do("POST", "", transaction).status, w.do("GET", "/metadata", "").status)
	want := []int{201, 503, 503, 201, 200, 429, 200, 429, 409, 503}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

func TestScriptNamesEveryMistake(t *testing.T) {
	_, err := script.Read[ehr.Script](strings.NewReader("POST Communication #1 503\nFETCH Patient * 503\nGET Nobody * 503\n\nGET Patient #0 503\nGET Patient #4-2 503\nGET Patient * explode\nGET Patient * 503 colour=red\nGET Patient\n" +
		"GET * * slow-headers delay=soon\ntraits conditional=maybe\nseed=1 rate=200%\nseed=1 rate=2% palette=nice\ntraits colour=red\nGET * @5m-2m 503\nseed=x\n"))
	var bad *script.Error
	if !errors.As(err, &bad) {
		t.Fatal(err)
	}
	want := []string{"2:1: the method", "3:5: \"Nobody\"", "5:13: WHEN", "6:13: WHEN", "7:15: unknown fault \"explode\"; known: ", "8:19: \"colour=red\"", "9:12: a rule is",
		"10:22: \"delay=soon\": give a value like 10s", "11:8: \"conditional=maybe\": conditional is honoured or ignored", "12:8: rate is a share",
		"13:16: no palette \"nice\"", "14:8: no trait \"colour\"", "15:7: WHEN", "16:1: seed is not a number"}
	if len(bad.Problems) != len(want) {
		t.Fatalf("%d problems:\n%v", len(bad.Problems), err)
	}
	for i := range want {
		if !strings.HasPrefix(bad.Problems[i], want[i]) {
			t.Errorf("%q, want %q…", bad.Problems[i], want[i])
		}
	}
}

func TestHooksSeeAndReplace(t *testing.T) {
	var seen []string
	w := start(t, ehr.Options{
		Before: func(r *http.Request) *ehr.Response {
			raw, _ := io.ReadAll(r.Body)
			seen = append(seen, r.Method+" "+string(raw[:min(len(raw), 1)]))
			if r.URL.Query().Has("teapot") {
				return &ehr.Response{Status: 418, Header: http.Header{}}
			}
			return nil
		},
		After: func(r *http.Request, resp *ehr.Response) *ehr.Response {
			if resp.Status == 201 {
				resp.Header.Del("ETag")
				return resp
			}
			return nil
		},
	})
	if a := w.do("GET", "/Patient/daniel?teapot", ""); a.status != 418 {
		t.Errorf("%d", a.status)
	}
	a := w.do("POST", "/Communication", communication("t/1", "hi"))
	if a.status != 201 || a.header.Get("ETag") != "" || a.header.Get("Location") == "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if len(seen) != 2 || seen[1] != "POST {" {
		t.Errorf("%q", seen)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	ok := ehr.Options{Base: "http://127.0.0.1/fhir", Now: time.Now, Validate: gate.Base}
	for words, change := range map[string]func(*ehr.Options){
		"Base":     func(o *ehr.Options) { o.Base = "http://127.0.0.1/fhir/" },
		"Now":      func(o *ehr.Options) { o.Now = nil },
		"Validate": func(o *ehr.Options) { o.Validate = nil },
		"Access":   func(o *ehr.Options) { o.Traits = ehr.Full(); o.Traits.Auth = true },
	} {
		opts := ok
		change(&opts)
		if _, err := ehr.New(opts); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", words, err)
		}
	}
	for _, name := range []string{"fhir", "note", "epic", "oracle", "athena", "meditech", "openemr"} {
		if traits, err := ehr.Profile(name); err != nil || !traits.Auth {
			t.Errorf("%s: %v %+v", name, err, traits)
		}
	}
	if _, err := ehr.Profile("nobody"); err == nil || !strings.Contains(err.Error(), "meditech") {
		t.Errorf("%v", err)
	}
}
