package egress

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// net/http reads the proxy variables once a process: they are set for all tests.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		if err := os.Setenv(name, "http://127.0.0.1:1"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func guard(t testing.TB, o Options) *Guard {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.CloseIdle)
	return g
}

func client(t testing.TB, g *Guard, l Limits, origins ...string) *http.Client {
	t.Helper()
	c, err := g.Client("test", origins, l)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fail does a request that must fail, and checks what holds of every failure.
func fail(t testing.TB, c *http.Client, req *http.Request) *Error {
	t.Helper()
	resp, err := c.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	var own *Error
	if !errors.As(err, &own) {
		t.Fatalf("error %v (%T) wraps no *Error", err, err)
	}
	if cleaned := Clean(err); cleaned != error(own) || strings.Contains(cleaned.Error(), "secret") || strings.Contains(cleaned.Error(), "/path") {
		t.Errorf("Clean = %v", cleaned)
	}
	if own.NotSent() != errors.Is(err, ErrNotSent) {
		t.Errorf("NotSent and ErrNotSent differ: %v", own)
	}
	return own
}

func get(t testing.TB, url string) *http.Request {
	t.Helper()
	return request(t, t.Context(), http.MethodGet, url, "")
}

func request(t testing.TB, ctx context.Context, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func ok(t testing.TB, c *http.Client, req *http.Request) *http.Response {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestOrigin(t *testing.T) {
	for raw, want := range map[string]string{
		"https://EHR.Example/fhir/r4":     "https://ehr.example:443",
		"HTTPS://ehr.example:443":         "https://ehr.example:443",
		"https://ehr.example:8443/?x=1":   "https://ehr.example:8443",
		"https://10.1.2.3":                "https://10.1.2.3:443",
		"https://[2001:db8::1]:8443":      "https://[2001:db8::1]:8443",
		"https://[2001:DB8::1]/":          "https://[2001:db8::1]:443",
		"http://localhost:8080":           "http://localhost:8080",
		"http://127.9.9.9":                "http://127.9.9.9:80",
		"http://[::1]:80/x":               "http://[::1]:80",
		"http://ehr.example":              "",
		"http://10.1.2.3":                 "",
		"http://[::ffff:127.0.0.1]":       "",
		"http://localhost.evil.example":   "",
		"http://127.1":                    "",
		"https://user:secret@ehr.example": "",
		"https://user@ehr.example":        "",
		"https://":                        "",
		"https:///path":                   "",
		"https:ehr.example":               "",
		"ehr.example":                     "",
		"//ehr.example":                   "",
		"file:///etc/passwd":              "",
		"gopher://ehr.example":            "",
		"https://ehr.exämple":             "",
		"https://ehr。example":             "",
		"https://１２７.0.0.1":               "",
		"https://[fe80::1%25eth0]":        "",
		"https://ehr.example%2f.evil/":    "",
		"https://ehr example":             "",
		"https://ehr.example:port":        "",
		"https://secret\x7f":              "",
	} {
		got, err := Origin(raw)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Origin(%q) = %q, %v, want %q", raw, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error repeats a secret: %v", err)
		}
	}
}

// One configured origin, and every URL that is near it but not on it, or that
// tries to smuggle another target in. None may cause as much as a name look-up.
func TestOnlyConfiguredOrigins(t *testing.T) {
	var asked atomic.Int32
	g := guard(t, Options{Resolver: resolver(t, func(string) []string { asked.Add(1); return nil })})
	c := client(t, g, Limits{}, "https://ehr.example/fhir/r4", "http://127.0.0.1:1")
	for _, url := range []string{
		"http://ehr.example/", "http://ehr.example:443/", "https://ehr.example:8443/", "https://ehr.example:80/",
		"https://ehr.example./", "https://ehr.example.evil.example/", "https://evil.example/", "https://evil.example/ehr.example",
		"https://evil.example#ehr.example", "https://evil.example?ehr.example", "https://ehr.example@evil.example/",
		"https://user:secret@ehr.example/", "https://xehr.example/", "https://sub.ehr.example/", "https://example/",
		"https://127.0.0.1/", "http://127.0.0.1/", "http://127.0.0.1:2/", "http://127.0.0.2:1/", "http://localhost:1/",
		"http://[::1]:1/", "http://[::ffff:127.0.0.1]:1/", "http://0x7f.1:1/", "http://0x7f000001:1/", "http://2130706433:1/",
		"http://017700000001:1/", "http://127.1:1/", "http://0:1/", "http://0.0.0.0:1/", "http://[::]:1/",
		"http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "http://[fd00:ec2::254]/",
		"http://metadata.google.internal/", "http://100.100.100.200/", "https://[::ffff:169.254.169.254]/",
		"https://[64:ff9b::a9fe:a9fe]/", "https://ⓔhr.example/", "https://ehr.example%00.evil.example/",
		"file:///etc/passwd", "ftp://ehr.example/", "unix:///run/x.sock", "//ehr.example/", "/relative", "",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://ehr.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		u, err := req.URL.Parse(url)
		if err != nil {
			continue // not even a URL
		}
		if !strings.HasPrefix(url, "/") && url != "" {
			req.URL = u
		} else {
			req.URL.Scheme, req.URL.Host = u.Scheme, "" // relative: no host at all
		}
		req.Host = ""
		resp, err := c.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		if req.URL.Host == "" { // net/http itself refuses some of these
			if err == nil {
				t.Errorf("%s was requested", url)
			}
			continue
		}
		if !errors.Is(err, ErrOriginRefused) || !errors.Is(err, ErrNotSent) {
			t.Errorf("%s: %v, want ErrOriginRefused and ErrNotSent", url, Clean(err))
		}
		if s := Clean(err).Error(); strings.Contains(s, "secret") || strings.Contains(s, "evil") || strings.Contains(s, "meta-data") {
			t.Errorf("%s: the error repeats the URL: %s", url, s)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d names were looked up for refused origins", n)
	}
	req := get(t, "https://ehr.example/")
	req.Host = "evil.example"
	if e := fail(t, c, req); e.Kind != KindOrigin {
		t.Errorf("another Host header: %v", e)
	}
}

func TestAddresses(t *testing.T) {
	for addr, good := range map[string]bool{
		"93.184.216.34:443": true, "10.1.2.3:443": true, "172.16.0.1:443": true, "192.168.1.1:8443": true,
		"100.64.0.1:443": true, "[2606:2800:220::1]:443": true, "[fd12:3456::1]:443": true,
		"127.0.0.1:443": false, "127.255.255.254:443": false, "0.0.0.0:443": false, "0.1.2.3:443": false,
		"169.254.169.254:80": false, "169.254.0.1:443": false, "100.100.100.200:80": false, "168.63.129.16:80": false,
		"192.0.0.192:80": false, "224.0.0.1:443": false, "239.255.255.250:443": false, "255.255.255.255:443": false, "240.0.0.1:443": false,
		"[::]:443": false, "[::1]:443": false, "[::127.0.0.1]:443": false, "[fe80::1]:443": false, "[fe80::1%eth0]:443": false,
		"[fec0::1]:443": false, "[ff02::1]:443": false, "[ff05::2]:443": false, "[fd00:ec2::254]:80": false, "[fd20:ce::254]:80": false,
		"[::ffff:127.0.0.1]:443": false, "[::ffff:169.254.169.254]:443": false, "[::ffff:0.0.0.0]:443": false, "[::ffff:10.0.0.1]:443": true,
		"[64:ff9b::7f00:1]:443": false, "[64:ff9b:1::1]:443": false, "[2002:7f00:1::]:443": false, "[2001:0:7f00:1::]:443": false,
		"ehr.example:443": false, "": false,
	} {
		if err := checkAddress(addr, false, nil); (err == nil) != good || err != nil && !errors.Is(err, ErrAddressRefused) {
			t.Errorf("%s for a name: %v, want good = %v", addr, err, good)
		}
	}
	for addr, good := range map[string]bool{
		"127.0.0.1:80": true, "127.5.5.5:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"10.1.2.3:80": false, "93.184.216.34:80": false, "169.254.169.254:80": false, "0.0.0.0:80": false, "[fe80::1]:80": false,
	} {
		if err := checkAddress(addr, true, nil); (err == nil) != good {
			t.Errorf("%s for a loopback literal: %v, want good = %v", addr, err, good)
		}
	}
}

// resolver answers every name with what answer gives (dotted or colon form).
func resolver(t testing.TB, answer func(name string) []string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			q := m.Questions[0]
			reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
			for _, s := range answer(strings.TrimSuffix(q.Name.String(), ".")) {
				ip, h := net.ParseIP(s), dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}
				switch {
				case q.Type == dnsmessage.TypeA && !strings.Contains(s, ":"):
					reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: [4]byte(ip.To4())}})
				case q.Type == dnsmessage.TypeAAAA && strings.Contains(s, ":"):
					reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: [16]byte(ip.To16())}})
				}
			}
			out, err := reply.Pack()
			if err != nil {
				continue
			}
			_, _ = pc.WriteTo(out, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// A configured name that its name server points at this machine. (The other
// networks are in TestAddresses: a test that fails must not reach out to them.)
func TestRebindingIsRefused(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") }))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	var mu sync.Mutex
	var current []string
	g := guard(t, Options{Resolver: resolver(t, func(string) []string { mu.Lock(); defer mu.Unlock(); return current })})
	c := client(t, g, Limits{}, "https://ehr.example:"+port)
	for _, to := range [][]string{
		{"127.0.0.1"}, {"127.9.9.9"}, {"::1"}, {"::ffff:127.0.0.1"}, {"0.0.0.0"}, {"::"}, {"127.0.0.1", "::1"},
	} {
		mu.Lock()
		current = to
		mu.Unlock()
		e := fail(t, c, get(t, "https://ehr.example:"+port+"/path?secret"))
		if !errors.Is(e, ErrAddressRefused) || e.Kind != KindAddress || !e.NotSent() {
			t.Errorf("a name that resolves to %v: %v", to, e)
		}
	}
	mu.Lock()
	current = nil
	mu.Unlock()
	if e := fail(t, c, get(t, "https://ehr.example:"+port+"/path")); e.Kind != KindName || !e.NotSent() {
		t.Errorf("a name that does not resolve: %v", e)
	}
}

func TestClientRefusesBadConfiguration(t *testing.T) {
	g := guard(t, Options{Origins: []string{"https://ehr.example/fhir"}})
	for _, origins := range [][]string{nil, {}, {"http://ehr.example"}, {"https://other.example"}, {"https://ehr.example", "https://other.example"}, {"nonsense"}} {
		if _, err := g.Client("fhir", origins, Limits{}); err == nil {
			t.Errorf("origins %v were taken", origins)
		}
	}
	if _, err := g.Client("fhir", []string{"https://EHR.example:443/other"}, Limits{}); err != nil {
		t.Errorf("another path on the configured origin: %v", err)
	}
	dir := t.TempDir()
	noPEM := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(noPEM, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"origin": {Origins: []string{"ftp://x"}}, "no file": {CAFile: filepath.Join(dir, "none")}, "no PEM": {CAFile: noPEM},
		"proxy": {Proxy: "socks5://user:secret@p"}, "proxy without host": {Proxy: "p:8080"}, "proxy not a URL": {Proxy: "http://secret\x7f"},
	} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestREQ230_318_TLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("spoken: %s", r.Proto)
		}
	}))
	srv.EnableHTTP2 = true // offered, and not to be taken
	srv.StartTLS()
	defer srv.Close()
	e := fail(t, client(t, guard(t, Options{}), Limits{}, srv.URL), get(t, srv.URL+"/path?secret"))
	if e.Kind != KindTLS || !e.NotSent() || !strings.Contains(e.Error(), "authority") {
		t.Errorf("a certificate nobody trusts: %v", e)
	}
	g := guard(t, Options{CAFile: caFile(t, srv)})
	resp := ok(t, client(t, g, Limits{}, srv.URL), get(t, srv.URL+"/path"))
	if resp.TLS == nil || resp.TLS.Version < 0x0303 {
		t.Errorf("TLS state %v", resp.TLS)
	}
	byName := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	if e := fail(t, client(t, g, Limits{}, byName), get(t, byName+"/path")); e.Kind != KindTLS || !strings.Contains(e.Error(), "another host") {
		t.Errorf("a certificate for another host: %v", e)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	asTLS := strings.Replace(plain.URL, "http:", "https:", 1)
	if e := fail(t, client(t, g, Limits{}, asTLS), get(t, asTLS)); !e.NotSent() {
		t.Errorf("https to a server of plain http: %v", e)
	}
	for _, old := range []uint16{0x0301, 0x0302} {
		weak := httptest.NewUnstartedServer(http.NotFoundHandler())
		weak.EnableHTTP2 = false
		weak.StartTLS()
		weak.TLS.MaxVersion, weak.TLS.MinVersion = old, old
		if e := fail(t, client(t, guard(t, Options{CAFile: caFile(t, weak)}), Limits{}, weak.URL), get(t, weak.URL)); e.Kind != KindTLS || !e.NotSent() {
			t.Errorf("TLS version %#x: %v", old, e)
		}
		weak.Close()
	}
}

func caFile(t testing.TB, srv *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Neither the environment nor an answer may send a request elsewhere.
func TestNoProxyNoRedirect(t *testing.T) {
	nameless := guard(t, Options{Resolver: resolver(t, func(string) []string { return nil })})
	if e := fail(t, client(t, nameless, Limits{}, "https://ehr.example"), get(t, "https://ehr.example/path")); e.Kind != KindName {
		t.Errorf("with a proxy in the environment: %v, want the host itself to be looked up", e)
	}
	var hits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		w.Header().Set("Location", "http://169.254.169.254/latest/")
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	c := client(t, guard(t, Options{}), Limits{}, srv.URL)
	resp := ok(t, c, request(t, t.Context(), http.MethodPost, srv.URL, "body"))
	if resp.StatusCode != http.StatusTemporaryRedirect || hits.Load() != 1 || c.Jar != nil {
		t.Errorf("status %d after %d requests", resp.StatusCode, hits.Load())
	}
}

func TestProxyOnlyWhereConfigured(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "ehr.example:443" {
			t.Errorf("the proxy was asked for %s %s", r.Method, r.Host)
		}
		http.Error(w, "secret", http.StatusForbidden)
	}))
	defer proxy.Close()
	direct := httptest.NewServer(http.NotFoundHandler())
	defer direct.Close()
	c := client(t, guard(t, Options{Proxy: proxy.URL}), Limits{}, "https://ehr.example", direct.URL)
	if e := fail(t, c, get(t, "https://ehr.example/path?secret")); !e.NotSent() {
		t.Errorf("a proxy that refuses: %v", e)
	}
	if resp := ok(t, c, get(t, direct.URL)); resp.StatusCode != http.StatusNotFound {
		t.Errorf("loopback went by the proxy: %d", resp.StatusCode)
	}
}
