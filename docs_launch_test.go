package chartwire_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unheld are the duties of docs/smart-launch.md that are ours and have no test yet. One that gets a test leaves this list.
var unheld = []int{}

// numbers reads lists of numbers and ranges, as the REQ column writes them ("9, 62, 67–72") and as names of tests do
// ("062_067To070_071And072").
func numbers(list string) []int {
	var out []int
	for _, m := range regexp.MustCompile(`(\d+)(?:(?:–|To)(\d+))?`).FindAllStringSubmatch(list, -1) {
		from, _ := strconv.Atoi(m[1])
		to, err := strconv.Atoi(m[2])
		if err != nil {
			to = from
		}
		for n := from; n <= to; n++ {
			out = append(out, n)
		}
	}
	return out
}

// ids are the requirements and the duties that a test is named after: TestREQ062_067To070_CodeExchange, TestDuty43And46_Launch.
func ids(test string) (reqs, duties []int) {
	for _, m := range regexp.MustCompile(`(REQ|Duty)(\d+(?:(?:_|And|To)\d+)*)`).FindAllStringSubmatch(test, -1) {
		if m[1] == "REQ" {
			reqs = append(reqs, numbers(m[2])...)
		} else {
			duties = append(duties, numbers(m[2])...)
		}
	}
	return reqs, duties
}

func TestIDsOfTests(t *testing.T) {
	for name, want := range map[string]string{
		"TestREQ062_067To070_CodeExchange": "[62 67 68 69 70] []", "TestREQ013_002_040_State": "[13 2 40] []", "TestREQ093_097_098_Below": "[93 97 98] []",
		"TestREQ235To239_333_334_TokenRequest": "[235 236 237 238 239 333 334] []", "TestDuty03_V2Scopes": "[] [3]", "TestDuty43And46_REQ008_X": "[8] [43 46]", "TestLaunch": "[] []",
	} {
		if reqs, duties := ids(name); fmt.Sprint(reqs, duties) != want {
			t.Errorf("%s: %v %v, want %s", name, reqs, duties, want)
		}
	}
}

// TestDocsSMARTLaunch: every duty of a SMART client has one row, and every row tests that are there, unless it says why it is not
// ours. Each REQ of a row is in the name of one of its tests; where a duty has no REQ, the duty's number is.
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
		var reqs, duties []int
		named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`").FindAllStringSubmatch(line[4], -1)
		for _, m := range named {
			if !strings.Contains(tests.String(), "func "+m[1]+"(") {
				t.Errorf("duty %d names %s, which is not there", duty, m[1])
			}
			r, d := ids(m[1])
			reqs, duties = append(reqs, r...), append(duties, d...)
		}
		if strings.HasPrefix(strings.TrimSpace(line[3]), "Not ours:") {
			continue
		}
		if owes := slices.Contains(unheld, duty); (len(named) == 0) != owes {
			t.Errorf("duty %d names %d tests; on the list of those without is %v", duty, len(named), owes)
		}
		of := numbers(line[2])
		for _, req := range of {
			if !slices.Contains(reqs, req) {
				t.Errorf("duty %d: REQ %d is in the name of none of its tests", duty, req)
			}
		}
		if len(of) == 0 && !slices.Contains(duties, duty) {
			t.Errorf("duty %d has no REQ, and is in the name of none of its tests", duty)
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

// TestDuty45_SignInOpensNoWindow: a frame's cookie is not to be had in a window of its own, so nothing of the inbox opens one, and
// nothing leads the EHR's page away.
func TestDuty45_SignInOpensNoWindow(t *testing.T) {
	opens := regexp.MustCompile(`window\.open|\btarget\s*=\s*["']|_blank|_top\b|_parent\b|\bformtarget|top\.location|parent\.location`)
	walked := 0
	for _, pattern := range []string{"connector/web/app/templates/*.html", "connector/web/app/assets/*.js"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if filepath.Base(name) == "htmx.js" {
				continue // which is not ours, and opens what a page tells it to
			}
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			walked++
			for _, found := range opens.FindAll(regexp.MustCompile(`hx-target\s*=`).ReplaceAll(src, nil), -1) {
				t.Errorf("%s has %s", name, found)
			}
		}
	}
	if walked < 5 {
		t.Fatalf("looked into %d files", walked)
	}
}
