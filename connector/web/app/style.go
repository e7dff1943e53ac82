package app

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// Style is what an EHR's smart_style_url says of its colours (SMART App Launch 2.2, "styling"), as #rgb or #rrggbb. What is
// no such colour, or could not be read on our pages, is left out: the page then keeps its own.
type Style struct {
	Background string `json:"color_background"`
	Text       string `json:"color_text"`
	Highlight  string `json:"color_highlight"`
}

// grounds are what accents stand on in each theme: --page, --card, --tint and --note of app.css, which TestGrounds holds to them. A
// ring of the focus elsewhere has the colour of the words there: on the band, whose colours an EHR gives too, and on an alarm.
var grounds = map[string][]string{
	"light": {"#f4f6f8", "#ffffff", "#e8f0f8", "#fbf6e6"},
	"dark":  {"#11161c", "#1a212a", "#1d2c3b", "#29261a"},
}

// readable is the contrast that WCAG 2.2 asks of text (1.4.3).
const readable = 4.5

// sheet writes a style as custom properties. The EHR's background and text colour the head of the page; its highlight colours
// links and buttons in each theme where it can be read.
func (s Style) sheet() string {
	var b strings.Builder
	ground, ok := luminance(s.Background)
	if text, known := luminance(s.Text); ok && known && contrast(ground, text) >= readable {
		fmt.Fprintf(&b, ":root{--band:%s;--band-text:%s}\n", s.Background, s.Text)
	}
	for _, theme := range []string{"light", "dark"} {
		if s.fits(theme) {
			fmt.Fprintf(&b, "@media (prefers-color-scheme:%s){:root{--accent:%s;--on-accent:%s}}\n", theme, s.Highlight, grounds[theme][1])
		}
	}
	return b.String()
}

// fits says whether the highlight can be read on everything it stands on in a theme.
func (s Style) fits(theme string) bool {
	accent, ok := luminance(s.Highlight)
	for _, g := range grounds[theme] {
		l, _ := luminance(g)
		ok = ok && contrast(accent, l) >= readable
	}
	return ok
}

// luminance is WCAG's relative luminance of #rgb or #rrggbb.
func luminance(colour string) (float64, bool) {
	hex, ok := strings.CutPrefix(colour, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if !ok || len(hex) != 6 || err != nil {
		return 0, false
	}
	l := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(n>>(16-8*i)&0xff) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		l += weight * v
	}
	return l, true
}

func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }

// style serves the EHR's colours for a session. An EHR that gives none, or cannot be asked, leaves ours.
func (p *pages) style(c echo.Context) error {
	sheet := ""
	if p.o.Style != nil {
		ctx, cancel := within(c)
		defer cancel()
		if s, err := p.o.Style(ctx, session(c)); err == nil {
			sheet = s.sheet()
		}
	}
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", []byte(sheet))
}
