package engine_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/engine"
)

var updateDoc = flag.Bool("update", false, "write the engine's table of docs/sandbox-faults.md")

const faultsDoc = "../../../docs/sandbox-faults.md"

var generated = regexp.MustCompile(`(?s)<!-- engine faults -->\n.*?<!-- end engine -->`)

// TestFaultsAreDocumented holds docs/sandbox-faults.md to the vocabulary, each fault with its arguments.
func TestFaultsAreDocumented(t *testing.T) {
	raw, err := os.ReadFile(faultsDoc)
	if err != nil {
		t.Fatal(err)
	}
	table := "<!-- engine faults -->\n| fault | arguments | what the engine does |\n|---|---|---|\n"
	for _, f := range engine.Faults() {
		args := ""
		for _, a := range f.Args {
			args += " `" + a + "`"
		}
		table += fmt.Sprintf("| `%s` |%s | %s |\n", f.Name, args, f.About)
	}
	want := generated.ReplaceAllLiteralString(string(raw), table+"<!-- end engine -->")
	if *updateDoc {
		if err := os.WriteFile(faultsDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) || !generated.Match(raw) {
		t.Error("docs/sandbox-faults.md is not what the code does; run this test with -update and look at the change")
	}
}
