package adt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/chartwire/chartwire/adapters/hl7/mllp"
)

// Access says who may reach a feed.
type Access struct {
	// TLS is nil for plaintext.
	TLS *tls.Config
	// Networks are those whose connections are taken; none: with TLS every one, in plaintext those of this machine.
	Networks []netip.Prefix
}

// MutualTLS is our side of a feed's connections: senders show a certificate of one of the authorities. Everything is PEM. The
// error is a mistake in the configuration, worded for it.
func MutualTLS(cert, key, authorities []byte) (*tls.Config, error) {
	own, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, errors.New("adt.tls: our certificate and its key are not PEM, or do not belong together")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, errors.New("adt.tls: ca_file has no certificate in PEM")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}, nil
}

// maxMessage bounds a message: an ADT has no documents in it.
const maxMessage = 1 << 20

// Serve takes the feed's messages from l until ctx ends, as mllp.Server.Serve does. Who is not let in is counted in the audit
// log.
func (f *Feed) Serve(ctx context.Context, l net.Listener, a Access, log *slog.Logger) error {
	l = &gate{Listener: l, allows: a.allows, refused: func(remote net.Addr) {
		f.turnedAway(ctx, log, remote, "network")
	}}
	if a.TLS != nil {
		l = tls.NewListener(l, a.TLS)
	}
	s := mllp.Server{Handle: f.Handle, MaxMessage: maxMessage, Note: func(remote net.Addr, err error) {
		switch {
		case errors.Is(err, mllp.ErrHandshake):
			f.turnedAway(ctx, log, remote, "tls")
		case errors.Is(err, errNotStored):
			log.Error("an ADT message was not acknowledged: it could not be stored; its sender has to send it again", "ehr", f.o.Name, "error", err.Error())
		default:
			log.Warn("a connection of the ADT feed ended", "ehr", f.o.Name, "from", remote.String(), "error", err.Error())
		}
	}}
	return s.Serve(ctx, l)
}

func (f *Feed) turnedAway(ctx context.Context, log *slog.Logger, remote net.Addr, why string) {
	if err := f.refusedBy(ctx, host(remote), why); err != nil && ctx.Err() == nil {
		log.Error("somebody was not let in to the ADT feed, and that could not be written to the audit log", "ehr", f.o.Name, "why", why, "error", err.Error())
	}
}

// host is the address without its port, which differs each time.
func host(a net.Addr) string {
	if at, err := netip.ParseAddrPort(a.String()); err == nil {
		return at.Addr().Unmap().String()
	}
	return a.String()
}

func (a Access) allows(remote net.Addr) bool {
	at, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return false
	}
	from := at.Addr().Unmap().WithZone("")
	if len(a.Networks) == 0 {
		return a.TLS != nil || from.IsLoopback()
	}
	return slices.ContainsFunc(a.Networks, func(p netip.Prefix) bool { return p.Contains(from) })
}

// gate closes connections that are not let in before a byte is read.
type gate struct {
	net.Listener
	allows  func(net.Addr) bool
	refused func(net.Addr)
}

// Accept gives the next connection that is let in.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil || g.allows(c.RemoteAddr()) {
			return c, err
		}
		g.refused(c.RemoteAddr())
		_ = c.Close()
	}
}
