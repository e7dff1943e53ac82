package mllp

import (
	"context"
	"errors"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// waiting is a message that was written whole and whose answer has not come (HL7 v2.5.1 ch. 2.9.2, 2.9.3).
type waiting struct {
	client      *Client
	link        *link
	flight      *flight
	header      hl7.MSH
	commit      bool // a commit acknowledgement was asked for
	application bool // the application's answer was asked for, and here
	answer      Answer
}

// wait returns nil when what was asked for has come.
func (w *waiting) wait(ctx context.Context) error {
	if !w.commit && !w.application {
		return nil
	}
	for {
		frame, err := w.next(ctx)
		if err != nil {
			return err
		}
		if done, err := w.take(frame); done || err != nil {
			return err
		}
	}
}

// next is the next frame. One that has come wins over an end that came with it: the reader hands over every frame before it
// ends, but not before it is asked.
func (w *waiting) next(ctx context.Context) ([]byte, error) {
	select {
	case frame := <-w.flight.answers:
		return frame, nil
	case <-w.link.done:
		return nil, w.link.err
	case <-ctx.Done():
		select {
		case frame := <-w.flight.answers:
			return frame, nil
		default:
			return nil, ended(ctx)
		}
	}
}

// take says whether a frame is what was waited for.
func (w *waiting) take(frame []byte) (done bool, err error) {
	m, err := hl7.Parse(frame, w.client.cfg.Answers)
	if err != nil {
		return false, errors.Join(ErrGarbled, err)
	}
	if m.First("MSA") == nil { // a message of its own: it answers nothing
		w.client.stray(frame)
		return false, nil
	}
	a, err := hl7.ReadAck(m)
	if err != nil {
		return false, errors.Join(ErrGarbled, err)
	}
	if a.ControlID != w.header.ControlID {
		w.client.stray(frame)
		return false, nil
	}
	w.answer.Frames = append(w.answer.Frames, frame)
	fact, _ := a.Code.Fact() // ReadAck takes no other code
	if fact.Commit {
		w.answer.Commit = &a
		return !fact.Positive || !w.application, nil
	}
	w.answer.Application = &a
	w.confirm(a)
	return true, nil
}

// confirm acknowledges the application's answer where it asks for that. The answer is had either way, so a failure costs the
// connection and nothing else.
func (w *waiting) confirm(a hl7.Ack) {
	answer, asked := w.client.cfg.Confirm, a.Header.AcceptAck == hl7.Always || a.Header.AcceptAck == hl7.OnSuccess
	if answer == nil || !asked {
		return
	}
	message, err := answer(a)
	if err == nil {
		message, err = Frame(message)
	}
	if err == nil {
		_, err = w.link.conn.Write(message)
	}
	if err != nil {
		w.client.drop(w.link)
	}
}
