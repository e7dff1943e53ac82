package engine

import (
	"fmt"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// commitCodes are the codes of a commit acknowledgement by those of the application's.
var commitCodes = map[hl7.AckCode]hl7.AckCode{hl7.AckAE: hl7.AckCE, hl7.AckAR: hl7.AckCR}

// answers are what is said to a message, as its MSH-15 and MSH-16 ask (ch. 2.9.2, 2.9.3): in the original mode one
// application acknowledgement; in the enhanced mode the commit's and then, where the message was taken into safe keeping, the
// application's, each where it is asked for. An application's error that nobody asked for is not told.
func (e *Engine) answers(m received, r *refusal) [][]byte {
	h := m.header
	if !h.Enhanced() {
		return e.ack(h, codeOf(r), r)
	}
	var out [][]byte
	if m.early != nil {
		if asked(h.AcceptAck, true) {
			out = e.ack(h, commitCodes[r.code], r)
		}
		return out
	}
	if asked(h.AcceptAck, false) {
		out = e.ack(h, hl7.AckCA, nil)
	}
	if asked(h.ApplicationAck, r != nil) {
		out = append(out, e.ack(h, codeOf(r), r)...)
	}
	return out
}

func codeOf(r *refusal) hl7.AckCode {
	if r == nil {
		return hl7.AckAA
	}
	return r.code
}

// asked says whether an acknowledgement of a success or an error is wanted. A value that is none is refused, and told so.
func asked(w hl7.When, failed bool) bool {
	switch w {
	case "", hl7.Never:
		return false
	case hl7.OnError:
		return failed
	case hl7.OnSuccess:
		return !failed
	}
	return true
}

// ack is one answer, none where the header's own text cannot be written back.
func (e *Engine) ack(h hl7.MSH, code hl7.AckCode, r *refusal) [][]byte {
	e.mu.Lock()
	e.answered++
	id := fmt.Sprintf("ENGINE%09d", e.answered)
	e.mu.Unlock()
	if h.ProcessingID == "" {
		h.ProcessingID = e.o.ProcessingID
	}
	if !h.Charset.Known() {
		h.Charset = hl7.ASCII
	}
	a := hl7.AckTo(h, code, id, hl7.At(e.o.Now()))
	if r != nil {
		a.Text, a.Errors = r.problem.Text, []hl7.ERR{r.problem.ERR()}
	}
	m, err := a.Message()
	if h.Type == hl7.ManageQuery && code == hl7.AckAA {
		m, err = hl7.LinkAnswer(a)
	}
	if err != nil {
		return nil
	}
	raw, err := m.Encode()
	if err != nil {
		return nil
	}
	return [][]byte{raw}
}
