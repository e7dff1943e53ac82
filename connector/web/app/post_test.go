package app_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/web/app"
)

// upload is a file of a form.
type upload struct{ name, data string }

// send posts a composer as a browser does: fields by turns, then files.
func (w *world) send(path string, files []upload, fields ...string) answer {
	w.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for n := 0; n < len(fields); n += 2 {
		if err := m.WriteField(fields[n], fields[n+1]); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, f := range files {
		h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="files"; filename=%q`, f.name)}, "Content-Type": {"application/octet-stream"}}
		part, err := m.CreatePart(h)
		if err == nil {
			_, err = part.Write([]byte(f.data))
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		w.t.Fatal(err)
	}
	return w.do(http.MethodPost, path, b.String(), append([]string{"Content-Type", m.FormDataContentType()}, signedIn...)...)
}

// TestReply: a composer's content reaches the inbox as it was written, and the page goes on to the queued reply.
func TestReply(t *testing.T) {
	w := newWorld(t)
	fields := []string{"bind", "bind-1", "seen", "M5", "draft", "D1", "version", "4", "to", "u-maria", "to", "patient", "text", "Stop it.\r\n\r\nNow. é", "urgent", "1", "template", "photo", "channel", "texting"}
	a := w.send("/app/l/L1/t/T1/reply", []upload{{"", ""}}, fields...).want(303)
	if a.header.Get("Location") != "/app/l/L1/t/T1#e-D1" {
		t.Errorf("goes on to %s", a.header.Get("Location"))
	}
	if got := w.heard("Send"); got != "D1 4 T1 [u-maria patient] Stop it.\n\nNow. é bind-1 M5 false 0" {
		t.Errorf("the inbox was told %q", got)
	}
	if w.heard("Save") != "" {
		t.Error("a reply without files was kept first")
	}
	w.get("/app/l/L1/t/T1").want(200, `data-left="10"`, "Undo", "It has not left yet")
	w.post("/app/l/L1/t/T1/reply", "text", "x", "bind", "b", "anyway", "1", "uncover", "1").want(303) // without files a plain form does too
	if got := w.heard("Send"); got != " 0 T1 [] x b  true 0" {
		t.Errorf("the inbox was told %q", got)
	}
	if i := strings.Index(strings.Join(w.desk.said, ""), "Uncover"); i < 0 {
		t.Error("the page was not uncovered")
	}
}

// TestReplyWithFiles keeps them before anything is sent.
func TestReplyWithFiles(t *testing.T) {
	w := newWorld(t)
	w.send("/app/l/L1/t/T1/reply", []upload{{`C:\Users\Maria Cho\arm.jpg`, "12345"}, {"../../x.png", "1"}}, "text", "see", "bind", "b", "version", "2", "drop", "f9").want(303)
	if got := w.heard("Save"); got != " 2 T1   [] see false  b [arm.jpg=5 x.png=1] [f9]" {
		t.Errorf("kept %q", got)
	}
	if got := w.heard("Send"); got != "D1 3 T1 [] see b  false 0" {
		t.Errorf("sent %q", got)
	}
}

// TestFormsThatAreTooLarge: what was written is still there, and nothing was sent.
func TestFormsThatAreTooLarge(t *testing.T) {
	w := newWorld(t, func(o *app.Options) { o.MaxBody = map[string]int64{"mercy": 300_000} })
	eleven := make([]upload, 11)
	for i := range eleven {
		eleven[i] = upload{fmt.Sprint(i, ".jpg"), "x"}
	}
	for name, files := range map[string][]upload{"eleven files": eleven, "one large file": {{"a.jpg", strings.Repeat("x", 400_000)}}} {
		a := w.send("/app/l/L1/t/T1/reply", files, "text", "what I wrote", "to", "u-maria").want(413)
		if text(a.find("text")) != "what I wrote" || !strings.Contains(text(a.find("problem")), "Choose fewer or smaller files.") {
			t.Errorf("%s: the page says %q and keeps %q", name, text(a.find("problem")), text(a.find("text")))
		}
		if w.heard("Save")+w.heard("Send") != "" {
			t.Errorf("%s: the inbox heard of it", name)
		}
	}
	w.send("/app/l/L1/t/T1/reply", eleven[:10], "text", "ten are fine").want(303)
	w.send("/app/l/L1/t/T1/reply", nil, "text", strings.Repeat("x", 140_000)).want(413)
	w.post("/app/l/L1/t/T1/note", "text", strings.Repeat("x", 1_100_000)).want(413)
	if want := slices.Repeat([]string{"192.0.2.1 size"}, 4); !slices.Equal(w.refused, want) {
		t.Errorf("counted %q", w.refused)
	}
}

// TestFormsThatCannotBeRead do nothing, and are counted.
func TestFormsThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ kind, body string }{
		"no kind":        {"", "text=x"},
		"JSON":           {"application/json", `{"text":"x"}`},
		"text":           {"text/plain", "text=x"},
		"bad escapes":    {"application/x-www-form-urlencoded", "text=%zz"},
		"no boundary":    {"multipart/form-data", "text=x"},
		"cut short":      {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhel"},
		"no disposition": {"multipart/form-data; boundary=b", "--b\r\n\r\nx\r\n--b--\r\n"},
		"many fields":    {"multipart/form-data; boundary=b", strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\nx\r\n", 101) + "--b--\r\n"},
	} {
		a := w.do(http.MethodPost, "/app/l/L1/t/T1/reply", c.body, append([]string{"Content-Type", c.kind}, signedIn...)...)
		if a.status != 400 || a.title() != "The request cannot be read" || w.heard("Send") != "" {
			t.Errorf("%s: answered %d %q; the inbox heard %q", name, a.status, a.title(), w.desk.said)
		}
		if !slices.Equal(w.refused, []string{"192.0.2.1 unreadable"}) {
			t.Errorf("%s: counted %q", name, w.refused)
		}
		w.refused = nil
	}
}

// TestNotSent: whatever keeps a message from going is said beside what was written.
func TestNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		id     string
		says   string
	}{
		"collision": {&inbox.Collision{Who: sam, When: now.Add(-time.Minute)}, 409, "clash", "Sam Okafor, RN wrote in this thread at 09:29"},
		"covered":   {&inbox.Covered{}, 409, "clash", "Daniel Cho born 2016-07-21 MRN 884-213-07"},
		"wrong":     {&inbox.Wrong{Field: "to", Text: "choose who will read this"}, 422, "problem", "Choose who will read this"},
		"consent":   {&inbox.NotSent{Reason: connector.ConsentRevoked}, 422, "problem", "Nothing was sent. The recipient has revoked consent on this channel. Reach the patient another way."},
	} {
		w := newWorld(t)
		w.desk.fail["Send"] = c.err
		a := w.post("/app/l/L1/t/T1/reply", "text", "what I wrote", "to", "u-maria", "urgent", "1", "bind", "b").want(c.status)
		if got := words(a.find(c.id)); !strings.Contains(got, c.says) {
			t.Errorf("%s: says %q", name, got)
		}
		if text(a.find("text")) != "what I wrote" {
			t.Errorf("%s: what was written or chosen is lost", name)
		}
		if !hasAttr(a.find("to-u-maria"), "checked") || hasAttr(a.find("to-patient"), "checked") {
			t.Errorf("%s: the reader that was chosen is lost", name)
		}
		if w.desk.sent != nil {
			t.Errorf("%s: it was sent", name)
		}
		n := w.post("/app/l/L1/new/reply", "text", "what I wrote", "channel", "texting").want(c.status)
		if text(n.find("text")) != "what I wrote" || n.title() != "New message" {
			t.Errorf("%s: a new message is lost", name)
		}
	}
	w := newWorld(t)
	w.desk.fail["Send"], w.desk.draft = &inbox.Stale{}, inbox.DraftView{ID: "D1", Version: 9, Text: "from the other window"}
	if a := w.post("/app/l/L1/t/T1/reply", "text", "older", "draft", "D1", "version", "4").want(409); text(a.find("text")) != "older" || !strings.Contains(words(a.find("c-more")), "from the other window") {
		t.Error("what was written in one of two windows is lost")
	}
	w.desk.fail["Send"], w.desk.draft = &inbox.Wrong{Field: "to", Text: "choose"}, inbox.DraftView{}
	for written, seen := range map[string]string{"what I wrote": "M1", "": "M3"} {
		a := w.post("/app/l/L1/t/T1/reply", "text", written, "seen", "M1", "bind", "b").want(422)
		if got := attr(a.find("seen"), "value"); (got == "M1") != (seen == "M1") {
			t.Errorf("with %q written, what came meanwhile counts as read: %s", written, got)
		}
	}
	w.desk.fail["Send"] = &inbox.Unbound{}
	if a := w.post("/app/l/L1/t/T1/reply", "text", "x").want(403); a.title() != "Nothing was sent" {
		t.Errorf("says %q", a.title())
	}
}

func hasAttr(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

// TestDraft: a script gets the version back, a form the page.
func TestDraft(t *testing.T) {
	w := newWorld(t)
	json := append([]string{"Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json"}, signedIn...)
	a := w.do(http.MethodPost, "/app/l/L1/t/T1/draft", "text=half+a+sent&version=3&bind=b", json...).want(200, `"id":"D1","version":4`)
	if strings.Contains(a.body, "half") {
		t.Error("the answer holds the words again")
	}
	if got := w.heard("Save"); got != " 3 T1   [] half a sent false  b [] []" {
		t.Errorf("kept %q", got)
	}
	b := w.send("/app/l/L1/t/T1/draft", []upload{{"arm.jpg", "12345"}}, "text", "half", "to", "patient").want(200, "Draft kept 09:30", "arm.jpg")
	if text(b.find("text")) != "half" || !hasAttr(b.find("to-patient"), "checked") || attr(b.find("drop-0"), "value") != "f0" {
		t.Error("the draft is not shown as it was kept")
	}
	w.desk.fail["Save"] = &inbox.Stale{}
	w.do(http.MethodPost, "/app/l/L1/new/draft", "text=x", json...).want(409, "another window")
	w.desk.fail["Save"] = &inbox.Wrong{Field: "files", Text: "this file is no photo"}
	w.send("/app/l/L1/t/T1/draft", nil, "text", "kept words").want(422, "This file is no photo", "kept words")
}

// TestInsertTemplate fills the text from the chosen template and says what the chart did not give.
func TestInsertTemplate(t *testing.T) {
	w := newWorld(t)
	a := w.send("/app/l/L1/t/T1/draft", nil, "text", "Hello.\n", "template", "photo", "insert", "1").want(200)
	if got := text(a.find("text")); got != "Hello.\n\nHello Daniel, please send a photo before {next}." {
		t.Errorf("the text is %q", got)
	}
	if got := words(a.find("c-open")); got != "The chart does not tell next appointment . Fill it in before you send." {
		t.Errorf("says %q", got)
	}
	w.desk.draft = inbox.DraftView{}
	a = w.send("/app/l/L1/new/draft", nil, "template", "foto", "insert", "1", "channel", "texting").want(200)
	if got := text(a.find("text")); got != "Hola Daniel, por favor envíe una foto." || a.has("c-open") {
		t.Errorf("the text is %q", got)
	}
	w.send("/app/l/L1/t/T1/draft", nil, "text", "x", "template", "nobody", "insert", "1").want(422)
}

// TestUndoAndDiscard lead back to where one writes on.
func TestUndoAndDiscard(t *testing.T) {
	w := newWorld(t)
	w.post("/app/l/L1/t/T1/reply", "text", "too fast").want(303)
	if loc := w.post("/app/l/L1/t/T1/undo", "draft", "D1").want(303).header.Get("Location"); loc != "/app/l/L1/t/T1#text" || w.heard("Undo") != "D1" {
		t.Errorf("goes on to %s", loc)
	}
	if a := w.get("/app/l/L1/t/T1"); text(a.find("text")) != "too fast" {
		t.Error("what was taken back is lost")
	}
	w.desk.fail["Undo"] = &inbox.TooLate{}
	w.post("/app/l/L1/t/T1/undo", "draft", "D1").want(409, "write another one instead")
	if loc := w.post("/app/l/L1/t/T1/discard", "draft", "D1").want(303).header.Get("Location"); loc != "/app/l/L1/t/T1" || w.heard("Discard") != "D1" {
		t.Errorf("goes on to %s", loc)
	}
	if loc := w.post("/app/l/L1/new/discard", "draft", "D2").want(303).header.Get("Location"); loc != "/app/l/L1" {
		t.Errorf("goes on to %s", loc)
	}
}

// TestWork: each act reaches the inbox, and the browser comes back to where it was, never elsewhere.
func TestWork(t *testing.T) {
	w := newWorld(t)
	for _, act := range []string{"claim", "release", "assign", "hand", "resolve"} {
		if loc := w.post("/app/l/L1/t/T1/"+act, "to", "front", "shown", "7").want(303).header.Get("Location"); loc != "/app/l/L1/t/T1" {
			t.Errorf("%s goes on to %s", act, loc)
		}
		if got := w.heard("Work"); got != "T1 "+act+" front 7" {
			t.Errorf("the inbox was told %q", got)
		}
	}
	for back, want := range map[string]string{
		"/app/l/L1/pool?late=1&pool=nurses": "/app/l/L1/pool?late=1&pool=nurses", "/app/l/L1": "/app/l/L1",
		"https://evil.example/app/l/L1": "", "//evil.example/app/l/L1": "", "/app/l/L10/pool": "", "/app/l/L2": "", "javascript:alert(1)": "", "/launch/mercy": "",
		"/app/l/L1/../../../x": "", "%zz": "", `\\evil.example\app\l\L1`: "", "/\\evil.example": "",
	} {
		if want == "" {
			want = "/app/l/L1/t/T1"
		}
		if loc := w.post("/app/l/L1/t/T1/resolve", "back", back).want(303).header.Get("Location"); loc != want {
			t.Errorf("back %s goes on to %s", back, loc)
		}
	}
	w.desk.fail["Work"] = &inbox.Newer{}
	w.post("/app/l/L1/t/T1/resolve", "shown", "7").want(409, "Something came in this thread after what you see, so nothing was done")
	w.desk.fail["Work"] = &inbox.Forbidden{Why: "only members of the pool may take it."}
	w.post("/app/l/L1/t/T1/claim").want(403, "Only members of the pool may take it.")
	w.post("/app/l/L1/t/T1/note", "text", "a\r\nb", "bind", "bind-1").want(303)
	if got := w.heard("Note"); got != "T1 a\nb bind-1" {
		t.Errorf("the note is %q", got)
	}
}
