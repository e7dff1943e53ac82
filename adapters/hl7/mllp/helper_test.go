package mllp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// sample is the document message of testdata/hl7 as it is on the wire.
func sample(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../../../testdata/hl7/mdm-t02.hl7")
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.ReplaceAll(string(b), "\n", "\r"))
}

// asking is a message of an id that asks for acknowledgements.
func asking(id, accept, application string) []byte {
	return []byte("MSH|^~\\&|US||EHR||20261122141530-0500||MDM^T02^MDM_T02|" + id + "|P|2.5.1|||" + accept + "|" + application + "\rEVN|T02\r")
}

// answering is an answer of a code to the message of an id.
func answering(code hl7.AckCode, id string) []byte {
	return []byte("MSH|^~\\&|EHR||US||20261122141531-0500||ACK^T02^ACK|E1|P|2.5.1\rMSA|" + string(code) + "|" + id + "\r")
}

func framed(t testing.TB, message []byte) []byte {
	t.Helper()
	f, err := Frame(message)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// wire is the receiver's end of connections a client dials, one script a connection; with none left it refuses.
type wire struct {
	t       *testing.T
	mu      sync.Mutex
	scripts []func(peer)
	dialed  int
	running sync.WaitGroup
}

// peer is the receiver's end of a connection. The script's return closes it.
type peer struct {
	t *testing.T
	net.Conn
	in *Reader
}

// next is the message that comes.
func (p peer) next() []byte {
	m, err := p.in.Next()
	if err != nil {
		p.t.Errorf("the receiver reads: %v", err)
	}
	return m
}

// say writes frames, all in one write.
func (p peer) say(messages ...[]byte) {
	var b []byte
	for _, m := range messages {
		b = append(b, framed(p.t, m)...)
	}
	if _, err := p.Write(b); err != nil {
		p.t.Errorf("the receiver writes: %v", err)
	}
}

// hold waits until the sender hangs up.
func (p peer) hold() { _, _ = io.Copy(io.Discard, p.Conn) }

var errNobody = errors.New("nobody is there")

// receivers is a client and the connections it will get.
func receivers(t *testing.T, cfg ClientConfig, scripts ...func(peer)) (*Client, *wire) {
	t.Helper()
	w := &wire{t: t, scripts: scripts}
	cfg.Dial = w.dial
	c := NewClient(cfg)
	t.Cleanup(func() { c.Close(); w.running.Wait() })
	return c, w
}

func (w *wire) dial(context.Context) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dialed == len(w.scripts) {
		return nil, errNobody
	}
	ours, theirs := net.Pipe()
	script := w.scripts[w.dialed]
	w.dialed++
	w.running.Go(func() {
		defer func() { _ = theirs.Close() }()
		script(peer{w.t, theirs, NewReader(theirs, 0)})
	})
	return ours, nil
}

// soon is a context for an answer that is expected; no test waits for its end.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func sendError(t *testing.T, err error) *SendError {
	t.Helper()
	var e *SendError
	if !errors.As(err, &e) {
		t.Fatalf("want a SendError, got %v", err)
	}
	return e
}

// listener gives a server the far ends of pipes.
type listener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func listen() *listener { return &listener{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error { l.once.Do(func() { close(l.done) }); return nil }

func (l *listener) Addr() net.Addr { return pipeAddr{} }

func (l *listener) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, errNobody
	}
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
