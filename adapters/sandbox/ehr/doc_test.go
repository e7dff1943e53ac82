package ehr_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

var updateDoc = flag.Bool("update", false, "write the tables of docs/sandbox-faults.md")

const faultsDoc = "../../../docs/sandbox-faults.md"

var generated = regexp.MustCompile(`(?s)<!-- faults: (\w+) -->\n.*?<!-- end -->`)

// TestFaultsAreDocumented holds docs/sandbox-faults.md to the vocabulary, each fault with its arguments, and back.
func TestFaultsAreDocumented(t *testing.T) {
	raw, err := os.ReadFile(faultsDoc)
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{}
	for _, f := range ehr.Faults() {
		args := ""
		for _, a := range f.Args {
			args += " `" + a + "`"
		}
		tables[f.Group] += fmt.Sprintf("| `%s` |%s | %s |\n", f.Name, args, f.About)
	}
	seen := 0
	want := generated.ReplaceAllStringFunc(string(raw), func(block string) string {
		group := generated.FindStringSubmatch(block)[1]
		seen++
		return "<!-- faults: " + group + " -->\n| fault | arguments | what the EHR does |\n|---|---|---|\n" + tables[group] + "<!-- end -->"
	})
	if seen != len(tables) {
		t.Errorf("the page has %d tables, there are %d groups", seen, len(tables))
	}
	for _, p := range ehr.Palettes() {
		if !strings.Contains(want, "`"+p+"`") {
			t.Errorf("the palette %s is not on the page", p)
		}
	}
	if *updateDoc {
		if err := os.WriteFile(faultsDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Error("docs/sandbox-faults.md is not what the code does; run this test with -update and look at the change")
	}
}
