package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
)

// surgery is a folder with the configuration of an open sandbox EHR and a test patient.
func surgery(t *testing.T, traits ehr.Traits) (*sandbox.EHR, string) {
	t.Helper()
	e, err := sandbox.StartEHR(context.WithoutCancel(t.Context()), sandbox.EHROptions{EHR: ehr.Options{Traits: traits, Now: clock.System.Now, Seed: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	for _, r := range []string{`{"resourceType":"Organization","id":"clinic","name":"Riverbend"}`, `{"resourceType":"Patient","id":"test","active":true}`} {
		if _, err := e.Put([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "chartwire.yaml")
	text := fmt.Sprintf(`
server: {public_url: "https://connector.clinic.example", listen: "127.0.0.1:0", console_listen: "127.0.0.1:0"}
identity: {base: "https://connector.clinic.example/sid"}
store: {url: "sqlite:chartwire.db"}
seal: {keyset_file: keyset.json}
ehrs:
  - {name: mercy, type: fhir, base_url: %q, timezone: America/Chicago, organization: Organization/clinic, probe: {patient: Patient/test}, limits: {search_lag: 1s}}
`, e.Base())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return e, file
}

func TestDoctorUse(t *testing.T) {
	_, file := surgery(t, ehr.Full())
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"nobody":              {[]string{"--ehr", "nobody"}, "no EHR named nobody"},
		"probe of all":        {[]string{"--probe"}, "name it with --ehr"},
		"seen of all":         {[]string{"--seen", "Notes"}, "name it with --ehr"},
		"yes to nothing":      {[]string{"--ehr", "mercy", "--yes", "mercy"}, "--yes is for --probe"},
		"JSON asks nobody":    {[]string{"--ehr", "mercy", "--probe", "--json"}, "--yes"},
		"the name is another": {[]string{"--ehr", "mercy", "--probe", "--yes", "valley"}, "not the connection's name; nothing was written"},
	} {
		t.Run(name, func(t *testing.T) {
			if code, _, errs := chartwire(t, append([]string{"doctor", "--config", file}, c.args...)...); code != exitUse || !strings.Contains(errs, c.says) {
				t.Errorf("exit %d: %s", code, errs)
			}
		})
	}
}

// TestDoctorWithoutAnything: no keyset, no store, no serve: the EHR is examined all the same, and nothing is made.
func TestDoctorWithoutAnything(t *testing.T) {
	e, file := surgery(t, ehr.Full())
	code, out, errs := chartwire(t, "doctor", "--config", file)
	if code != 0 || !strings.Contains(out, "━━ mercy (fhir): nothing that filing needs is missing") || !strings.Contains(out, "there is no store yet: what was filed is not known") ||
		!strings.Contains(out, "\nCommunication create         yes     yes       yes      unknown\n") {
		t.Errorf("exit %d: %s\n%s", code, errs, out)
	}
	if exists(filepath.Join(filepath.Dir(file), "chartwire.db")) {
		t.Error("it made a store")
	}
	if !strings.Contains(errs, "keyset.json") {
		t.Errorf("the missing keyset is not told: %s", errs)
	}
	e.Close()
	if code, out, _ := chartwire(t, "doctor", "--config", file, "--json"); code != exitProblem || !strings.Contains(out, `"who": "interface engineer"`) {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestDoctorAndServe: while serve runs its store is asked, over the socket; a typed name is what lets the probe write, and what
// it proves is on the next report.
func TestDoctorAndServe(t *testing.T) {
	e, file := surgery(t, ehr.Full())
	if err := seal.Init(filepath.Join(filepath.Dir(file), "keyset.json"), clock.System.Now()); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load(file)
	if config.Fatal(problems, true) {
		t.Fatal(problems)
	}
	a, err := app.New(t.Context(), app.Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
		_ = a.Close()
	})
	charted := func() int { return len(e.All("Communication")) + len(e.All("DocumentReference")) } // serve asks for a Subscription meanwhile
	typed := func(text string) (string, error) {
		var out, errs bytes.Buffer
		c := doctorCmd{configFlag: configFlag{file}, EHR: "mercy", Probe: true, in: strings.NewReader(text)}
		err := c.Run(t.Context(), streams{&out, &errs})
		return out.String(), err
	}
	if out, err := typed("yes\n"); err == nil || !strings.Contains(err.Error(), "nothing was written") || charted() != 0 || !strings.Contains(out, "POST") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := typed("mercy\nNotes tab\n"); err != nil || !strings.Contains(out, "seen in the chart: Notes tab") || !strings.Contains(out, "it is marked as entered in error") {
		t.Errorf("%v\n%s", err, out)
	}
	code, out, errs := chartwire(t, "doctor", "--config", file, "--json")
	var reports []doctor.Report
	if err := json.Unmarshal([]byte(out), &reports); err != nil || code != 0 || len(reports) != 1 || reports[0].Probe.Seen != "Notes tab" {
		t.Fatalf("exit %d, %v: %s\n%s", code, err, errs, out)
	}
	if code, out, _ := chartwire(t, "doctor", "--config", file, "--ehr", "mercy", "--seen", "Chart Review"); code != 0 || !strings.Contains(out, "seen in the chart: Chart Review") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out, errs := chartwire(t, "doctor", "--config", file, "--ehr", "mercy"); code != 0 || !strings.Contains(out, "yes (probe 20") || !strings.Contains(out, "seen in the chart: Chart Review") {
		t.Errorf("exit %d: %s\n%s", code, errs, out)
	}
}

// TestDoctorEchoes: an interface engine is sent nothing, until the configuration says that it may be asked; then it answers, and keeps
// nothing.
func TestDoctorEchoes(t *testing.T) {
	n, err := sandbox.StartEngine(context.WithoutCancel(t.Context()), "", engine.Options{Now: clock.System.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	dir := t.TempDir()
	for _, c := range [][2]string{
		{"", "\n?  MLLP echo   not sent: once the interface engineer agrees to one message without a patient (NMQ^N01) for each doctor, write hl7.echo: NMQ^N01 in the Chartwire configuration\n"},
		{", echo: NMQ^N01", "\nok  MLLP echo   NMQ^N01 answered AA\n"},
	} {
		keys, want := c[0], c[1]
		file := filepath.Join(dir, "chartwire.yaml")
		text := fmt.Sprintf(`
server: {public_url: "https://connector.clinic.example", listen: "127.0.0.1:0", console_listen: "127.0.0.1:0"}
identity: {base: "https://connector.clinic.example/sid"}
store: {url: "sqlite:chartwire.db"}
seal: {keyset_file: keyset.json}
ehrs:
  - name: county
    type: hl7v2
    address: %q
    timezone: America/Denver
    organization: Organization/county
    match: trust-identifiers
    hl7: {sending: CHARTWIRE^CLINIC, receiving: EHR^COUNTY, authorities: {"urn:oid:1.2": {namespace: COUNTY}}%s}
`, n.URL(), keys)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := chartwire(t, "doctor", "--config", file)
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("with %q exit %d: %s\n%s", keys, code, errs, out)
		}
		if came := len(n.Arrivals()); came != 0 && keys == "" || len(n.Ledger()) != 0 {
			t.Errorf("with %q the engine was sent %d and kept %d", keys, came, len(n.Ledger()))
		}
	}
}
