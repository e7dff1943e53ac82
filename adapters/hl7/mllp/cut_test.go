package mllp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// TestCutFrame: a receiver that is gone after every number of bytes of the frame; what is told as written is what it got.
func TestCutFrame(t *testing.T) {
	message := sample(t)
	frame := framed(t, message)
	for n := range len(frame) + 1 {
		var got bytes.Buffer
		c, w := receivers(t, ClientConfig{}, func(p peer) { _, _ = io.CopyN(&got, p.Conn, int64(n)) })
		a, err := c.Send(soon(t), message)
		e := sendError(t, err)
		w.running.Wait()
		step := StepWrite
		if n == len(frame) {
			step = StepAnswer
		}
		if e.Written != n || e.Size != len(frame) || e.NotSent() != (n == 0) || e.Step != step || a.Application != nil || e.Commit != nil {
			t.Fatalf("cut after %d of %d: %v", n, len(frame), e)
		}
		if !bytes.Equal(got.Bytes(), frame[:n]) {
			t.Fatalf("cut after %d: the receiver got %q", n, got.Bytes())
		}
	}
}

// TestCutAnswer: an answer that is cut after every number of its bytes is none until its last byte is there. In enhanced mode
// both answers are cut, and a commit that had come is told.
func TestCutAnswer(t *testing.T) {
	message, ack := asking("m1", "", ""), framed(t, answering("AA", "m1"))
	for n := range len(ack) + 1 {
		c, _ := receivers(t, ClientConfig{}, func(p peer) { p.next(); _, _ = p.Write(ack[:n]) })
		a, err := c.Send(soon(t), message)
		if n == len(ack) {
			if err != nil || codeOf(a.Application) != "AA" {
				t.Fatalf("a whole answer: %+v (%v)", a, err)
			}
			continue
		}
		if e := sendError(t, err); e.Step != StepAnswer || e.Written != e.Size || e.NotSent() || a.Application != nil {
			t.Fatalf("cut after %d of %d: %v", n, len(ack), e)
		}
	}

	commit := framed(t, answering("CA", "m1"))
	both := append(append([]byte{}, commit...), ack...)
	for n := range len(both) {
		c, _ := receivers(t, ClientConfig{SameConnection: true}, func(p peer) { p.next(); _, _ = p.Write(both[:n]) })
		_, err := c.Send(soon(t), asking("m1", "AL", "AL"))
		e := sendError(t, err)
		if held := n >= len(commit); e.Step != StepAnswer || e.NotSent() || (codeOf(e.Commit) == "CA") != held {
			t.Fatalf("cut after %d of %d: %v", n, len(both), e)
		}
	}
}

// cut is a connection that is gone after so many bytes written and so many read.
type cut struct {
	net.Conn
	mu          sync.Mutex
	write, read int
}

var errCut = errors.New("cut")

func (c *cut) Write(b []byte) (int, error) {
	c.mu.Lock()
	n := min(len(b), c.write)
	c.write -= n
	c.mu.Unlock()
	if n > 0 {
		if n, err := c.Conn.Write(b[:n]); err != nil {
			return n, err
		}
	}
	if n < len(b) {
		_ = c.Conn.Close()
		return n, errCut
	}
	return n, nil
}

func (c *cut) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n = min(n, c.read)
	if c.read -= n; c.read == 0 {
		_ = c.Conn.Close()
	}
	if n == 0 {
		return 0, errCut
	}
	return n, nil
}

// TestCutAndSentAgain: client and server, the connection cut at every byte of frame and answer, and the same bytes sent again.
// Nothing told as not sent was taken, nothing answered is missing, and by MSH-10 nothing is there twice.
func TestCutAndSentAgain(t *testing.T) {
	message := sample(t)
	frame := len(framed(t, message))
	taken := map[string]int{} // how often each MSH-10 was handled; the chart has it once
	var mu sync.Mutex
	server := &Server{Handle: func(_ context.Context, m []byte) ([][]byte, error) {
		h, err := hl7.ParseHeader(m, hl7.Options{})
		if err != nil || len(m) != len(message) {
			t.Errorf("the server was given %d bytes of %d (%v)", len(m), len(message), err)
		}
		mu.Lock()
		defer mu.Unlock()
		taken[h.ControlID]++
		return [][]byte{answering("AA", h.ControlID)}, nil
	}}
	l := listen()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx, l) }()
	answer := len(framed(t, answering("AA", "MC20261122141530001")))
	for n := range frame + answer {
		id := []byte("MC" + time.Unix(int64(n), 0).UTC().Format("20060102150405") + "xxx")
		again := bytes.Replace(message, []byte("MC20261122141530001"), id, 1)
		c := NewClient(ClientConfig{Dial: cutOnce(l, min(n, frame), max(0, n-frame))})
		_, err := c.Send(soon(t), again)
		e := sendError(t, err)
		mu.Lock()
		handled := taken[string(id)]
		mu.Unlock()
		if e.NotSent() != (n == 0) || e.Written != min(n, frame) || n < frame && handled > 0 {
			t.Fatalf("cut after %d of %d + %d: handled %d times, %v", n, frame, answer, handled, e)
		}
		a, err := c.Send(soon(t), again)
		mu.Lock()
		handled = taken[string(id)]
		mu.Unlock()
		if err != nil || codeOf(a.Application) != "AA" || handled < 1 || handled > 2 || n < frame && handled != 1 {
			t.Fatalf("cut after %d, sent again: handled %d times, %+v (%v)", n, handled, a, err)
		}
		c.Close()
	}
	if len(taken) != frame+answer {
		t.Errorf("%d messages of %d are on the chart", len(taken), frame+answer)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// cutOnce dials a first connection that is cut and then whole ones.
func cutOnce(l *listener, write, read int) func(context.Context) (net.Conn, error) {
	first := true
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := l.dial(ctx)
		if err == nil && first {
			first = false
			return &cut{Conn: conn, write: write, read: read}, nil
		}
		return conn, err
	}
}
