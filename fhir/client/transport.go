package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// isTimeout reports a deadline, the caller's or the network's.
func isTimeout(ctx context.Context, err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return true
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// notSent reports errors that prove by their type that no request was written: DNS, connect,
// TLS handshake, and errors of a RoundTripper that says so with a method NotSent() bool (a
// lease or egress check that refuses to use the connection).
func notSent(err error) bool {
	var own interface{ NotSent() bool }
	if errors.As(err, &own) {
		return own.NotSent()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return true
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	var (
		record  tls.RecordHeaderError
		verify  *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	return errors.As(err, &record) || errors.As(err, &verify) || errors.As(err, &unknown) ||
		errors.As(err, &host) || errors.As(err, &invalid)
}
