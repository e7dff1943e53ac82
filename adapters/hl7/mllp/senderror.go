package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// Step is how far a message got.
type Step string

// The steps of sending, in order.
const (
	StepTurn   Step = "waiting for its turn"
	StepDial   Step = "connecting"
	StepWrite  Step = "writing"
	StepAnswer Step = "waiting for the answer"
)

// What ends a connection besides the errors of the network and of [Reader].
var (
	// ErrClosed is a client that was closed.
	ErrClosed = errors.New("mllp: the client is closed")
	// ErrGarbled is an answer that cannot be read, which is no answer (HL7 v2.5.1 ch. 2.9.2).
	ErrGarbled = errors.New("mllp: an answer that cannot be read")
)

// SendError is a message that was not answered as it asked. It says precisely what had left:
//
//	Written == 0     nothing: the message may be sent again
//	Written < Size   a part: no receiver that keeps to frames takes it, but not all do, so it may have been filed
//	Written == Size  all of it: it may have been filed
//
// What may have been filed is sent again only with the same MSH-10, and only toward a receiver known to tell repeats by it.
//
// Its text holds no address and nothing of a message.
type SendError struct {
	Step    Step
	Written int // bytes of the frame that the connection took
	Size    int // bytes of the frame
	// Commit is the commit acknowledgement that had come, nil where none had: the receiver holds the message (CA), and whether
	// its application took it is not known.
	Commit *hl7.Ack
	cause  error
}

// Error implements error.
func (e *SendError) Error() string {
	text := fmt.Sprintf("mllp: %s: %s; %d of %d bytes were written", e.Step, phrase(e.cause), e.Written, e.Size)
	if e.Commit != nil {
		text += "; the receiver holds it (" + string(e.Commit.Code) + ")"
	}
	return text
}

// NotSent says that no byte of the message left.
func (e *SendError) NotSent() bool { return e.Written == 0 }

// Timeout says whether time ran out, as net.Error does.
func (e *SendError) Timeout() bool {
	var n net.Error
	return errors.Is(e.cause, context.DeadlineExceeded) || errors.As(e.cause, &n) && n.Timeout()
}

// Unwrap gives the cause. That of the network may hold an address: do not print it.
func (e *SendError) Unwrap() error { return e.cause }

// phrase tells a cause without what the network adds to it.
func phrase(cause error) string {
	var own *hl7.Problem
	var n net.Error
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(cause, &own):
		return ErrGarbled.Error()[len("mllp: "):] + " (" + own.Error() + ")"
	case errors.Is(cause, ErrClosed), errors.Is(cause, ErrGarbled), errors.Is(cause, ErrGarbage), errors.Is(cause, ErrTorn), errors.Is(cause, ErrTooLarge):
		return cause.Error()[len("mllp: "):]
	case errors.Is(cause, context.DeadlineExceeded), errors.As(cause, &n) && n.Timeout():
		return "time ran out"
	case errors.Is(cause, context.Canceled):
		return "it was called off"
	case errors.Is(cause, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(cause, syscall.ECONNRESET), errors.Is(cause, syscall.EPIPE):
		return "the connection was reset"
	case errors.As(cause, &name):
		return "the name was not found"
	case errors.As(cause, &certificate):
		return "the receiver's certificate is not one we trust"
	case errors.As(cause, &op) && op.Op == "remote error": // how crypto/tls tells an alert of the other side
		return "the receiver refused the TLS handshake"
	case errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF), errors.Is(cause, io.ErrClosedPipe), errors.Is(cause, net.ErrClosed):
		return "the connection was closed"
	}
	return fmt.Sprintf("the connection failed (%T)", cause)
}
