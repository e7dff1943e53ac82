package app_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/web/app"
)

// linked gives the addresses of what a page links.
func linked(a answer) []string {
	var out []string
	a.each(func(n *html.Node) {
		for _, key := range []string{"src", "href"} {
			if at := attr(n, key); asset.MatchString(at) {
				out = append(out, at)
			}
		}
	})
	return out
}

// TestAssets: each is compressed, kept for ever under the name of its content, and not sent twice.
func TestAssets(t *testing.T) {
	w := newWorld(t)
	links := linked(w.get("/app/l/L1"))
	if len(links) < 6 {
		t.Fatalf("the page links %q", links)
	}
	for _, at := range links {
		a := w.do(http.MethodGet, at, "").want(200)
		if a.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %v", at, a.header)
		}
		z := w.do(http.MethodGet, at, "", "Accept-Encoding", "gzip, deflate, br").want(200)
		if z.header.Get("Content-Encoding") != "gzip" || z.body != a.body || z.header.Get("Content-Type") != a.header.Get("Content-Type") {
			t.Errorf("%s is another file when compressed", at)
		}
		if no := w.do(http.MethodGet, at, "", "Accept-Encoding", "gzip;q=0"); no.header.Get("Content-Encoding") != "" {
			t.Errorf("%s is compressed for who does not take that", at)
		}
		same := w.do(http.MethodGet, at, "", "If-None-Match", a.header.Get("ETag")).want(304)
		if same.body != "" {
			t.Errorf("%s is sent twice", at)
		}
		sum := sha256.Sum256([]byte(a.body))
		if !strings.Contains(at, hex.EncodeToString(sum[:8])) {
			t.Errorf("%s is not named by its content", at)
		}
	}
}

// TestWeight: a page with everything it links is at most 150 kB as it is sent, a thread of 500 exchanges too.
func TestWeight(t *testing.T) {
	w := newWorld(t)
	w.desk.long = 494
	total := 0
	sent := func(path string) {
		r, err := http.NewRequest(http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := w.do(http.MethodGet, r.URL.String(), "", append([]string{"Accept-Encoding", "gzip"}, signedIn...)...).want(200)
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		_, _ = io.WriteString(z, a.body)
		_ = z.Close()
		total += b.Len() + len(a.header)*40
	}
	sent("/app/l/L1/t/T1")
	for _, at := range linked(w.get("/app/l/L1/t/T1")) {
		sent(at)
	}
	if total > 150_000 {
		t.Errorf("a page weighs %d bytes", total)
	}
}

// TestVendored: htmx is the file that was published, whose licence lets it be used without a notice.
func TestVendored(t *testing.T) {
	b, err := os.ReadFile("assets/htmx.js")
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717" {
		t.Error("assets/htmx.js is not htmx.org 2.0.11's dist/htmx.min.js")
	}
}

// TestScripts: our own are small, and hold nothing that the policy would stop or that makes markup of text.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("assets/*.js")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	bad := regexp.MustCompile(`innerHTML|outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\("on|sessionStorage|indexedDB|document\.cookie`)
	lines := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if f == filepath.Join("assets", "htmx.js") {
			continue
		}
		lines += bytes.Count(b, []byte("\n"))
		if found := bad.FindString(string(b)); found != "" {
			t.Errorf("%s uses %s", f, found)
		}
		if !bytes.HasPrefix(b, []byte(`"use strict"`)) {
			t.Errorf("%s is not strict", f)
		}
	}
	if lines > 650 {
		t.Errorf("our scripts have %d lines", lines)
	}
}

// TestMarkIsConstant: text cannot come to be markup, because only constants are converted to it.
func TestMarkIsConstant(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	puts := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch fun := call.Fun.(type) {
			case *ast.Ident:
				if fun.Name == "mark" {
					t.Errorf("%s: something is made markup", set.Position(call.Pos()))
				}
			case *ast.SelectorExpr:
				if fun.Sel.Name == "put" {
					puts++
				}
				if x, ok := fun.X.(*ast.Ident); ok && x.Name == "template" && fun.Sel.Name != "New" && fun.Sel.Name != "Must" && name != "markup.go" {
					t.Errorf("%s: %s goes past escaping", set.Position(call.Pos()), fun.Sel.Name)
				}
			}
			return true
		})
	}
	if puts < 50 {
		t.Fatalf("saw %d places where markup is written: this test checks nothing", puts)
	}
}

// TestAttachments: only bytes that are a safe image are shown, whatever they are called; nothing runs.
func TestAttachments(t *testing.T) {
	w := newWorld(t)
	for id, want := range map[string]struct{ kind, disposition string }{
		"a1":    {"image/jpeg", "inline; filename=arm-2026-03-03.jpg"},
		"a2":    {"application/octet-stream", "attachment; filename=leaflet.pdf"},
		"svg":   {"application/octet-stream", "attachment; filename=a.svg"},
		"html":  {"application/octet-stream", "attachment; filename=a.html"},
		"false": {"application/octet-stream", "attachment; filename=x.png"},
		"other": {"application/octet-stream", "attachment; filename=x.jpg"},
		"name":  {"image/gif", `inline; filename="aSet-Cookie x=1gnp.exe"`},
		"none":  {"application/octet-stream", "attachment"},
	} {
		a := w.get("/app/l/L1/t/T1/m/M1/a/" + id).want(200)
		if got := a.header.Get("Content-Type"); got != want.kind {
			t.Errorf("%s is served as %s", id, got)
		}
		if got := a.header.Get("Content-Disposition"); got != want.disposition {
			t.Errorf("%s: %s, want %s", id, got, want.disposition)
		}
		if got := a.header.Get("Content-Security-Policy"); got != "default-src 'none'; sandbox; frame-ancestors 'none'" {
			t.Errorf("%s may do %s", id, got)
		}
		if a.body != string(files[id].data) {
			t.Errorf("%s has other bytes", id)
		}
	}
	w.get("/app/l/L1/t/T1/m/M1/a/a1?thumb")
	if got := w.heard("File"); got != "T1 M1 a1 true" {
		t.Errorf("asked for %s", got)
	}
	w.get("/app/l/L1/t/a%2Fb/m/M%201/a/a1")
	if got := w.heard("File"); got != "a/b M 1 a1 false" {
		t.Errorf("asked for %s", got)
	}
}

func green(context.Context, *inbox.Session) (app.Style, error) {
	return app.Style{Background: "#0b3d2e", Text: "#fff", Highlight: "#0b6b4f"}, nil
}

// TestStyle: the EHR's colours are taken where they can be read, and only colours are.
func TestStyle(t *testing.T) {
	for name, c := range map[string]struct {
		style app.Style
		want  string
	}{
		"all":              {app.Style{Background: "#0b3d2e", Text: "#fff", Highlight: "#0b6b4f"}, ":root{--band:#0b3d2e;--band-text:#fff}\n@media (prefers-color-scheme:light){:root{--accent:#0b6b4f;--on-accent:#ffffff}}\n"},
		"nothing":          {app.Style{}, ""},
		"too pale":         {app.Style{Background: "#eee", Text: "#bbb", Highlight: "#9cf"}, "@media (prefers-color-scheme:dark){:root{--accent:#9cf;--on-accent:#1a212a}}\n"},
		"no colours":       {app.Style{Background: "red", Text: "url(//evil.example)", Highlight: "#12345"}, ""},
		"no mark":          {app.Style{Background: "0b3d2e", Text: "fff", Highlight: "0b6b4f"}, ""},
		"out of the sheet": {app.Style{Background: "#fff}body{display:none", Text: "#000", Highlight: "#000;}*{"}, ""},
		"a sign":           {app.Style{Background: "#+1+1+1", Text: "#000", Highlight: "#-1-1-1"}, ""},
	} {
		w := newWorld(t, func(o *app.Options) {
			o.Style = func(context.Context, *inbox.Session) (app.Style, error) { return c.style, nil }
		})
		a := w.get("/app/l/L1/style.css").want(200)
		if a.body != c.want || a.header.Get("Content-Type") != "text/css; charset=utf-8" {
			t.Errorf("%s: %q, want %q", name, a.body, c.want)
		}
	}
	w := newWorld(t, func(o *app.Options) {
		o.Style = func(context.Context, *inbox.Session) (app.Style, error) { return app.Style{}, connector.ErrStore }
	})
	if a := w.get("/app/l/L1/style.css").want(200); a.body != "" {
		t.Errorf("an EHR that cannot be asked gives %q", a.body)
	}
}
