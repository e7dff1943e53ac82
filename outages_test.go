package chartwire_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocsOutages holds docs/outages.md to the source: every sentence it explains is one that is said. What varies in a
// sentence stands as … there.
func TestDocsOutages(t *testing.T) {
	page, err := os.ReadFile("docs/outages.md")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, pattern := range []string{"connector/store/*.go", "cmd/app/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(f, "_test.go") {
				source.Write(text)
			}
		}
	}
	said := strings.ReplaceAll(strings.ReplaceAll(source.String(), `" + key`, "store.url"), "%v", "1m0s")
	foreign := []string{"database or disk is full", "53100"} // SQLite's and Postgres's own words
	rows := regexp.MustCompile("(?m)^\\| (?:[^`|]*)`([^`]+)`").FindAllStringSubmatch(string(page), -1)
	if len(rows) < 20 {
		t.Fatalf("%d sentences were found: this test checks nothing", len(rows))
	}
	for _, row := range rows {
		for part := range strings.SplitSeq(row[1], "…") {
			part = strings.Trim(strings.ReplaceAll(part, "4711 (chartwire on host-a, since", ""), " ,()")
			ok := strings.Contains(said, part)
			for _, f := range foreign {
				ok = ok || part == f
			}
			if !ok {
				t.Errorf("docs/outages.md explains %q, and nothing says %q", row[1], part)
			}
		}
	}
}
