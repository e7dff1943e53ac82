package app

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestGrounds holds what style.go knows of the sheet to the sheet, and the sheet's own colours to WCAG.
func TestGrounds(t *testing.T) {
	b, err := os.ReadFile("assets/app.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, ok := strings.Cut(string(b), "@media (prefers-color-scheme: dark) {")
	dark, _, _ := strings.Cut(rest, "\n}\n")
	if !ok {
		t.Fatal("the sheet has no dark theme")
	}
	property := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	for theme, sheet := range map[string]string{"light": light, "dark": dark} {
		of := map[string]string{}
		for _, m := range property.FindAllStringSubmatch(sheet, -1) {
			of[m[1]] = m[2]
		}
		if want := []string{of["page"], of["card"], of["tint"]}; strings.Join(grounds[theme], " ") != strings.Join(want, " ") {
			t.Errorf("the %s grounds are %v in the sheet and %v in style.go", theme, want, grounds[theme])
		}
		ratio := func(a, b string) float64 {
			x, ok := luminance(of[a])
			y, also := luminance(of[b])
			if !ok || !also {
				t.Fatalf("%s: --%s or --%s is no colour", theme, a, b)
			}
			return contrast(x, y)
		}
		for _, ground := range []string{"page", "card", "tint", "note"} {
			for _, ink := range []string{"text", "soft", "accent", "good", "busy", "bad"} {
				if r := ratio(ink, ground); r < readable {
					t.Errorf("%s: --%s on --%s has a contrast of %.2f", theme, ink, ground, r)
				}
			}
			if r := ratio("edge", ground); r < 3 {
				t.Errorf("%s: the edge of a field on --%s has a contrast of %.2f", theme, ground, r)
			}
		}
		for _, pair := range [][2]string{{"on-accent", "accent"}, {"band-text", "band"}, {"warn-text", "warn"}} {
			if r := ratio(pair[0], pair[1]); r < readable {
				t.Errorf("%s: --%s on --%s has a contrast of %.2f", theme, pair[0], pair[1], r)
			}
		}
	}
}
