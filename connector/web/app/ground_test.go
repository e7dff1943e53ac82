package app

import (
	"cmp"
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
		if want := []string{of["page"], of["card"], of["tint"], of["note"]}; strings.Join(grounds[theme], " ") != strings.Join(want, " ") {
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
		for ground, ink := range rings(string(b)) {
			if r := ratio(ink, ground); r < 3 {
				t.Errorf("%s: the ring of the focus, --%s, on --%s has a contrast of %.2f", theme, ink, ground, r)
			}
		}
		for _, pair := range [][2]string{{"on-accent", "accent"}, {"band-text", "band"}, {"warn-text", "warn"}} {
			if r := ratio(pair[0], pair[1]); r < readable {
				t.Errorf("%s: --%s on --%s has a contrast of %.2f", theme, pair[0], pair[1], r)
			}
		}
	}
}

// rings gives the property of the sheet that the ring of the focus has on each ground that can hold it.
func rings(sheet string) map[string]string {
	rule := regexp.MustCompile(`(?m)^([^{}]*:focus-visible) \{ outline(?:-color)?: [^;}]*var\(--([a-z-]+)\)`)
	out, general := map[string]string{}, ""
	places := map[string]string{".bar :focus-visible": "band", "#alarm :focus-visible": "warn"}
	for _, m := range rule.FindAllStringSubmatch(sheet, -1) {
		if m[1] == ":focus-visible" {
			general = m[2]
		} else if ground := places[m[1]]; ground != "" {
			out[ground] = m[2]
		}
	}
	for _, ground := range []string{"page", "card", "tint", "note", "band", "warn"} {
		out[ground] = cmp.Or(out[ground], general)
	}
	return out
}

// TestRingOnTheEHRsBand: what is in focus is seen in the head of the page, whatever colours of the EHR's that has.
func TestRingOnTheEHRsBand(t *testing.T) {
	b, err := os.ReadFile("assets/app.css")
	if err != nil {
		t.Fatal(err)
	}
	ring := rings(string(b))["band"]
	declared := regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]+)`)
	for _, s := range []Style{
		{Background: "#0b5c8f", Text: "#ffffff"}, {Background: "#0b3d2e", Text: "#fff", Highlight: "#0b6b4f"}, {Background: "#7fbcec", Text: "#000000"}, {Background: "#ffffff", Text: "#767676"},
	} {
		of := map[string]string{"accent": "#0b5c8f"}
		for _, m := range declared.FindAllStringSubmatch(s.sheet(), -1) {
			of[m[1]] = m[2]
		}
		ink, ok := luminance(of[ring])
		ground, also := luminance(of["band"])
		if !ok || !also || contrast(ink, ground) < 3 {
			t.Errorf("on the band of %+v the ring, --%s, has %q on %q", s, ring, of[ring], of["band"])
		}
	}
}
