package hl7v2

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var _ connector.Checker = (*EHR)(nil)

// listens is how long a new connection is listened to: an engine that does not want us hangs up at once.
const listens = time.Second

// Check implements connector.Checker: it connects, makes the TLS handshake and listens for a second. Where the site allows it
// ([Options].Echo) it then asks the engine to answer; else nothing is sent.
func (e *EHR) Check(ctx context.Context) (connector.Preflight, error) {
	x := &examination{e: e}
	x.connect(ctx)
	x.found.Strategies = []connector.Strategy{connector.AsMDM}
	if !x.told {
		x.unsent()
	}
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
	told    bool // what became of the echo is among the facts
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
	heard, err := x.listen(ctx, conn)
	if err != nil {
		if x.e.client != nil && x.e.client.Connected() {
			x.reached = connector.KnownYes // the one that files is there; engines may take one alone
			x.fact("connection", "the one that files is there; a second one was closed by the engine", connector.KnownYes, nil)
			x.oneAlone()
			return
		}
		x.fail(connector.FixInterface, "the engine was reached and hung up at once: the interface engineer must let it take connections from this machine%s.", ifTLS(isTLS))
		return
	}
	x.reached = connector.KnownYes
	if isTLS {
		state := secure.ConnectionState()
		x.fact("connection", "made, "+tls.VersionName(state.Version), connector.KnownYes, nil)
		x.found.Facts = append(x.found.Facts, connector.ChainFact(connector.FirstExpiry(&state), x.e.now(), "the engine", connector.FixInterface))
	} else {
		x.plaintext(conn.RemoteAddr())
	}
	if x.e.echo {
		x.ask(ctx, listened{conn, bytes.NewReader(heard)})
	}
}

// plaintext tells of a connection that is not encrypted: a person must judge it, and one that leaves this machine they must mend.
func (x *examination) plaintext(to net.Addr) {
	if tcp, ok := to.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		x.fact("connection", "made, in plaintext on this machine", connector.NotKnown, nil)
		return
	}
	x.fact("connection", "made, in PLAINTEXT to another machine", connector.KnownNo, &connector.Lack{Who: connector.FixInterface, Text: "PLAINTEXT: patients' data go to the engine unencrypted, and anybody on the way can read and change them: the interface engineer must give the engine a TLS listener; then write mllps:// in address and remove plaintext_to in the Chartwire configuration."})
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

// listen reads nothing for a while, and gives what it heard all the same. With TLS 1.3 an engine that refuses our certificate
// says so only after the handshake.
func (x *examination) listen(ctx context.Context, conn net.Conn) (heard []byte, err error) {
	within, cancel := context.WithTimeout(ctx, listens)
	defer cancel()
	over := make(chan struct{})
	stop := context.AfterFunc(within, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)); close(over) })
	heard = make([]byte, 1)
	n, err := conn.Read(heard)
	if !stop() { // or the deadline would come into what is read next
		<-over
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			return nil, err
		}
	}
	if n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		return heard[:n], nil
	}
	return nil, err
}

// sayDial is why there is no connection, without the address.
func sayDial(err error) string {
	var name *net.DNSError
	var timeout net.Error
	var address interface{ AddressRefused() bool } // of the guarded dialer
	switch {
	case errors.As(err, &address) && address.AddressRefused():
		return "its name stands for an address that Chartwire must not connect to: of this machine, its link or a cloud's metadata, or for mllp:// outside plaintext_to"
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
