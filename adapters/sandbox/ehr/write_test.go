package ehr_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

func TestCreateAnswersAsR4Asks(t *testing.T) {
	w := start(t, ehr.Options{})
	text := "a <b>&amp;</b> \u202e|^~\\&\r\n😊"
	body := communication("t/1", text)
	a := w.do("POST", "/Communication", body)
	w.want(a, 201, "")
	location := regexp.MustCompile(`^` + regexp.QuoteMeta(w.Base()) + `/Communication/([a-z][a-z2-7]{15})/_history/1$`)
	m := location.FindStringSubmatch(a.header.Get("Location"))
	if m == nil || m[1] != id(a) {
		t.Fatalf("Location %q, id %q", a.header.Get("Location"), id(a))
	}
	if a.header.Get("ETag") != `W/"1"` || a.header.Get("Last-Modified") != "Sun, 22 Nov 2026 18:00:00 GMT" {
		t.Errorf("ETag %q, Last-Modified %q", a.header.Get("ETag"), a.header.Get("Last-Modified"))
	}
	meta := a.body["meta"].(map[string]any)
	if meta["versionId"] != "1" || meta["lastUpdated"] != "2026-11-22T18:00:00.000Z" {
		t.Errorf("meta %v", meta)
	}
	read := w.do("GET", "/Communication/"+id(a), "")
	payload := read.body["payload"].([]any)[0].(map[string]any)
	if payload["contentString"] != text {
		t.Errorf("text came back as %q", payload["contentString"])
	}
	sum := sha256.Sum256([]byte(body))
	ledger := w.Ledger()
	if len(ledger) != 1 {
		t.Fatalf("ledger %v", ledger)
	}
	want := ehr.Entry{
		Seq: 1, Time: time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC), Method: "POST", Type: "Communication", ID: id(a), Version: 1,
		Subject: "Patient/daniel", SHA256: hex.EncodeToString(sum[:]),
	}
	got := ledger[0]
	if len(got.Identifiers) != 1 || got.Identifiers[0] != (ehr.Identifier{System: "https://cw.example/sid/texting/message", Value: "t/1"}) {
		t.Errorf("identifiers %v", got.Identifiers)
	}
	got.Identifiers = nil
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("ledger\n%+v, want\n%+v", got, want)
	}
}

func TestPrefer(t *testing.T) {
	for _, c := range []struct {
		prefer   string
		minimal  bool
		bodyType any
	}{
		{"", false, "Communication"}, {"", true, nil}, {"return=minimal", false, nil},
		{"return=representation", true, "Communication"}, {"return=OperationOutcome", false, "OperationOutcome"},
		{"handling=strict; return=minimal", false, nil},
	} {
		traits := ehr.Full()
		traits.ReturnMinimal = c.minimal
		w := start(t, ehr.Options{Traits: traits})
		a := w.do("POST", "/Communication", communication("t/1", "hi"), "Prefer", c.prefer)
		w.want(a, 201, map[bool]string{true: "on the chart"}[c.bodyType == "OperationOutcome"])
		if a.body["resourceType"] != c.bodyType {
			t.Errorf("Prefer %q (minimal %v): body %s", c.prefer, c.minimal, a.raw)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	ok := communication("t/1", "hi")
	cases := []struct {
		name, path, body string
		headers          []string
		status           int
		words            string
	}{
		{"unknown type", "/Nonsense", ok, nil, 404, "not known"},
		{"type the client may not create", "/Patient", `{"resourceType":"Patient"}`, nil, 405, "not supported"},
		{"wrong resourceType", "/Communication", `{"resourceType":"Patient"}`, nil, 400, "resourceType"},
		{"not JSON", "/Communication", `{"resourceType":`, nil, 400, "not JSON"},
		{"trailing data", "/Communication", ok + `{}`, nil, 400, "after the resource"},
		{"duplicate name", "/Communication", replace(ok, `"status"`, `"status":"completed","status"`), nil, 400, "duplicate"},
		{"not UTF-8", "/Communication", replace(ok, "hi", "h\xff"), nil, 400, "UTF-8"},
		{"lone surrogate", "/Communication", replace(ok, "hi", `h\ud83d`), nil, 400, "surrogate"},
		{"too deep", "/Communication", strings.Repeat(`{"a":`, 80) + "1" + strings.Repeat("}", 80), nil, 400, "deeper"},
		{"an array", "/Communication", `[]`, nil, 400, "not a JSON object"},
		{"missing status", "/Communication", replace(ok, `"status":"completed",`, ``), nil, 422, "status"},
		{"unknown element", "/Communication", replace(ok, `"status"`, `"mood":"x","status"`), nil, 422, "gate"},
		{"bad code", "/Communication", replace(ok, `"completed"`, `"sent"`), nil, 422, "gate"},
		{"sender of a type not allowed", "/Communication", replace(ok, "Practitioner/ana", "CareTeam/x"), nil, 422, "sender"},
		{"missing patient", "/Communication", replace(ok, "Patient/daniel", "Patient/nobody"), nil, 422, "referenced Patient does not exist"},
		{"foreign reference", "/Communication", replace(ok, "Patient/daniel", "https://other.example/fhir/Patient/daniel"), nil, 422, "on this server"},
		{"urn outside a transaction", "/Communication", replace(ok, "Patient/daniel", "urn:uuid:6f1d0c1e-5d0b-4a57-9a55-2f1f0b1f0a01"), nil, 400, "urn"},
		{"conditional reference outside a transaction", "/Communication", replace(ok, "Patient/daniel", "Patient?identifier=MRN1"), nil, 400, "transaction only"},
		{"contained reference to nothing", "/Communication", replace(ok, "Patient/daniel", "#p"), nil, 422, "contained"},
		{"blank text", "/Communication", communication("t/1", " \t\n"), nil, 422, "blank"},
		{"control character", "/Communication", communication("t/1", "a\x07b"), nil, 422, "U+0007"},
		{"null", "/Communication", replace(ok, `"hi"`, `null`), nil, 400, "null"},
		{"content type", "/Communication", ok, []string{"Content-Type", "text/plain"}, 415, "application/fhir+json"},
		{"charset", "/Communication", ok, []string{"Content-Type", "application/fhir+json; charset=latin1"}, 415, "UTF-8"},
		{"accept", "/Communication", ok, []string{"Accept", "application/fhir+xml"}, 406, "fhir+json"},
		{"too large", "/Communication", communication("t/1", strings.Repeat("x", 20000)), nil, 413, "larger"},
		{"data not base64", "/Communication", replace(ok, `{"contentString":"hi"}`, `{"contentAttachment":{"contentType":"text/plain","data":"%%%"}}`), nil, 422, "base64"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, ehr.Options{MaxBody: 16000})
			a := w.do("POST", c.path, c.body, c.headers...)
			w.want(a, c.status, c.words)
			if len(w.Ledger()) != 0 {
				t.Errorf("a refused write is in the ledger: %v", w.Ledger())
			}
			if strings.Contains(a.diagnostics(), "nobody") {
				t.Errorf("the refusal repeats a value: %s", a.diagnostics())
			}
		})
	}
}

func TestConditionalCreate(t *testing.T) {
	ifNone := []string{"If-None-Exist", "identifier=https://cw.example/sid/texting/message|t%2F1"}
	t.Run("0 creates, 1 returns it, 2 refuse", func(t *testing.T) {
		w := start(t, ehr.Options{})
		first := w.do("POST", "/Communication", communication("t/1", "hi"), ifNone...)
		w.want(first, 201, "")
		again := w.do("POST", "/Communication", communication("t/1", "other words"), ifNone...)
		w.want(again, 200, "")
		if id(again) != id(first) || !strings.Contains(string(again.raw), `"hi"`) || len(w.Ledger()) != 1 {
			t.Errorf("a hit returned %s", again.raw)
		}
		w.want(w.do("POST", "/Communication", communication("t/1", "hi")), 201, "")
		w.want(w.do("POST", "/Communication", communication("t/1", "hi"), ifNone...), 412, "matches 2")
	})
	t.Run("not honoured, every POST creates", func(t *testing.T) {
		w := start(t, ehr.Options{Traits: ehr.SearchOnly()})
		w.want(w.do("POST", "/Communication", communication("t/1", "hi"), ifNone...), 201, "")
		w.want(w.do("POST", "/Communication", communication("t/1", "hi"), ifNone...), 201, "")
		if n := len(w.Find("Communication", ehr.Identifier{Value: "t/1"})); n != 2 {
			t.Errorf("%d on the chart", n)
		}
	})
	t.Run("a lagging condition doubles a quick repeat", func(t *testing.T) {
		traits := ehr.Full()
		traits.SearchLag, traits.LagIfNoneExist = 10*time.Second, true
		w := start(t, ehr.Options{Traits: traits})
		w.want(w.do("POST", "/Communication", communication("t/1", "hi"), ifNone...), 201, "")
		w.want(w.do("POST", "/Communication", communication("t/1", "hi"), ifNone...), 201, "")
		w.clock.Add(11 * time.Second)
		w.want(w.do("POST", "/Communication", communication("t/1", "hi"), ifNone...), 412, "matches 2")
	})
	for name, c := range map[string]struct{ condition, words string }{
		"unknown parameter": {"colour=red", "unknown search parameter"},
		"question mark":     {"?identifier=x", "not a query"},
		"empty":             {"_format=json", "unknown search parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, ehr.Options{})
			w.want(w.do("POST", "/Communication", communication("t/1", "hi"), "If-None-Exist", c.condition), 400, c.words)
		})
	}
	t.Run("64 at once make one", func(t *testing.T) {
		w := start(t, ehr.Options{})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { _, _ = w.try("POST", "/Communication", communication("t/1", "hi"), ifNone...) })
		}
		wg.Wait()
		if n := len(w.Find("Communication", ehr.Identifier{Value: "t/1"})); n != 1 {
			t.Errorf("%d on the chart", n)
		}
	})
}

func TestUpdate(t *testing.T) {
	w := start(t, ehr.Options{})
	made := w.do("POST", "/Communication", communication("t/1", "hi"))
	path := "/Communication/" + id(made)
	w.clock.Add(time.Minute)
	body := replace(communication("t/1", "hi"), `"resourceType"`, `"id":"`+id(made)+`","resourceType"`, "completed", "entered-in-error")
	w.want(w.do("PUT", path, body, "If-Match", `W/"2"`), 412, "current version")
	a := w.do("PUT", path, body, "If-Match", `W/"1"`)
	w.want(a, 200, "")
	if a.header.Get("ETag") != `W/"2"` || !strings.HasSuffix(a.header.Get("Location"), "/_history/2") {
		t.Errorf("%v", a.header)
	}
	w.want(w.do("PUT", path, body, "If-Match", `W/"1"`), 412, "current version")
	w.want(w.do("PUT", path, body), 200, "")
	w.want(w.do("PUT", path, communication("t/1", "hi")), 400, "id in the body")
	w.want(w.do("PUT", "/Communication/chosen", replace(body, id(made), "chosen")), 405, "cannot choose an id")
	w.want(w.do("DELETE", path, ""), 405, "DELETE")

	one := w.do("GET", path+"/_history/1", "")
	w.want(one, 200, "")
	if one.body["status"] != "completed" || one.header.Get("ETag") != `W/"1"` {
		t.Errorf("vread gave %s", one.raw)
	}
	w.want(w.do("GET", path+"/_history/9", ""), 404, "")
	history := w.do("GET", path+"/_history", "")
	entries := history.body["entry"].([]any)
	newest := entries[0].(map[string]any)["resource"].(map[string]any)["meta"].(map[string]any)["versionId"]
	if history.body["type"] != "history" || len(entries) != 3 || newest != "3" {
		t.Errorf("history %s", indent(history.raw))
	}
	if err := gate.Base(history.raw); err != nil {
		t.Errorf("the history Bundle: %v", err)
	}

	traits := ehr.Full()
	traits.RequireIfMatch = true
	strict := start(t, ehr.Options{Traits: traits})
	made = strict.do("POST", "/Communication", communication("t/1", "hi"))
	body = replace(body, path[len("/Communication/"):], id(made))
	strict.want(strict.do("PUT", "/Communication/"+id(made), body), 428, "If-Match")

	noteOnly := start(t, ehr.Options{Traits: ehr.NoteOnly()})
	a = noteOnly.do("PUT", "/DocumentReference/x", `{"resourceType":"DocumentReference","id":"x"}`)
	noteOnly.want(a, 405, "not supported")
	if a.header.Get("Allow") != "GET" {
		t.Errorf("Allow %q", a.header.Get("Allow"))
	}
}

func TestTraitsRuleWhatIsAccepted(t *testing.T) {
	note := `{"resourceType":"DocumentReference","status":"current","type":{"coding":[{"system":"http://loinc.org","code":"34748-4"}]},
		"subject":{"reference":"Patient/daniel"},"content":[{"attachment":{"contentType":"text/plain","data":"SGVsbG8="}}]}`
	w := start(t, ehr.Options{Traits: ehr.NoteOnly()})
	w.want(w.do("POST", "/Communication", communication("t/1", "hi")), 405, "create of Communication")
	w.want(w.do("POST", "/DocumentReference", note), 201, "")
	w.want(w.do("POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[]}`), 405, "transactions")

	traits := ehr.Full()
	traits.RequireEncounter, traits.InlineBytes = true, 4
	w = start(t, ehr.Options{Traits: traits})
	w.want(w.do("POST", "/DocumentReference", note), 413, "at most 4")
	small := replace(note, "SGVsbG8=", "SGk=")
	w.want(w.do("POST", "/DocumentReference", small), 400, "encounter")
	w.want(w.do("POST", "/DocumentReference", replace(small, `"content":`, `"context":{"encounter":[{"reference":"Encounter/visit"}]},"content":`)), 201, "")
}

func TestBinaryServesItsContent(t *testing.T) {
	w := start(t, ehr.Options{})
	a := w.do("POST", "/Binary", `{"resourceType":"Binary","contentType":"image/png","data":"iVBORw0="}`)
	w.want(a, 201, "")
	raw := w.do("GET", "/Binary/"+id(a), "", "Accept", "image/png")
	if raw.header.Get("Content-Type") != "image/png" || string(raw.raw) != "\x89PNG\r" {
		t.Errorf("%v %q", raw.header, raw.raw)
	}
	if got := w.do("GET", "/Binary/"+id(a), "", "Accept", "application/fhir+json"); got.body["resourceType"] != "Binary" {
		t.Errorf("%s", got.raw)
	}
}

func TestConcurrentWritesKeepLedgerAndChartInStep(t *testing.T) {
	w := start(t, ehr.Options{})
	made := w.do("POST", "/Communication", communication("shared", "hi"))
	shared := replace(communication("shared", "hi"), `"resourceType"`, `"id":"`+id(made)+`","resourceType"`)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 10 {
				value := fmt.Sprintf("c/%d/%d", i, n)
				_, _ = w.try("POST", "/Communication", communication(value, "hi"))
				_, _ = w.try("POST", "", tx(entry(urnA, postCommunication, communication(value+"/tx", "hi")), entry(urnB, postProvenance, provenance(urnA))))
				_, _ = w.try("PUT", "/Communication/"+id(made), shared)
				_, _ = w.try("GET", "/Communication?identifier="+value+"&_sort=-_lastUpdated", "")
			}
		})
	}
	wg.Wait()
	ledger := w.Ledger()
	if want := 1 + 80*4; len(ledger) != want {
		t.Fatalf("%d entries, want %d", len(ledger), want)
	}
	version := 0
	for i, e := range ledger {
		if e.Seq != i+1 {
			t.Fatalf("entry %d has seq %d", i, e.Seq)
		}
		if e.ID == id(made) {
			if version++; e.Version != version {
				t.Fatalf("version %d comes as %d", e.Version, version)
			}
		}
		if e.Type == "Provenance" && (ledger[i-1].Transaction != e.Transaction || ledger[i-1].Type != "Communication") {
			t.Fatalf("another write came between the entries of transaction %d", e.Transaction)
		}
	}
	if len(w.Versions("Communication", id(made))) != 81 || len(w.All("Provenance")) != 80 {
		t.Errorf("%d versions, %d provenances", len(w.Versions("Communication", id(made))), len(w.All("Provenance")))
	}
}
