package engine

import (
	"slices"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// Entry is one accepted message. The ledger is append-only and in commit order.
type Entry struct {
	Seq       int // from 1, without gaps
	Time      time.Time
	ControlID string // MSH-10
	Event     string
	Document  string // TXA-12
	Parent    string // TXA-13
	Patient   string // Patient.Ref
	SHA256    string // hex, of the message as received
	Fault     string // what the message met, "" for nothing
}

// Ledger is a copy of every accepted message's entry. A repeat that did nothing has none.
func (e *Engine) Ledger() []Entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.ledger)
}

// Arrival is one message that came, taken or not.
type Arrival struct {
	Time      time.Time
	ControlID string // MSH-10, "" where it could not be read
	Event     string
	SHA256    string        // hex, of the message as received
	Code      hl7.AckCode   // what the engine made of it: AA, AE or AR
	Condition hl7.Condition // why it was refused
	At        string        // the place of what it was refused for
	Repeat    bool          // it had come before and did nothing
	Fault     string
}

// Arrivals are all messages in the order the engine looked at them. One that a fault kept from being looked at is among them,
// with no Code.
func (e *Engine) Arrivals() []Arrival {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.arrivals)
}

func (e *Engine) arrive(m received, r *refusal, repeat bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.arrived(m, r, repeat)
}

// arrived notes a message. The caller holds the lock.
func (e *Engine) arrived(m received, r *refusal, repeat bool) {
	a := e.arrival(m)
	a.Code, a.Repeat = hl7.AckAA, repeat
	if r != nil {
		a.Code, a.Condition, a.At = r.code, r.problem.Code, r.problem.At.String()
	}
	e.arrivals = append(e.arrivals, a)
}

// unseen notes a message that a fault answered in place of the engine.
func (e *Engine) unseen(m received) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.arrivals = append(e.arrivals, e.arrival(m))
}

func (e *Engine) arrival(m received) Arrival {
	return Arrival{Time: e.o.Now(), ControlID: m.header.ControlID, Event: m.header.Event, SHA256: m.sum, Fault: m.fault}
}
