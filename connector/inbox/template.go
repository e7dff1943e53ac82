package inbox

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/config/variable"
)

// braced finds what a template leaves to be filled in, also where somebody has typed it.
var braced = regexp.MustCompile(`\{\{\s*([a-z]+\.[a-z]+)\s*\}\}`)

// fill puts facts in the place of a text's variables. Those that are not known stay as they are, and are named, each once.
func fill(text string, facts map[string]string) (filled string, open []string) {
	filled = braced.ReplaceAllStringFunc(text, func(found string) string {
		name := braced.FindStringSubmatch(found)[1]
		if v := facts[name]; v != "" {
			return v
		}
		if !slices.Contains(open, name) {
			open = append(open, name)
		}
		return found
	})
	return filled, open
}

// unfilled says which variables a text still has: nobody is to read "Dear {{patient.given}}".
func unfilled(text string) *Wrong {
	_, open := fill(text, nil)
	if len(open) == 0 {
		return nil
	}
	return &Wrong{Field: "text", Text: fmt.Sprintf("The text still has {{%s}}. Write in what belongs there, or take it out.", strings.Join(open, "}}, {{"))}
}

// factsIn words what a chart tells, in a language. zone is the clinic's; nil takes the offset the EHR gave.
func factsIn(language string, f Facts, user, pool, clinic string, zone *time.Location) map[string]string {
	out := map[string]string{
		variable.PatientGiven: f.Given, variable.PatientFamily: f.Family, variable.PatientName: strings.TrimSpace(f.Given + " " + f.Family),
		variable.UserName: user, variable.PoolName: pool, variable.ClinicName: clinic, variable.AppointmentPlace: f.Next.Place,
	}
	if at := f.Next.Start; !at.IsZero() {
		if zone != nil {
			at = at.In(zone)
		}
		out[variable.AppointmentDate], out[variable.AppointmentTime] = dateIn(language, at), timeIn(language, at)
	}
	return out
}

var spanishMonths = []string{"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"}
var spanishDays = []string{"domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"}

func spanish(language string) bool { return language == "es" || strings.HasPrefix(language, "es-") }

// dateIn writes a day so that it cannot be read as another: with its weekday and the month in letters; outside English and
// Spanish as ISO 8601 has it.
func dateIn(language string, at time.Time) string {
	switch {
	case spanish(language):
		return fmt.Sprintf("%s, %d de %s de %d", spanishDays[at.Weekday()], at.Day(), spanishMonths[at.Month()-1], at.Year())
	case language == "" || language == "en" || strings.HasPrefix(language, "en-"):
		return at.Format("Monday, January 2, 2006")
	}
	return at.Format(time.DateOnly)
}

func timeIn(language string, at time.Time) string {
	if language == "" || language == "en" || strings.HasPrefix(language, "en-") {
		return at.Format("3:04 PM")
	}
	return at.Format("15:04")
}

// offered fills in the templates of a connection for one patient, those in the patient's language first.
func (e EHR) offered(f Facts, user, pool string) []TemplateView {
	var out []TemplateView
	for _, t := range e.Templates {
		text, open := fill(t.Text, factsIn(t.Language, f, user, pool, e.Clinic, e.Zone))
		out = append(out, TemplateView{ID: t.ID, Name: t.Name, Language: t.Language, Text: text, Open: open})
	}
	mine, _, _ := strings.Cut(f.Language, "-")
	slices.SortStableFunc(out, func(a, b TemplateView) int { return later(a, mine) - later(b, mine) })
	return out
}

func later(t TemplateView, language string) int {
	if own, _, _ := strings.Cut(t.Language, "-"); language == "" || own == language {
		return 0
	}
	return 1
}
