package doctor_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/connector"
)

const testPatient = "\n    probe: {patient: Patient/test}"

// step takes one step of a probe; it gives what was said instead where it was refused.
func (c *clinic) step(q doctor.Ask) (a doctor.Answer, refused string) {
	c.t.Helper()
	refused = c.ask("/doctor/probe?ehr=mercy", q, &a)
	return a, refused
}

// written counts what is on the charts beside what was seeded.
func (c *clinic) written() int { return len(c.ehr.Ledger()) - 3 }

// probed goes through a whole probe.
func (c *clinic) probed() connector.Probe {
	c.t.Helper()
	plan, refused := c.step(doctor.Ask{Step: doctor.StepPlan})
	if refused != "" {
		c.t.Fatal(refused)
	}
	if _, refused := c.step(doctor.Ask{Step: doctor.StepFile, ID: plan.ID, At: plan.At, Confirm: "mercy"}); refused != "" {
		c.t.Fatal(refused)
	}
	done, refused := c.step(doctor.Ask{Step: doctor.StepClose, Seen: "Chart Review > Notes"})
	if refused != "" {
		c.t.Fatal(refused)
	}
	return *done.Probe
}

func says(p connector.Probe, capability string) string {
	for _, o := range p.Outcomes {
		if o.Capability == capability {
			return string(o.Known) + ": " + o.Says
		}
	}
	return "nothing"
}

// TestProbe: one entry for each strategy is written to the test patient alone, read back, and marked as entered in error; the
// matrix says so from then on, and keeps where a person saw it.
func TestProbe(t *testing.T) {
	c := open(t, setting{traits: ehr.Full(), scopes: allScopes, more: testPatient})
	c.store()
	plan, _ := c.step(doctor.Ask{Step: doctor.StepPlan})
	if c.written() != 0 {
		t.Fatal("the plan wrote")
	}
	if all := strings.Join(plan.Says, "\n"); !strings.Contains(all, "One entry is written to that chart as communication: Communication, Provenance.") ||
		!strings.Contains(all, "as note: DocumentReference, Provenance.") || !strings.Contains(all, "What stays behind as note: the DocumentReference, marked as entered in error") || len(plan.Requests) != 2 {
		t.Errorf("%s\n%d requests", all, len(plan.Requests))
	}
	p := c.probed()
	for capability, want := range map[string]string{
		"Patient read":             "yes: Patient/test was read and is active.",
		"Communication create":     "its copy has the exact words, patient and identifier.",
		"Communication read":       "yes: read again; its copy has the exact words",
		"Communication search":     "yes: found by its identifier at once; found in the list of the patient's entries at once.",
		"Communication update":     "yes: it was marked as entered in error.",
		"DocumentReference create": "yes: written as DocumentReference/",
		"DocumentReference update": "yes: it was marked as entered in error.",
		"Provenance create":        "yes: it was written together with the Communication.",
		"Bundle transaction":       "yes: the entry was written in one.",
	} {
		if got := says(p, capability); !strings.Contains(got, want) {
			t.Errorf("%s: %s", capability, got)
		}
	}
	for _, typ := range []string{"Communication", "DocumentReference"} {
		all := c.ehr.All(typ)
		if len(all) != 1 || !strings.Contains(string(all[0].Raw), `"status":"entered-in-error"`) || !strings.Contains(string(all[0].Raw), `"reference":"Patient/test"`) {
			t.Errorf("%d of %s", len(all), typ)
		}
	}
	r := c.examine()
	for name, want := range map[string]string{
		"Patient read": "Patient read: needed yes yes yes probe", "Communication create": "Communication create: needed yes yes yes probe",
		"Communication search": "Communication search: - yes yes yes now", "Communication update": "Communication update: - yes yes yes probe",
		"DocumentReference create": "DocumentReference create: - yes yes yes probe", "Provenance create": "Provenance create: - yes yes yes probe",
		"CommunicationRequest create": "CommunicationRequest create: - yes yes unknown", // nothing was tried
	} {
		if got, _ := row(t, r, name); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if r.Probe == nil || r.Probe.Seen != "Chart Review > Notes" || r.Probe.SeenBy == "" {
		t.Errorf("%+v", r.Probe)
	}
}

// TestProbeDisproves: what is declared and granted, and refused when done, is no from then on, and the sentence says who acts.
func TestProbeDisproves(t *testing.T) {
	c := open(t, setting{traits: ehr.Full(), scopes: allScopes, more: testPatient, before: unknownHere(func(r *http.Request) bool {
		return r.Method == http.MethodPost && (strings.HasSuffix(r.URL.Path, "/fhir") || strings.HasSuffix(r.URL.Path, "/fhir/Communication"))
	})})
	c.store()
	if got, _ := row(t, c.examine(), "Communication create"); got != "Communication create: needed yes yes unknown" {
		t.Error(got)
	}
	p := c.probed()
	if got := says(p, "Communication create"); got != "no: it was answered HTTP 405 (not-supported)." {
		t.Error(got)
	}
	r := c.examine()
	got, gap := row(t, r, "Communication create")
	if got != "Communication create: needed yes yes no probe" || r.Good || gap == nil || *gap != (connector.Lack{Who: connector.FixEHR, Text: "the probe of " +
		p.At.UTC().Format(time.DateOnly) + " did not succeed with Communication create: it was answered HTTP 405 (not-supported). The EHR administrator must enable it for this client, or filing.as in the Chartwire configuration must name another strategy; then probe again."}) {
		t.Errorf("%s %+v", got, gap)
	}
}

// TestProbeProvesWhatAVendorDeclares: MEDITECH's declaration counts for nothing until a probe has seen it to be true. Then the
// same connection files by it.
func TestProbeProvesWhatAVendorDeclares(t *testing.T) {
	traits, err := ehr.Profile("meditech")
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, setting{kind: "meditech", traits: traits, scopes: allScopes, more: testPatient})
	c.store()
	r := c.examine()
	got, gap := row(t, r, "Communication create")
	if got != "Communication create: needed yes yes unknown" || r.Good || gap == nil || gap.Who != connector.FixConfig ||
		!strings.Contains(gap.Text, "until a probe has proven it") {
		t.Errorf("before: %s %+v", got, gap)
	}
	if got := says(c.probed(), "Communication create"); !strings.HasPrefix(got, "yes: ") {
		t.Errorf("the probe says %s", got)
	}
	r = c.examine()
	if got, gap := row(t, r, "Communication create"); got != "Communication create: needed yes yes yes probe" || gap != nil || !r.Good {
		t.Errorf("after: %s %+v", got, gap)
	}
}

// TestProbeOfNotesAlone: what cannot be changed stays, is told before, and is left to a person.
func TestProbeOfNotesAlone(t *testing.T) {
	c := open(t, setting{traits: ehr.NoteOnly(), scopes: allScopes, more: testPatient})
	c.store()
	plan, _ := c.step(doctor.Ask{Step: doctor.StepPlan})
	if last := plan.Says[len(plan.Says)-1]; !strings.HasPrefix(last, "What stays behind as note: the DocumentReference as it is") {
		t.Error(last)
	}
	p := c.probed()
	if len(p.Entries) != 1 || p.Entries[0].Open || !strings.Contains(p.Entries[0].Left, "in error in the chart by hand") || says(p, "DocumentReference update") != "nothing" {
		t.Errorf("%+v", p)
	}
}

// TestProbeIsStrict: other words, another patient and an answer that never came are no proof.
func TestProbeIsStrict(t *testing.T) {
	for fault, want := range map[string]string{
		"truncated-text":    "no: written as Communication/", // and differs
		"wrong-subject":     "no: written as Communication/",
		"commit-then-reset": "unknown: it did not end well",
		"403":               "no: it was answered HTTP 403 (forbidden).",
		"503 retry-after=1": "unknown: it did not end well",
	} {
		t.Run(fault, func(t *testing.T) {
			alone := ehr.Full()
			alone.Transaction = false
			c := open(t, setting{traits: alone, more: testPatient + "\n    filing: {as: communication}"})
			c.store()
			if err := c.ehr.Stage("POST Communication #1 " + fault); err != nil {
				t.Fatal(err)
			}
			p := c.probed()
			if got := says(p, "Communication create"); !strings.HasPrefix(got, want) {
				t.Error(got)
			}
			if got := says(p, "Communication create"); strings.HasPrefix(got, "no: written") && !strings.Contains(got, "it differs in ") {
				t.Error(got)
			}
			there := len(c.ehr.All("Communication")) > 0
			if e := p.Entries[0]; there != (e.Reference != "") || e.Open {
				t.Errorf("on the chart: %v; %+v", there, e)
			}
		})
	}
}

// TestProbeRefuses: without a test patient, with one that is not active or not there, unconfirmed, twice, or with no store,
// nothing is written.
func TestProbeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		more, confirm, says string
		noStore, again      bool
	}{
		"no test patient":   {more: "", confirm: "mercy", says: "mercy has no test patient to write to"},
		"one that is gone":  {more: "\n    probe: {patient: Patient/gone}", confirm: "mercy", says: "Patient/gone is not active"},
		"one that is not":   {more: "\n    probe: {patient: Patient/nobody}", confirm: "mercy", says: "Patient/nobody is not there"},
		"not confirmed":     {more: testPatient, confirm: "yes", says: "is not the connection's name, mercy"},
		"mode off":          {more: testPatient + "\n    mode: off", confirm: "mercy", says: "mercy has mode off"},
		"no store":          {more: testPatient, confirm: "mercy", noStore: true, says: "there is no store"},
		"carried out twice": {more: testPatient, confirm: "mercy", again: true, says: "this plan was carried out already"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, setting{traits: ehr.Full(), more: c.more})
			if !c.noStore {
				s.store()
			}
			plan, refused := s.step(doctor.Ask{Step: doctor.StepPlan})
			if refused == "" {
				_, refused = s.step(doctor.Ask{Step: doctor.StepFile, ID: plan.ID, At: plan.At, Confirm: c.confirm})
			}
			n := s.written()
			if c.again {
				if refused != "" || n == 0 {
					t.Fatalf("the first time: %s", refused)
				}
				_, refused = s.step(doctor.Ask{Step: doctor.StepFile, ID: plan.ID, At: plan.At, Confirm: c.confirm})
			} else if n != 0 {
				t.Errorf("%d writes", n)
			}
			if !strings.Contains(refused, c.says) || s.written() != n {
				t.Errorf("%q, %d writes", refused, s.written())
			}
		})
	}
}

// TestProbeNeedsAnEncounter: where entries need one, the test patient's open one is named, and without one nothing is written.
func TestProbeNeedsAnEncounter(t *testing.T) {
	c := open(t, setting{traits: ehr.Full(), more: testPatient + "\n    filing: {as: note, encounter: {policy: required}}"})
	c.store()
	if _, refused := c.step(doctor.Ask{Step: doctor.StepPlan}); !strings.Contains(refused, "Patient/test has none that is open") {
		t.Error(refused)
	}
	if _, err := c.ehr.Put([]byte(`{"resourceType":"Encounter","id":"visit","status":"in-progress","class":{"code":"AMB"},"subject":{"reference":"Patient/test"}}`)); err != nil {
		t.Fatal(err)
	}
	p := c.probed()
	if got := says(p, "DocumentReference create"); !strings.HasPrefix(got, "yes: ") || !strings.Contains(string(c.ehr.All("DocumentReference")[0].Raw), `"Encounter/visit"`) {
		t.Error(got)
	}
}

// TestOneNoIsANo: what one entry proved and the other disproved is disproved.
func TestOneNoIsANo(t *testing.T) {
	alone := ehr.Full()
	alone.Transaction = false
	c := open(t, setting{traits: alone, more: testPatient})
	c.store()
	if err := c.ehr.Stage("POST Provenance #2 403"); err != nil {
		t.Fatal(err)
	}
	if got := says(c.probed(), "Provenance create"); got != "no: it was answered HTTP 403 (forbidden)." {
		t.Error(got)
	}
	if got, _ := row(t, c.examine(), "Provenance create"); got != "Provenance create: - yes yes no probe" {
		t.Error(got)
	}
}
