package hl7v2

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var _ connector.Checker = (*EHR)(nil)

const (
	// listens is how long a new connection is listened to: an engine that does not want us hangs up at once.
	listens = time.Second
	// expiresSoon is how long before a certificate's end people are told.
	expiresSoon = 21 * 24 * time.Hour
)

// Check implements connector.Checker: it connects, makes the TLS handshake and listens for a second. Nothing is sent: HL7 v2
// has no message of which it is certain that an engine answers it and files nothing.
func (e *EHR) Check(ctx context.Context) (connector.Preflight, error) {
	x := &examination{e: e}
	x.connect(ctx)
	x.found.Strategies = []connector.Strategy{connector.AsMDM}
	x.found.Facts = append(x.found.Facts, connector.Fact{Name: "MLLP echo", Good: connector.NotKnown,
		Value: "not tried: connect and TLS only. HL7 v2 has no message that every engine answers and none files; only a filed document proves the rest"})
	reached := connector.Capability{Resource: "MLLP", Interaction: "connect", Needed: true, Declared: connector.NotKnown,
		Granted: x.reached, Proven: x.reached, Gap: x.gap}
	if x.reached != connector.NotKnown {
		reached.By, reached.At = "now", e.now().UTC()
	}
	x.found.Capabilities = []connector.Capability{reached, {Resource: kind, Interaction: "send", Needed: true,
		Declared: connector.NotKnown, Granted: connector.NotKnown, Proven: connector.NotKnown, Gap: x.gap}}
	return x.found, ctx.Err()
}

type examination struct {
	e       *EHR
	found   connector.Preflight
	reached connector.Known
	gap     *connector.Lack
}

func (x *examination) fact(name, value string, good connector.Known, gap *connector.Lack) {
	x.found.Facts = append(x.found.Facts, connector.Fact{Name: name, Value: value, Good: good, Gap: gap})
}

// connect makes a connection of its own, beside the one that files.
func (x *examination) connect(ctx context.Context) {
	x.reached = connector.KnownNo
	if x.e.dial == nil {
		x.fail(connector.FixConfig, "nothing can be called: correct address and tls in the Chartwire configuration.")
		return
	}
	conn, err := x.e.dial(ctx)
	if err != nil {
		x.fail(connector.FixInterface, "the engine cannot be reached (%s): the interface engineer must see to name, route, firewall and listener.", sayDial(err))
		return
	}
	defer func() { _ = conn.Close() }()
	secure, isTLS := conn.(*tls.Conn)
	if isTLS {
		if err := secure.HandshakeContext(ctx); err != nil {
			x.fail(connector.FixInterface, "the engine was reached, and TLS failed (%s): the interface engineer must see to its certificate, and to ours where it asks for one (tls in the Chartwire configuration).", sayTLS(err))
			return
		}
	}
	if err := x.listen(ctx, conn); err != nil {
		if x.e.client != nil && x.e.client.Connected() {
			x.reached = connector.KnownYes // the one that files is there; engines may take one alone
			x.fact("connection", "the one that files is there; a second one was closed by the engine", connector.KnownYes, nil)
			return
		}
		x.fail(connector.FixInterface, "the engine was reached and hung up at once: the interface engineer must let it take connections from this machine%s.", ifTLS(isTLS))
		return
	}
	x.reached = connector.KnownYes
	if !isTLS {
		x.fact("connection", "made, in plaintext on this machine", connector.NotKnown, nil)
		return
	}
	x.fact("connection", "made, "+tls.VersionName(secure.ConnectionState().Version), connector.KnownYes, nil)
	x.chain(secure.ConnectionState())
}

func ifTLS(is bool) string {
	if is {
		return ", and trust the certificate that tls.cert_file in the Chartwire configuration names"
	}
	return ""
}

func (x *examination) fail(who connector.Fixer, format string, args ...any) {
	x.gap = &connector.Lack{Who: who, Text: fmt.Sprintf(format, args...)}
	x.fact("connection", "none", connector.KnownNo, x.gap)
}

// listen reads nothing for a while. With TLS 1.3 an engine that refuses our certificate says so only after the handshake.
func (x *examination) listen(ctx context.Context, conn net.Conn) error {
	within, cancel := context.WithTimeout(ctx, listens)
	defer cancel()
	stop := context.AfterFunc(within, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := conn.Read(make([]byte, 1))
	if within.Err() != nil {
		return nil
	}
	return err
}

// chain tells when the engine's certificates end.
func (x *examination) chain(s tls.ConnectionState) {
	list := s.PeerCertificates
	if len(s.VerifiedChains) > 0 {
		list = s.VerifiedChains[0]
	}
	var end time.Time
	for _, c := range list {
		if end.IsZero() || c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	until := end.UTC().Format(time.DateOnly)
	if end.Sub(x.e.now()) < expiresSoon {
		x.fact("TLS chain", "valid until "+until, connector.KnownNo, &connector.Lack{Who: connector.FixInterface, Text: fmt.Sprintf(
			"a certificate of the engine's TLS chain expires on %s, and nothing can be filed from then on: the interface engineer must renew it.", until)})
		return
	}
	x.fact("TLS chain", "valid until "+until, connector.KnownYes, nil)
}

// sayDial is why there is no connection, without the address.
func sayDial(err error) string {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &name):
		return "its name does not resolve"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection is refused"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no connection in time"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	}
	return "no connection"
}

func sayTLS(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		alert   tls.AlertError
	)
	switch {
	case errors.As(err, &unknown):
		return "its certificate is of an authority that is not trusted here; tls.ca_file names those that are"
	case errors.As(err, &host):
		return "its certificate is for another host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet"
	case errors.As(err, &record):
		return "it does not speak TLS"
	case errors.As(err, &alert):
		return "it refused us: " + alert.Error()
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "it hung up"
	}
	return "no handshake"
}
