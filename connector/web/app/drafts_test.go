package app_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
)

const strayWhy = "The thread this was written in names another patient now, so it cannot be sent from here."

// TestDraftsOfAPatient: each draft opens in its own composer and can be thrown away; one that cannot be sent where it was written
// is text and nothing else.
func TestDraftsOfAPatient(t *testing.T) {
	w := newWorld(t)
	w.desk.drafts = []inbox.DraftView{
		{ID: "D2", Thread: "T1", Subject: "Rash after the new cream", Text: "Stop the cream.", ReadBy: "to Maria Cho (mother), not to Daniel Cho", Saved: now.Add(-time.Minute),
			Files: []inbox.File{{Name: "plan.pdf"}, {Name: "arm.jpg"}}, Problem: "Not sent: consent was revoked."},
		{ID: "D3", Thread: "T7", Text: "Cool the <knee>.", Saved: now.Add(-2 * time.Minute), Stray: strayWhy, Files: []inbox.File{{Name: "knee.jpg"}}},
		{ID: "D4", Text: "On its way", SendAt: now, Sending: true},
	}
	a := w.get("/app/l/L1").want(200)
	for id, want := range map[string]string{
		"d-D2": "Reply in Rash after the new cream kept 09:29 · to Maria Cho (mother), not to Daniel Cho Stop the cream. with plan.pdf, arm.jpg Not sent: consent was revoked. Discard the draft kept 09:29",
		"d-D3": "Reply that cannot be sent kept 09:28 " + strayWhy + " What you wrote Cool the <knee>. with knee.jpg Copy the text Discard the draft kept 09:28",
		"d-D4": "Is being sent On its way",
	} {
		if got := words(a.find(id)); got != want {
			t.Errorf("%s says\n%s\nwant\n%s", id, got, want)
		}
	}
	for id, want := range map[string]string{"d-D2-open": "/app/l/L1/t/T1?draft=D2", "d-D9-open": "/app/l/L1/new?draft=D9"} {
		if got := attr(a.find(id), "href"); got != want {
			t.Errorf("%s leads to %s", id, got)
		}
	}
	if got := text(a.find("d-D3-text")); got != "Cool the <knee>." || !hasAttr(a.find("d-D3-text"), "readonly") || attr(a.find("d-D3-copy"), "data-copy") != "d-D3-text" {
		t.Errorf("what is to be copied is %q", got)
	}
	links(a.find("d-D3"), func(to string) {
		if to != "/app/l/L1/new/discard" {
			t.Errorf("a stray draft leads to %s", to)
		}
	})
	if a.has("d-D4-undo") {
		t.Error("what is being sent is offered to be taken back")
	}
	drop := w.post("/app/l/L1/new/discard", "draft", "D3", "back", "/app/l/L1").want(303)
	if drop.header.Get("Location") != "/app/l/L1" || w.heard("Discard") != "D3" {
		t.Errorf("%s was thrown away, and it goes on to %s", w.heard("Discard"), drop.header.Get("Location"))
	}
}

// links visits where the links and forms below an element lead.
func links(n *html.Node, visit func(to string)) {
	for d := range n.Descendants() {
		for _, key := range []string{"href", "action", "formaction"} {
			if to := attr(d, key); to != "" {
				visit(to)
			}
		}
	}
}

// TestComposerOfADraft: the address names the draft, what else is begun is offered beside it, and a new message begins empty.
func TestComposerOfADraft(t *testing.T) {
	w := newWorld(t)
	w.desk.draft = inbox.DraftView{ID: "D1", Version: 3, Text: "Your results are in.", Saved: now}
	w.desk.more = []inbox.DraftView{{ID: "D5", Topic: "refill", Text: "The refill is ready.", Saved: now}}
	a := w.get("/app/l/L1/new?draft=D1").want(200)
	if text(a.find("text")) != "Your results are in." || attr(a.find("page"), "data-here") != "/app/l/L1/new?draft=D1" || w.heard("New") != " D1" {
		t.Errorf("it opens %q at %s", text(a.find("text")), attr(a.find("page"), "data-here"))
	}
	if got := words(a.find("c-more")); got != "1 more draft of yours for this patient refill: The refill is ready. kept 09:30" {
		t.Errorf("beside it stands %q", got)
	}
	links(a.find("c-more"), func(to string) {
		if to != "/app/l/L1/new?draft=D5" {
			t.Errorf("the other leads to %s", to)
		}
	})
	if a := w.get("/app/l/L1/new").want(200); text(a.find("text")) != "" || attr(a.find("write"), "data-begins") != "/app/l/L1/new" {
		t.Errorf("a new message begins with %q", text(a.find("text")))
	}
	a = w.get("/app/l/L1/t/T1?draft=D1").want(200)
	if attr(a.find("page"), "data-here") != "/app/l/L1/t/T1?draft=D1" || w.heard("Thread") != "T1 D1" || !strings.Contains(words(a.find("c-more")), "in this thread") {
		t.Errorf("a reply is found at %s", attr(a.find("page"), "data-here"))
	}
	if a := w.get("/app/l/L1/t/T1?draft=D8").want(200); attr(a.find("page"), "data-here") != "/app/l/L1/t/T1" {
		t.Errorf("one that is not there is found at %s", attr(a.find("page"), "data-here"))
	}
	w.get("/app/l/L1/new?draft=D8").want(410, "This draft is not there any more: it was sent, or thrown away in another window")
	w.desk.barred = true
	a = w.get("/app/l/L1/t/T1").want(200)
	if a.has("write") || text(a.find("d-D1-text")) != "Your results are in." || !a.has("d-D1-drop") {
		t.Error("where nobody may write, what was written is not to be found")
	}
}

// TestDraftThatIsGone: what is on the screen is kept there, as a message of its own, and does not run into another draft.
func TestDraftThatIsGone(t *testing.T) {
	w := newWorld(t)
	w.desk.draft = inbox.DraftView{ID: "D7", Version: 2, Text: "Another reply", Saved: now}
	w.desk.fail["Save"], w.desk.fail["Send"] = &inbox.Gone{}, &inbox.Gone{}
	for path, more := range map[string]string{"/app/l/L1/t/T1": "in this thread", "/app/l/L1/new": ""} {
		for _, do := range []string{"/reply", "/draft"} {
			a := w.post(path+do, "draft", "D1", "version", "4", "text", "what I wrote", "channel", "texting").want(409, "look before you send it again")
			got := ""
			a.each(func(n *html.Node) {
				if attr(n, "name") == "draft" && attr(n, "type") == "hidden" && n.Parent != nil && attr(n.Parent, "id") == "c-ids" {
					got = attr(n, "value")
				}
			})
			if text(a.find("text")) != "what I wrote" || got != "" || more != "" && !strings.Contains(words(a.find("c-more")), "Another reply") {
				t.Errorf("%s%s: it keeps %q in draft %q", path, do, text(a.find("text")), got)
			}
		}
	}
}

// TestUndoLeadsToItsDraft: back to the composer it came from, or, where it cannot be sent from there, to the list.
func TestUndoLeadsToItsDraft(t *testing.T) {
	for want, d := range map[string]inbox.DraftView{
		"/app/l/L1/new?draft=D1": {ID: "D1"},
		"/app/l/L1/t/T1#text":    {ID: "D1", Thread: "T1"},
		"/app/l/L1":              {ID: "D1", Thread: "T1", Stray: strayWhy},
	} {
		w := newWorld(t)
		w.desk.undone = &d
		if got := w.post("/app/l/L1/new/undo", "draft", "D1").want(303).header.Get("Location"); got != want {
			t.Errorf("%+v leads to %s, want %s", d, got, want)
		}
	}
}

// TestFilesThatHaveNotLeft: the files of a reply that waits to be sent are its writer's alone to open; a colleague sees what they are
// called, and no picture that cannot come.
func TestFilesThatHaveNotLeft(t *testing.T) {
	w := newWorld(t)
	files := []inbox.File{{ID: "f1", Name: "plan <1>.jpg", Type: "image/jpeg", Image: true}, {ID: "f2", Name: "plan.pdf", Type: "application/pdf"}}
	colleague := inbox.Entry{ID: "D7", Direction: connector.ToPatient, Sender: sam, SentAt: now, Text: "Here is the plan.", Files: files}
	own, gone := colleague, colleague
	own.ID, own.Sender, own.UndoUntil = "D8", anna, now.Add(10*time.Second)
	gone.ID, gone.Received = "M7", now
	w.desk.queued = []inbox.Entry{colleague, own, gone}
	a := w.get("/app/l/L1/t/T1").want(200)
	for id, open := range map[string]bool{"e-D7": false, "e-D8": true, "e-M7": true} {
		opened := 0
		for n := range a.find(id).Descendants() {
			if n.Data == "img" || n.Data == "a" {
				opened++
			}
		}
		if (opened > 0) != open {
			t.Errorf("%s has %d pictures and links", id, opened)
		}
	}
	if got := words(a.find("e-D7")); !strings.Contains(got, "plan <1>.jpg: can be opened once it has left plan.pdf: can be opened once it has left") {
		t.Errorf("a colleague's says %q", got)
	}
}
