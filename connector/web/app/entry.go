package app

import (
	"html/template"
	"strconv"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
)

// classes of an entry and of its sender's chip, by its kind.
var classes = map[string]mark{"note": "note", "system": "system", "staff": "staff", "proxy": "proxy", "patient": "patient"}

// tones are the classes of a line.
var tones = map[inbox.Tone]mark{inbox.Quiet: "tone-quiet", inbox.Good: "tone-good", inbox.Busy: "tone-busy", inbox.Bad: "tone-bad"}

const soft mark = ` class="soft"`

// Entries writes the exchanges of the thread.
func (p threadPage) Entries() template.HTML {
	var m markup
	m.b.Grow(1500 * len(p.ThreadView.Entries))
	at := below(p.Launch, "t", p.Thread.ID)
	for i := range p.ThreadView.Entries {
		m.entry(p.base, at, &p.ThreadView.Entries[i])
	}
	return m.html()
}

// entry writes one exchange, note or queued reply: who, when, what, and where it stands. at is the thread's address.
func (m *markup) entry(b base, at string, e *inbox.Entry) {
	kind := kind(e)
	m.put(`<li id="e-`)
	m.text(e.ID)
	m.put(`" class="entry `, classes[kind])
	if e.Retracted != nil {
		m.put(` gone`)
	}
	m.put(`" tabindex="-1" data-row><article aria-labelledby="e-`)
	m.text(e.ID)
	m.put(`-by">`)
	m.by(b, kind, e)
	m.received(b, e)
	m.retracted(b, e)
	if e.Text != "" {
		m.put(`<p class="text" dir="auto">`)
		m.text(e.Text)
		m.put(`</p>`)
	}
	m.files(b, at, e.ID, e.Files, leaving(e))
	m.edits(b, at, e)
	m.states(b, at, e)
	m.undo(b, at, e)
	m.put("</article></li>\n")
}

// by is an entry's heading.
func (m *markup) by(b base, kind string, e *inbox.Entry) {
	m.put(`<h2 id="e-`)
	m.text(e.ID)
	m.put(`-by" class="by"><b dir="auto">`)
	m.text(who(e.Sender))
	m.put(`</b> <span class="chip `, classes[kind], `">`)
	if kind == "note" {
		m.put(`Internal note · not sent to the patient`)
	} else {
		m.text(role(e.Sender))
	}
	m.put(`</span>`)
	if e.Urgent {
		m.put(` <span class="chip bad">! Urgent</span>`)
	}
	if e.Late {
		m.put(` <span class="chip">came late</span>`)
	}
	m.put(` `)
	m.time(b, ` class="soft end"`, `sent `, e.SentAt)
	m.put(`</h2>`)
}

func (m *markup) received(b base, e *inbox.Entry) {
	if len(e.To) == 0 && e.Received.IsZero() {
		return
	}
	m.put(`<p class="soft to">`)
	if len(e.To) > 0 {
		m.put(`to `)
		m.text(names(e.To))
	}
	if len(e.To) > 0 && !e.Received.IsZero() {
		m.put(` · `)
	}
	m.time(b, "", `received `, e.Received)
	m.put(`</p>`)
}

func (m *markup) retracted(b base, e *inbox.Entry) {
	if e.Retracted == nil {
		return
	}
	m.put(`<p class="warn"><b>Taken back</b> `)
	m.time(b, "", "", e.Retracted.At)
	if e.Retracted.Reason != "" {
		m.put(`: `)
		m.text(e.Retracted.Reason)
	}
	m.put(`. Its words stay visible here.</p>`)
}

// files are those of one version of a message; closed: none can be opened yet.
func (m *markup) files(b base, at, message string, files []inbox.File, closed bool) {
	if len(files) == 0 {
		return
	}
	m.put(`<ul class="files">`)
	for n := range files {
		m.put(`<li>`)
		if closed {
			m.named(&files[n])
		} else {
			m.file(b, at, message, n, &files[n])
		}
		m.put(`</li>`)
	}
	m.put(`</ul>`)
}

// leaving says whether an entry is a reply that has not left and that the user cannot take back: of a colleague, to whose draft its
// files still belong, or one that is being sent.
func leaving(e *inbox.Entry) bool {
	return e.Direction == connector.ToPatient && e.Received.IsZero() && e.UndoUntil.IsZero()
}

// named writes a file that cannot be opened yet.
func (m *markup) named(f *inbox.File) {
	m.put(`<span class="file soft">`)
	m.text(fileName(f), ": can be opened once it has left")
	m.put(`</span>`)
}

func fileName(f *inbox.File) string {
	if f.Name == "" {
		return "file without a name"
	}
	return f.Name
}

func (m *markup) file(b base, at, message string, n int, f *inbox.File) {
	name := fileName(f)
	if f.Missing {
		m.put(`<span class="file soft">`)
		m.text(name)
		m.put(`: has not come yet</span>`)
		return
	}
	href := at + under("m", message, "a", f.ID)
	m.put(`<a hx-boost="false" id="e-`)
	m.text(message, "-", strconv.Itoa(n))
	m.put(`" href="`)
	m.text(href)
	if !f.Image {
		m.put(`" class="file" download data-file>`)
		m.text(name)
		m.put(` <span class="soft">`)
		m.text(f.Type, ", ", byteSize(f.Size))
		m.put(`</span></a>`)
		return
	}
	m.put(`" class="photo" data-zoom><img width="120" height="90" `)
	if b.Headed {
		m.put(`data-src="`) // a script fetches it with the session's header
	} else {
		m.put(`loading="lazy" src="`)
	}
	m.text(href)
	m.put(`?thumb" alt="Photo: `)
	m.text(name)
	m.put(`"></a>`)
}

func (m *markup) edits(b base, at string, e *inbox.Entry) {
	if len(e.Edited) == 0 {
		return
	}
	m.put(`<details class="edits" id="e-`)
	m.text(e.ID)
	m.put(`-edits"><summary>Edited`)
	if e.EditedBy != "" {
		m.put(` by `)
		m.text(e.EditedBy)
	}
	m.put(`: `)
	m.text(strconv.Itoa(len(e.Edited)))
	if len(e.Edited) == 1 {
		m.put(` earlier version</summary>`)
	} else {
		m.put(` earlier versions</summary>`)
	}
	for _, r := range e.Edited {
		m.put(`<p class="soft">`)
		m.time(b, "", "", r.At)
		m.put(`</p><p class="text old" dir="auto">`)
		m.text(r.Text)
		m.put(`</p>`)
		m.files(b, at, r.ID, r.Files, false)
	}
	m.put(`</details>`)
}

// states are the honest lines: whether it reached the other side, and whether it is on the chart.
func (m *markup) states(b base, at string, e *inbox.Entry) {
	m.put(`<dl class="states">`)
	if e.Delivery != nil {
		m.put(`<div><dt>Delivery</dt><dd>`)
		m.line(b, e.Delivery)
		m.put(`</dd></div>`)
	}
	m.put(`<div><dt>Chart</dt><dd>`)
	m.line(b, &e.Chart)
	if e.Filed {
		m.put(` <a id="e-`)
		m.text(e.ID)
		m.put(`-filed" href="`)
		m.text(at, under("m", e.ID, "filed"))
		m.put(`">Show what was filed<span class="unseen"> of the message by `)
		m.text(who(e.Sender))
		m.put(`</span></a>`)
	}
	m.put(`</dd></div></dl>`)
}

func (m *markup) line(b base, l *inbox.Line) {
	m.put(`<span class="state `, tones[l.Tone], `">`)
	m.text(l.Text)
	m.put(`</span>`)
	if l.Ref != "" {
		m.put(` <code>`)
		m.text(l.Ref)
		m.put(`</code>`)
	}
	m.put(` `)
	m.time(b, soft, "", l.At)
}

func (m *markup) undo(b base, at string, e *inbox.Entry) {
	if e.UndoUntil.IsZero() {
		return
	}
	left := strconv.Itoa(b.Left(e.UndoUntil))
	m.put(`<form method="post" class="undo" action="`)
	m.text(at)
	m.put(`/undo" data-left="`)
	m.text(left)
	m.put(`"><input type="hidden" name="draft" value="`)
	m.text(e.ID)
	m.put(`"><button class="main" id="e-`)
	m.text(e.ID)
	m.put(`-undo">Undo<span class="count" aria-hidden="true"> (`)
	m.text(left)
	m.put(` s)</span></button> <span class="soft">It has not left yet.</span></form>`)
}
