// Package egress is the one way out. Every request of Chartwire over HTTP, to
// an EHR, a token endpoint, a platform or its media, goes through a client of
// this package, which talks only to the origins the configuration names for that
// purpose, connects only to addresses such a name may stand for, follows no
// redirect, repeats nothing by itself, and says of a failure whether anything
// was sent.
//
// It speaks HTTP/1.1: with one request at a time on a connection, "no byte was
// written" is a fact that can be known, and the fence of a lease can be checked
// between getting the connection and writing to it.
//
// What speaks another protocol, MLLP, gets its connections from Stream: the same
// addresses are refused, and TLS is as strict.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options of New. The zero value is good: no ceiling on origins, the system's
// authorities, no proxy.
type Options struct {
	// Origins is a ceiling: where it is not empty, Client refuses an origin that
	// is not in it. Entries are as for Client.
	Origins []string
	// CAFile is a PEM file of further certificate authorities, beside the
	// system's: a hospital's own.
	CAFile string
	// Proxy is the URL of a forward proxy for everything but loopback origins.
	// The environment's proxy variables are never read. Through a proxy the
	// origins hold as ever, but the proxy resolves their names, so their
	// addresses are its to check.
	Proxy string
	// Resolver resolves names; nil is the system's.
	Resolver *net.Resolver
}

// Limits of one client; a zero field takes the default it names.
type Limits struct {
	Connect time.Duration // for name and connection together, and again for TLS: 10 s
	Header  time.Duration // from the request's last byte to the answer's header: 30 s
	Total   time.Duration // the whole request, waiting for a connection and reading the body included: 60 s
	Idle    time.Duration // how long an unused connection is kept: 55 s, less than most servers do
	Conns   int           // connections to one origin at once: no limit
	Body    int64         // bytes of an answer's body: 32 MiB
}

func (l Limits) withDefaults() Limits {
	set := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&l.Connect, 10*time.Second)
	set(&l.Header, 30*time.Second)
	set(&l.Total, 60*time.Second)
	set(&l.Idle, 55*time.Second)
	if l.Body <= 0 {
		l.Body = 32 << 20
	}
	return l
}

// Guard makes clients. It is safe for concurrent use.
type Guard struct {
	ceiling  map[string]bool
	roots    *x509.CertPool
	proxy    *url.URL
	resolver *net.Resolver

	mu    sync.Mutex
	bases []*http.Transport
}

// New makes a Guard. An error is a mistake in the configuration, worded for it.
func New(o Options) (*Guard, error) {
	g := &Guard{ceiling: map[string]bool{}, resolver: o.Resolver}
	for _, raw := range o.Origins {
		origin, err := Origin(raw)
		if err != nil {
			return nil, err
		}
		g.ceiling[origin] = true
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("file of certificate authorities: %w", err)
		}
		if g.roots, err = x509.SystemCertPool(); err != nil {
			g.roots = x509.NewCertPool()
		}
		if !g.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("file of certificate authorities %s has no certificate in PEM", o.CAFile)
		}
	}
	if o.Proxy != "" {
		p, err := url.Parse(o.Proxy)
		if err != nil || p.Host == "" || p.Scheme != "http" && p.Scheme != "https" {
			return nil, errors.New("the proxy is not an http or https URL") // it may hold a password
		}
		g.proxy = p
	}
	return g, nil
}

// Client makes an HTTP client for one purpose (a word for errors: "fhir",
// "token", "send", "media") that reaches the given origins and nothing else. An
// origin may be given as any URL on it; its path does not matter. Plain http is
// taken only for a host that is itself a loopback literal.
//
// Every error of the client's Do wraps an *Error; pass it through Clean before
// it goes into a log or a wider error, since net/http adds the URL to it. An
// answer that redirects comes back as it is.
func (g *Guard) Client(purpose string, origins []string, limits Limits) (*http.Client, error) {
	limits = limits.withDefaults()
	t := &transport{purpose: purpose, limits: limits, origins: map[string]bool{}}
	dials := map[string]bool{} // host:port → it is a loopback literal
	for _, raw := range origins {
		origin, err := Origin(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", purpose, err)
		}
		if len(g.ceiling) > 0 && !g.ceiling[origin] {
			return nil, fmt.Errorf("%s: origin %s is not among the configured origins", purpose, origin)
		}
		t.origins[origin] = true
		u, _ := url.Parse(origin) // Origin made it
		dials[hostPort(u)] = isLoopbackLiteral(u.Hostname())
	}
	if len(t.origins) == 0 {
		return nil, fmt.Errorf("%s: no origin is configured", purpose)
	}
	if g.proxy != nil {
		dials[hostPort(g.proxy)] = isLoopbackLiteral(g.proxy.Hostname())
	}
	t.base = g.base(dials, limits)
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// base is the transport below the guard, which dials what is in dials.
func (g *Guard) base(dials map[string]bool, limits Limits) *http.Transport {
	base := &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if isLoopbackLiteral(r.URL.Hostname()) {
				return nil, nil
			}
			return g.proxy, nil
		},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			loopback, ok := dials[strings.ToLower(addr)]
			if !ok {
				return nil, fmt.Errorf("%w: not an address of this client", ErrOriginRefused)
			}
			c, err := g.dialer(loopback, nil, limits.Connect).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &conn{Conn: c}, nil
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: g.roots},
		TLSHandshakeTimeout:    limits.Connect,
		ResponseHeaderTimeout:  limits.Header,
		IdleConnTimeout:        limits.Idle,
		MaxConnsPerHost:        limits.Conns,
		MaxIdleConnsPerHost:    max(limits.Conns, 16),
		MaxResponseHeaderBytes: 256 << 10,
		DisableCompression:     true, // a few bytes must not become gigabytes
		Protocols:              new(http.Protocols),
	}
	base.Protocols.SetHTTP1(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bases = append(g.bases, base)
	return base
}

// dialer connects to addresses that the configured name may stand for. The check
// sits between resolving and connecting, on the very address connected to, so a
// name that resolves differently the second time gains nothing.
func (g *Guard) dialer(loopback bool, within []netip.Prefix, timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:  timeout,
		Resolver: g.resolver,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return checkAddress(address, loopback, within)
		},
	}
}

// CloseIdle closes the unused connections of every client.
func (g *Guard) CloseIdle() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.bases {
		b.CloseIdleConnections()
	}
}
