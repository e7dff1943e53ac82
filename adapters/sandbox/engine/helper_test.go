package engine_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
)

var (
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	mrn  = hl7.HD{Namespace: "HOSP_A"}
	born = hl7.OnDay(time.Date(2015, 7, 4, 0, 0, 0, 0, time.UTC))
)

// people are a patient and the one a careless match would take for them.
func people() []engine.Patient {
	return []engine.Patient{
		{Ref: "Patient/daniel", Names: []hl7.XPN{{Family: "Cho", Given: "Daniel"}}, Birth: born,
			Identifiers: []hl7.CX{{ID: "MRN123", Authority: mrn, Type: "MR"}, {ID: "X7", Authority: hl7.HD{Namespace: "PLAN"}}}},
		{Ref: "Patient/twin", Names: []hl7.XPN{{Family: "Cho", Given: "Daniel"}}, Birth: hl7.OnDay(time.Date(2013, 10, 5, 0, 0, 0, 0, time.UTC)),
			Identifiers: []hl7.CX{{ID: "MRN123-N", Authority: mrn, Type: "MR"}}},
	}
}

func open(t testing.TB, o engine.Options) *engine.Engine {
	t.Helper()
	o.Now = func() time.Time { return noon }
	o.Patients = people()
	e, err := engine.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// mdm is a document message without fault.
func mdm(event, control, number, parent, text string) hl7.MDM {
	at := hl7.At(noon)
	line := hl7.OBX{Code: hl7.CE{Code: "34748-4", System: "LN"}, Status: hl7.Final}
	return hl7.MDM{
		Event:   event,
		Header:  hl7.MSH{SendingApplication: hl7.HD{Namespace: "CW"}, Time: at, ControlID: control, ProcessingID: "P", Charset: hl7.UTF8},
		Changed: hl7.EVN{Recorded: at},
		Patient: hl7.PID{Identifiers: []hl7.CX{{ID: "MRN123", Authority: mrn, Type: "MR"}}, Names: []hl7.XPN{{Family: "Cho", Given: "Daniel", Type: "L"}}, Birth: born},
		Visit:   hl7.PV1{Class: "O"},
		TXA: hl7.TXA{Type: "PR", Presentation: hl7.PlainText, Document: hl7.EI{ID: number}, Parent: hl7.EI{ID: parent}, Completion: hl7.Documented,
			Availability: hl7.Available},
		Content: line.Text(text, hl7.BySegment),
	}
}

func er7(t testing.TB, d hl7.MDM) []byte {
	t.Helper()
	m, err := d.Message()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// acks reads what was answered.
func acks(t testing.TB, raws [][]byte) []hl7.Ack {
	t.Helper()
	var out []hl7.Ack
	for _, raw := range raws {
		m, err := hl7.Parse(raw, hl7.Options{})
		if err != nil {
			t.Fatalf("the answer cannot be read: %v", err)
		}
		a, err := hl7.ReadAck(m)
		if err != nil {
			t.Fatalf("the answer is none: %v", err)
		}
		out = append(out, a)
	}
	return out
}

// told is an answer in short: its code, and where it has one the condition and its place.
func told(all []hl7.Ack) string {
	var words []string
	for _, a := range all {
		word := string(a.Code)
		for _, e := range a.Errors {
			word += " " + string(e.Condition())
			for _, at := range e.Locations {
				word += " " + at.String()
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func send(t testing.TB, e *engine.Engine, raw []byte) string {
	t.Helper()
	answers, err := e.Handle(t.Context(), raw)
	if err != nil {
		return "hung up"
	}
	return told(acks(t, answers))
}

// serve runs an engine on pipes and gives what dials it.
func serve(t testing.TB, e *engine.Engine) func(context.Context) (net.Conn, error) {
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.dial
}

func client(t testing.TB, dial func(context.Context) (net.Conn, error)) *mllp.Client {
	c := mllp.NewClient(mllp.ClientConfig{Dial: dial, SameConnection: true})
	t.Cleanup(c.Close)
	return c
}

// pipes gives a server the far ends of pipes.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error { l.once.Do(func() { close(l.done) }); return nil }

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (l *pipes) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
