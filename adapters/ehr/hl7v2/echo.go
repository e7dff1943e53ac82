package hl7v2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/connector"
)

// The echo is HL7 v2.5.1's application management query (NMQ^N01), which names no patient and changes nothing. That an engine
// answers it at all, under our MSH-10, shows that messages and acknowledgements pass both ways; whether it takes documents, only a
// document shows.

const (
	echoFact = "MLLP echo"
	// answersWithin is how long an engine may take to answer an echo.
	answersWithin = 10 * time.Second
)

// unsent says why there was no echo and what to do for one.
func (x *examination) unsent() {
	value := "not sent: there is no connection"
	if !x.e.echo {
		value = "not sent: once the interface engineer agrees to one message without a patient (NMQ^N01) for each doctor, write hl7.echo: NMQ^N01 in the Chartwire configuration"
	}
	x.fact(echoFact, value, connector.NotKnown, nil)
}

// oneAlone is no echo over the connection that files: one that went wrong would end it.
func (x *examination) oneAlone() {
	if x.told = x.e.echo; x.told {
		x.fact(echoFact, "not sent: the engine takes one connection, and the one that files has it; ask again while chartwire serve is stopped", connector.NotKnown, nil)
	}
}

// listened is a connection with what was heard on it already.
type listened struct {
	net.Conn
	heard io.Reader
}

// Read is net.Conn.
func (l listened) Read(into []byte) (int, error) {
	if n, err := l.heard.Read(into); n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	return l.Conn.Read(into)
}

// ask sends an echo over a connection, which it ends, and tells what came of it.
func (x *examination) ask(ctx context.Context, conn net.Conn) {
	x.told = true
	query, err := x.e.query()
	if err != nil {
		x.lacks(connector.FixConfig, "not sent", "the message cannot be written (%v): correct hl7 in the Chartwire configuration.", err)
		return
	}
	var others atomic.Int64
	client := mllp.NewClient(mllp.ClientConfig{SameConnection: true, Confirm: confirm(x.e.policy.MDM.Header, x.e.now),
		Dial: func(context.Context) (net.Conn, error) { return conn, nil },
		Stray: func(frame []byte) {
			if m, err := hl7.Parse(frame, hl7.Options{Unlabelled: hl7.Latin1}); err == nil && m.First("MSA") != nil {
				others.Add(1)
			}
		}})
	defer client.Close()
	within, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	answer, err := client.Send(within, query)
	switch {
	case answer.Application != nil: // it says more than the commit
		x.answered(*answer.Application)
	case answer.Commit != nil:
		x.answered(*answer.Commit)
	default:
		x.unanswered(err, others.Load() > 0)
	}
}

// query is one echo, with a control id that none had before: an engine may answer a repeat from memory.
func (e *EHR) query() ([]byte, error) {
	h := e.policy.MDM.Header
	now := e.now()
	h.Time, h.ControlID = hl7.At(now), connector.ControlID(connector.Identifier{System: "echo", Value: connector.NewID(now)})
	m, err := hl7.LinkQuery{Header: h}.Message()
	if err != nil {
		return nil, err
	}
	return m.Encode()
}

func (x *examination) lacks(who connector.Fixer, value, format string, args ...any) {
	x.fact(echoFact, value, connector.KnownNo, &connector.Lack{Who: who, Text: fmt.Sprintf(format, args...)})
}

// answered tells of an acknowledgement of the echo. A no says that the way is open, and that the engine does not take this
// message; some of its reasons are ones it has against documents too. Its own words may say anything and are not repeated.
func (x *examination) answered(a hl7.Ack) {
	if fact, _ := a.Code.Fact(); fact.Positive {
		x.fact(echoFact, "NMQ^N01 answered "+string(a.Code), connector.KnownYes, nil)
		return
	}
	codes, _ := conditions(a)
	said := strings.Join(codes, " ")
	gap := &connector.Lack{Who: connector.FixInterface, Text: "the engine answered " + said + ": messages and acknowledgements pass, and it does not take NMQ^N01: the interface engineer may have it answered AA; or remove hl7.echo in the Chartwire configuration."}
	for _, e := range a.Errors {
		switch e.Condition() {
		case hl7.UnsupportedID:
			gap = &connector.Lack{Who: connector.FixConfig, Text: "the engine answered " + said + ": messages and acknowledgements pass, and it takes another processing id (MSH-11) than hl7.processing_id in the Chartwire configuration: write the one the interface engineer names, or documents are turned away too."}
		case hl7.UnsupportedVer:
			gap.Text = "the engine answered " + said + ": messages and acknowledgements pass, and it does not take version 2.5.1 (MSH-12): the interface engineer must let it, or documents are turned away too."
		}
	}
	x.fact(echoFact, "answered "+said+": the way is open, the message not taken", connector.NotKnown, gap)
}

// unanswered tells of an echo without an acknowledgement of its own. other is whether one of another message came.
func (x *examination) unanswered(err error, other bool) {
	var failed *mllp.SendError
	late := errors.As(err, &failed) && failed.Timeout()
	switch {
	case errors.Is(err, mllp.ErrGarbled), errors.Is(err, mllp.ErrGarbage), errors.Is(err, mllp.ErrTorn), errors.Is(err, mllp.ErrTooLarge):
		x.lacks(connector.FixInterface, "answered with what is no acknowledgement", "the engine answered the echo with what is no HL7 v2 acknowledgement in an MLLP frame, so no document could be acknowledged either: the interface engineer must see which listener is at this address, and that it answers ACK with MSA-1 and MSA-2.")
	case other:
		x.lacks(connector.FixInterface, "answered another message", "the engine acknowledged a message that was not sent here (MSA-2 is not the echo's MSH-10), so documents would stay unknown: the interface engineer must have it write MSH-10 of the message it answers into MSA-2.")
	case late:
		x.lacks(connector.FixInterface, "no answer", "the engine took the echo and said nothing for %v, so documents may stay unknown too: the interface engineer must see that the listener answers on the same connection in %s mode (hl7.ack), and whether it drops NMQ^N01 without a word; if it does, remove hl7.echo in the Chartwire configuration.", answersWithin, x.e.mode())
	default:
		x.lacks(connector.FixInterface, "the connection was closed without an answer", "the engine closed the connection when it was sent the echo: the interface engineer must see why, in the engine's log; if it is for NMQ^N01 alone, remove hl7.echo in the Chartwire configuration.")
	}
}

// mode is hl7.ack of the configuration.
func (e *EHR) mode() string {
	if e.policy.MDM.Header.Enhanced() {
		return "enhanced"
	}
	return "original"
}
