package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	yaml "github.com/goccy/go-yaml"
)

const canary = "c4n4ry"

func TestSecretPrintsNowhere(t *testing.T) {
	s := NewSecret(canary)
	holder := struct {
		S Secret
		P *Secret
	}{s, &s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", s, &s, holder)
	}
	for name, h := range map[string]slog.Handler{
		"text": slog.NewTextHandler(&out, nil),
		"json": slog.NewJSONHandler(&out, nil),
	} {
		slog.New(h).Info(name, "secret", s, "pointer", &s, "holder", holder)
	}
	for _, v := range []any{s, &s, holder, map[string]Secret{"a": s}, []Secret{s}} {
		j, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		y, err := yaml.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		out.Write(j)
		out.Write(y)
	}
	text, _ := s.MarshalText()
	out.Write(text)
	if strings.Contains(out.String(), canary) {
		t.Errorf("the secret was printed:\n%s", out.String())
	}
	if n := strings.Count(out.String(), redacted); n < 30 {
		t.Errorf("%s was printed %d times, something went silent:\n%s", redacted, n, out.String())
	}
	if s.Reveal() != canary {
		t.Error("Reveal does not reveal")
	}
}

func TestAbsentSecret(t *testing.T) {
	var s Secret
	if s.IsSet() || s.Missing() || s.Reveal() != "" || s.String() != "" || s.Secrets() != nil {
		t.Errorf("an absent secret is %v", s)
	}
}

func TestSecretFiles(t *testing.T) {
	for _, tc := range []struct{ content, reveal string }{
		{"abc", "abc"},
		{"abc\n", "abc"},
		{"abc\r\n", "abc"},
		{"abc\n\n", "abc\n"},
		{" abc ", " abc "},
	} {
		var asked string
		cfg, problems := Parse("etc/chartwire.yaml", minimal(t, "seal: {keyset_file: keys/k.json}"), Options{ReadFile: func(path string) ([]byte, error) {
			if strings.HasSuffix(path, "k.json") {
				asked = path
				return []byte(tc.content), nil
			}
			return nil, os.ErrNotExist
		}})
		if cfg == nil {
			t.Fatal(problems)
		}
		if want := filepath.Join("etc", "keys", "k.json"); asked != want {
			t.Errorf("read %s, want %s: beside the configuration", asked, want)
		}
		if got := cfg.Seal.Keyset.Reveal(); got != tc.reveal {
			t.Errorf("%q reads as %q, want %q", tc.content, got, tc.reveal)
		}
		if !cfg.Channels[0].Secret.Missing() || !cfg.Channels[0].Secret.IsSet() || cfg.Channels[0].Secret.File != "texting.txt" {
			t.Error("a secret whose file is not there is not Missing")
		}
	}
}

// minimal is a configuration that needs two secret files; seal replaces its seal line.
func minimal(t *testing.T, seal string) []byte {
	t.Helper()
	return []byte(`server: {public_url: https://connector.clinic.example}
identity: {base: https://connector.clinic.example/sid}
` + seal + `
ehrs:
  - {name: mercy, type: fhir, base_url: http://localhost/fhir, timezone: UTC, organization: Organization/a}
channels:
  - {name: texting, type: webhook, class: secure, ehr: mercy, secret_file: texting.txt, send_url: http://localhost/send}
`)
}

func TestRotatingSecrets(t *testing.T) {
	cfg, problems := parseFile(t, filepath.Join(goodDir, "anchors.yaml"))
	if cfg == nil {
		t.Fatal(problems)
	}
	lines := cfg.Channels[0].Secret.Secrets()
	if len(lines) != 2 {
		t.Fatalf("%d secrets, want 2", len(lines))
	}
	for i, want := range []string{"not a secret, for tests: new", "not a secret, for tests: old"} {
		key, err := WebhookKey(lines[i])
		if err != nil || string(key) != want {
			t.Errorf("secret %d is %q (%v), want %q", i, key, err, want)
		}
	}
	if got := NewSecret("a\r\n\n  b  \n").Secrets(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("lines are %q", got)
	}
}

// TestProblemsHoldNoSecret makes every mistake there is around a secret and looks for it in the problems.
func TestProblemsHoldNoSecret(t *testing.T) {
	long := strings.Repeat("c4n4ry", 10)
	values := []string{canary, long, canary + ".txt" + canary, "whsec_" + canary, `'{"kid":"` + canary + `","d":"` + canary + `"}'`,
		"[" + canary + "]", "{" + canary + ": " + canary + "}", `"` + canary + `\n` + canary + `"`, `"-----BEGIN ` + canary + `"`, "eyJ" + canary + ".a.b", "abc/" + canary + "+=="}
	for _, v := range values {
		for _, twin := range []string{"", "_file"} {
			file := strings.NewReplacer("K", twin, "V", v).Replace(`store: {url: "postgres://u:c4n4ry@h/db", passwordK: V}
sealK: V
seal: {keysetK: V}
ehrs:
  - name: a
    type: fhir
    base_url: https://u:c4n4ry@h/x
    backend: {keyK: V, key: V}
    launch: {client_id: a, keyK: V, secretK: V}
    watch: {notify_secretK: V}
  - name: b
    type: hl7v2
    tls: {keyK: V, ca_file: V}
channels:
  - {name: c, type: webhook, secretK: V}
api: {tokens: [{name: a, sha256: c4n4ry}]}
`)
			file = strings.Replace(file, "seal"+twin+": "+v+"\n", "", 1)
			_, problems := Parse("x.yaml", []byte(file), Options{})
			if len(problems) < 10 {
				t.Errorf("only %d problems in:\n%s", len(problems), file)
			}
			for _, p := range problems {
				if strings.Contains(strings.ToLower(p.String()), canary) {
					t.Errorf("%v\nholds the secret of:\n%s", p, file)
				}
			}
		}
	}
}
