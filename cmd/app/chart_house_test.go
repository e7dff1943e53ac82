package app_test

import (
	"encoding/base64"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// filedCount is an observer that lets a test wait until so many exchanges, or items of another kind, are filed.
type filedCount struct {
	mu   sync.Mutex
	kind connector.ItemKind
	want int
	as   connector.ItemState
	done chan struct{}
	seen map[string]bool
}

func (*filedCount) Attempted(string, string, connector.Reason) {}

func (*filedCount) Alarm(string, connector.Reason, string) {}

func (f *filedCount) Moved(_, _ string, i connector.Item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i.Kind != f.kind || i.State != f.as || f.seen[i.ID] {
		return
	}
	f.seen[i.ID] = true
	if len(f.seen) == f.want {
		close(f.done)
	}
}

// chartHouse is a house whose EHR is the sandbox, with a few patients.
type chartHouse struct {
	*house
	chart    *sandbox.EHR
	began    time.Time
	patients []string // references
	filed    *filedCount
}

func mrn(n int) string { return fmt.Sprintf("MRN%05d", n) }

func newChartHouse(t *testing.T, patients int, traits ehr.Traits) *chartHouse {
	t.Helper()
	return newStagedHouse(t, patients, ehr.Options{Traits: traits, Now: clock.System.Now})
}

func newStagedHouse(t *testing.T, patients int, options ehr.Options) *chartHouse {
	t.Helper()
	h := &chartHouse{house: newHouse(t), began: clock.System.Now().Add(-time.Hour)}
	var err error
	h.chart, err = sandbox.StartEHR(t.Context(), sandbox.EHROptions{EHR: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.chart.Close)
	var people seed.People
	for n := range patients {
		people.Patients = append(people.Patients, seed.Patient{Identifiers: []seed.Identifier{{System: "urn:oid:1.2", Value: mrn(n)}},
			Family: fmt.Sprintf("Family%d", n), Given: []string{"Given"}, BirthDate: "1980-02-29", Since: clock.System.Now()})
	}
	bundle, refs := seed.Bundle(people)
	if err := h.chart.Seed(bundle); err != nil {
		t.Fatal(err)
	}
	for n := range patients {
		h.patients = append(h.patients, refs.Patients[seed.Identifier{System: "urn:oid:1.2", Value: mrn(n)}])
	}
	h.write("chartwire.yaml", fmt.Sprintf(`
server: {public_url: "https://connector.clinic.example"}
identity: {base: %q}
seal: {keyset_file: keyset.json}
store: {url: "sqlite:chartwire.db", lease: 2s}
ehrs:
  - name: mercy
    type: fhir
    base_url: %q
    timezone: America/Chicago
    organization: %s
    identifier_systems: {"urn:oid:1.2": "urn:oid:1.2"}
    limits: {requests_per_second: 5000, concurrent: 8, search_lag: 0s, deadline: 1s}
channels:
  - {name: texting, type: webhook, class: secure, ehr: mercy, secret_file: texting.secret, consent: assumed}
`, base, h.chart.Base(), refs.Organization))
	return h
}

// start serves and lets the test wait for a number of filed exchanges.
func (h *chartHouse) start(want int) {
	h.t.Helper()
	h.startUntil(want, connector.Filed)
}

func (h *chartHouse) startParked(want int) { h.startUntil(want, connector.Parked) }

func (h *chartHouse) startUntil(want int, as connector.ItemState) {
	h.t.Helper()
	h.filed = &filedCount{kind: connector.ItemExchange, want: want, as: as, done: make(chan struct{}), seen: map[string]bool{}}
	h.observe = h.filed
	h.run()
}

// message posts one message of a patient's thread; every fifth carries a file.
func (h *chartHouse) message(patient, thread, seq int) {
	h.t.Helper()
	files := ""
	if seq%5 == 0 {
		files = fmt.Sprintf(`,"attachments":[{"id":"a-1","filename":"rash.txt","content_type":"application/pdf","data":%q}]`,
			base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "file %d of thread %d", seq, thread)))
	}
	body := fmt.Sprintf(`{"type":"message.created","timestamp":"2026-11-22T18:00:01Z","data":{"thread":{"id":"t-%d"},`+
		`"patient":{"identifiers":[{"system":"urn:oid:1.2","value":%q}],"name":{"family":"Family%d","given":["Given"]},"birth_date":"1980-02-29"},`+
		`"message":{"id":"m-%d","sequence":%d,"direction":"from_patient","sent_at":"2026-11-22T12:%02d:00-06:00","sender":{"role":"patient","id":"u-%d"},`+
		`"text":"Words %d of thread %d."%s}}}`, thread, mrn(patient), patient, seq, seq, seq, patient, seq, thread, files)
	if status, answer := h.post(fmt.Sprintf("e-%d-%d", thread, seq), body, channelKey, clock.System.Now()); status != 202 {
		h.t.Fatalf("message %d of thread %d answered %d: %s", seq, thread, status, answer)
	}
}

func (h *chartHouse) wait() {
	h.t.Helper()
	select {
	case <-h.filed.done:
	case <-time.After(2 * time.Minute):
		h.t.Fatalf("only %d of %d exchanges were filed", len(h.filed.seen), h.filed.want)
	}
}
