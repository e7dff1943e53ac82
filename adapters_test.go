package chartwire_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/cmd/demo"
	"github.com/chartwire/chartwire/config"
)

// TestAddingAnAdapter holds docs/adding-an-adapter.md to the tree: every type of the map has what the page asks of a new one,
// and what the page names is there.
func TestAddingAnAdapter(t *testing.T) {
	if got := len(adapters.EHRTypes()); got < 2 {
		t.Fatalf("%d types: this test checks nothing", got)
	}
	all, problems := config.Load("testdata/config/all-ehrs.yaml", adapters.Sections()...)
	if all == nil {
		t.Fatal(problems)
	}
	index := read(t, "docs/ehrs.md")
	for _, kind := range adapters.EHRTypes() {
		name := string(kind)
		page := read(t, filepath.Join("docs/ehrs", name+".md"))
		for _, must := range []string{"**Run against:**", "**Not run against:**", "type: " + name} {
			if !strings.Contains(page, must) {
				t.Errorf("docs/ehrs/%s.md does not say %q", name, must)
			}
		}
		if !strings.Contains(index, "ehrs/"+name+".md") {
			t.Errorf("docs/ehrs.md does not lead to the page of type %s", name)
		}
		if !slices.Contains(demo.Types(), name) {
			t.Errorf("there is no demonstration of type %s (cmd/demo/kind.go)", name)
		}
		if !slices.ContainsFunc(all.EHRs, func(e config.EHR) bool { return e.Type == kind }) {
			t.Errorf("testdata/config/all-ehrs.yaml has no connection of type %s", name)
		}
		tests := testsOf(t, filepath.Join("adapters/ehr", name))
		for _, must := range []string{"ehrtest.Run(", "ehrtest.Texts(", `"github.com/chartwire/chartwire/adapters/sandbox`} {
			if !strings.Contains(tests, must) {
				t.Errorf("no test of adapters/ehr/%s has %s", name, must)
			}
		}
		if !strings.Contains(read(t, "arch_test.go"), "adapters/ehr/"+name) {
			t.Errorf("arch_test.go does not say what adapters/ehr/%s may import", name)
		}
	}
	for word := range strings.FieldsSeq(read(t, "docs/adding-an-adapter.md")) {
		path := strings.Trim(word, "`(),.;:")
		if !strings.Contains(word, "`") || !strings.Contains(path, "/") || strings.Contains(path, "TYPE") || strings.Contains(path, "NAME") {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("docs/adding-an-adapter.md names %s, which is not there", path)
		}
	}
}

// testsOf are the tests of a package.
func testsOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		all.WriteString(read(t, f))
	}
	return all.String()
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}
