package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// scripts are what somebody writes who wants a page to run their words.
var scripts = []string{
	`<script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `<svg onload=alert(1)>`, `<svg><script>alert(1)</script></svg>`,
	`<iframe srcdoc="<script>alert(1)</script>"></iframe>`, `<a href="javascript:alert(1)">read</a>`, `javascript:alert(1)`, `<details open ontoggle=alert(1)>`,
	`<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>`, `<body onload=alert(1)>`, `<form action="javascript:alert(1)"><button>Send</button></form>`,
	`<style>@import "https://evil.test/x.css";</style>`, `<link rel=stylesheet href=https://evil.test/x.css>`, `<meta http-equiv=refresh content="0;url=javascript:alert(1)">`,
	`<object data="data:text/html,<script>alert(1)</script>"></object>`, `<base href=https://evil.test/>`, `<div hx-get=/app/none hx-trigger=load>x</div>`,
	`<div hx-on:load="alert(1)" hx-trigger="load">x</div>`, `{{constructor.constructor('alert(1)')()}}`, `${alert(1)}`,
}

// around is where their words end up: in a text, an attribute, a script, a comment, a title, an encoding.
var around = []string{"%s", `"><%s`, `'>%s`, "--><!-- -->%s", "</title></textarea></style></script>%s", "\u2028%s\u202e", "&lt;%s", "%s\x01", `\"%s//`, "]]>%s"}

// payloads are two hundred of them.
func payloads() []string {
	var out []string
	for _, a := range around {
		for _, s := range scripts {
			out = append(out, strings.ReplaceAll(a, "%s", s))
		}
	}
	return out
}

// TestHostileWords: two hundred payloads in texts, names, subjects and file names are shown as the words they are; no page runs
// one, opens a dialog, or tries what its policy forbids.
func TestHostileWords(t *testing.T) {
	need(t)
	var events [][]byte
	now := time.Now().Add(-time.Hour)
	who := patient{"MRN900001", "Nora", "Field", "1980-02-03"}
	all := payloads()
	for n, p := range all {
		w := words{Thread: fmt.Sprintf("hostile-%d", n/20), Subject: all[n/20*20], ID: fmt.Sprintf("m-%d", n), Sequence: n%20 + 1, Text: p,
			Sender: strings.TrimRight(p, "\x01"), File: "f" + strings.NewReplacer("/", "", "\x01", "").Replace(p) + ".txt", Patient: who}
		events = append(events, w.event(now.Add(time.Duration(n)*time.Second)))
	}
	events = append(events, staffed(now)...)
	c := openClinic(t, events)
	b := c.browse(t, ThirdParty)
	in := open(t, b, c.direct(who.MRN, ana))
	done(t, in.See("[data-row]"))
	list, err := in.Location()
	done(t, err)
	shown := 0
	for n := range len(all) / 20 {
		done(t, in.Go(list))
		done(t, in.Click(fmt.Sprintf("(//a[@data-row])[%d]", n+1))) // subjects are payloads too
		done(t, in.See("#entries"))
		entries, err := in.Count("#entries > .entry")
		done(t, err)
		shown += entries
		if got := text(t, in, "#entries"); !strings.Contains(got, "alert(1)") {
			t.Errorf("thread %d does not show its words", n)
		}
	}
	done(t, in.Go(list))
	if shown != len(all) || len(all) != 200 {
		t.Errorf("%d of %d payloads were shown", shown, len(all))
	}
	book.Add(figureOf("I4-dialogs", float64(len(b.Seen.Dialogs())), "=0", "dialogs of 200 payloads"))
	book.Add(figureOf("I4-violations", float64(len(b.Seen.Violations())), "=0", "reports of the policy"))
	if d, v, x := b.Seen.Dialogs(), b.Seen.Violations(), b.Seen.Exceptions(); len(d)+len(v)+len(x) > 0 {
		t.Errorf("dialogs %q, violations %q, exceptions %q", d, v, x)
	}
	for _, r := range b.Seen.Requests() {
		if !strings.HasPrefix(r, ehrSite) && !strings.HasPrefix(r, appSite) && !strings.HasPrefix(r, c.ehr.URL()) && !strings.HasPrefix(r, "blob:"+appSite) {
			t.Errorf("a page asked for %s", r)
		}
	}
}
