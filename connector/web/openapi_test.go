package web_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/chartwire/chartwire/connector/web"
	"github.com/chartwire/chartwire/connector/web/app"
)

// document is connector/web/openapi.yaml, and what of it the tests of this package have seen.
var document struct {
	sync.Mutex
	doc    *openapi3.T
	router routers.Router
	seen   map[string]bool // "METHOD /path status"
}

func TestMain(m *testing.M) {
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err == nil {
		document.doc, document.seen = doc, map[string]bool{}
		document.router, err = legacy.NewRouter(doc)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapi.yaml:", err)
		os.Exit(1)
	}
	code := m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" {
		for _, answer := range documented() {
			if !document.seen[answer] && !strings.HasSuffix(answer, " 500") {
				fmt.Fprintln(os.Stderr, "openapi.yaml documents an answer that no test provokes:", answer)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// documented lists "METHOD /path status" of the whole document.
func documented() []string {
	var out []string
	for path, item := range document.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				out = append(out, method+" "+path+" "+status)
			}
		}
	}
	slices.Sort(out)
	return out
}

// conform holds a request that was taken, and every answer, to the document. An address it does not have may not be there.
func conform(t *testing.T, r *http.Request, body string, a answer) {
	t.Helper()
	route, params, err := document.router.FindRoute(r)
	if err != nil {
		// The document's router does not see escaped slashes, and everything under /api/v1 asks for the token first.
		if a.problem.Code != "address" && a.problem.Code != "token" && !strings.Contains(r.URL.RawPath, "%2F") {
			t.Errorf("%s %s is not in the document and was answered %d", r.Method, r.URL.Path, a.status)
		}
		return
	}
	again := r.Clone(context.Background())
	again.Body = http.NoBody
	if body != "" {
		again.Body = readCloser(body)
	}
	in := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
	if a.status < 300 {
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			t.Errorf("taken, but the document forbids it: %v", err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: a.status, Header: a.header, Options: in.Options}
	out.SetBodyBytes(a.body)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		t.Errorf("the answer is not as documented: %v", err)
	}
	document.Lock()
	document.seen[fmt.Sprint(r.Method, " ", route.Path, " ", a.status)] = true
	document.Unlock()
}

// TestOpenAPI holds the routes of the public listener and the paths of the document to each other.
func TestOpenAPI(t *testing.T) {
	w := newWorld(t)
	var inDocument []string
	for path, item := range document.doc.Paths.Map() {
		for method := range item.Operations() {
			inDocument = append(inDocument, method+" "+path)
		}
	}
	slices.Sort(inDocument)
	parameter := regexp.MustCompile(`:([a-z]+)`)
	var served []string
	for _, r := range w.server.Routes() {
		served = append(served, parameter.ReplaceAllString(r, "{$1}"))
	}
	slices.Sort(served)
	if !slices.Equal(served, inDocument) {
		t.Errorf("served and documented differ:\n%s\n\n%s", strings.Join(served, "\n"), strings.Join(inDocument, "\n"))
	}

	a := w.do(http.MethodGet, "/api/openapi.yaml", "").want(t, 200, "")
	file, err := os.ReadFile("openapi.yaml")
	if err != nil || !bytes.Equal(a.body, file) {
		t.Errorf("what is served is not the file (%v)", err)
	}
}

// noDesk is an inbox whose pages nobody asks for.
type noDesk struct{ app.Desk }

// TestPagesAreNoAPI: with the inbox mounted the API is as documented still, and no page is at an address of the document.
func TestPagesAreNoAPI(t *testing.T) {
	w := newWorld(t)
	without := w.server.Routes()
	w.serve(func(o *web.Options) { o.App = &app.Options{Desk: noDesk{}, Clock: o.Clock} })
	if got := w.server.Routes(); !slices.Equal(got, without) {
		t.Errorf("the API with the inbox is %q", got)
	}
	pages := w.server.Pages()
	for _, r := range pages {
		_, path, _ := strings.Cut(r, " ")
		if !strings.HasPrefix(path, "/launch/") && !strings.HasPrefix(path, "/callback/") && !strings.HasPrefix(path, "/app/") {
			t.Errorf("%s is a page outside the pages' addresses", r)
		}
	}
	if len(pages) < 20 {
		t.Errorf("only %d pages are mounted", len(pages))
	}
	a := httptest.NewRecorder()
	w.server.Public().ServeHTTP(a, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/app/l/L1", nil))
	if a.Code != 401 || !slices.Equal(w.store.refusals, []string{"inbox 192.0.2.1 session"}) {
		t.Errorf("a page without a session: %d, counted %q", a.Code, w.store.refusals)
	}
	for path := range document.doc.Paths.Map() {
		for _, prefix := range []string{"/launch", "/callback", "/app"} {
			if strings.HasPrefix(path, prefix) {
				t.Errorf("the document has %s, which is a page", path)
			}
		}
	}
	// A page's headers win over the listener's own.
	rec := httptest.NewRecorder()
	w.server.Public().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/app/l/x", nil))
	if got := rec.Header().Get("Content-Security-Policy"); rec.Code != http.StatusUnauthorized || !strings.Contains(got, "script-src 'self'") {
		t.Errorf("a page answers %d with %q", rec.Code, got)
	}
}

// TestOpenAPICodes holds the document's list of error codes to the codes in the source of this package.
func TestOpenAPICodes(t *testing.T) {
	var documented []string
	for _, c := range document.doc.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum {
		documented = append(documented, c.(string))
	}
	used := []string{"body", "consent-missing", "consent-revoked", "recipient-refused"} // made by at and notSent
	call := regexp.MustCompile(`problem\([A-Za-z.]+, "([a-z-]+)"`)
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source was found (%v)", err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(src), -1) {
			used = append(used, m[1])
		}
	}
	slices.Sort(used)
	if used = slices.Compact(used); !slices.Equal(used, documented) {
		t.Errorf("the code uses %q and openapi.yaml lists %q", used, documented)
	}
}

// TestOpenAPIEvents holds the document's picture of an event to the bundled threads.
func TestOpenAPIEvents(t *testing.T) {
	files, err := filepath.Glob("../../testdata/threads*/*.ndjson")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bundled threads were found (%v)", err)
	}
	types := map[string]bool{}
	for _, f := range files {
		lines, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(strings.TrimSpace(string(lines)), "\n") {
			r, err := http.NewRequest(http.MethodPost, "/channels/texting/events", strings.NewReader(line))
			if err != nil {
				t.Fatal(err)
			}
			for i, h := 0, signature(start, "x", line); i < len(h); i += 2 {
				r.Header.Set(h[i], h[i+1])
			}
			r.URL, _ = url.Parse("http://example.com/channels/texting/events")
			route, params, err := document.router.FindRoute(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}); err != nil {
				t.Errorf("%s:%d: %v", f, n+1, err)
			}
			types[strings.Split(line, `"`)[3]] = true
		}
	}
	if len(types) != 7 {
		t.Errorf("the bundled threads hold %d types of event, not seven", len(types))
	}
}
