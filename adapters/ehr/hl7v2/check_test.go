package hl7v2

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	sandboxengine "github.com/chartwire/chartwire/adapters/sandbox/engine"
	"github.com/chartwire/chartwire/connector"
)

// checked is what a Check over a way to an engine found.
func checked(t *testing.T, dial func(context.Context) (net.Conn, error)) connector.Preflight {
	t.Helper()
	e := New(Options{Policy: policy("", ""), Dial: dial, Now: time.Now})
	t.Cleanup(func() { _ = e.Close() })
	p, err := e.Check(t.Context())
	if err != nil || len(p.Capabilities) != 2 {
		t.Fatalf("%v: %+v", err, p)
	}
	return p
}

func to(addr string, c *tls.Config) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil || c == nil {
			return conn, err
		}
		return tls.Client(conn, c), nil
	}
}

func factOf(t *testing.T, p connector.Preflight, name string) connector.Fact {
	t.Helper()
	for _, f := range p.Facts {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no fact %q in %+v", name, p.Facts)
	return connector.Fact{}
}

// TestCheckOfTheSandboxEngine: it is connected to and nothing is sent; what only a document proves stays unknown.
func TestCheckOfTheSandboxEngine(t *testing.T) {
	n, err := sandbox.StartEngine(context.WithoutCancel(t.Context()), "", sandboxengine.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	p := checked(t, to(strings.TrimPrefix(n.URL(), "mllp://"), nil))
	connect, send := p.Capabilities[0], p.Capabilities[1]
	if connect.Name() != "MLLP connect" || connect.Granted != connector.KnownYes || connect.Proven != connector.KnownYes || connect.By != "now" || connect.Gap != nil {
		t.Errorf("%+v", connect)
	}
	if send.Name() != "MDM send" || !send.Needed || send.Declared != connector.NotKnown || send.Proven != connector.NotKnown || send.Gap != nil {
		t.Errorf("%+v", send)
	}
	if len(n.Arrivals()) != 0 || len(n.Documents()) != 0 {
		t.Error("something was sent")
	}
}

// elsewhere is a connection whose other end is another machine.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 20, 30, 40), Port: 2575} }

// refusing is the guarded dialer's error for an address it does not connect to.
type refusing struct{ error }

func (refusing) AddressRefused() bool { return true }

// TestCheckOfPlaintext: that nothing is encrypted is said, and to another machine it is to be mended; a name that was bent to
// another network is told from an engine that is down.
func TestCheckOfPlaintext(t *testing.T) {
	n, err := sandbox.StartEngine(context.WithoutCancel(t.Context()), "", sandboxengine.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	here := to(strings.TrimPrefix(n.URL(), "mllp://"), nil)
	if f := factOf(t, checked(t, here), "connection"); f.Good != connector.NotKnown || f.Gap != nil || !strings.Contains(f.Value, "on this machine") {
		t.Errorf("on this machine: %+v", f)
	}
	p := checked(t, func(ctx context.Context) (net.Conn, error) { c, err := here(ctx); return elsewhere{c}, err })
	if f := factOf(t, p, "connection"); f.Good != connector.KnownNo || !strings.Contains(f.Value, "PLAINTEXT") || f.Gap == nil || f.Gap.Who != connector.FixInterface || !strings.HasPrefix(f.Gap.Text, "PLAINTEXT: ") {
		t.Errorf("to another machine: %+v", f)
	}
	if c := p.Capabilities[0]; c.Proven != connector.KnownYes || c.Gap != nil {
		t.Errorf("it files all the same: %+v", c)
	}
	p = checked(t, func(context.Context) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: refusing{errors.New("secret.example is 1.2.3.4")}}
	})
	if g := p.Capabilities[0].Gap; g == nil || !strings.Contains(g.Text, "outside plaintext_to") || strings.Contains(g.Text, "1.2.3.4") {
		t.Errorf("%+v", g)
	}
}

// piped is a way to an engine that hangs up when something has come, or at once. nil is plaintext.
func piped(engine, ours *tls.Config, atOnce bool) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) {
		here, there := net.Pipe()
		if engine != nil {
			there = tls.Server(there, engine)
		}
		go func() {
			if !atOnce {
				_, _ = there.Read(make([]byte, 1)) // makes the handshake
			}
			_ = there.Close()
		}()
		if ours == nil {
			return here, nil
		}
		return tls.Client(here, ours), nil
	}
}

// TestCheckSaysWhoActs: each way an engine is not reached, and the end of its certificate.
func TestCheckSaysWhoActs(t *testing.T) {
	site := httptest.NewUnstartedServer(nil)
	site.StartTLS()
	t.Cleanup(site.Close)
	pool := x509.NewCertPool()
	pool.AddCert(site.Certificate())
	both := site.TLS.Certificates
	trusting := &tls.Config{RootCAs: pool, ServerName: "example.com"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	for name, c := range map[string]struct {
		engine *tls.Config // nil: plaintext
		ours   *tls.Config
		hangUp bool
		closed bool
		says   string // "" is reached
	}{
		"TLS":                          {engine: &tls.Config{Certificates: both}, ours: trusting},
		"mutual TLS":                   {engine: &tls.Config{Certificates: both, ClientCAs: pool, ClientAuth: tls.RequireAnyClientCert}, ours: &tls.Config{RootCAs: pool, ServerName: "example.com", Certificates: both}},
		"our certificate is missing":   {engine: &tls.Config{Certificates: both, ClientAuth: tls.RequireAnyClientCert}, ours: trusting, says: "hung up at once: the interface engineer must let it take connections from this machine, and trust the certificate that tls.cert_file"},
		"its authority is not trusted": {engine: &tls.Config{Certificates: both}, ours: &tls.Config{ServerName: "example.com"}, says: "TLS failed (its certificate is of an authority that is not trusted here"},
		"plaintext where TLS is meant": {ours: trusting, says: "TLS failed"},
		"hangs up":                     {hangUp: true, says: "hung up at once"},
		"nobody there":                 {closed: true, says: "cannot be reached (the connection is refused)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // so that no engine is listened to for less than it takes to hang up
				dial := piped(c.engine, c.ours, c.hangUp)
				if c.closed {
					dial = to(nobody, nil)
				}
				p := checked(t, dial)
				connect := p.Capabilities[0]
				if c.says == "" {
					if connect.Proven != connector.KnownYes || connect.Gap != nil || factOf(t, p, "TLS chain").Good != connector.KnownYes {
						t.Errorf("%+v %+v", connect, connect.Gap)
					}
					return
				}
				if connect.Proven != connector.KnownNo || connect.Gap == nil || connect.Gap.Who != connector.FixInterface || !strings.Contains(connect.Gap.Text, c.says) {
					t.Errorf("%+v %+v", connect, connect.Gap)
				}
				if send := p.Capabilities[1]; send.Gap == nil || *send.Gap != *connect.Gap {
					t.Errorf("%+v", send)
				}
			})
		})
	}
	end := site.Certificate().NotAfter
	late := New(Options{Policy: policy("", ""), Now: func() time.Time { return end.Add(-24 * time.Hour) }, Dial: to(site.Listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "example.com"})})
	p, err := late.Check(t.Context())
	if f := factOf(t, p, "TLS chain"); err != nil || f.Good != connector.KnownNo || f.Gap.Who != connector.FixInterface || !strings.Contains(f.Gap.Text, end.UTC().Format(time.DateOnly)) {
		t.Errorf("%+v %v", f, err)
	}
}
