package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Endpoint is one host and port that is spoken to over TCP in another protocol
// than HTTP, such as an interface engine's MLLP.
type Endpoint struct {
	Host    string
	Port    string
	Connect time.Duration // for name and connection together: 10 s
	// TLS is nil for plaintext, which is spoken to a loopback literal, and to a host whose addresses are in Plaintext.
	TLS *TLS
	// Plaintext are the networks that plaintext may go to. What the host stands for is held to them at each connection, so
	// that a changed answer of a name server takes nothing out of them.
	Plaintext []netip.Prefix
}

// TLS is our side of a TLS connection. Everything is PEM.
type TLS struct {
	CA        []byte   // authorities instead of the system's and the Guard's
	Cert, Key []byte   // ours, for mutual TLS; both or neither
	Protocols []string // offered by ALPN, best first (RFC 7301)
}

// Stream gives the way to one endpoint: each call makes one connection, to an
// address that the host may stand for. A TLS connection comes before its
// handshake, which the caller makes (*tls.Conn) within its own time. The error of
// the call is the network's, or wraps ErrAddressRefused: nothing was sent then. No
// proxy is used. The error of Stream itself is a mistake in the configuration,
// worded for it.
//
// The caller asks CheckFence when it would write the first byte.
func (g *Guard) Stream(purpose string, e Endpoint) (func(ctx context.Context) (net.Conn, error), error) {
	host := strings.ToLower(e.Host)
	loopback := isLoopbackLiteral(host)
	switch {
	case host == "" || e.Port == "" || !plainHost(host):
		return nil, fmt.Errorf("%s: the address has no host and port in plain ASCII", purpose)
	case e.TLS == nil && !loopback && len(e.Plaintext) == 0:
		return nil, fmt.Errorf("%s: plaintext would show what it carries to the network: use TLS (plaintext is only for localhost, 127.0.0.0/8, ::1 and networks named for it)", purpose)
	}
	if e.TLS != nil {
		e.Plaintext = nil
	}
	if e.Connect <= 0 {
		e.Connect = 10 * time.Second
	}
	var secure *tls.Config
	if e.TLS != nil {
		var err error
		if secure, err = g.tlsTo(host, *e.TLS); err != nil {
			return nil, fmt.Errorf("%s: %w", purpose, err)
		}
	}
	dialer, address := g.dialer(loopback, e.Plaintext, e.Connect), net.JoinHostPort(host, e.Port)
	return func(ctx context.Context) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil || secure == nil {
			return c, err
		}
		return tls.Client(c, secure), nil
	}, nil
}

func (g *Guard) tlsTo(host string, t TLS) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: g.roots, ServerName: host, NextProtos: t.Protocols}
	if len(t.CA) > 0 {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, errors.New("the file of certificate authorities has no certificate in PEM")
		}
	}
	if len(t.Cert) == 0 && len(t.Key) == 0 {
		return c, nil
	}
	own, err := tls.X509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, errors.New("our certificate and its key are not PEM, or do not belong together")
	}
	c.Certificates = []tls.Certificate{own}
	return c, nil
}
