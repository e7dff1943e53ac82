// Package engine is an interface engine with an EHR's document store behind it. It takes HL7 v2.5.1 document messages (MDM)
// over MLLP, answers whether the link works (NMQ), refuses what the standard, its patient index or its documents do not bear out, keeps each patient's documents
// with their addenda and replacements, and writes down every message it accepted. That ledger is the judge: it, not the
// sender's own tables, says what reached the chart.
//
// A [Script] has it misbehave, so that what a sender does about it can be seen.
package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
)

// Repeats is what tells the engine that a message has come before. Real ones differ, and a sender has to know its own.
type Repeats int

// The ways.
const (
	// ByControlID: a repeated MSH-10 with the same bytes is answered as the first was and does nothing; with other bytes it is
	// refused.
	ByControlID Repeats = iota
	// ByDocument: MSH-10 is not looked at; a TXA-12 that is there already is refused.
	ByDocument
	// Unnoticed: a repeat makes a second document.
	Unnoticed
)

// Options configure [New]. Now is required; a zero field takes the default it names.
type Options struct {
	Now          func() time.Time
	Patients     []Patient     // the patient index
	Charsets     []hl7.Charset // what MSH-18 may be: ASCII and UNICODE UTF-8
	ProcessingID string        // what MSH-11 is to be: P
	Types        []string      // what TXA-2 may be: table 0270
	Repeats      Repeats
	Cancels      bool          // T11 is taken, for documents that can be seen too
	Delay        time.Duration // before each answer
	Script       *Script       // what goes wrong; nil for nothing
}

// maxMessage is the size of a message that is taken: its files stand in it.
const maxMessage = 64 << 20

// Engine is the receiver. It is safe for concurrent use.
type Engine struct {
	o     Options
	began time.Time
	index index

	mu        sync.Mutex
	taken     map[string]string // MSH-10 → hash of the message that was accepted under it
	documents map[hl7.EI][]*Document
	order     []*Document
	ledger    []Entry
	arrivals  []Arrival
	answered  int
	spoilt    map[string]spoil // an answer that is to go wrong on the wire
}

// New is an engine with empty charts. An error names what is wrong with the patient index.
func New(o Options) (*Engine, error) {
	if o.Now == nil {
		return nil, errors.New("engine: Now is required")
	}
	if o.Charsets == nil {
		o.Charsets = []hl7.Charset{hl7.ASCII, hl7.UTF8}
	}
	o.ProcessingID = cmp.Or(o.ProcessingID, "P")
	if o.Types == nil {
		o.Types = []string{"AR", "CD", "CN", "DI", "DS", "ED", "HP", "OP", "PC", "PH", "PN", "PR", "SP", "TS"}
	}
	if o.Script == nil {
		o.Script = &Script{}
	}
	x, err := newIndex(o.Patients)
	if err != nil {
		return nil, err
	}
	return &Engine{o: o, began: o.Now(), index: x, taken: map[string]string{}, documents: map[hl7.EI][]*Document{}, spoilt: map[string]spoil{}}, nil
}

// Serve takes messages from the connections of l until ctx ends, and returns nil then; another end is the listener's error.
func (e *Engine) Serve(ctx context.Context, l net.Listener) error {
	s := mllp.Server{Handle: e.Handle, MaxMessage: maxMessage, Conns: 256, Grace: time.Second}
	return s.Serve(ctx, listener{l, e})
}

// EndFaults has the engine behave from now on.
func (e *Engine) EndFaults() { e.o.Script.stop() }

// received is a message that came.
type received struct {
	raw     []byte
	sum     string // sha256 of raw, hex
	message hl7.Message
	header  hl7.MSH
	early   *refusal // found before anything was taken into safe keeping
	fault   string
}

// refusal is why a message is not taken.
type refusal struct {
	code    hl7.AckCode // AE or AR
	problem *hl7.Problem
}

// rejected are the conditions that have nothing to do with what a message says (ch. 2.9.2): AR. All others are AE.
var rejected = []hl7.Condition{hl7.UnsupportedType, hl7.UnsupportedEvent, hl7.UnsupportedID, hl7.UnsupportedVer}

func refused(p *hl7.Problem) *refusal {
	if p == nil {
		return nil
	}
	if slices.Contains(rejected, p.Code) {
		return &refusal{hl7.AckAR, p}
	}
	return &refusal{hl7.AckAE, p}
}

// errUnanswerable is a message that does not say what an answer to it would have to repeat.
var errUnanswerable = errors.New("engine: a message without a header that can be read, or without MSH-10")

// Handle is the engine's mllp.Handler.
func (e *Engine) Handle(ctx context.Context, raw []byte) ([][]byte, error) {
	sum := sha256.Sum256(raw)
	m := received{raw: raw, sum: hex.EncodeToString(sum[:])}
	e.read(&m)
	if m.header.ControlID == "" {
		e.arrive(m, m.early, false)
		return nil, errUnanswerable
	}
	answers, err := e.o.Script.stage(e, m)
	if err != nil || e.o.Delay == 0 {
		return answers, err
	}
	return answers, wait(ctx, e.o.Delay)
}

// read parses a message and looks at what can be said before it is kept: its form as ER7 and its header.
func (e *Engine) read(m *received) {
	var p *hl7.Problem
	var err error
	m.message, err = hl7.Parse(m.raw, hl7.Options{MaxBytes: maxMessage, MaxParts: 2_000_000})
	if err != nil {
		m.header = rescued(m.raw)
		errors.As(err, &p)
		m.early = refused(p)
		return
	}
	m.header, err = hl7.ReadMSH(m.message)
	if errors.As(err, &p) {
		m.early = refused(p)
		return
	}
	m.early = refused(e.checkHeader(m.message.First("MSH"), m.header))
}

// work takes a message or refuses it, and gives what is answered.
func (e *Engine) work(m received) (answers [][]byte, taken bool) {
	r := m.early
	switch {
	case r != nil:
		e.arrive(m, r, false)
	case m.header.Type == hl7.ManageQuery:
		r = refused(checkQuery(m.message))
		e.arrive(m, r, false)
	default:
		r = e.file(m)
	}
	return e.answers(m, r), r == nil
}

// file puts a message's document into its patient's chart, all or nothing.
func (e *Engine) file(m received) *refusal {
	d, problem := e.document(m)
	e.mu.Lock()
	defer e.mu.Unlock()
	repeat := false
	if sum, known := e.taken[m.header.ControlID]; known && e.o.Repeats == ByControlID {
		repeat = sum == m.sum
		problem = nil
		if !repeat {
			problem = wrong("MSH", 10, hl7.DuplicateKey, "this control id came with another message")
		}
	} else if problem == nil {
		problem = e.place(d)
	}
	r := refused(problem)
	e.arrived(m, r, repeat)
	if r == nil && !repeat {
		e.commit(m, d)
	}
	return r
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
