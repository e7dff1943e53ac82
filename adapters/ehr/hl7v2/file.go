package hl7v2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/connector"
)

// File sends a message once and reads the answer. The receipt is unverified: an acknowledgement shows nothing of the chart.
// Errors: *connector.Refused, *Retry, *Ambiguous, or ErrFenced where the lease was lost before a byte was written.
func (e *EHR) File(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	d, err := read(w.Body)
	if err != nil {
		return connector.Receipt{}, refusedByGate(err.Error())
	}
	if e.client == nil {
		return connector.Receipt{}, &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("the connection has no way to its engine")}
	}
	answer, err := e.client.Send(ctx, w.Body)
	said := string(bytes.Join(answer.Frames, []byte("\r")))
	if err != nil {
		return connector.Receipt{}, unanswered(err, said)
	}
	switch {
	case answer.Application != nil:
		err = verdict(*answer.Application, said)
	case answer.Commit != nil: // nothing but the commit was asked for, or it is a no
		err = verdict(*answer.Commit, said)
	default:
		err = &connector.Ambiguous{Cause: errors.New("no acknowledgement was asked for")}
	}
	if err != nil {
		return connector.Receipt{}, err
	}
	return connector.Receipt{Reference: kind + "/" + d.TXA.Document.ID, Response: []byte(said)}, nil
}

// unanswered classifies a message that got no answer that can be read.
func unanswered(err error, said string) error {
	var failed *mllp.SendError
	switch {
	case errors.Is(err, connector.ErrFenced):
		return connector.ErrFenced
	case errors.Is(err, mllp.ErrUnsendable):
		return refusedByGate("the bytes cannot be framed as a message")
	case !errors.As(err, &failed):
		return &connector.Ambiguous{Cause: errors.New("the call ended without a classified outcome"), Answer: connector.Protect(said)}
	case failed.NotSent():
		return &connector.Retry{Reason: connector.EHRUnavailable, Cause: failed}
	default: // part of it or all: a receiver may have filed it
		return &connector.Ambiguous{Cause: failed, Answer: connector.Protect(said)}
	}
}

// verdict is what an acknowledgement means (HL7 v2.5.1 tables 0008 and 0357), nil for a yes. A no is lasting, but for a
// message that was turned away for something that passes by itself.
func verdict(a hl7.Ack, said string) error {
	fact, _ := a.Code.Fact() // an answer with another code is none and never gets here
	codes, passes := conditions(a)
	switch {
	case fact.Positive:
		return nil
	case !fact.Content && passes:
		return &connector.Retry{Reason: connector.EHRUnavailable, Answer: connector.Protect(said),
			Cause: fmt.Errorf("the engine turned the message away for now (%s)", strings.Join(codes, " "))}
	default:
		return &connector.Refused{Reason: connector.EHRRefused, Codes: codes, Detail: connector.Protect(words(a)), Answer: connector.Protect(said)}
	}
}

// transient are the conditions of table 0357 that pass without anybody changing the message or the engine's settings.
var transient = []hl7.Condition{hl7.Locked, hl7.ApplicationError}

// conditions are the codes of an answer: MSA-1, then those of table 0357. Another code is the receiver's own and might repeat
// the message, so here it is only counted as one. passes says that there are some, and that all of them pass by themselves.
func conditions(a hl7.Ack) (codes []string, passes bool) {
	codes, passes = []string{string(a.Code)}, true
	errs := 0
	for _, e := range a.Errors {
		if e.Severity == hl7.SevInfo || e.Severity == hl7.SevWarning {
			continue
		}
		errs++
		code := "local"
		if _, known := e.Condition().Fact(); known {
			code = string(e.Condition())
		}
		codes = append(codes, code)
		passes = passes && slices.Contains(transient, e.Condition())
	}
	return codes, passes && errs > 0
}

// words is what an answer says to a person. It may repeat what the message said.
func words(a hl7.Ack) string {
	fact, _ := a.Code.Fact()
	parts := []string{fmt.Sprintf("%s: %s", a.Code, fact.Meaning)}
	if a.Text != "" {
		parts = append(parts, a.Text)
	}
	for _, e := range a.Errors {
		said := []string{strings.TrimSpace(e.Code.Code + " " + e.Code.Text)}
		for _, at := range e.Locations {
			said = append(said, "at "+at.String())
		}
		for _, s := range []string{strings.TrimSpace(e.App.Code + " " + e.App.Text), e.Diagnostic, e.User} {
			if s != "" {
				said = append(said, s)
			}
		}
		parts = append(parts, strings.Join(said, ", "))
	}
	return strings.Join(parts, "; ")
}
