package app_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/web/app"
)

// pages are all that a session can open.
var pages = []string{"/app/l/L1", "/app/l/L1/new", "/app/l/L1/new?channel=portal", "/app/l/L1/t/T1", "/app/l/L1/t/T1/m/M1/filed", "/app/l/L1/t/T1/m/M5/filed",
	"/app/l/L1/help", "/app/l/L2/pool", "/app/l/L2/pool?pool=nurses&mine=1&free=1&late=1", "/app/l/L2/pool?after=place-2"}

// words is all text below an element with single spaces, also between its parts.
func words(n *html.Node) string {
	var out []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			out = append(out, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(out, " ")
}

// TestEveryPage: each page comes, plain and compressed, and world's rules hold for it.
func TestEveryPage(t *testing.T) {
	w := newWorld(t)
	for _, path := range pages {
		a := w.get(path).want(200)
		z := w.do(http.MethodGet, path, "", append([]string{"Accept-Encoding", "br, gzip"}, signedIn...)...).want(200)
		if z.header.Get("Content-Encoding") != "gzip" || z.body != a.body {
			t.Errorf("%s is another page when compressed", path)
		}
		if !strings.HasPrefix(attr(a.find("page"), "data-live"), a.launch()+"/live") {
			t.Errorf("%s would not hear of its session's end", path)
		}
		if a.title() == "" || !a.has("main") {
			t.Errorf("%s has no heading or no main part", path)
		}
		for _, header := range []string{"Vary", "Content-Type"} {
			if a.header.Get(header) == "" {
				t.Errorf("%s: no %s", path, header)
			}
		}
	}
}

// TestTitles: a window says which page it shows, and of whom nothing.
func TestTitles(t *testing.T) {
	w := newWorld(t)
	w.desk.fail["Work"] = &inbox.Taken{Who: sam, When: now}
	for path, want := range map[string]string{"/app/l/L1": "Threads", "/app/l/L1/new": "New message", "/app/l/L1/t/T1": "Thread", "/app/l/L1/t/T1/m/M1/filed": "What was filed",
		"/app/l/L1/help": "Help", "/app/l/L2/pool": "Work list", "/app/l/L1/none": "There is nothing here", "POST /app/l/L1/out": "You have signed out",
		"POST /app/l/L1/t/T1/claim": "A colleague has it", "/launch/mercy?iss=https%3A%2F%2Fehr.example.org&launch=x": "Opening", "/callback/mercy?state=s1&code=c1": "Opening"} {
		do := w.get
		path, post := strings.CutPrefix(path, "POST ")
		if post {
			do = func(path string) answer { return w.post(path) }
		}
		do(path).each(func(n *html.Node) {
			if n.Data == "title" && text(n) != want+" · Messages" {
				t.Errorf("%s is titled %q", path, text(n))
			}
		})
	}
}

// TestPatientView: what the list says of each thread.
func TestPatientView(t *testing.T) {
	w := newWorld(t)
	a := w.get("/app/l/L1").want(200)
	got := words(a.page)
	for _, want := range []string{"Daniel Cho born 2016-07-21 MRN 884-213-07", "Anna Ruiz, MD · Clinician", "! Urgent Rash after the new cream clinical 08:20",
		"waits 1 h 10 min · past its time (09:20)", "Nurses · nobody has it", "Sam Okafor, RN writing…", "1 not on the chart", "1 on the way to the chart",
		"Refill: albuterol inhaler refill", "waits 20 min · answer by 12:30 with you", "School form other closed Mon 2 Mar, 07:30", "nobody waits with Sam Okafor, RN",
		"Your drafts New message results kept 08:30 Your lab results are in. Discard the draft kept 08:30"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if strings.Contains(got, "Work list") {
		t.Error("a patient's session is offered the pools")
	}
	if live := attr(w.get("/app/l/L1/t/T1").find("page"), "data-live"); live != "/app/l/L1/live?thread=T1" {
		t.Errorf("a thread follows %s", live)
	}
	if attr(a.find("page"), "data-live") != "/app/l/L1/live" {
		t.Errorf("the page follows %s", attr(a.find("page"), "data-live"))
	}
	w.desk.fail["empty"] = errEmpty
	w.get("/app/l/L1").want(200, "No messages yet", "Write the first message")
	delete(w.desk.fail, "empty")
	if a := w.get("/app/l/L1").want(200); strings.Contains(a.body, "more threads than") {
		t.Error("it says that there are more threads than there are")
	}
	w.desk.fail["more"] = errEmpty
	w.get("/app/l/L1").want(200, "This patient has more threads than these 3")
	w.desk.role = inbox.ReadOnly
	a = w.get("/app/l/L1").want(200, "can only read")
	if strings.Contains(a.body, "/new\"") {
		t.Error("a user who can only read is offered to write")
	}
}

var errEmpty = &inbox.Wrong{}

// TestWorkList: rows name their patient, can be taken and resolved, and the filter stays.
func TestWorkList(t *testing.T) {
	w := newWorld(t)
	a := w.get("/app/l/L2/pool?pool=nurses&late=1").want(200, "2 more threads are not shown", `<option value="nurses" selected>Nurses (12)</option>`, "Front desk (100+)")
	if w.heard("Pool") != "{nurses false false true }" {
		t.Errorf("asked for %s", w.heard("Pool"))
	}
	if !strings.Contains(a.body, `href="/app/l/L2/pool?after=place-2&amp;late=1&amp;pool=nurses"`) {
		t.Errorf("the next page is lost: %s", a.body)
	}
	for _, id := range []string{"t-T1-take", "t-T1-resolve", "t-T2-resolve", "t-T1-open"} {
		a.find(id)
	}
	if a.has("t-T2-take") {
		t.Error("what the user has can be taken again")
	}
	w.do(http.MethodGet, "/app/l/L2", "", signedIn...).want(303) // a session without a patient begins here
	if got, all := strings.Count(a.body, `name="shown"`), strings.Count(a.body, `-resolve"`); got == 0 || got != all {
		t.Errorf("%d of %d threads say what they show when they are resolved", got, all)
	}
	w.desk.fail["unasked"] = errEmpty
	if a := w.get("/app/l/L2/pool").want(200, "The EHR cannot be reached", "25 threads are not shown"); strings.Contains(a.body, "Nobody waits") {
		t.Error("it says that nobody waits, and does not know")
	}
	delete(w.desk.fail, "unasked")
	w.desk.fail["empty"] = errEmpty
	w.get("/app/l/L2/pool").want(200, "Every message of your pools has its answer")
	w.get("/app/l/L2/pool?late=1").want(200, "No thread fits this filter")
	for why, want := range map[string]string{"no pool": "You are in no pool", "unknown": "It last did at 08:45 and has not answered since"} {
		w.desk.fail[why] = errEmpty
		for _, at := range []string{"", "?late=1"} {
			if a := w.get("/app/l/L2/pool"+at).want(200, want); strings.Contains(a.body, "Nobody waits") || strings.Contains(a.body, "has its answer") {
				t.Errorf("%s: it says that nobody waits, and does not know", why)
			}
		}
		delete(w.desk.fail, why)
	}
}

// TestThreadView: roles, times, edits, retractions and the two honest lines of each exchange.
func TestThreadView(t *testing.T) {
	w := newWorld(t)
	a := w.get("/app/l/L1/t/T1").want(200)
	for id, want := range map[string]string{
		"e-M1": "Maria Cho Mother (proxy) sent Tue 3 Mar, 07:30 received Tue 3 Mar, 07:30 Hi, Daniel has red bumps where we put the new cream on his arm. It itches a lot. Here is a photo. leaflet.pdf application/pdf, 1.2 MB late.png: has not come yet Chart On the chart Communication/c-118 Tue 3 Mar, 07:30 Show what was filed of the message by Maria Cho",
		"e-M2": "Sam Okafor, RN Internal note · not sent to the patient sent Tue 3 Mar, 08:30 received Tue 3 Mar, 08:30 Looks like contact dermatitis. Dr. Ruiz to confirm. Chart On the chart Communication/c-119 Show what was filed of the message by Sam Okafor, RN",
		"e-M3": "Anna Ruiz, MD Clinician sent Tue 3 Mar, 09:30 to Maria Cho · received Tue 3 Mar, 09:30 Please stop the cream for two days and send me another photo tomorrow. Edited by Anna Ruiz, MD: 1 earlier version Tue 3 Mar, 08:30 Please stop the cream for one day. plan.pdf application/pdf, 2 kB Delivery Read Tue 3 Mar, 10:30 Chart On the chart Communication/c-120 Show what was filed of the message by Anna Ruiz, MD",
		"e-M4": "Daniel Cho Patient came late sent 06:30 received 06:30 Taken back 07:30 : sent by mistake. Its words stay visible here. its not itchy anymore Chart Not on the chart: the EHR refused the change. Waits for the Nurses since 13:31",
		"e-M5": "Maria Cho Mother (proxy) ! Urgent sent 08:20 received 08:20 It is spreading to his neck now. Should we stop the cream? Chart Held: waits for an encounter to file it under",
		"e-M6": "Automatic Automatic sent 08:21 to Maria Cho We have your message and answer within an hour. Delivery Delivered Chart Not filed: automatic messages are left out by policy",
	} {
		if got := words(a.find(id)); got != want {
			t.Errorf("%s says\n%s\nwant\n%s", id, got, want)
		}
	}
	var kinds []string
	for n := range a.find("entries").ChildNodes() {
		if n.Type == html.ElementNode {
			kinds = append(kinds, attr(n, "class"))
		}
	}
	if want := []string{"entry proxy", "entry note", "entry staff", "entry patient gone", "entry proxy", "entry system"}; !slices.Equal(kinds, want) {
		t.Errorf("the entries look like %q", kinds)
	}
	got := words(a.page)
	for _, want := range []string{"Who will read this? Several people wrote here.", "Sam Okafor, RN writing here now", "Ask for a photo (en)", "Pedir una foto (es)"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	w.desk.role = inbox.ReadOnly
	a = w.get("/app/l/L1/t/T1").want(200, "You can read these messages and not write.")
	if a.has("text") || a.has("note") || a.has("assign") {
		t.Error("a user who can only read is offered to write")
	}
}

// TestColleagueWithoutAName: a sentence begins as one does, and whom the EHR does not name is counted.
func TestColleagueWithoutAName(t *testing.T) {
	w := newWorld(t)
	nobody := inbox.Who{Key: "Practitioner/77", Name: inbox.Colleague, Role: connector.RoleStaff}
	for n, want := range map[int]string{1: "A colleague cannot be chosen here: the EHR does not tell you the name.", 3: "3 colleagues cannot be chosen here: the EHR does not tell you their names."} {
		w.desk.unnamed = n
		if got := words(w.get("/app/l/L1/t/T1").want(200).find("unnamed")); got != want {
			t.Errorf("%d: says %q", n, got)
		}
	}
	w.desk.fail["Work"] = &inbox.Taken{Who: nobody}
	if a := w.post("/app/l/L1/t/T1/claim").want(409); a.title() != "A colleague has it" || strings.Contains(a.body, "Practitioner/77") {
		t.Errorf("says %q", a.title())
	}
	w.desk.fail["Send"] = &inbox.Collision{Who: nobody, When: now}
	if got := words(w.post("/app/l/L1/t/T1/reply", "text", "x").want(409).find("clash-text")); !strings.HasPrefix(got, "A colleague wrote in this thread") {
		t.Errorf("says %q", got)
	}
}

// TestNewMessage: channel, topic, who reads it, and a channel without consent can be left for another.
func TestNewMessage(t *testing.T) {
	w := newWorld(t)
	got := words(w.get("/app/l/L1/new").want(200).page)
	for _, want := range []string{"Channel texting portal (no consent)", "Topic No topic clinical refill scheduling", "Goes to Maria Cho (mother), not to Daniel Cho in the name of Anna Ruiz, MD", "Daniel Cho born 2016-07-21 MRN 884-213-07 Send"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	a := w.get("/app/l/L1/new?channel=portal").want(200, "Daniel Cho has not agreed to messages by the portal.", `<option value="portal" selected>`)
	if a.has("send") || !a.has("channel") || w.heard("New") != "portal " {
		t.Error("a message without consent can be sent, or no other channel be chosen")
	}
	w.post("/app/l/L1/new/reply", "text", "Your results", "channel", "texting").want(303)
	home := w.get("/app/l/L1").want(200, `action="/app/l/L1/new/undo" class="undo" data-left="10"`)
	if got := words(home.find("d-D1")); got != "Goes out in a moment Your results Undo (10 s) It has not left yet." {
		t.Errorf("what was sent a moment ago says %q", got)
	}
}

// TestChosenReader: who will read it is said as soon as somebody is chosen.
func TestChosenReader(t *testing.T) {
	w := newWorld(t)
	if a := w.get("/app/l/L1/t/T1"); strings.Contains(words(a.find("c-read")), "Goes") {
		t.Errorf("says who reads it before anybody is chosen: %s", words(a.find("c-read")))
	}
	a := w.send("/app/l/L1/t/T1/draft", nil, "to", "patient", "text", "x").want(200)
	if got := words(a.find("c-read")); !strings.HasSuffix(got, "Goes to Daniel Cho, not to Maria Cho (mother) in the name of Anna Ruiz, MD") {
		t.Errorf("says %q", got)
	}
	// What was kept is for Daniel; what did not go is for whom its boxes say.
	w.desk.fail["Send"] = &inbox.Wrong{Field: "text", Text: "write something"}
	for want, to := range map[string][]string{"to Maria Cho (mother), not to Daniel Cho": {"to", "u-maria"}, "to Maria Cho (mother) and Daniel Cho": {"to", "u-maria", "to", "patient"}, "": nil} {
		if want != "" {
			want = "Goes " + want + " in the name of Anna Ruiz, MD"
		}
		a = w.send("/app/l/L1/t/T1/reply", nil, append(to, "text", "")...).want(422)
		if _, got, _ := strings.Cut(words(a.find("c-read")), "Daniel Cho Patient"); strings.TrimSpace(got) != want {
			t.Errorf("with %q chosen it says %q", to, got)
		}
	}
	w.desk.draft.Problem = "The platform does not take this number any more."
	w.get("/app/l/L1/t/T1").want(200, "<b>It could not be sent.</b> The platform does not take this number any more.")
}

// TestPostsHaveNoAddress: a page that answers a post is not what a reload or the way back opens.
func TestPostsHaveNoAddress(t *testing.T) {
	w := newWorld(t)
	if got := w.get("/app/l/L1").header.Get("HX-Push-Url"); got != "" {
		t.Errorf("a page that can be opened has HX-Push-Url %q", got)
	}
	for _, path := range []string{"/app/l/L1/t/T1/draft", "/app/l/L1/out", "/app/l/L1/t/T1/undo"} {
		w.desk.fail["Undo"] = &inbox.TooLate{}
		a := w.post(path, "text", "x")
		if a.header.Get("HX-Push-Url") != "false" || strings.Contains(attr(a.find("page"), "data-here"), path) {
			t.Errorf("%s can be opened again: %s", path, attr(a.find("page"), "data-here"))
		}
	}
}

// TestQuiet: what a page asks for by itself does not keep its user signed in; what the user does, does.
func TestQuiet(t *testing.T) {
	for path, want := range map[string]bool{"/app/l/L1": false, "/app/l/L1/t/T1": false, "/app/l/L1/style.css": true, "/app/l/L1/t/T1/m/M1/a/a1": true, "/app/l/L1/t/T1/m/M1/filed": false} {
		w := newWorld(t)
		w.get(path).want(200)
		if got := w.heard("Peek") != ""; got != want {
			t.Errorf("%s is quiet: %v", path, got)
		}
	}
	w := newWorld(t)
	w.do(http.MethodGet, "/app/l/L1/t/T1", "", append([]string{"X-Chartwire-Quiet", "1"}, signedIn...)...).want(200)
	if w.heard("Peek") == "" {
		t.Error("a script's look counts as the user's")
	}
}

// TestFiledView shows the bytes, and says where there are none.
func TestFiledView(t *testing.T) {
	w := newWorld(t)
	a := w.get("/app/l/L1/t/T1/m/M1/filed").want(200, "The EHR gave it back with the same words.", "Communication/c-118", "884-213-07", `href="/app/l/L1/t/T1#e-M1"`)
	if !strings.Contains(words(a.page), `"resourceType": "Communication"`) {
		t.Errorf("the resource is not there: %s", words(a.page))
	}
	w.get("/app/l/L1/t/T1/m/M5/filed").want(200, "Nothing yet")
}

// TestCoveredPage tells the page's script to cover it.
func TestCoveredPage(t *testing.T) {
	w := newWorld(t)
	w.desk.covered = "L9"
	if a := w.get("/app/l/L1").want(200); !strings.Contains(a.body, " data-covered") || !strings.Contains(text(a.find("cover")), "Daniel Cho") {
		t.Error("the page is not covered by its patient's banner")
	}
	if loc := w.post("/app/l/L1/uncover", "back", "/app/l/L1/t/T1").want(303).header.Get("Location"); loc != "/app/l/L1/t/T1" || w.heard("Session") == "" {
		t.Errorf("goes on to %s", loc)
	}
	if !slices.ContainsFunc(w.desk.said, func(s string) bool { return strings.HasPrefix(s, "Uncover") }) {
		t.Error("the inbox was not told")
	}
}

// payloads try to get out of a text, an attribute, an address and a header.
var payloads = []string{
	`<script>alert(1)</script>`, `</p><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `" autofocus onfocus="alert(1)`,
	`</textarea><script>alert(1)</script>`, `</title><script>alert(1)</script>`, `<svg/onload=alert(1)>`, `<iframe src="javascript:alert(1)">`, `javascript:alert(1)`,
	`{{.Frame}}`, `${alert(1)}`, `<!--`, `-->`, `]]>`, `<math><mi xlink:href="data:x,<script>alert(1)</script>">`, `<a href="javascript:alert(1)">x</a>`,
	`&lt;script&gt;alert(1)&lt;/script&gt;`, "`onclick=alert(1)", "\x00<script>alert(1)</script>", "<style>*{display:none}</style>", `<base href="//evil.example">`,
	`<meta http-equiv="refresh" content="0;url=//evil.example">`, `<form action="//evil.example"><input name="bind">`, `<div hx-get="//evil.example" hx-trigger="load">`,
	`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, "\u202Egnp.exe", `\u003cscript\u003e`, `'"><svg><animate onbegin=alert(1)>`, `</select><script>alert(1)</script>`,
}

// shape is a page's elements and their attributes' names, which no text may change.
func shape(a answer) []string {
	var out []string
	a.each(func(n *html.Node) {
		line := n.Data
		for _, at := range n.Attr {
			line += " " + at.Key
		}
		out = append(out, line)
	})
	return out
}

// TestNoTextBecomesMarkup puts each payload where a patient, a proxy or a platform can put words, on every page that shows them.
func TestNoTextBecomesMarkup(t *testing.T) {
	for _, path := range []string{"/app/l/L1", "/app/l/L2/pool", "/app/l/L1/t/T1", "/app/l/L1/new", "/app/l/L1/t/T1/m/M1/filed"} {
		w := newWorld(t)
		put := func(s string) answer {
			w.desk.text, w.desk.name, w.desk.draft.Text, w.desk.draft.ID = s, s, s, "D1"
			return w.get(path).want(200)
		}
		want := shape(put("plain words"))
		for _, p := range payloads {
			a := put(p)
			if got := shape(a); !slices.Equal(got, want) {
				t.Errorf("%s: %q changes the page: %q", path, p, got)
			}
			if shown := strings.ReplaceAll(p, "\x00", "\uFFFD"); !strings.Contains(text(a.page), shown) {
				t.Errorf("%s: %q is not shown as it is", path, p)
			}
		}
	}
}

// TestDraftKeepsItsWords: a textarea swallows a first line break and its own end.
func TestDraftKeepsItsWords(t *testing.T) {
	w := newWorld(t)
	for _, want := range []string{"\nfirst line empty", "</textarea>", "a\n\nb", "  two spaces", "{{.}}"} {
		w.desk.draft.Text = want
		if got := text(w.get("/app/l/L1/t/T1").find("text")); got != want {
			t.Errorf("%q is edited as %q", want, got)
		}
	}
}

// TestDuty44_WithoutCookies: where the handle comes in a header, nothing of it is on the page, and what a browser would fetch by
// itself is left to the script.
func TestDuty44_WithoutCookies(t *testing.T) {
	style := func(o *app.Options) { o.Style = green }
	w := newWorld(t, style)
	a := w.get("/app/l/L1/t/T1").want(200, `data-src="/app/l/L1/t/T1/m/M1/a/a1?thumb"`, `data-sheet="/app/l/L1/style.css"`)
	if strings.Contains(a.body, "handle-1") || strings.Contains(a.body, ` src="/app/l/`) || strings.Contains(a.body, `href="/app/l/L1/style.css"`) {
		t.Errorf("the browser would fetch without the handle: %s", a.body)
	}
	a = w.do(http.MethodGet, "/app/l/L1/t/T1", "", "Cookie", "__Host-cw-L1=handle-1").want(200, ` src="/app/l/L1/t/T1/m/M1/a/a1?thumb"`, `<link rel="stylesheet" href="/app/l/L1/style.css">`)
	if strings.Contains(a.body, "data-src") || strings.Contains(a.body, "data-sheet") {
		t.Errorf("a page with a cookie leaves work to the script: %s", a.body)
	}
	if len(cookies(a)) != 0 {
		t.Error("a page sets a cookie")
	}
}

// TestNothingOfAPatientInAddresses: addresses are of our ids, so that no history, log or proxy tells of anyone.
func TestNothingOfAPatientInAddresses(t *testing.T) {
	w := newWorld(t)
	ours := regexp.MustCompile(`^(#[a-z]+|/app/[A-Za-z0-9/._?=&#-]*)$`)
	for _, path := range pages {
		a := w.get(path)
		a.each(func(n *html.Node) {
			for _, at := range n.Attr {
				if slices.Contains([]string{"href", "src", "data-src", "action", "formaction", "data-live", "data-here", "data-draft"}, at.Key) && !ours.MatchString(at.Val) {
					t.Errorf("%s: <%s %s> is %q", path, n.Data, at.Key, at.Val)
				}
			}
		})
	}
}
