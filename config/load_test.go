package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestExample holds the embedded example against the loader: only its secret files are missing.
func TestExample(t *testing.T) {
	cfg, problems := Parse("chartwire.example.yaml", Example, Options{})
	checkOnlyFilesMissing(t, cfg, problems, 7)
}

// TestContractExample holds the loader against the contract the project was given, where that is there.
func TestContractExample(t *testing.T) {
	path := filepath.Join("..", "..", "shared", "contracts", "chartwire.example.yaml")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED: the contract's own example is not beside this checkout (%v); the embedded copy is tested by TestExample", err)
	}
	cfg, problems := Load(path)
	checkOnlyFilesMissing(t, cfg, problems, 7)
}

func checkOnlyFilesMissing(t *testing.T, cfg *Config, problems []Problem, files int) {
	t.Helper()
	for _, p := range problems {
		if p.Kind != MissingSecret {
			t.Error(p)
		}
	}
	if len(problems) != files {
		t.Errorf("%d problems, want one for each of the %d files: %v", len(problems), files, problems)
	}
	if cfg == nil {
		t.Fatal("no Config")
	}
	if Fatal(problems, false) || !Fatal(problems, true) {
		t.Error("missing files stop serve, and only serve")
	}
}

// TestExampleValues reads the example's values back, so that a key cannot be accepted and lost.
func TestExampleValues(t *testing.T) {
	cfg, _ := Parse("chartwire.example.yaml", Example, Options{})
	mercy, county, texting := cfg.EHR("mercy"), cfg.EHR("county"), cfg.Channel("texting")
	for _, tc := range []struct {
		what      string
		got, want any
	}{
		{"public_url", cfg.Server.PublicURL, "https://connector.clinic.example"},
		{"base", cfg.Identity.Base, "https://connector.clinic.example/sid"},
		{"lease", cfg.Store.Lease, 30 * time.Second},
		{"engine", cfg.Store.Engine(), SQLite},
		{"type", mercy.Type, FHIR},
		{"zone", mercy.Location().String(), "America/Chicago"},
		{"systems", mercy.IdentifierSystems, map[string]string{"urn:oid:2.16.840.1.113883.19.5": "urn:oid:2.16.840.1.113883.19.5"}},
		{"backend client", mercy.Backend.ClientID, "chartwire-backend"},
		{"frame_ancestors", mercy.Launch.FrameAncestors, []string{"https://ehr.mercy.example"}},
		{"clinician", mercy.Roles.Clinician, []string{"doctor", "nurse"}},
		{"default role", mercy.Roles.Default, RoleReadOnly},
		{"as", mercy.Filing.As, Strategies{StrategyAuto}},
		{"per", mercy.Filing.Per, PerExchange},
		{"encounter", mercy.Filing.Encounter.Policy, EncounterWhenKnown},
		{"note_type", mercy.Filing.NoteType, Coding{System: "http://loinc.org", Code: "34748-4"}},
		{"not_before", mercy.Watch.NotBefore, 24 * time.Hour},
		{"limits", mercy.Limits, Limits{RequestsPerSecond: 50, Concurrent: 8, SearchLag: time.Minute, InlineBytes: 5e6, Deadline: 30 * time.Second}},
		{"probe", mercy.Probe.Patient, "Patient/zz-test"},
		{"mode", mercy.Mode, ModeLive},
		{"speaks", county.SpeaksFHIR(), false},
		{"address", county.Address, "mllps://engine.county.example:2575"},
		{"match", county.Match, MatchTrustIdentifiers},
		{"authority", county.HL7.Authorities["urn:oid:2.16.840.1.113883.19.5"], Authority{Namespace: "COUNTY", Type: "MR"}},
		{"document_type", county.HL7.DocumentType, "PN"},
		{"ack", county.HL7.Ack, AckEnhanced},
		{"resend", county.HL7.Resend, ResendSameID},
		{"county as", county.Filing.As, Strategies{StrategyMDM}},
		{"county idle", county.Filing.Idle, time.Hour},
		{"class", texting.Class, Secure},
		{"send_idempotent", texting.SendIdempotent, true},
		{"receipts", texting.Receipts, ReceiptsDelivered},
		{"consent", texting.Consent, ConsentAssumed},
		{"gap_wait", texting.GapWait, time.Minute},
		{"media", texting.Media, Media{Origins: []string{"https://media.texting.example"}, MaxBytes: 25e6, Within: 72 * time.Hour}},
		{"pool", *cfg.Pool("mercy", "nurse-triage"), Pool{ID: "nurse-triage", EHR: "mercy", Name: "Nurse triage", Reference: "HealthcareService/nurse-triage", Members: []string{"Practitioner/prac-ana"}, SLA: 4 * time.Hour}},
		{"person", cfg.Person("mercy", "prac-ana").Reference, "Practitioner/prac-ana"},
		{"token", cfg.API.Tokens[0].ActAs, []string{"Practitioner/prac-ana"}},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.what, diff)
		}
	}
	if cfg.EHR("none") != nil || cfg.Channel("none") != nil || cfg.Pool("county", "nurse-triage") != nil || cfg.Person("county", "prac-ana") != nil {
		t.Error("something that is not configured was found")
	}
}

// TestDefaults reads a configuration that leaves everything out that may be left out.
func TestDefaults(t *testing.T) {
	cfg, problems := parseFile(t, filepath.Join(goodDir, "minimal.yaml"))
	if cfg == nil {
		t.Fatal(problems)
	}
	mercy, texting := cfg.EHR("mercy"), cfg.Channel("texting")
	if mercy.Filing.Per != "" || !mercy.Filing.As.Auto() || mercy.Filing.HoldFor != 72*time.Hour || mercy.Watch.Poll != 30*time.Second {
		t.Errorf("filing is %+v, watch %+v", mercy.Filing, mercy.Watch)
	}
	if mercy.Backend != nil || mercy.Launch != nil || mercy.HL7 != nil || mercy.TLS != nil || mercy.Watch.NotifySecret.IsSet() {
		t.Error("a group that was left out is there")
	}
	if texting.Consent != ConsentRequired || texting.SendIdempotent || texting.TrustIdentifiers || texting.Media.Origins != nil {
		t.Errorf("a channel is not careful by default: %+v", texting)
	}
	byHand := Config{EHRs: []EHR{{Filing: Filing{Idle: time.Minute}, HL7: &HL7{Authorities: map[string]Authority{"urn:oid:1.2.3": {Namespace: "A"}}}}}, Channels: []Channel{{}}}
	Defaults(&byHand)
	if diff := cmp.Diff(mercy.Limits, byHand.EHRs[0].Limits); diff != "" {
		t.Errorf("Defaults differ from Parse (-parse +defaults):\n%s", diff)
	}
	if h := byHand.EHRs[0].HL7; h.Completion != "DO" || h.Authorities["urn:oid:1.2.3"] != (Authority{Namespace: "A", Type: "MR"}) {
		t.Errorf("Defaults gave %+v", h)
	}
	if byHand.EHRs[0].Filing.Idle != time.Minute || byHand.Channels[0].GapWait != time.Minute {
		t.Errorf("Defaults gave %+v", byHand)
	}
}

// TestExplicitZeroStays: a zero that was written is not a default.
func TestExplicitZeroStays(t *testing.T) {
	cfg, problems := parseFile(t, filepath.Join(goodDir, "postgres.yaml"))
	if cfg == nil {
		t.Fatal(problems)
	}
	if got := cfg.Channel("texting").OrderWindow; got != 0 {
		t.Errorf("order_window 0s became %v", got)
	}
	if want := "postgres://chartwire:hunter2@db.clinic.example:5432/chartwire"; cfg.DSN() != want || cfg.Store.Engine() != Postgres {
		t.Errorf("DSN is %s, want %s", cfg.DSN(), want)
	}
}

func TestPathsAreBesideTheConfiguration(t *testing.T) {
	cfg, problems := Parse(filepath.Join("etc", "chartwire.yaml"), Example, Options{})
	if cfg == nil {
		t.Fatal(problems)
	}
	if got, want := cfg.DSN(), filepath.Join("etc", "chartwire.db"); got != want {
		t.Errorf("the store is %s, want %s", got, want)
	}
	if got := cfg.Path("/srv/x"); got != "/srv/x" {
		t.Errorf("an absolute path became %s", got)
	}
}

func TestLoadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, maxBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "does not exist",
		dir:                             "is a folder",
		large:                           "is larger than 1MiB",
	} {
		cfg, problems := Load(path)
		if cfg != nil || len(problems) != 1 || !strings.Contains(problems[0].Text, want) || problems[0].File != path {
			t.Errorf("%s: %v, want one problem: %s", path, problems, want)
		}
	}
}

// TestBombs feeds what would take the YAML parser minutes or the whole stack; each is refused on its tokens.
func TestBombs(t *testing.T) {
	const bombBytes = 200 << 10 // a fifth of what is read at most: unrefused, each takes the parser many seconds
	var keys strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&keys, "k%d: 1\n", i)
	}
	for name, bomb := range map[string]string{
		"sequences": strings.Repeat("- ", bombBytes/2),
		"brackets":  strings.Repeat("[", bombBytes),
		"braces":    strings.Repeat("{a: ", bombBytes/4),
		"anchors":   "a: " + strings.Repeat("&a ", bombBytes/3-2),
		"tags":      "a: " + strings.Repeat("!a ", bombBytes/3-2),
		"questions": strings.Repeat("? ", bombBytes/2),
		"keys":      keys.String(),
		"same keys": strings.Repeat("a: 1\n", bombBytes/5),
		"flow keys": "{" + strings.Repeat("a: 1, ", bombBytes/6-1) + "}",
		"colons":    strings.Repeat("a: ", bombBytes/3),
		"laughs":    laughs(9),
	} {
		t.Run(name, func(t *testing.T) {
			cfg, problems := Parse("x.yaml", []byte(bomb), Options{})
			if cfg != nil || len(problems) == 0 {
				t.Error("accepted")
			}
			for _, p := range problems {
				checkProblem(t, p)
			}
		})
	}
}

// laughs is the billion laughs of n levels.
func laughs(n int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i <= n; i++ {
		alias := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Join([]string{alias, alias, alias, alias, alias, alias, alias, alias, alias, alias}, ", "))
	}
	return b.String()
}

func TestFatal(t *testing.T) {
	for _, tc := range []struct {
		kinds        []Kind
		check, serve bool
	}{
		{nil, false, false},
		{[]Kind{Warning}, false, false},
		{[]Kind{Warning, MissingSecret}, false, true},
		{[]Kind{MissingSecret, Mistake}, true, true},
	} {
		var problems []Problem
		for _, k := range tc.kinds {
			problems = append(problems, Problem{Kind: k})
		}
		if check, serve := Fatal(problems, false), Fatal(problems, true); check != tc.check || serve != tc.serve {
			t.Errorf("%v: %v and %v, want %v and %v", tc.kinds, check, serve, tc.check, tc.serve)
		}
	}
}
