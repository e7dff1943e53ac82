package inbox

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/chartwire/chartwire/config/variable"
)

func TestFill(t *testing.T) {
	text, open := fill("Dear {{patient.given}}, see you on {{ appointment.date }} at {{appointment.time}}. {{appointment.time}}! {{ not one }}",
		map[string]string{"patient.given": "Daniel {{user.name}}", "user.name": "Ana"})
	if text != "Dear Daniel {{user.name}}, see you on {{ appointment.date }} at {{appointment.time}}. {{appointment.time}}! {{ not one }}" {
		t.Errorf("filled: %q", text) // what a chart says is not filled in again
	}
	if !reflect.DeepEqual(open, []string{"appointment.date", "appointment.time"}) {
		t.Errorf("open: %v", open)
	}
}

// TestEveryVariableIsFilledIn: what the configuration takes in a template, a chart that tells everything fills in, and nothing else.
func TestEveryVariableIsFilledIn(t *testing.T) {
	all := factsIn("en", Facts{Given: "Daniel", Family: "Cho", Next: Appointment{Start: time.Now(), Place: "Room 2"}}, "Ana Ruiz", "Nurses", "Riverside", nil)
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, variable.All) {
		t.Errorf("filled in are %v, want %v", got, variable.All)
	}
	for name, text := range all {
		if _, open := fill("{{"+name+"}}", all); text == "" || len(open) > 0 {
			t.Errorf("{{%s}} stays open", name)
		}
	}
}

func TestOpenVariablesKeepAMessageFromGoing(t *testing.T) {
	if w := unfilled("Dear Daniel, {{ no }} {{}} }}"); w != nil {
		t.Errorf("no variable: %v", w)
	}
	w := unfilled("Dear {{patient.given}}, come on {{appointment.date}}")
	if w == nil || w.Field != "text" || w.Text != "The text still has {{patient.given}}, {{appointment.date}}. Write in what belongs there, or take it out." {
		t.Errorf("two variables: %+v", w)
	}
}

func TestTemplatesAreOfferedInThePatientsLanguage(t *testing.T) {
	start := time.Date(2026, 12, 1, 19, 5, 0, 0, time.UTC)
	e := EHR{Zone: time.FixedZone("", -5*3600), Clinic: "Riverside", Templates: []Template{
		{ID: "a", Name: "Reminder", Language: "en", Text: "{{patient.name}}: {{appointment.date}}, {{appointment.time}}, {{appointment.place}}. {{user.name}}, {{pool.name}}, {{clinic.name}}"},
		{ID: "a", Name: "Recordatorio", Language: "es-US", Text: "{{patient.given}}: {{appointment.date}} a las {{appointment.time}}"},
		{ID: "a", Name: "Erinnerung", Language: "de", Text: "{{patient.family}}: {{appointment.date}}"},
	}}
	got := e.offered(Facts{Given: "Daniel", Family: "Cho", Language: "es", Next: Appointment{Start: start}}, "Ana Ruiz", "Nurse triage")
	want := []TemplateView{
		{ID: "a", Name: "Recordatorio", Language: "es-US", Text: "Daniel: martes, 1 de diciembre de 2026 a las 14:05"},
		{ID: "a", Name: "Reminder", Language: "en", Text: "Daniel Cho: Tuesday, December 1, 2026, 2:05 PM, {{appointment.place}}. Ana Ruiz, Nurse triage, Riverside",
			Open: []string{"appointment.place"}},
		{ID: "a", Name: "Erinnerung", Language: "de", Text: "Cho: 2026-12-01"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
