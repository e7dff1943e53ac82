package browser

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

var (
	program  = flag.String("chromium", "", "Chromium's program; without it no browser is driven")
	packages = flag.String("packages", "", "folder that keeps archives of npm")
)

// Where the two sides are: two sites, as a hospital's EHR and an app beside it are.
const (
	ehrHost = "ehr.hospital.test"
	appHost = "app.chartwire.test"
	ehrSite = "https://" + ehrHost
	appSite = "https://" + appHost
)

// need is for tests that drive a browser.
func need(t *testing.T) {
	t.Helper()
	if *program == "" {
		t.Skip("SKIPPED, NOT RUN: no browser is named by -chromium: make browser installs one and runs this")
	}
}

// site is the two hosts over TLS, and what the app's was asked.
type site struct {
	authority *Authority
	hosts     map[string]string
	app       *Record
}

func serveSite(t *testing.T, ehr, app http.Handler) *site {
	t.Helper()
	record, _ := app.(*Record)
	if record == nil {
		record = Before(app)
	}
	s := &site{app: record, hosts: map[string]string{}}
	var err error
	if s.authority, err = NewAuthority(time.Now(), ehrHost, appHost); err != nil {
		t.Fatal(err)
	}
	for host, h := range map[string]http.Handler{ehrHost: ehr, appHost: record} {
		if s.hosts[host], err = s.authority.Serve(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// browse starts a browser of its own.
func (s *site) browse(t *testing.T, c Cookies) *Browser {
	t.Helper()
	need(t)
	dir, err := os.MkdirTemp("", "chartwire-browser-")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Start(context.WithoutCancel(t.Context()), Options{Program: *program, Authority: s.authority, Hosts: s.hosts, Cookies: c, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Close()
		if err := remove(dir, 5*time.Second); err != nil {
			t.Error(err)
		}
	})
	return b
}

// remove removes a profile that the last of a browser's processes may still write into for some time: they are no children of ours,
// so that their end is not told.
func remove(dir string, within time.Duration) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for late := time.After(within); ; {
		err := os.RemoveAll(dir)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-late:
			return err
		}
	}
}

func open(t *testing.T, b *Browser, address string) *Page {
	t.Helper()
	p, err := b.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func frame(t *testing.T, p *Page, place string, ends ...string) *Page {
	t.Helper()
	f, err := p.Frame(place, ends...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func text(t *testing.T, p *Page, place string) string {
	t.Helper()
	s, err := p.Text(place)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// toy is an EHR's page with an app in a frame, whose launch goes by the EHR and back: the tests below hold the harness to it.
func toy(t *testing.T) *site {
	page := func(w http.ResponseWriter, csp, body string) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if csp != "" {
			w.Header().Set("Content-Security-Policy", csp)
		}
		fmt.Fprintf(w, `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>toy</title><main><h1>Toy</h1>%s</main></html>`, body)
	}
	ehr := http.NewServeMux()
	ehr.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		page(w, "", `<iframe id="messages" title="app" width="600" height="300" src="/begin"></iframe>`)
	})
	ehr.HandleFunc("GET /begin", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, appSite+"/launch", http.StatusFound) })
	ehr.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, appSite+"/good", http.StatusFound) })
	const strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-ancestors " + ehrSite
	app := http.NewServeMux()
	app.HandleFunc("GET /launch", func(w http.ResponseWriter, r *http.Request) {
		for _, c := range []string{"__Host-partitioned=1; Path=/; Secure; HttpOnly; SameSite=None; Partitioned", "__Host-third=1; Path=/; Secure; HttpOnly; SameSite=None", "__Host-lax=1; Path=/; Secure; HttpOnly; SameSite=Lax"} {
			w.Header().Add("Set-Cookie", c)
		}
		http.Redirect(w, r, ehrSite+"/authorize", http.StatusFound)
	})
	app.HandleFunc("GET /good", func(w http.ResponseWriter, r *http.Request) {
		page(w, strict, `<p id="cookies">[`+r.Header.Get("Cookie")+`]</p><button id="say">Say it</button><p id="said">-</p><label for="words">Words</label> <input id="words"><script src="/toy.js"></script><link rel="stylesheet" href="/toy.css">`)
	})
	app.HandleFunc("GET /bad", func(w http.ResponseWriter, r *http.Request) {
		page(w, strict, `<img src="/none.png" onerror="alert(1)"><script>document.title='taken'</script><script src="/alert.js"></script><p style="color:#777;background:#888">hard to read</p>`)
	})
	for name, src := range map[string]string{
		"toy.js":   `document.getElementById('say').onclick = async () => { document.getElementById('said').textContent = await (await fetch('/words')).text() }`,
		"alert.js": `alert('hello'); setTimeout(() => { throw new Error('uncaught') }, 0)`,
		"toy.css":  `:root{color-scheme:light dark} body{background:#fff;color:#111} @media(prefers-color-scheme:dark){body{background:#111;color:#eee}}`,
		"words":    strings.Repeat("w", 1000),
	} {
		app.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", map[string]string{"toy.css": "text/css", "words": "text/plain"}[name])
			if strings.HasSuffix(name, ".js") {
				w.Header().Set("Content-Type", "text/javascript")
			}
			_, _ = w.Write([]byte(src))
		})
	}
	return serveSite(t, ehr, app)
}

// TestCookieModes: each of the settings does in a frame of another site what its name says, and a launch that goes by the other
// site comes back into the same frame.
func TestCookieModes(t *testing.T) {
	need(t)
	s := toy(t)
	for mode, want := range map[Cookies]string{Allowed: "[__Host-partitioned=1; __Host-third=1]", ThirdParty: "[__Host-partitioned=1]", Refused: "[]"} {
		t.Run(string(mode), func(t *testing.T) {
			p := open(t, s.browse(t, mode), ehrSite+"/")
			f := frame(t, p, "#messages", appSite+"/good")
			if got := text(t, f, "#cookies"); got != want && (mode != Allowed || got != "[__Host-third=1; __Host-partitioned=1]") {
				t.Errorf("in the frame: %s, want %s", got, want)
			}
		})
	}
}

// TestTrust: the browser trusts the authority for the names it certified, and finds no host but those it is told.
func TestTrust(t *testing.T) {
	need(t)
	s := toy(t)
	s.hosts["wrong.test"] = s.hosts[appHost]
	b := s.browse(t, Allowed)
	open(t, b, appSite+"/good")
	for address, want := range map[string]string{"https://wrong.test/": "ERR_CERT_COMMON_NAME_INVALID", "https://unknown.test/": "ERR_NAME_NOT_RESOLVED"} {
		if _, err := b.Open(address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
	if _, err := Start(t.Context(), Options{Program: *program, Authority: s.authority, Cookies: "some", Dir: t.TempDir()}); err == nil {
		t.Error("a browser started with a cookie setting nobody knows")
	}
}

// TestSeen: a bad page's dialogs, violations and exceptions are seen, in a tab and in a frame; a good one has none.
func TestSeen(t *testing.T) {
	need(t)
	s := toy(t)
	b := s.browse(t, ThirdParty)
	p := open(t, b, ehrSite+"/")
	f := frame(t, p, "#messages", appSite+"/good")
	if !truth(t, f, "new Promise(tell => document.readyState === 'complete' ? tell(true) : addEventListener('load', () => tell(true)))") {
		t.Fatal("the page is not whole") // what it still asks for would count as asked by the click
	}
	mark := s.app.Mark()
	done(t, f.Click(Called("button", "Say it")))
	done(t, f.See(Saying("p", "wwww")))
	if d, v, x := b.Seen.Dialogs(), b.Seen.Violations(), b.Seen.Exceptions(); len(d)+len(v)+len(x) > 0 {
		t.Errorf("a good page has %q %q %q", d, v, x)
	}
	asked := s.app.Since(mark)
	if len(asked) != 1 || asked[0].URL != appSite+"/words" || asked[0].Body != 1000 || Weight(asked) <= 1000 || Weight(asked) > 1300 {
		t.Errorf("the origin was asked %+v", asked)
	}
	done(t, p.Go(appSite+"/bad"))
	done(t, p.See("h1"))
	done(t, p.Go(appSite+"/good")) // what the bad page did has been told by now
	if got := b.Seen.Dialogs(); len(got) != 1 || got[0] != "alert: hello" {
		t.Errorf("dialogs %q", got)
	}
	got := strings.Join(b.Seen.Violations(), "\n")
	for _, want := range []string{"script-src-attr", "script-src-elem", "style-src-attr"} {
		if !strings.Contains(got, want) {
			t.Errorf("no violation of %s in %s", want, got)
		}
	}
	if got := b.Seen.Exceptions(); len(got) != 1 || !strings.Contains(got[0], "uncaught") {
		t.Errorf("exceptions %q", got)
	}
	if !strings.Contains(strings.Join(b.Seen.Requests(), "\n"), appSite+"/alert.js") {
		t.Errorf("requests %q", b.Seen.Requests())
	}
}

// TestClick: a press that a newer element takes away is done again, on that; and what was hit, even unheard by others, is pressed once.
func TestClick(t *testing.T) {
	need(t)
	p := open(t, toy(t).browse(t, Allowed), appSite+"/good")
	_, err := Get(p, evaluated(`(() => {
		const first = document.getElementById('say'), newer = first.cloneNode(true)
		first.addEventListener('mousedown', () => first.replaceWith(newer))
		document.addEventListener('click', e => {
			if (e.target !== newer) return
			e.stopPropagation()
			document.getElementById('said').append('+')
		}, true)
	})(), ''`))
	done(t, err)
	for _, want := range []string{"-+", "-++"} {
		done(t, p.Click(Called("button", "Say it")))
		if got := text(t, p, "#said"); got != want {
			t.Errorf("clicked: %s, want %s", got, want)
		}
	}
}

// TestRenewed: what an act did is seen at once, and the page that comes of it later; a step that follows is done in the latter.
func TestRenewed(t *testing.T) {
	need(t)
	p := open(t, toy(t).browse(t, Allowed), appSite+"/good")
	_, err := Get(p, evaluated(`(() => {
		const page = document.querySelector('main'), newer = page.cloneNode(true)
		page.id = newer.id = 'page'
		page.querySelector('button').onclick = () => {
			page.querySelector('#said').textContent = 'said'
			setTimeout(() => { page.replaceWith(newer) }, 300)
		}
	})(), ''`))
	done(t, err)
	done(t, p.Renewed(func() error { return errors.Join(p.Click("#say"), p.See("//p[@id='said'][.='said']")) }))
	if got := text(t, p, "#said"); got != "-" {
		t.Errorf("the page before is still there, and says %s", got)
	}
}

// TestAxe: axe-core finds what is hard to read and nothing on a good page; and it runs under a strict policy without being
// taken for a violation of it.
func TestAxe(t *testing.T) {
	need(t)
	axe, err := LoadAxe(t.Context(), *packages)
	if err != nil {
		t.Fatal(err)
	}
	s := toy(t)
	b := s.browse(t, Allowed)
	p := open(t, b, appSite+"/good")
	for _, theme := range []string{"light", "dark"} {
		done(t, p.Theme(theme))
		if got, err := axe.Violations(p); err != nil || len(got) > 0 {
			t.Errorf("%s: %q, %v", theme, got, err)
		}
	}
	if v := b.Seen.Violations(); len(v) > 0 {
		t.Errorf("axe-core broke the page's policy: %q", v)
	}
	done(t, p.Go(appSite+"/bad"))
	got, err := axe.Violations(p)
	if all := strings.Join(got, "\n"); err != nil || !strings.Contains(all, "image-alt critical") {
		t.Errorf("on a bad page: %s, %v", all, err)
	}
}

// TestPicture: a page is as wide as asked for, in both themes.
func TestPicture(t *testing.T) {
	need(t)
	p := open(t, toy(t).browse(t, Allowed), appSite+"/good")
	for theme, want := range map[string]uint32{"light": 0xff, "dark": 0x11} {
		for _, width := range []int64{400, 1280} {
			done(t, p.Theme(theme))
			b, err := p.Picture(width, 600)
			if err != nil {
				t.Fatal(err)
			}
			drawn, err := png.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if red, _, _, _ := drawn.At(1, 1).RGBA(); int64(drawn.Bounds().Dx()) != width || red>>8 != want {
				t.Errorf("%s at %d: %v, background %x", theme, width, drawn.Bounds(), red>>8)
			}
		}
	}
}

// TestPackage: an archive that is not the one that was chosen is refused, and so is a file that is not in it.
func TestPackage(t *testing.T) {
	dir := t.TempDir()
	done(t, os.WriteFile(dir+"/axe-core-4.14.1.tgz", []byte("something else"), 0o600))
	if _, err := axeCore.File(t.Context(), dir, "axe.min.js"); err == nil || !strings.Contains(err.Error(), "is not axe-core 4.14.1") {
		t.Errorf("%v", err)
	}
	need(t)
	if _, err := axeCore.File(t.Context(), *packages, "none.js"); err == nil || !strings.Contains(err.Error(), "no file package/none.js") {
		t.Errorf("%v", err)
	}
}

// TestQuoted: a text with any quotes is found.
func TestQuoted(t *testing.T) {
	for text, want := range map[string]string{`a`: `'a'`, `it's`: `"it's"`, `"it's"`: `concat('"it',"'",'s"')`} {
		if got := quoted(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
