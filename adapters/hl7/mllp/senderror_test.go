package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// TestSendErrorText: each cause as people know it, and nothing of an address or a message.
func TestSendErrorText(t *testing.T) {
	op := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 2575}, Err: err}
	}
	for want, cause := range map[string]error{
		"the connection was refused":                        op(os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		"the connection was reset":                          op(os.NewSyscallError("read", syscall.ECONNRESET)),
		"the name was not found":                            op(&net.DNSError{Name: "secret.example", IsNotFound: true}),
		"time ran out":                                      op(os.ErrDeadlineExceeded),
		"it was called off":                                 errors.Join(context.Canceled, errors.New("secret")),
		"the connection was closed":                         io.EOF,
		"the receiver's certificate is not one we trust":    &tls.CertificateVerificationError{Err: errors.New("secret")},
		"the receiver refused the TLS handshake":            &net.OpError{Op: "remote error", Err: errors.New("secret")},
		"bytes outside a frame":                             ErrGarbage,
		"the client is closed":                              ErrClosed,
		"an answer that cannot be read (hl7: MSA-1: wrong)": errors.Join(ErrGarbled, &hl7.Problem{At: hl7.ERL{Segment: "MSA", Field: 1}, Text: "wrong"}),
		"the connection failed (*fmt.wrapError)":            fmt.Errorf("secret 10.1.2.3: %w", errors.New("secret")),
	} {
		e := &SendError{Step: StepDial, Size: 80, cause: cause}
		if got := e.Error(); got != "mllp: connecting: "+want+"; 0 of 80 bytes were written" || strings.Contains(got, "secret") || strings.Contains(got, "10.1.2.3") {
			t.Errorf("%v is told as %q", cause, got)
		}
		if !errors.Is(e, cause) || e.Timeout() != (want == "time ran out") {
			t.Errorf("%v: timeout %v", e, e.Timeout())
		}
	}
	e := &SendError{Step: StepAnswer, Written: 80, Size: 80, Commit: &hl7.Ack{Code: hl7.AckCA}, cause: io.EOF}
	if got := e.Error(); !strings.HasSuffix(got, "80 of 80 bytes were written; the receiver holds it (CA)") || e.NotSent() {
		t.Error(got)
	}
}
