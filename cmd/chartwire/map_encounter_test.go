package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/cmd/preview"
	"github.com/chartwire/chartwire/connector"
)

// TestMapShowsTheEncounterAPolicyWouldFind: only the EHR knows which, so its symbol stands there; where the policy asks for
// none, or an engine cannot be asked and no visit is named, the plan says that.
func TestMapShowsTheEncounterAPolicyWouldFind(t *testing.T) {
	raw, err := os.ReadFile("testdata/map.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		policy, thread string
		shown          bool
		engine         connector.ItemState // of each message toward an hl7v2 engine; "" is when-known there
	}{
		{"when-known", "../../testdata/threads-contract/proxy-with-photo.ndjson", false, connector.Filed},
		{"when-known", "../../testdata/threads/03-photo-by-url-out-of-order.ndjson", true, connector.Filed}, // it names a visit
		{"never", "../../testdata/threads/03-photo-by-url-out-of-order.ndjson", false, connector.Filed},
		{"required", "../../testdata/threads-contract/proxy-with-photo.ndjson", true, connector.Held},
		{"required", "../../testdata/threads/03-photo-by-url-out-of-order.ndjson", true, connector.Filed},
		{"required # the engine cannot name it", "../../testdata/threads/03-photo-by-url-out-of-order.ndjson", true, connector.Held},
		{"open", "../../testdata/threads-contract/proxy-with-photo.ndjson", true, ""},
		{"recent", "../../testdata/threads-contract/proxy-with-photo.ndjson", true, ""},
		{"thread", "../../testdata/threads-contract/proxy-with-photo.ndjson", true, ""},
	} {
		t.Run(c.policy, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "chartwire.yaml")
			policy, unnamed := strings.CutSuffix(c.policy, " # the engine cannot name it")
			says := "encounter: {policy: " + policy + "}"
			text := strings.NewReplacer("filing: {as: communication", "filing: {"+says+", as: communication", "filing: {as: note", "filing: {"+says+", as: note").Replace(string(raw))
			if c.engine != "" {
				text = strings.Replace(text, "    match: trust-identifiers", "    filing: {"+says+"}\n    match: trust-identifiers", 1)
			}
			if !unnamed {
				text = strings.Replace(text, "{namespace: COUNTY}", `{namespace: COUNTY}, "https://clinic.example/sid/visit": {namespace: COUNTY, type: VN}`, 1)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, errs := chartwire(t, "map", "--config", file, "--ehr", "all", "--json", c.thread)
			var records []preview.Record
			if err := json.Unmarshal([]byte(out), &records); err != nil {
				t.Fatalf("exit %d: %v\n%s", code, err, errs)
			}
			fhir, engine := 0, 0
			for _, r := range records {
				if r.Exchange == nil || r.Exchange.Kind != connector.ItemExchange {
					continue
				}
				if r.Type == "hl7v2" {
					if engine++; c.engine != "" && (r.State != c.engine || (c.engine == connector.Held && r.Reason != connector.NeedsEncounter)) {
						t.Errorf("toward the engine it is %s %s", r.State, r.Reason)
					}
					continue
				}
				fhir++
				if strings.Contains(string(r.Body), `"{encounter}"`) != c.shown {
					t.Errorf("%s: the encounter is shown: %v, want %v", r.EHR, !c.shown, c.shown)
				}
			}
			if fhir == 0 || (c.engine != "" && engine == 0) {
				t.Errorf("%d messages toward FHIR and %d toward the engine", fhir, engine)
			}
		})
	}
}
