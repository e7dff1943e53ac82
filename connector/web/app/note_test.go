package app_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
)

// TestRefusedNoteKeepsItsWords: a note that was not kept stands in its field again, beside why; where the thread cannot be shown or
// written in, it is text to copy; and with the session it goes.
func TestRefusedNoteKeepsItsWords(t *testing.T) {
	const wrote = "Called the mother.\nNo answer </textarea>."
	for name, c := range map[string]struct {
		err    error
		thread error // of the thread's page
		status int
		field  string // that has the words
		says   string
	}{
		"covered":   {&inbox.Covered{}, nil, 409, "note", "opened another patient"},
		"unbound":   {&inbox.Unbound{}, nil, 403, "note", "open the thread again"},
		"wrong":     {&inbox.Wrong{Field: "text", Text: "A note has at most 20,000 characters."}, nil, 422, "note", "at most 20,000"},
		"down":      {&connector.Retry{}, nil, 503, "note", "does not answer now"},
		"store":     {connector.ErrStore, connector.ErrStore, 503, "kept", "store does not answer"},
		"slow":      {context.DeadlineExceeded, nil, 504, "kept", "did not answer in 20 seconds"},
		"forbidden": {&inbox.Forbidden{Why: "your role may read and not write."}, nil, 403, "kept", "Your role may read"},
		"ended":     {&inbox.Ended{Why: inbox.EndedIdle}, nil, 401, "", "15 minutes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.desk.fail["Note"], w.desk.fail["Thread"] = c.err, c.thread
			a := w.post("/app/l/L1/t/T1/note", "text", strings.ReplaceAll(wrote, "\n", "\r\n"), "bind", "bind-1").want(c.status, c.says)
			if c.field == "" {
				if strings.Contains(a.body, "Called") {
					t.Errorf("a page of no session shows what was written: %s", a.body)
				}
				return
			}
			if got := text(a.find(c.field)); got != wrote {
				t.Errorf("the page has %q", got)
			}
			if got := a.has("note-problem") && hasAttr(a.find("work"), "open"); got != (c.field == "note") {
				t.Errorf("why is beside the field: %v", got)
			}
		})
	}
}

// TestNoteOfACoveredPage: the page is covered and names its patient at the note, which can be kept about them at once.
func TestNoteOfACoveredPage(t *testing.T) {
	w := newWorld(t)
	w.desk.covered, w.desk.fail["Note"] = "L9", &inbox.Covered{}
	a := w.post("/app/l/L1/t/T1/note", "text", "Called the mother.").want(409, `<button class="plain" name="uncover" value="1">Keep it about this patient</button>`)
	if !hasAttr(a.find("page"), "data-covered") || !strings.Contains(text(a.find("cover")), "Daniel Cho") || attr(a.find("page"), "data-here") != "/app/l/L1/t/T1" {
		t.Error("the page is not covered, or not to be found again")
	}
	if said := strings.Join(w.desk.said, ""); strings.Contains(said, "Uncover") {
		t.Errorf("it counts as looked at: %s", said)
	}
	delete(w.desk.fail, "Note")
	w.post("/app/l/L1/t/T1/note", "text", "Called the mother.", "uncover", "1").want(303)
	if said := strings.Join(w.desk.said, ""); !strings.Contains(said, "Uncover\nNote T1 Called the mother.") {
		t.Errorf("the inbox heard %s", said)
	}
}
