package demo

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/cmd/cmdtest"
)

// browser keeps cookies as browsers do, Secure ones also from http on a loopback address: by host and not by port. One that a
// browser would throw away is an error. It runs no script.
type browser struct {
	t    *testing.T
	kept map[string]map[string]*http.Cookie // by host name, by name
	http *http.Client
}

func newBrowser(t *testing.T) *browser {
	b := &browser{t: t, kept: map[string]map[string]*http.Cookie{}}
	b.http = &http.Client{Jar: b}
	return b
}

func trusted(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

// SetCookies is http.CookieJar.
func (b *browser) SetCookies(u *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		switch {
		case c.Secure && !trusted(u):
			b.t.Errorf("%s sets %s, which is Secure, where nothing is", u.Host, c.Name)
		case strings.HasPrefix(c.Name, "__Host-") && (!c.Secure || c.Path != "/" || c.Domain != ""):
			b.t.Errorf("%s sets %s with Secure %v, Path %q and Domain %q", u.Host, c.Name, c.Secure, c.Path, c.Domain)
		case (c.SameSite == http.SameSiteNoneMode || c.Partitioned) && !c.Secure:
			b.t.Errorf("%s sets %s for other sites without Secure", u.Host, c.Name)
		case b.kept[u.Hostname()] == nil:
			b.kept[u.Hostname()] = map[string]*http.Cookie{c.Name: c}
		default:
			b.kept[u.Hostname()][c.Name] = c
		}
	}
}

// Cookies is http.CookieJar.
func (b *browser) Cookies(u *url.URL) (out []*http.Cookie) {
	for _, c := range b.kept[u.Hostname()] {
		if c.MaxAge >= 0 && (!c.Secure || trusted(u)) {
			out = append(out, &http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	return out
}

// open follows redirects to a page, and gives where it is.
func (b *browser) open(at string) (status int, body string, where *url.URL) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, at, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Request.URL
}

var (
	shellLink   = regexp.MustCompile(`open the EHR, and the inbox in it:\s+(\S+)`)
	patientLink = regexp.MustCompile(`<a href="(/shell/patient/[^"]+)">([^<]+)</a>`)
	frameLink   = regexp.MustCompile(`<iframe [^>]*src="([^"]+)"`)
	refreshLink = regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]+)">`)
)

// follow opens what a page leads to.
func (b *browser) follow(link *regexp.Regexp, body string, from *url.URL) (int, string, *url.URL) {
	b.t.Helper()
	found := link.FindStringSubmatch(body)
	if found == nil {
		b.t.Fatalf("%s leads nowhere by %s: %s", from.Path, link, body)
	}
	to, err := from.Parse(html.UnescapeString(found[1]))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.open(to.String())
}

// TestDuty43_46_LaunchFromThePrintedLink: whoever opens the address that the demo prints, and a patient there, is signed in to the
// inbox beside the chart, over the demo's own addresses and with the cookies it really sets.
func TestDuty43_46_LaunchFromThePrintedLink(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, errs, ended := &cmdtest.Output{}, &cmdtest.Output{}, make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Out: out, Err: errs, Dir: t.TempDir(), Events: []string{filepath.Join("..", "..", "testdata", "threads-contract", "proxy-with-photo.ndjson")}})
	}()
	b := newBrowser(t)
	status, body, at := b.open(out.Await(t, shellLink, ended)[1])
	patient := patientLink.FindStringSubmatch(body)
	if status != http.StatusOK || patient == nil {
		t.Fatalf("HTTP %d at %s: %s", status, at, body)
	}
	_, body, at = b.follow(patientLink, body, at)
	_, body, at = b.follow(frameLink, body, at) // to the app, whose page goes on to the EHR
	if !strings.HasPrefix(at.Path, "/launch/") || at.Query().Get("launch") == "" {
		t.Fatalf("the frame opens %s", at)
	}
	_, body, at = b.follow(refreshLink, body, at) // there and back, to the callback
	if at.Path != "/callback/sandbox" || at.Query().Get("code") == "" {
		t.Fatalf("the EHR leads to %s", at)
	}
	status, body, at = b.follow(refreshLink, body, at)
	if status != http.StatusOK || !strings.HasPrefix(at.Path, "/app/l/") || !strings.Contains(body, "Sign out") || !strings.Contains(body, patient[2]) {
		t.Fatalf("HTTP %d at %s, which is no page of %s: %s", status, at, patient[2], body)
	}
	kept := 0
	for name, c := range b.kept[at.Hostname()] {
		if !strings.HasPrefix(name, "__Host-cw") || !c.HttpOnly || c.SameSite != http.SameSiteNoneMode || !c.Partitioned {
			t.Errorf("the browser keeps %s", c)
		}
		kept++
	}
	if kept != 2 {
		t.Errorf("%d cookies, want the browser's and the session's", kept)
	}
	if status, _, _ := newBrowser(t).open(at.String()); status != http.StatusUnauthorized {
		t.Errorf("HTTP %d without the cookie", status)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, errs.String())
	}
}
