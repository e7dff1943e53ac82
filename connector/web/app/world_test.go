package app_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"golang.org/x/net/html"

	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/web/app"
)

// world is the pages over a desk of the test's own.
type world struct {
	t       *testing.T
	desk    *desk
	clock   *clock.Fake
	log     bytes.Buffer
	e       *echo.Echo
	refused []string
}

func newWorld(t *testing.T, change ...func(*app.Options)) *world {
	w := &world{t: t, desk: newDesk(), clock: clock.NewFake(now), e: echo.New()}
	o := app.Options{Desk: w.desk, Clock: w.clock, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		EHRs: map[string]app.EHR{"mercy": {Frame: []string{"https://ehr.mercy.example"}}, "county": {}},
		Refused: func(_ context.Context, source, why string) error {
			w.refused = append(w.refused, source+" "+why)
			return nil
		}}
	for _, c := range change {
		c(&o)
	}
	app.Mount(w.e, o)
	return w
}

// answer is what came back; page is its HTML where it is a page.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
	page   *html.Node
}

// signedIn is the header of a session.
var signedIn = []string{"X-Chartwire-Session", "handle-1"}

func (w *world) do(method, path, body string, header ...string) answer {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	rec := httptest.NewRecorder()
	w.e.ServeHTTP(rec, r)
	a := answer{t: w.t, status: rec.Code, header: rec.Header(), body: rec.Body.String()}
	w.hold(path, a)
	if a.header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(strings.NewReader(a.body))
		if err != nil {
			w.t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			w.t.Fatal(err)
		}
		a.body = string(b)
	}
	if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		var err error
		if a.page, err = html.Parse(strings.NewReader(a.body)); err != nil {
			w.t.Fatal(err)
		}
		w.holdPage(path, a)
	}
	return a
}

// get opens a page of the session.
func (w *world) get(path string) answer {
	w.t.Helper()
	return w.do(http.MethodGet, path, "", signedIn...)
}

// post sends a form of the session: names and values by turns.
func (w *world) post(path string, fields ...string) answer {
	w.t.Helper()
	f := url.Values{}
	for n := 0; n < len(fields); n += 2 {
		f.Add(fields[n], fields[n+1])
	}
	return w.do(http.MethodPost, path, f.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, signedIn...)...)
}

// hold is asked of every answer.
func (w *world) hold(path string, a answer) {
	w.t.Helper()
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "max-age=",
		"Content-Security-Policy": "default-src 'none'", "Cross-Origin-Resource-Policy": "same-origin"} {
		if got := a.header.Get(name); !strings.Contains(got, want) {
			w.t.Errorf("%s: %s is %q", path, name, got)
		}
	}
	csp := a.header.Get("Content-Security-Policy")
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || !strings.Contains(csp, "frame-ancestors ") {
		w.t.Errorf("%s: the policy is %q", path, csp)
	}
	if a.header.Get("X-Frame-Options") != "" {
		w.t.Errorf("%s may be framed by nobody", path)
	}
	if want := "no-store"; !strings.HasPrefix(path, "/app/assets/") && a.header.Get("Cache-Control") != want {
		w.t.Errorf("%s: Cache-Control is %q", path, a.header.Get("Cache-Control"))
	}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-cw") || c.Path != "/" || c.Domain != "" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteNoneMode || !c.Partitioned {
			w.t.Errorf("%s sets the cookie %s", path, c)
		}
	}
}

// asset is what scripts and sheets are linked by.
var asset = regexp.MustCompile(`^/app/assets/[a-z]+\.[0-9a-f]{16}\.(js|css|svg)$`)

// windows are what the window is called that shows a page; one of trouble goes by its heading, where that names nobody.
var windows = map[string]bool{"Opening": true, "Threads": true, "Thread": true, "New message": true, "Work list": true, "What was filed": true, "Help": true,
	"You have signed out": true, "A colleague has it": true}

// holdPage is asked of every page: nothing in it is a program, and nothing of a patient is where a browser keeps it.
func (w *world) holdPage(path string, a answer) {
	w.t.Helper()
	if strings.Contains(a.body, "ZgotmplZ") || strings.Contains(a.body, "<no value>") || strings.Contains(a.body, "%!") {
		w.t.Errorf("%s: a value was refused by its template: %s", path, a.body)
	}
	ids := map[string]bool{}
	a.each(func(n *html.Node) {
		switch n.Data {
		case "style", "iframe", "object", "embed", "base":
			w.t.Errorf("%s holds <%s>", path, n.Data)
		case "script":
			if n.FirstChild != nil || !asset.MatchString(attr(n, "src")) {
				w.t.Errorf("%s holds a script of its own", path)
			}
		case "link":
			if href := attr(n, "href"); !asset.MatchString(href) && !strings.HasSuffix(href, "/style.css") {
				w.t.Errorf("%s links %s", path, href)
			}
		case "title":
			if name, ok := strings.CutSuffix(text(n), " · Messages"); !ok || !windows[name] && (a.status < 300 || name != a.title()) {
				w.t.Errorf("%s is titled %s", path, text(n))
			}
		case "form":
			if attr(n, "method") == "" {
				w.t.Errorf("%s holds a form without a method", path)
			}
		}
		for _, at := range n.Attr {
			if strings.HasPrefix(at.Key, "on") || at.Key == "style" || at.Key == "srcdoc" || strings.HasPrefix(at.Key, "hx-on") || at.Key == "hx-vals" {
				w.t.Errorf("%s: <%s %s> runs or styles", path, n.Data, at.Key)
			}
			if at.Key == "id" {
				if ids[at.Val] {
					w.t.Errorf("%s has the id %s twice", path, at.Val)
				}
				ids[at.Val] = true
			}
		}
	})
}

// each visits every element of a page.
func (a answer) each(visit func(*html.Node)) {
	for n := range a.page.Descendants() {
		if n.Type == html.ElementNode {
			visit(n)
		}
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// text is all text below an element.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// find gives the first element with an id, and fails where there is none.
func (a answer) find(id string) *html.Node {
	a.t.Helper()
	var found *html.Node
	a.each(func(n *html.Node) {
		if found == nil && attr(n, "id") == id {
			found = n
		}
	})
	if found == nil {
		a.t.Fatalf("there is no #%s on the page (%d): %s", id, a.status, a.body)
	}
	return found
}

// launch is the address of the page's session.
func (a answer) launch() string { return "/app/l/" + attr(a.find("page"), "data-launch") }

func (a answer) has(id string) bool { return strings.Contains(a.body, `id="`+id+`"`) }

// title is the page's heading.
func (a answer) title() string {
	out := ""
	if a.page != nil {
		a.each(func(n *html.Node) {
			if n.Data == "h1" && out == "" {
				out = text(n)
			}
		})
	}
	return out
}

func (a answer) want(status int, parts ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("answered %d, want %d: %s", a.status, status, a.body)
	}
	for _, p := range parts {
		if !strings.Contains(a.body, p) {
			a.t.Errorf("%q is not in the answer: %s", p, a.body)
		}
	}
	return a
}

// heard says what a call of the desk was given, by its name; the last one counts.
func (w *world) heard(name string) string {
	w.t.Helper()
	for i := len(w.desk.said) - 1; i >= 0; i-- {
		if rest, ok := strings.CutPrefix(w.desk.said[i], name+" "); ok {
			return strings.TrimSuffix(rest, "\n")
		}
	}
	return ""
}

var _ inbox.Session
