package chartwire_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unheld are the duties of docs/smart-launch.md that are ours and have no test yet. One that gets a test leaves this list.
var unheld = []int{}

// TestDocsSMARTLaunch: every duty of a SMART client has one row, and every row a test that is there, unless it says why it is not
// ours.
func TestDocsSMARTLaunch(t *testing.T) {
	page, err := os.ReadFile("docs/smart-launch.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for name, src := range sources(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			tests.WriteString(src)
		}
	}
	rows := map[int]bool{}
	for _, line := range regexp.MustCompile(`(?m)^\| (\d+) \|([^|]*)\|([^|]*)\|(.*)\|$`).FindAllStringSubmatch(string(page), -1) {
		duty, _ := strconv.Atoi(line[1])
		if rows[duty] {
			t.Errorf("duty %d is there twice", duty)
		}
		rows[duty] = true
		named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`").FindAllStringSubmatch(line[4], -1)
		for _, m := range named {
			if !strings.Contains(tests.String(), "func "+m[1]+"(") {
				t.Errorf("duty %d names %s, which is not there", duty, m[1])
			}
		}
		ours := !strings.HasPrefix(strings.TrimSpace(line[3]), "Not ours:")
		if owes := slices.Contains(unheld, duty); ours && (len(named) == 0) != owes {
			t.Errorf("duty %d names %d tests; on the list of those without is %v", duty, len(named), owes)
		}
	}
	for duty := 1; duty <= 46; duty++ {
		if !rows[duty] {
			t.Errorf("duty %d has no row", duty)
		}
		delete(rows, duty)
	}
	if len(rows) > 0 {
		t.Errorf("nobody knows the duties %v", slices.Sorted(maps.Keys(rows)))
	}
}
