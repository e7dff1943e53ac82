package app

import (
	"html/template"
	"strings"
	"time"
)

// mark is markup of our own. Only constants become one: text of a message has type string, which goes into a page through
// text and nothing else, and there it is escaped. TestMarkIsConstant holds the source to that.
type mark string

// markup writes the part of a page that there is most of, the entries of a thread: a template takes fifteen times as long
// for each, which in a thread of 500 a user would wait for.
type markup struct{ b strings.Builder }

// put writes markup.
func (m *markup) put(parts ...mark) {
	for _, p := range parts {
		m.b.WriteString(string(p))
	}
}

// text writes data, escaped for text and for an attribute's value in double quotes.
func (m *markup) text(parts ...string) {
	for _, s := range parts {
		if strings.ContainsRune(s, 0) {
			s = strings.ReplaceAll(s, "\x00", "\uFFFD")
		}
		_, _ = escaper.WriteString(&m.b, s) // a Builder takes everything
	}
}

var escaper = strings.NewReplacer(`&`, "&amp;", `<`, "&lt;", `>`, "&gt;", `"`, "&#34;", `'`, "&#39;", "`", "&#96;")

// time writes a time as the page's clinic reads it, with what goes before it.
func (m *markup) time(b base, class, before mark, t time.Time) {
	if t.IsZero() {
		return
	}
	m.put(`<time`, class, ` datetime="`)
	m.text(t.UTC().Format(time.RFC3339))
	m.put(`">`, before)
	m.text(b.When(t))
	m.put(`</time>`)
}

func (m *markup) html() template.HTML { return template.HTML(m.b.String()) }
