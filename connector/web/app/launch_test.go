package app_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/web/app"
)

func cookies(a answer) map[string]*http.Cookie {
	out := map[string]*http.Cookie{}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		out[c.Name] = c
	}
	return out
}

// TestDuty43_45_46_Launch: the page goes on to the EHR, with script and without, and binds the launch to the browser and to the window.
func TestDuty43_45_46_Launch(t *testing.T) {
	w := newWorld(t)
	a := w.do(http.MethodGet, "/launch/mercy?iss=https%3A%2F%2Fehr.mercy.example%2Ffhir&launch=abc", "").want(200)
	c := cookies(a)["__Host-cw"]
	if c == nil || len(c.Value) < 40 {
		t.Fatalf("the browser gets %v", c)
	}
	if got := w.heard("Begin"); got != "mercy https://ehr.mercy.example/fhir abc 52 192.0.2.1" {
		t.Errorf("the inbox was told %q", got)
	}
	goOn := a.find("go")
	if attr(goOn, "href") != w.desk.begun.URL || attr(goOn, "data-secret") != "window-secret" {
		t.Errorf("the page goes on by %v", goOn.Attr)
	}
	a.want(200, `<noscript><meta http-equiv="refresh" content="0;url=https://ehr.example.org/auth?state=s1"></noscript>`)
	w.desk.begun.URL = "https://ehr.example.org:8443/auth?response_type=code&client_id=cw%20app&scope=launch+openid%20patient%2FPatient.rs%3Fa%3Db&aud=https%3A%2F%2Fehr.example.org%2Ffhir&state=a-b_c~d&x='%22%3C"
	full := w.do(http.MethodGet, "/launch/mercy", "").want(200)
	_, meta, _ := strings.Cut(full.body, `content="0;url=`) // inside noscript, which a parser with script does not look into
	meta, _, _ = strings.Cut(meta, `"`)
	for at, got := range map[string]string{"link": attr(full.find("go"), "href"), "refresh": html.UnescapeString(meta)} {
		// An apostrophe may be written as %27: it is the same address.
		if strings.ReplaceAll(got, "%27", "'") != w.desk.begun.URL {
			t.Errorf("the %s goes to %s", at, got)
		}
	}
	again := w.do(http.MethodGet, "/launch/mercy", "", "Cookie", "__Host-cw="+c.Value).want(200)
	if got := cookies(again)["__Host-cw"]; got == nil || got.Value != c.Value {
		t.Errorf("the browser's second launch makes it %v, which its first one is not bound to", got)
	}
	other := w.do(http.MethodGet, "/launch/mercy", "").want(200)
	if cookies(other)["__Host-cw"].Value == c.Value {
		t.Error("two browsers got one secret")
	}
}

// TestLaunchByPost: where the EHR wants a form, the form has the fields, and may lead on to another host's sign-in.
func TestLaunchByPost(t *testing.T) {
	w := newWorld(t)
	w.desk.begun = inbox.Begun{URL: "https://ehr.example.org/auth", Form: url.Values{"state": {"s1"}, "scope": {"launch openid"}}, Secret: "window-secret"}
	a := w.do(http.MethodGet, "/launch/mercy", "").want(200)
	form := a.find("go")
	if form.Data != "form" || attr(form, "action") != w.desk.begun.URL || attr(form, "method") != "post" {
		t.Errorf("the form is %v", form.Attr)
	}
	fields := map[string]string{}
	for n := range form.Descendants() {
		if n.Type == html.ElementNode && n.Data == "input" {
			fields[attr(n, "name")] = attr(n, "value")
		}
	}
	if len(fields) != 2 || fields["scope"] != "launch openid" || fields["state"] != "s1" {
		t.Errorf("the fields are %v", fields)
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action https:;") {
		t.Errorf("the form may not go: %s", csp)
	}
	for _, bad := range []string{"javascript:alert(1)", "data:text/html,x", "//x", "%zz"} {
		w.desk.begun = inbox.Begun{URL: bad}
		w.do(http.MethodGet, "/launch/mercy", "").want(500)
	}
}

// TestDuty43_44_CallbackWithScript: the page tells nothing by itself; its script's post makes a cookie where the browser keeps one, and
// otherwise gives the handle to the page alone.
func TestDuty43_44_CallbackWithScript(t *testing.T) {
	w := newWorld(t)
	a := w.do(http.MethodGet, "/callback/mercy?state=s1&code=c1&iss=x", "").want(200)
	if len(w.desk.said) != 0 || len(cookies(a)) != 0 {
		t.Errorf("the page by itself did %q", w.desk.said)
	}
	a.want(200, `content="0;url=/callback/mercy?code=c1&amp;plain=1&amp;state=s1"`)
	body := `{"state":"s1","code":"c1","error":"","secret":"window-secret","previous":"L0","proof":"older-secret"}`
	in := []string{"Content-Type", "application/json", "Accept", "application/json"}
	bare := w.do(http.MethodPost, "/callback/mercy", body, in...).want(200, `{"launch":"L1","handle":"handle-1"}`)
	if len(cookies(bare)) != 0 {
		t.Error("a browser that keeps no cookies was given one")
	}
	if got := w.heard("Finish"); got != "mercy s1 c1   window-secret 192.0.2.1 L0 older-secret" {
		t.Errorf("the inbox was told %q", got)
	}
	kept := w.do(http.MethodPost, "/callback/mercy", body, append(in, "Cookie", "__Host-cw=browser-1")...).want(200)
	if strings.Contains(kept.body, "handle") {
		t.Errorf("the handle is in the answer too: %s", kept.body)
	}
	if c := cookies(kept)["__Host-cw-L1"]; c == nil || c.Value != "handle-1" {
		t.Errorf("the session's cookie is %v", c)
	}
	if got := w.heard("Finish"); !strings.HasPrefix(got, "mercy s1 c1  browser-1 window-secret") {
		t.Errorf("the inbox was told %q", got)
	}
}

// TestCallbackWithoutScript needs the cookie.
func TestCallbackWithoutScript(t *testing.T) {
	w := newWorld(t)
	a := w.do(http.MethodGet, "/callback/mercy?state=s1&code=c1&plain=1", "", "Cookie", "__Host-cw=browser-1").want(303)
	if a.header.Get("Location") != "/app/l/L1" || cookies(a)["__Host-cw-L1"].Value != "handle-1" {
		t.Errorf("goes on to %s with %v", a.header.Get("Location"), cookies(a))
	}
	w.do(http.MethodGet, "/app/l/L1", "", "Cookie", "__Host-cw-L1=handle-1").want(200, "Rash after the new cream")
	w.desk.said = nil
	if got := w.do(http.MethodGet, "/callback/mercy?state=s1&code=c1&plain=1", "").want(403).title(); got != "This browser keeps no cookie here" {
		t.Errorf("without a cookie it says %q", got)
	}
	if len(w.desk.said) != 0 {
		t.Errorf("the launch was used up: %q", w.desk.said)
	}
	if !slices.Equal(w.refused, []string{"192.0.2.1 no-cookie"}) {
		t.Errorf("counted %q", w.refused)
	}
}

// TestBadCallbacks: nothing reaches the inbox that cannot be a callback's, and each is counted.
func TestBadCallbacks(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ kind, body string }{
		"no JSON":             {"application/json", "state=s1"},
		"a form":              {"application/x-www-form-urlencoded", "state=s1&secret=x"},
		"text":                {"text/plain", `{"state":"s1","secret":"x"}`},
		"no kind":             {"", `{"state":"s1","secret":"x"}`},
		"no state":            {"application/json", `{"code":"c1","secret":"x"}`},
		"bound to nothing":    {"application/json", `{"state":"s1","code":"c1"}`},
		"two values":          {"application/json", `{"state":"s1","secret":"x"}{}`},
		"larger than allowed": {"application/json", `{"state":"` + strings.Repeat("x", 200<<10) + `","secret":"x"}`},
		"nothing":             {"application/json", ``},
	} {
		w.refused = nil
		a := w.do(http.MethodPost, "/callback/mercy", c.body, "Content-Type", c.kind)
		if !slices.Equal(w.refused, []string{"192.0.2.1 unreadable"}) {
			t.Errorf("%s: counted %q", name, w.refused)
		}
		if a.status != 400 || a.title() != "The request cannot be read" || len(w.desk.said) != 0 {
			t.Errorf("%s: answered %d %q, and the inbox heard %q", name, a.status, a.title(), w.desk.said)
		}
	}
	w.refused = nil
	if got := w.do(http.MethodGet, "/callback/mercy", "").want(400).title(); got != "Open Messages from the EHR" || !slices.Equal(w.refused, []string{"192.0.2.1 no-state"}) {
		t.Errorf("a reloaded callback says %q, counted %q", got, w.refused)
	}
}

// TestDuty42_PolicyOfEachEHR: only the pages of the EHR that a session is of may hold ours in a frame.
func TestDuty42_PolicyOfEachEHR(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{
		"/launch/mercy":            "'self' https://ehr.mercy.example",
		"/launch/county":           "'none'",
		"/callback/mercy?state=x":  "'self' https://ehr.mercy.example",
		"/callback/nobody?state=x": "'none'",
		"/app/l/L1":                "'self' https://ehr.mercy.example",
		"/app/l/L1/t/T1/m/M1/a/a1": "'none'",
		"/app/nothing":             "'none'",
		"/app/assets/nothing.js":   "'none'",
		"/app/l/L1/nothing":        "'self' https://ehr.mercy.example",
		"/launch/https:%2f%2fevil.example%20'unsafe-inline'": "'none'",
	} {
		_, got, _ := strings.Cut(w.get(path).header.Get("Content-Security-Policy"), "frame-ancestors ")
		if got != want {
			t.Errorf("%s may be framed by %s", path, got)
		}
	}
}

// TestDuty42_PagesWithoutASessionInTheFrame: what is shown where no session is found holds nothing of anybody, and the frame of every EHR
// shows it.
func TestDuty42_PagesWithoutASessionInTheFrame(t *testing.T) {
	w := newWorld(t, func(o *app.Options) { o.EHRs["north"] = app.EHR{Frame: []string{"https://north.example"}} })
	for name, err := range map[string]error{"ended": &inbox.Ended{Why: inbox.EndedIdle}, "unknown": connector.ErrNotFound, "the store is down": connector.ErrStore, "": nil} {
		want := "'self' https://ehr.mercy.example https://north.example"
		if err == nil {
			want = "'self' https://ehr.mercy.example"
		}
		w.desk.fail["Session"] = err
		_, got, _ := strings.Cut(w.get("/app/l/L1").header.Get("Content-Security-Policy"), "frame-ancestors ")
		if got != want {
			t.Errorf("%s: may be framed by %s", name, got)
		}
	}
	a := w.do(http.MethodGet, "/app/l/L1", "")
	if _, got, _ := strings.Cut(a.header.Get("Content-Security-Policy"), "frame-ancestors "); !strings.Contains(got, "https://north.example") {
		t.Errorf("without a handle: may be framed by %s", got)
	}
}

// TestCookiesOfEndedSessions: where there are many, a launch takes away those of sessions that are over and leaves the others, and none
// outlives a session.
func TestCookiesOfEndedSessions(t *testing.T) {
	var many strings.Builder
	for n := range 18 {
		fmt.Fprintf(&many, "; __Host-cw-F%d=handle-1", n)
	}
	for name, over := range map[string]error{"as it is": nil, "all have ended": &inbox.Ended{Why: inbox.EndedReplaced}, "the store is down": connector.ErrStore} {
		w := newWorld(t)
		w.desk.fail["Peek"] = over
		a := w.do(http.MethodGet, "/callback/mercy?state=s1&code=c1&plain=1", "", "Cookie",
			"__Host-cw=browser-1; __Host-cw-L0=unknown; __Host-cw-L5=handle-1; theirs=x"+many.String()).want(303)
		got := cookies(a)
		maps.DeleteFunc(got, func(name string, c *http.Cookie) bool { return strings.HasPrefix(name, "__Host-cw-F") && c.MaxAge < 0 })
		if c := got["__Host-cw-L1"]; c == nil || c.MaxAge != 12*60*60 {
			t.Errorf("%s: the session's cookie is %v", name, c)
		}
		unknown, other := got["__Host-cw-L0"], got["__Host-cw-L5"]
		if (unknown != nil) != (name != "the store is down") || (other != nil) != (name == "all have ended") {
			t.Errorf("%s: of an unknown session %v, of one that goes on %v", name, unknown, other)
		}
		for _, c := range []*http.Cookie{unknown, other} {
			if c != nil && (c.MaxAge >= 0 || c.Value != "") {
				t.Errorf("%s: %v stays", name, c)
			}
		}
		if len(got) > 3 {
			t.Errorf("%s: sets %v", name, got)
		}
		few := w.do(http.MethodGet, "/callback/mercy?state=s1&code=c1&plain=1", "", "Cookie", "__Host-cw=browser-1; __Host-cw-L0=unknown; __Host-cw-L5=handle-1").want(303)
		if got := cookies(few); len(got) != 1 {
			t.Errorf("%s: of few, which say why their session is over, it sets %v", name, got)
		}
	}
}

// TestTooManyLaunches: a plain page that says when to come again.
func TestTooManyLaunches(t *testing.T) {
	w := newWorld(t)
	w.desk.fail["Begin"] = &inbox.Refusal{Code: inbox.TooManyLaunches}
	a := w.do(http.MethodGet, "/launch/mercy", "").want(429, "Wait a minute")
	if a.title() != "Messages could not be opened" || a.header.Get("Retry-After") != "60" || len(cookies(a)) != 0 {
		t.Errorf("%q, Retry-After %q, cookies %v", a.title(), a.header.Get("Retry-After"), cookies(a))
	}
}

// TestSignOut ends the session and its cookie.
func TestSignOut(t *testing.T) {
	w := newWorld(t)
	a := w.post("/app/l/L1/out").want(200)
	if a.title() != "You have signed out" || !strings.Contains(strings.Join(w.desk.said, ""), "SignOut") {
		t.Errorf("says %q", a.title())
	}
	if c := cookies(a)["__Host-cw-L1"]; c == nil || c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("the cookie stays: %v", c)
	}
	if page := a.find("page"); attr(page, "data-live") != "" || attr(page, "data-launch") != "" {
		t.Errorf("the page goes on with the session: %v", page.Attr)
	}
	if strings.Contains(a.body, "Daniel") {
		t.Error("the patient is still on the page")
	}
}
