package config

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// textKeys is what a text-message adapter would bring.
type textKeys struct {
	From    string   `yaml:"from" doc:"Number we send from." required:"true" format:"phone"`
	Account string   `yaml:"account" doc:"Account at the platform." default:"main" format:"text"`
	Token   Secret   `yaml:"token" doc:"Token of the account."`
	Numbers []string `yaml:"numbers" doc:"Other numbers of ours." format:"phone"`

	Quiet  textQuiet            `yaml:"quiet" doc:"When not to send."`
	Routes []textQuiet          `yaml:"routes" doc:"One after the other."`
	Named  map[string]textQuiet `yaml:"named" doc:"By name." keyformat:"name"`
}

type textQuiet struct {
	For time.Duration `yaml:"for" doc:"How long." default:"8h" min:"1h" max:"12h"`
}

// Validate refuses a number that is also the sender, and warns of an account.
func (k *textKeys) Validate() []Problem {
	var out []Problem
	for _, n := range k.Numbers {
		if n == k.From {
			out = append(out, Problem{Path: "numbers[0]", Text: "is the sender too; remove it"})
		}
	}
	if k.Account == "test" {
		out = append(out, Problem{Kind: Warning, Text: "is the test account; nothing will be delivered"})
	}
	return out
}

var textSection = Section{Of: "channel", Type: "twilio", New: func() Validator { return new(textKeys) }}

func readTestFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withSection is a good configuration with a channel of type twilio and what is given under it.
func withSection(own string) []byte {
	return []byte(`server: {public_url: https://connector.clinic.example}
identity: {base: https://connector.clinic.example/sid}
seal: {keyset: "{}"}
ehrs:
  - {name: mercy, type: fhir, base_url: http://localhost/fhir, timezone: UTC, organization: Organization/a}
channels:
  - name: sms
    type: twilio
    class: plain
    ehr: mercy
    secret: abc
` + own)
}

func TestSection(t *testing.T) {
	for _, tc := range []struct{ name, own, want string }{
		{"good", "    twilio: {from: \"+15551234567\"}\n", ""},
		{"left out", "", "x.yaml:7: $.channels[0].twilio.from: is missing; add from: Number we send from.\n"},
		{"unknown key", "    twilio: {from: \"+15551234567\", form: a}\n", "x.yaml:12: $.channels[0].twilio.form: unknown key \"form\"; did you mean from?\n"},
		{"format", "    twilio: {from: 5551234567}\n", "x.yaml:12: $.channels[0].twilio.from: is a whole number; write a text, in quotes\n"},
		{"groups", "    twilio: {from: \"+15551234567\", quiet: {}, routes: [{for: 1h}, {}], named: {a: {for: 2h}}}\n", ""},
		{"groups refused", "    twilio: {from: \"+15551234567\", quiet: {for: 1m}, routes: [{for: 13h}], named: {A: {}}}\n",
			"x.yaml:12: $.channels[0].twilio.quiet.for: 1m is out of range; write 1h to 12h\n" +
				"x.yaml:12: $.channels[0].twilio.routes[0].for: 13h is out of range; write 1h to 12h\n" +
				"x.yaml:12: $.channels[0].twilio.named[\"A\"]: the key \"A\" cannot be a name; write at most 63 lower-case letters, digits, - and _, starting with a letter or digit\n"},
		{"validate", "    twilio: {from: \"+15551234567\", numbers: [\"+15551234567\"]}\n", "x.yaml:12: $.channels[0].twilio.numbers[0]: is the sender too; remove it\n"},
		{"warning", "    twilio: {from: \"+15551234567\", account: test}\n", "x.yaml:12: $.channels[0].twilio: warning: is the test account; nothing will be delivered\n"},
		{"secret", "    twilio: {from: \"+15551234567\", token_file: none.txt}\n", "x.yaml:12: $.channels[0].twilio.token_file: missing-secret: \"none.txt\" does not exist; put the file there or correct its name\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, problems := Parse("x.yaml", withSection(tc.own), Options{Sections: []Section{textSection}})
			var got strings.Builder
			for _, p := range problems {
				got.WriteString(p.String() + "\n")
			}
			if diff := cmp.Diff(tc.want, got.String()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if cfg == nil {
				return
			}
			own, ok := cfg.Channels[0].Own.(*textKeys)
			if !ok || own.From != "+15551234567" || own.Quiet.For != 8*time.Hour {
				t.Fatalf("Own is %#v", cfg.Channels[0].Own)
			}
			if !strings.Contains(string(cfg.YAML()), "twilio:\n      from: ") {
				t.Errorf("the section is not printed:\n%s", cfg.YAML())
			}
			if err := compileSchema(t, textSection).Validate(plain(t, cfg.YAML())); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSectionOfAnotherType: a section belongs to its own type, and needs its adapter.
func TestSectionOfAnotherType(t *testing.T) {
	file := strings.Replace(string(withSection("    twilio: {from: \"+15551234567\"}\n")), "type: twilio", "type: webhook", 1)
	_, problems := Parse("x.yaml", []byte(file), Options{Sections: []Section{textSection}})
	if !hasProblem(problems, "$.channels[0].twilio", "belongs to type twilio only") {
		t.Errorf("problems are %v", problems)
	}
	if _, problems = Parse("x.yaml", []byte(file), Options{}); !hasProblem(problems, "$.channels[0].twilio", "unknown key") {
		t.Errorf("problems are %v", problems)
	}
	ehr := Section{Of: "ehr", Type: "fhir", New: func() Validator { return new(textKeys) }}
	if _, problems = Parse("x.yaml", withSection(""), Options{Sections: []Section{ehr}}); !hasProblem(problems, "$.ehrs[0].fhir.from", "is missing") {
		t.Errorf("problems are %v", problems)
	}
}

func hasProblem(problems []Problem, path, text string) bool {
	for _, p := range problems {
		if p.Path == path && strings.Contains(p.Text, text) {
			return true
		}
	}
	return false
}
