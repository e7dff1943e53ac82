package config

import (
	"os"
	"path/filepath"
	"testing"
)

// A ladder goes up: nobody is told before those below; at the same time is allowed.
func TestLaddersGoUp(t *testing.T) {
	minimal, err := os.ReadFile(filepath.Join(goodDir, "minimal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ ladder, wrong string }{
		{"ladder: {}", ""},
		{"ladder: {owner: 1m, supervisor: 2m, admin: 3m}", ""},
		{"ladder: {owner: 1h, supervisor: 1h, admin: 1h}", ""},
		{"ladder: {owner: 61m}", "$.parked.ladder.supervisor"}, // after the default of the next
		{"ladder: {owner: 2h, supervisor: 3h}", ""},
		{"ladder: {supervisor: 5h}", "$.parked.ladder.admin"},
		{"ladder: {supervisor: 14m}", "$.parked.ladder.supervisor"},
		{"ladder: {owner: 20m, supervisor: 20m, admin: 19m}", "$.parked.ladder.admin"},
		{"urgent: {owner: 16m}", "$.parked.urgent.supervisor"},
		{"urgent: {admin: 14m}", "$.parked.urgent.admin"},
		{"urgent: {owner: 1h, supervisor: 1h, admin: 1h}", ""}, // later than what is routine is for people to say
	} {
		t.Run(c.ladder, func(t *testing.T) {
			cfg, problems := Parse("x.yaml", append(minimal[:len(minimal):len(minimal)], "parked: {"+c.ladder+"}\n"...), Options{Dir: goodDir})
			switch {
			case c.wrong == "" && (cfg == nil || len(problems) > 0):
				t.Errorf("problems: %v", problems)
			case c.wrong != "" && (cfg != nil || len(problems) != 1 || problems[0].Path != c.wrong):
				t.Errorf("problems %v, want one at %s", problems, c.wrong)
			}
		})
	}
}
