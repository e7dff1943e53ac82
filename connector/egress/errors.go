package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
)

// What an error of a guarded client may be, by errors.Is. Several can hold.
var (
	// ErrNotSent: no byte of the request was written, and none will be. It may be
	// tried again. Where it does not hold, the far side may have acted.
	ErrNotSent = errors.New("nothing was sent")
	// ErrOriginRefused: the URL is not of a configured origin. Trying again is
	// useless; the configuration or the sender of the URL is wrong.
	ErrOriginRefused = errors.New("the origin is refused")
	// ErrAddressRefused: a configured name stands for an address it must not.
	// Somebody changed a name server's answer, or the configuration is wrong.
	ErrAddressRefused error = addressRefused{}
	// ErrFence: the check of WithFence failed; its own error is wrapped too.
	ErrFence = errors.New("the lease behind the request is gone")
	// ErrTooLarge: the answer's body is over Limits.Body. The request was sent.
	ErrTooLarge = errors.New("the answer is too large")
)

// addressRefused is ErrAddressRefused, for packages that do not import this one: they ask with errors.As for an
// interface{ AddressRefused() bool }.
type addressRefused struct{}

func (addressRefused) Error() string        { return "the address is refused" }
func (addressRefused) AddressRefused() bool { return true }

// Kind says what failed, few enough for a metric label.
type Kind string

// The kinds of failure. The first four and KindFence are always ErrNotSent.
const (
	KindOrigin    Kind = "origin"    // ErrOriginRefused
	KindAddress   Kind = "address"   // ErrAddressRefused
	KindName      Kind = "name"      // the name does not resolve
	KindConnect   Kind = "connect"   // no connection: refused, unreachable, too slow
	KindTLS       Kind = "tls"       // no trusted TLS connection, or TLS broke
	KindFence     Kind = "fence"     // ErrFence
	KindCancelled Kind = "cancelled" // the caller's context ended
	KindTimeout   Kind = "timeout"   // Limits.Header or Limits.Total passed
	KindClosed    Kind = "closed"    // the connection was closed or reset
	KindTooLarge  Kind = "too-large" // ErrTooLarge
	KindAnswer    Kind = "answer"    // what came back is not HTTP
)

// Error is every error of a guarded client. Its text names the purpose, the
// method and the configured host; no path, no query, nothing the far side said.
type Error struct {
	Purpose string
	Method  string
	Host    string // host:port, empty where the URL was refused
	Kind    Kind
	text    string
	causes  []error // ErrNotSent and its like, the context's error, the fence's error
}

func (e *Error) Error() string {
	sent := "it may have been sent"
	if e.NotSent() {
		sent = "nothing was sent"
	}
	where := ""
	if e.Host != "" {
		where = " " + e.Host
	}
	return fmt.Sprintf("%s: %s%s: %s (%s)", e.Purpose, e.Method, where, e.text, sent)
}

// Unwrap gives the sentinel errors that hold, for errors.Is. The error of the
// network stack below is not among them: its text may repeat an answer.
func (e *Error) Unwrap() []error { return e.causes }

// NotSent is errors.Is(e, ErrNotSent), for packages that do not import this one:
// they ask with errors.As for an interface{ NotSent() bool }.
func (e *Error) NotSent() bool { return errors.Is(errors.Join(e.causes...), ErrNotSent) }

// Timeout says whether time ran out, as net.Error does.
func (e *Error) Timeout() bool {
	return e.Kind == KindTimeout || errors.Is(errors.Join(e.causes...), context.DeadlineExceeded)
}

// Clean strips from an error of http.Client what net/http adds to it: the URL,
// with its path and query. It returns the *Error within, or for an error of
// another making one that tells its type alone. nil stays nil.
func Clean(err error) error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var wrapped *url.Error
	if !errors.As(err, &wrapped) {
		return err
	}
	text := fmt.Sprintf("the request failed (%T)", wrapped.Err)
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return fmt.Errorf("%s: %w", text, known)
		}
	}
	return errors.New(text)
}

// explain turns an error of the network stack into ours.
func (c *call) explain(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	e := &Error{Purpose: c.t.purpose, Method: c.req.Method, Host: c.req.URL.Host}
	e.Kind, e.text, e.causes = c.classify(err)
	if c.notSent() {
		e.causes = append(e.causes, ErrNotSent)
	}
	return e
}

func (c *call) classify(err error) (Kind, string, []error) {
	c.mu.Lock()
	fenced := c.fenced
	c.mu.Unlock()
	var (
		name *net.DNSError
		op   *net.OpError
	)
	switch parent := c.req.Context(); {
	case fenced != nil:
		return KindFence, "stopped: " + fenced.Error(), []error{ErrFence, fenced}
	case errors.Is(err, ErrTooLarge):
		return KindTooLarge, fmt.Sprintf("the answer is over %d bytes", c.t.limits.Body), []error{ErrTooLarge}
	case errors.Is(err, ErrOriginRefused):
		return KindOrigin, "the address is not one of a configured origin", []error{ErrOriginRefused}
	case errors.Is(err, ErrAddressRefused):
		return KindAddress, refusedText(err), []error{ErrAddressRefused}
	case parent.Err() != nil:
		return KindCancelled, "its caller gave up", []error{parent.Err(), context.Cause(parent)}
	case errors.As(err, &name):
		if name.IsTimeout {
			return KindName, "the name server did not answer in time", nil
		}
		return KindName, "the host's name does not resolve", nil
	case errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect"):
		return KindConnect, connectText(err), nil
	case isTLS(err):
		return KindTLS, tlsText(err), nil
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return KindTimeout, "no answer in time", []error{context.DeadlineExceeded}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) ||
		errors.Is(err, errSealed) || errors.Is(err, net.ErrClosed):
		return KindClosed, "the connection was closed before the answer was complete", nil
	default:
		return KindAnswer, "the exchange broke, or what came back is not HTTP", nil
	}
}

// refusedText takes our own sentence out of the dialer's error.
func refusedText(err error) string {
	for errors.Unwrap(err) != nil && errors.Unwrap(err) != ErrAddressRefused {
		err = errors.Unwrap(err)
	}
	return err.Error()
}

func connectText(err error) string {
	switch {
	case isTimeout(err):
		return "no connection in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection is refused"
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	default:
		return "no connection"
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func isTLS(err error) bool {
	var (
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  tls.AlertError
		op     *net.OpError
	)
	return errors.As(err, &cert) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
}

func tlsText(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return "its certificate is of an authority that is not trusted here"
	case errors.As(err, &host):
		return "its certificate is for another host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet"
	case errors.As(err, &record):
		return "it does not speak TLS"
	default:
		return "TLS failed"
	}
}
