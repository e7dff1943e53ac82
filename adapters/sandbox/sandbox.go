// Package sandbox is the other side: an EHR (FHIR R4 and SMART) and a messaging platform on loopback, for `chartwire
// demo`, `chartwire sandbox` and the tests. They are counterparts that keep to the standards and refuse what does not.
package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	"github.com/chartwire/chartwire/adapters/sandbox/shell"
	"github.com/chartwire/chartwire/fhir/validate"
)

// EHROptions configure StartEHR. Now is required.
type EHROptions struct {
	// Addr is where to listen; "" means a free port on 127.0.0.1.
	Addr string
	// EHR: Base, Validate and Access are filled in; the rest is as given.
	EHR ehr.Options
	// Auth: Issuer, FHIRBase and Now are filled in. The authorization server always runs; Traits.Auth makes it count.
	Auth auth.Options
	// Clients are registered before the first request.
	Clients []auth.Client
	// Path is where FHIR is below the origin; "" is /fhir.
	Path string
	// Browsers are the origins of apps that call from a browser (CORS), without credentials of its own.
	Browsers []string
}

// EHR is a sandbox EHR with its authorization server.
type EHR struct {
	*ehr.Server
	Auth   *auth.Server
	origin string
	web    *listener // nil in process
	now    func() time.Time
	ended  atomic.Bool
	beside func(*http.Request) func(*http.Request) *ehr.Response // who answers instead of FHIR; nil for nobody
	shell  atomic.Pointer[shell.Shell]                           // the EHR's own pages; nil before OpenShell
	cors   map[string]bool
}

// gate is shared: its tables are large and it is safe for concurrent use.
var gate = sync.OnceValue(validate.New)

// StartEHR listens and serves until Close or until ctx ends. FHIR is at URL()/fhir, which Base() returns.
func StartEHR(ctx context.Context, opts EHROptions) (*EHR, error) {
	return start(ctx, opts, func(*EHR) error { return nil })
}

// start is StartEHR with something put beside FHIR before the first request.
func start(ctx context.Context, opts EHROptions, add func(*EHR) error) (*EHR, error) {
	web, err := listen(opts.Addr)
	if err != nil {
		return nil, err
	}
	e, err := newEHR(web.url, opts)
	if err == nil {
		err = add(e)
	}
	if err != nil {
		return nil, errors.Join(err, web.listener.Close())
	}
	e.web, web.refusing = web, e.Refusing
	web.serve(ctx, http.HandlerFunc(e.route), e.Close)
	return e, nil
}

func newEHR(origin string, opts EHROptions) (*EHR, error) {
	base := origin + cmp.Or(opts.Path, "/fhir")
	opts.Auth.Issuer, opts.Auth.FHIRBase, opts.Auth.Now = origin+"/auth", base, opts.EHR.Now
	opts.Auth.AsSpelled = opts.EHR.Traits.Vendor == "oracle" // what people report of it: docs/ehrs/oracle.md
	as, err := auth.New(opts.Auth)
	if err != nil {
		return nil, err
	}
	for _, c := range opts.Clients {
		if err := as.Register(c); err != nil {
			return nil, err
		}
	}
	opts.EHR.Base, opts.EHR.Validate, opts.EHR.Access = base, gate().Base, as
	server, err := ehr.New(opts.EHR)
	if err != nil {
		return nil, err
	}
	e := &EHR{Server: server, Auth: as, origin: origin, now: opts.EHR.Now, cors: map[string]bool{}}
	for _, o := range opts.Browsers {
		e.cors[o] = true
	}
	return e, nil
}

func (e *EHR) route(w http.ResponseWriter, r *http.Request) {
	if pages := e.shell.Load(); pages != nil && strings.HasPrefix(r.URL.Path, "/shell/") {
		pages.ServeHTTP(w, r)
		return
	}
	if e.crossOrigin(w, r) {
		return
	}
	e.Send(w, r, e.exchange(r))
}

// crossOrigin answers a preflight, and lets a known app's browser read what is answered (Fetch standard, CORS protocol). It
// says whether that was all.
func (e *EHR) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if !e.cors[origin] {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT")
	h.Set("Access-Control-Allow-Headers", "authorization, content-type, if-match, if-none-exist, prefer")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// OpenShell serves the EHR's own pages at URL()/shell/ from now on, with the app that is launched at launchURL in a frame. It
// gives their handler, for who wants them at another address, too.
func (e *EHR) OpenShell(launchURL string) (http.Handler, error) {
	pages, err := shell.New(shell.Options{Chart: e.Server, Auth: e.Auth, LaunchURL: launchURL, Base: e.Base(), StyleURL: e.origin + "/shell/style.json"})
	if err != nil {
		return nil, err
	}
	e.shell.Store(pages)
	return pages, nil
}

// URL is the server's origin.
func (e *EHR) URL() string { return e.origin }

func (e *EHR) closed() bool { return e.ended.Load() }

// Close stops the server, lets go of hanging requests and waits for notifications under way to end.
func (e *EHR) Close() {
	e.ended.Store(true)
	e.Server.Close()
	if e.web != nil {
		e.web.close()
	}
}

// Platform is a running sandbox messaging platform.
type Platform struct {
	*platform.Platform
	secret string
	web    *listener
}

// StartPlatform listens on addr ("" means a free port on 127.0.0.1) and serves until Close or until ctx ends. Options.Base
// is filled in; without Secrets one is made up.
func StartPlatform(ctx context.Context, addr string, opts platform.Options) (*Platform, error) {
	web, err := listen(addr)
	if err != nil {
		return nil, err
	}
	opts.Base = web.url
	if len(opts.Secrets) == 0 {
		opts.Secrets = []string{NewSecret()}
	}
	p, err := platform.New(opts)
	if err != nil {
		return nil, errors.Join(err, web.listener.Close())
	}
	out := &Platform{Platform: p, secret: opts.Secrets[0], web: web}
	web.serve(ctx, p, out.Close)
	return out, nil
}

// NewSecret makes a random Standard Webhooks secret of 256 bits.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(b[:])
}

// URL is the platform's origin: the channel's media origin.
func (p *Platform) URL() string { return p.web.url }

// SendURL is where messages are posted: the channel's send_url.
func (p *Platform) SendURL() string { return p.web.url + "/messages" }

// Secret is the whsec_ secret events are signed with.
func (p *Platform) Secret() string { return p.secret }

// Close stops the server and the driver.
func (p *Platform) Close() {
	p.Platform.Close()
	p.web.close()
}

// listener is one loopback HTTP server.
type listener struct {
	url      string
	listener net.Listener
	server   *http.Server
	refusing func() bool // nil for never
	done     chan struct{}
	once     sync.Once
}

func listen(addr string) (*listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("sandbox: cannot listen on %s: %w", addr, err)
	}
	return &listener{url: "http://" + l.Addr().String(), listener: l, done: make(chan struct{})}, nil
}

// Accept is net.Listener. While the EHR refuses connections each is reset before a byte of it is read: a port cannot be
// closed for a while without another program taking it.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.listener.Accept()
		if err != nil || l.refusing == nil || !l.refusing() {
			return c, err
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}

// Addr is net.Listener.
func (l *listener) Addr() net.Addr { return l.listener.Addr() }

// Close is net.Listener.
func (l *listener) Close() error { return l.listener.Close() }

func (l *listener) serve(ctx context.Context, h http.Handler, closeAll func()) {
	l.server = &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second}
	go func() {
		defer close(l.done)
		_ = l.server.Serve(l) // ends with ErrServerClosed
	}()
	context.AfterFunc(ctx, closeAll)
}

func (l *listener) close() {
	l.once.Do(func() {
		_ = l.server.Close()
		<-l.done
	})
}
