package app_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/openemr"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
)

// newOpenEMRHouse is a house whose EHR is the sandbox's OpenEMR, with one patient.
func newOpenEMRHouse(t *testing.T) *chartHouse {
	t.Helper()
	h := &chartHouse{house: newHouse(t), began: clock.System.Now().Add(-time.Hour)}
	there, err := sandbox.StartOpenEMR(t.Context(), sandbox.EHROptions{EHR: ehr.Options{Now: clock.System.Now, Seed: 1}}, openemr.Options{Categories: []string{"Chartwire"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(there.Close)
	h.chart = there.EHR
	bundle, refs := seed.Bundle(seed.People{Patients: []seed.Patient{
		{Identifiers: []seed.Identifier{{System: "urn:oid:1.2", Value: mrn(0)}}, Family: "Family0", Given: []string{"Given"}, BirthDate: "1980-02-29", Since: clock.System.Now()},
		{Identifiers: []seed.Identifier{{System: "urn:oid:1.2", Value: mrn(1)}}, Family: "Family1", Given: []string{"Given"}, BirthDate: "1980-02-28", Since: clock.System.Now()}}})
	if err := h.chart.Seed(bundle); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		h.patients = append(h.patients, refs.Patients[seed.Identifier{System: "urn:oid:1.2", Value: mrn(n)}])
	}
	h.write("chartwire.yaml", fmt.Sprintf(`
server: {public_url: "https://connector.clinic.example"}
identity: {base: %q}
seal: {keyset_file: keyset.json}
store: {url: "sqlite:chartwire.db", lease: 2s}
ehrs:
  - name: cedar
    type: openemr
    base_url: %q
    timezone: America/Chicago
    organization: %s
    openemr: {category: Chartwire}
    identifier_systems: {"urn:oid:1.2": "urn:oid:1.2"}
    limits: {requests_per_second: 5000, concurrent: 8, search_lag: 0s, deadline: 1s}
channels:
  - {name: texting, type: webhook, class: secure, ehr: cedar, secret_file: texting.secret, consent: assumed}
`, base, h.chart.Base(), refs.Organization))
	return h
}

// TestReconcileOpenEMR: documents that are known by their names alone are found lost, edited, renamed, moved and doubled, and the
// others as they were filed.
func TestReconcileOpenEMR(t *testing.T) {
	h := newOpenEMRHouse(t)
	h.start(8)
	for seq := 1; seq <= 8; seq++ {
		h.message(0, 0, seq)
	}
	h.wait()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.chart.Put([]byte(`{"resourceType":"DocumentReference","id":"letter","status":"current","subject":{"reference":"` + h.patients[0] +
		`"},"content":[{"attachment":{"title":"chartwire_letter.txt","url":"Binary/letter"}}]}`))
	must(err)
	before := h.chart.Requests()
	if findings, reports := h.reconcile(h.began); len(findings) != 0 || reports[0].Entries != 8 || reports[0].NotReadable+reports[0].Moving != 0 {
		t.Fatalf("a chart that is as it was filed gave %v, %+v", findings, reports)
	}
	if n := h.chart.Requests() - before; n > 2+8 { // what is declared, the list, and each content
		t.Errorf("it took %d requests", n)
	}

	attachment := func(r map[string]any) map[string]any {
		return r["content"].([]any)[0].(map[string]any)["attachment"].(map[string]any)
	}
	at := map[string]string{} // sequence → its document, by its words
	for _, x := range h.chart.All("Binary") {
		var b struct{ Data []byte }
		must(json.Unmarshal(x.Raw, &b))
		for seq := 1; seq <= 8; seq++ {
			if strings.Contains(string(b.Data), fmt.Sprintf("\n\nWords %d of thread 0.", seq)) {
				at[fmt.Sprint(seq)] = strings.Replace(x.Reference(), "Binary/", "DocumentReference/", 1)
			}
		}
	}
	if len(at) != 8 {
		t.Fatalf("only %d documents are known by their words", len(at))
	}
	want := map[string]string{} // finding → what differs
	spoil := func(seq int, kind deliver.FindingKind, differs string, change func(reference string) error) {
		reference := at[fmt.Sprint(seq)]
		must(change(reference))
		want[fmt.Sprint(kind, " ", reference)] = differs
	}
	edit := func(change func(map[string]any)) func(string) error {
		return func(reference string) error { return h.chart.Edit(reference, change) }
	}
	spoil(1, deliver.FoundMissing, "", h.chart.Remove)
	spoil(2, deliver.FoundEdited, "words", func(reference string) error {
		return h.chart.Edit(strings.Replace(reference, "DocumentReference/", "Binary/", 1), func(r map[string]any) {
			text, _ := base64.StdEncoding.DecodeString(r["data"].(string))
			r["data"] = base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(text), "\n\nWords 2", "\n\nWords 3", 1)))
		})
	})
	spoil(3, deliver.FoundDuplicate, "", func(reference string) error {
		second, err := h.chart.Double(reference)
		must(err)
		return h.chart.Edit(second, func(r map[string]any) { // as OpenEMR calls the second of a name
			a := attachment(r)
			a["title"] = strings.TrimSuffix(a["title"].(string), ".txt") + "_1.txt"
		})
	})
	spoil(4, deliver.FoundEdited, "identifier", edit(func(r map[string]any) { attachment(r)["title"] = "letter.txt" }))
	spoil(6, deliver.FoundWrongSubject, "subject", edit(func(r map[string]any) { r["subject"] = map[string]any{"reference": h.patients[1]} }))
	spoil(7, deliver.FoundEdited, "status", edit(func(r map[string]any) { r["status"] = "superseded" }))

	findings, reports := h.reconcile(h.began)
	for _, f := range findings {
		key := fmt.Sprint(f.Kind, " ", f.Reference)
		differs, ok := want[key]
		if !ok || differs != strings.Join(f.Differs, " ") || f.Kind == deliver.FoundDuplicate && len(f.Others) != 1 {
			t.Errorf("found %+v, want of these %v", f, want)
		}
		delete(want, key)
	}
	if len(want) != 0 || reports[0].NotReadable != 0 {
		t.Errorf("not found: %v; %+v", want, reports)
	}
}
