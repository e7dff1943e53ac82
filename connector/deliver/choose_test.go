package deliver

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestChoiceOfAnEncounter(t *testing.T) {
	at := time.Date(2026, 11, 22, 13, 0, 0, 0, time.FixedZone("", -5*3600))
	enc := func(id, status string, ago time.Duration, places ...string) connector.Encounter {
		return connector.Encounter{Reference: id, Status: status, Start: at.Add(-ago).UTC(), Places: places}
	}
	const day = 24 * time.Hour
	undated := connector.Encounter{Reference: "undated", Status: "in-progress"}
	for name, c := range map[string]struct {
		q       question
		have    []connector.Encounter
		in      []string // departments
		waits   bool
		want    string
		several bool
	}{
		"no visit":                    {q: named},
		"the visit":                   {q: named, have: []connector.Encounter{enc("v", "planned", -day)}, want: "v"},
		"the visit is a mistake":      {q: named, have: []connector.Encounter{enc("v", "entered-in-error", day)}},
		"two carry the visit":         {q: named, have: []connector.Encounter{enc("v", "planned", 0), enc("w", "finished", 0)}, several: true},
		"one of them is a mistake":    {q: named, have: []connector.Encounter{enc("v", "finished", 0), enc("w", "entered-in-error", 0)}, want: "v"},
		"none open":                   {q: open, have: []connector.Encounter{enc("a", "finished", 0), enc("b", "planned", 0), enc("c", "cancelled", 0), enc("d", "unknown", 0), enc("e", "entered-in-error", 0)}},
		"open: arrived":               {q: open, have: []connector.Encounter{enc("a", "arrived", 0)}, want: "a"},
		"open: triaged":               {q: open, have: []connector.Encounter{enc("a", "triaged", 0)}, want: "a"},
		"open: in-progress":           {q: open, have: []connector.Encounter{undated}, want: "undated"},
		"open: onleave, and old":      {q: open, have: []connector.Encounter{enc("a", "onleave", 100*day)}, want: "a"},
		"two open":                    {q: open, have: []connector.Encounter{enc("a", "in-progress", day), enc("b", "arrived", 0)}, several: true},
		"departments bind no open":    {q: open, have: []connector.Encounter{enc("a", "arrived", 0, "Location/x")}, in: []string{"Location/y"}, want: "a"},
		"latest":                      {q: recent, have: []connector.Encounter{enc("a", "finished", 3*day), enc("b", "finished", day), enc("c", "in-progress", 2*day)}, want: "b"},
		"at the exchange's time":      {q: recent, have: []connector.Encounter{enc("a", "finished", 0)}, want: "a"},
		"just within":                 {q: recent, have: []connector.Encounter{enc("a", "finished", 7*day)}, want: "a"},
		"out of days":                 {q: recent, have: []connector.Encounter{enc("a", "finished", 7*day+time.Second)}},
		"out of days, and open":       {q: recent, have: []connector.Encounter{enc("a", "in-progress", 8*day)}},
		"undated":                     {q: recent, have: []connector.Encounter{undated}},
		"called off":                  {q: recent, have: []connector.Encounter{enc("a", "cancelled", day), enc("b", "planned", day), enc("c", "entered-in-error", 0)}},
		"two at once":                 {q: recent, have: []connector.Encounter{enc("a", "finished", day), enc("b", "finished", day), enc("c", "finished", 2*day)}, several: true},
		"in a department":             {q: recent, have: []connector.Encounter{enc("a", "finished", day, "Location/x"), enc("b", "finished", 2*day, "Organization/o", "Location/y")}, in: []string{"Location/y"}, want: "b"},
		"by its organization":         {q: recent, have: []connector.Encounter{enc("a", "finished", day, "Organization/o")}, in: []string{"Location/y", "Organization/o"}, want: "a"},
		"in none of the departments":  {q: recent, have: []connector.Encounter{enc("a", "finished", day, "Location/x"), enc("b", "finished", day)}, in: []string{"Location/y"}},
		"later, nobody waits":         {q: recent, have: []connector.Encounter{enc("a", "in-progress", -day)}},
		"later, and waited for":       {q: recent, have: []connector.Encounter{enc("b", "in-progress", -2*day), enc("a", "in-progress", -day)}, waits: true, want: "a"},
		"earlier rather than later":   {q: recent, have: []connector.Encounter{enc("a", "finished", 6*day), enc("b", "in-progress", -time.Minute)}, waits: true, want: "a"},
		"later in another department": {q: recent, have: []connector.Encounter{enc("a", "in-progress", -day, "Location/x")}, in: []string{"Location/y"}, waits: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := Encounters{Within: 7 * day, Departments: c.in}
			if ref, several := p.choose(c.q, c.have, at, c.waits); ref != c.want || several != c.several {
				t.Errorf("%q, several %v; want %q, %v", ref, several, c.want, c.several)
			}
		})
	}
}

// TestEncounterQuestionsOfAPolicy: what each policy asks, in order, and which of them an exchange waits for.
func TestEncounterQuestionsOfAPolicy(t *testing.T) {
	for policy, c := range map[string]struct {
		asks         []question
		waits, needs bool // of its own; where the chart needs an encounter
	}{
		"":           {[]question{named}, false, true},
		"when-known": {[]question{named}, false, true},
		"open":       {[]question{named, open}, false, true},
		"recent":     {[]question{named, recent}, false, true},
		"thread":     {[]question{named, open, recent}, false, true},
		"required":   {[]question{named, open, recent}, true, true},
		"never":      {nil, false, false},
	} {
		p := Encounters{Policy: policy}
		if got := p.questions(); len(got) != len(c.asks) {
			t.Errorf("%s asks %v, want %v", policy, got, c.asks)
		}
		for n, q := range p.questions() {
			if q != c.asks[n] {
				t.Errorf("%s asks %v, want %v", policy, p.questions(), c.asks)
			}
		}
		if a, b := p.required(connector.Traits{}), p.required(connector.Traits{NeedsEncounter: true}); a != c.waits || b != c.needs {
			t.Errorf("%s waits: %v, and where the chart needs one %v", policy, a, b)
		}
	}
}
