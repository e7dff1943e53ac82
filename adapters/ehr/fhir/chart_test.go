package fhir

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// opened is a lab whose connection is open.
func opened(t *testing.T, s setting) *lab {
	t.Helper()
	l := newLab(t, s)
	if _, err := l.adapter.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func message(id, text string, change ...func(*connector.Exchange)) connector.Exchange {
	sent := time.Date(2026, 11, 22, 13, 0, 0, 0, time.FixedZone("", -5*3600))
	x := connector.Exchange{Kind: connector.ItemExchange, Base: testBase, Channel: "texting", Revision: 1, Received: sent.Add(time.Second).UTC(),
		Thread: connector.ThreadInfo{ID: "t-1"}, NoHeader: true, Refs: map[string]connector.Reference{}, Missing: map[string]bool{},
		Message: connector.Message{ID: id, Direction: connector.FromPatient, SentAt: sent, Text: text, Sender: connector.Participant{Role: connector.RolePatient}}}
	for _, c := range change {
		c(&x)
	}
	return x
}

// write plans the one entry of an exchange, for Patient/daniel.
func (l *lab) write(t *testing.T, x connector.Exchange) connector.Write {
	t.Helper()
	writes, err := l.adapter.Plan(x)
	if err != nil {
		t.Fatal(err)
	}
	w := writes[0]
	w.Body = []byte(strings.ReplaceAll(string(w.Body), `"reference":"{patient}"`, `"reference":"Patient/daniel"`))
	w.Expect.Subject = "Patient/daniel"
	return w
}

func (l *lab) file(t *testing.T, w connector.Write) connector.Receipt {
	t.Helper()
	if err := l.adapter.Gate(w); err != nil {
		t.Fatalf("gate: %v", err)
	}
	r, err := l.adapter.File(t.Context(), w)
	if err != nil {
		t.Fatalf("File: %v", err)
	}
	return r
}

func TestIdentityCollision(t *testing.T) {
	l := opened(t, setting{traits: ehr.SearchOnly()})
	w := l.write(t, message("m-1", "hello"))
	l.file(t, w)
	l.file(t, w) // an EHR without conditional create makes a second one
	var refused *connector.Refused
	if _, err := l.adapter.Find(t.Context(), w); !errors.As(err, &refused) || refused.Reason != connector.IdentityCollision {
		t.Errorf("two entries with one identifier: %v", err)
	}
}

func TestConditionalHitShowsWhatIsThere(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	l.file(t, l.write(t, message("m-1", "the first words")))
	other := l.write(t, message("m-1", "other words"))
	r := l.file(t, other)
	if !r.Found || r.Echo.Text == other.Expect.Text || r.Echo.Text != connector.Hash([]byte("the first words")) {
		t.Errorf("a hit on other content must be visible: found %v echo %+v", r.Found, r.Echo)
	}
}

func TestProvenanceIsFoundByTargetAndActivity(t *testing.T) {
	alone := ehr.Full()
	alone.Transaction = false
	l := opened(t, setting{traits: alone})
	x := message("m-1", "hello")
	r := l.file(t, l.write(t, x))
	writes, err := l.adapter.Plan(x)
	if err != nil || len(writes) != 2 {
		t.Fatalf("%v %v", writes, err)
	}
	w := writes[1]
	w.Body = []byte(strings.NewReplacer(w.After, r.Reference, "{patient}", "Patient/daniel").Replace(string(w.Body)))
	w.After = r.Reference
	if _, err := l.adapter.Find(t.Context(), w); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("before: %v", err)
	}
	l.file(t, w)
	if _, err := l.adapter.Find(t.Context(), w); err != nil {
		t.Errorf("after: %v", err)
	}
	w.Body = []byte(strings.ReplaceAll(string(w.Body), "CREATE", "NULLIFY"))
	if _, err := l.adapter.Find(t.Context(), w); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("another activity: %v", err)
	}
}

func update(reference string, set map[string]any) connector.Write {
	return connector.Write{Type: "Communication", Method: "PUT", URL: reference, Key: "k", Expect: connector.Expect{Subject: "Patient/daniel"},
		Update: &connector.Update{Target: reference, Set: set}}
}

// The EHR's own bytes survive an update: extensions, unknown numbers, order.
func TestPrepareKeepsTheEHRsBytes(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	theirs := `{"resourceType":"Communication","status":"in-progress","extension":[{"url":"https://ehr.example/x","valueDecimal":1.00}],` +
		`"subject":{"reference":"Patient/daniel"},"note":[{"text":"staff note"}],"_sent":{"extension":[{"url":"https://ehr.example/why","valueCode":"unknown"}]}}`
	reference := l.put(t, theirs)
	w, done, err := l.adapter.Prepare(t.Context(), update(reference, map[string]any{"status": "completed", "received": "2026-11-22T18:10:03Z"}))
	if err != nil || done != nil {
		t.Fatalf("%v %v", done, err)
	}
	for _, kept := range []string{`1.00`, `staff note`, `_sent`, `https://ehr.example/why`} {
		if !strings.Contains(string(w.Body), kept) {
			t.Errorf("%s is lost: %s", kept, w.Body)
		}
	}
	if w.Header["If-Match"] == "" {
		t.Error("the update does not say which version it changes")
	}
	l.file(t, w)
	if again, done, err := l.adapter.Prepare(t.Context(), update(reference, map[string]any{"status": "completed", "received": "2026-11-22T13:10:03-05:00"})); err != nil || done == nil {
		t.Errorf("the chart shows it already: %v %s", err, again.Body)
	}
	l.put(t, `{"resourceType":"Communication","id":"`+strings.TrimPrefix(reference, "Communication/")+`","status":"on-hold","subject":{"reference":"Patient/daniel"}}`)
	var conflict *connector.Conflicted
	if _, err := l.adapter.File(t.Context(), w); !errors.As(err, &conflict) {
		t.Errorf("an update of an old version: %v", err)
	}
}

func TestPrepareGuards(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	var refused *connector.Refused
	foreign := l.put(t, `{"resourceType":"Communication","status":"in-progress","subject":{"reference":"Patient/other"}}`)
	if _, _, err := l.adapter.Prepare(t.Context(), update(foreign, map[string]any{"status": "completed"})); !errors.As(err, &refused) || refused.Reason != connector.WrongSubject {
		t.Errorf("an entry on another chart: %v", err)
	}
	wrong := l.put(t, `{"resourceType":"Communication","status":"entered-in-error","subject":{"reference":"Patient/daniel"}}`)
	if _, done, err := l.adapter.Prepare(t.Context(), update(wrong, map[string]any{"status": "completed"})); err != nil || done == nil {
		t.Errorf("what is entered in error must not come back to life: %v", err)
	}
	if _, _, err := l.adapter.Prepare(t.Context(), update("Communication/none", map[string]any{"status": "completed"})); !errors.As(err, &refused) {
		t.Errorf("an entry that is not there: %v", err)
	}
}

func TestGateOfUpdates(t *testing.T) {
	e := New(Options{})
	body := func(status string) []byte {
		return []byte(`{"resourceType":"Communication","id":"c1","status":"` + status + `","ourVendorField":1}`)
	}
	w := update("Communication/c1", map[string]any{"status": "completed"})
	w.Body = body("completed")
	if err := e.Gate(w); err != nil {
		t.Errorf("what is the EHR's own is not ours to judge: %v", err)
	}
	w.Update.Set["status"] = "read"
	if e.Gate(w) == nil {
		t.Error("a status R4 does not have passes")
	}
	w.Update.Set["status"], w.Body = "completed", []byte(`{"resourceType":"Communication","id":"c2"}`)
	if e.Gate(w) == nil {
		t.Error("a body that is not the resource at the URL passes")
	}
	note := connector.Write{Type: "DocumentReference", URL: "DocumentReference/d1", Body: []byte(`{"resourceType":"DocumentReference","id":"d1"}`),
		Update: &connector.Update{Set: map[string]any{"status": "superseded"}}}
	if err := e.Gate(note); err != nil {
		t.Errorf("note: %v", err)
	}
}

// No identifier of a person stands in a URL.
func TestSearchesArePosts(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	k := connector.PatientKey{Identifiers: []connector.Identifier{{System: mrnSystem, Value: "MRN123"}}}
	if _, err := l.adapter.Match(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	for _, u := range l.wire.urls() {
		if strings.Contains(u, "MRN123") {
			t.Errorf("%s", u)
		}
	}
}

func TestMatchMapsSystems(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) { o.Policy.Systems = map[string]string{"urn:platform": mrnSystem} }})
	id := func(system, value string) connector.PatientKey {
		return connector.PatientKey{Identifiers: []connector.Identifier{{System: system, Value: value}}}
	}
	p, err := l.adapter.Match(t.Context(), id("urn:platform", "MRN123"))
	if err != nil || p.Reference != "Patient/daniel" || p.Version == "" || !p.Active || p.BirthDate != "2015-07-04" || p.ReadAt.IsZero() {
		t.Errorf("%v %v", p.Reference, err)
	}
	both := connector.PatientKey{Identifiers: append(id(mrnSystem, "MRN123").Identifiers, id(mrnSystem, "MRN999").Identifiers...)}
	if _, err := l.adapter.Match(t.Context(), both); !errors.Is(err, connector.ErrAmbiguous) {
		t.Errorf("identifiers of two patients: %v", err)
	}
	if _, err := l.adapter.Match(t.Context(), connector.PatientKey{Reference: "Practitioner/p1"}); !errors.Is(err, connector.ErrNoMatch) {
		t.Errorf("a reference to somebody else: %v", err)
	}
}

func TestMatchFallsBackToGet(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	l.wire.refusePost = true
	k := connector.PatientKey{Identifiers: []connector.Identifier{{System: mrnSystem, Value: "MRN123"}}}
	for range 2 {
		if p, err := l.adapter.Match(t.Context(), k); err != nil || p.Reference != "Patient/daniel" {
			t.Fatalf("%v", err)
		}
	}
	posts := 0
	for _, u := range l.wire.urls() {
		if strings.HasPrefix(u, "POST") {
			posts++
		}
	}
	if posts != 1 {
		t.Errorf("POST _search was tried %d times", posts)
	}
}

func TestResolveStaff(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	npi := "http://hl7.org/fhir/sid/us-npi"
	l.put(t, `{"resourceType":"Practitioner","id":"ana","active":true,"identifier":[{"system":"`+npi+`","value":"1"}]}`)
	l.put(t, `{"resourceType":"Practitioner","id":"gone","active":false,"identifier":[{"system":"`+npi+`","value":"2"}]}`)
	l.put(t, `{"resourceType":"Practitioner","id":"x","identifier":[{"system":"`+npi+`","value":"3"}]}`)
	l.put(t, `{"resourceType":"Practitioner","id":"y","identifier":[{"system":"`+npi+`","value":"3"}]}`)
	for value, want := range map[string]string{"1": "Practitioner/ana", "2": "", "3": "", "4": ""} {
		p := connector.Participant{Role: connector.RoleClinician, ID: "c", Identifier: &connector.Identifier{System: npi, Value: value}}
		if got, err := l.adapter.Resolve(t.Context(), "texting", "Patient/daniel", p); err != nil || got.Literal != want {
			t.Errorf("%s: %q %v", value, got.Literal, err)
		}
	}
}

func TestRecipients(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	l.put(t, `{"resourceType":"RelatedPerson","id":"rp","active":true,"patient":{"reference":"Patient/daniel"},"name":[{"family":"Cho","given":["Maria"]}],`+
		`"relationship":[{"text":"mother"}],"identifier":[{"system":"`+testBase+`/texting/participant","value":"u-901"}],"telecom":[{"system":"phone","value":"555-01"},{"system":"sms","value":"+15005550006"}]}`)
	r, err := l.adapter.Recipient(t.Context(), "texting", "RelatedPerson/rp")
	want := connector.Recipient{Reference: "RelatedPerson/rp", Patient: "Patient/daniel", Active: true, Name: "Maria Cho", Participant: "u-901", Phone: "+15005550006", Relation: "mother"}
	if err != nil || r != want {
		t.Errorf("%+v %v", r, err)
	}
	if r, err := l.adapter.Recipient(t.Context(), "portal", "RelatedPerson/rp"); err != nil || r.Participant != "" {
		t.Errorf("another channel's id was taken for this one's: %+v %v", r, err)
	}
	proxy := connector.Participant{Role: connector.RoleProxy, ID: "u-901"}
	if _, err := l.adapter.Resolve(t.Context(), "portal", "Patient/daniel", proxy); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("a proxy of another channel was resolved: %v", err)
	}
	if r, err := l.adapter.Recipient(t.Context(), "texting", "Patient/daniel"); err != nil || !r.IsPatient || r.Patient != "Patient/daniel" || r.Name != "Daniel Cho" {
		t.Errorf("%+v %v", r, err)
	}
	for _, ref := range []string{"Practitioner/ana", "Patient/none", "RelatedPerson/none", "unknown", ""} {
		if _, err := l.adapter.Recipient(t.Context(), "texting", ref); !errors.Is(err, connector.ErrNoMatch) {
			t.Errorf("%q: %v", ref, err)
		}
	}
}

func TestSubscribe(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	for range 2 {
		if err := l.adapter.Subscribe(t.Context(), "https://connector.clinic.example/ehrs/lab/notify", "X-Notify: one"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.All("Subscription")); n != 1 {
		t.Errorf("%d subscriptions after asking twice", n)
	}
	if err := l.adapter.Subscribe(t.Context(), "https://connector.clinic.example/ehrs/lab/notify", "X-Notify: two"); err != nil {
		t.Fatal(err)
	}
	all := l.All("Subscription")
	var s subscription
	if len(all) != 1 || json.Unmarshal(all[0].Raw, &s) != nil || len(s.Channel.Header) != 1 || s.Channel.Header[0] != "X-Notify: two" {
		t.Errorf("a new secret did not reach the EHR: %d subscriptions", len(all))
	}
}
