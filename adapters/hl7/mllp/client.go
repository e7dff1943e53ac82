package mllp

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// ClientConfig is what a [Client] needs.
type ClientConfig struct {
	// Dial makes a connection, TLS where that is wanted, within its context.
	Dial func(ctx context.Context) (net.Conn, error)
	// Ready is asked when a message has its connection, just before its first byte. Its error, such as that of a lease that
	// was lost while the message waited, ends Send with nothing written and is wrapped in the SendError. nil lets it go.
	Ready func(ctx context.Context) error
	// MaxAnswer is the largest answer that is read, in bytes: 1 MiB.
	MaxAnswer int
	// Answers is how answers are read. Where it says nothing of unlabelled bytes they are taken as 8859/1: an answer's codes
	// are ASCII, and words for people do not make them unreadable.
	Answers hl7.Options
	// SkipGarbage passes over bytes between frames, which else end the connection; it is told how many.
	SkipGarbage func(bytes int)
	// SameConnection: in enhanced mode the application's answer comes on this connection too, and Send waits for it where
	// MSH-16 asks for it always. Else Send ends with the commit's.
	SameConnection bool
	// Confirm makes the commit acknowledgement of an application's answer that asks for one (its MSH-15). nil sends none.
	Confirm func(hl7.Ack) ([]byte, error)
	// Stray is given each frame that is no answer to the message in flight: an application's answer to an earlier one, or one
	// that came too late. It may hold PHI. It is called from the goroutine that reads and must not call Send. nil drops them.
	Stray func(frame []byte)
}

// Client sends messages over one connection, one in flight at a time, in the order their turn comes. It dials when there is
// something to send and no connection, and sends nothing twice by itself. It is safe for concurrent use.
type Client struct {
	cfg  ClientConfig
	turn chan struct{} // holds one token while a message is in flight

	mu     sync.Mutex
	link   *link
	flight *flight
	closed bool
}

// link is one connection with the goroutine that reads it.
type link struct {
	conn net.Conn
	done chan struct{} // closed when the goroutine has ended
	err  error         // why; read after done
}

// flight is the message that waits for an answer.
type flight struct {
	answers chan []byte
	over    chan struct{}
}

// NewClient is a client that has not connected yet.
func NewClient(cfg ClientConfig) *Client {
	if cfg.MaxAnswer == 0 {
		cfg.MaxAnswer = 1 << 20
	}
	if cfg.Answers.Unlabelled == hl7.ASCII {
		cfg.Answers.Unlabelled = hl7.Latin1
	}
	return &Client{cfg: cfg, turn: make(chan struct{}, 1)}
}

// Close ends the connection and every Send that waits. A closed client stays closed.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.link != nil {
		_ = c.link.conn.Close()
	}
}

// Answer is what a receiver said to a message.
type Answer struct {
	// Commit is a CA, CE or CR, nil where none came. A CA is no filing.
	Commit *hl7.Ack
	// Application is an AA, AE or AR, nil where none came or was waited for.
	Application *hl7.Ack
	// Frames are the messages these were read from, in order of their coming. They may hold PHI.
	Frames [][]byte
}

// Send sends a message, its bytes as they are, and waits for what its MSH-15 and MSH-16 ask for, matched by MSA-2 to its
// MSH-10, until ctx ends:
//
//   - both empty, the original mode: the application's answer;
//   - else, the enhanced mode: the commit's, unless MSH-15 is NE or empty, and after a CA the application's where MSH-16 is AL and it
//     comes on this connection. A receiver that answers with the application's at once is taken at its word.
//
// MSH-15 ER or SU leaves it open whether an answer comes: silence then is a SendError too, and the caller's to judge.
//
// The error is an [ErrUnsendable], with a cause, or a *[SendError]; after the latter the connection is closed, so that a late
// answer cannot be taken for another's. A negative answer is no error.
func (c *Client) Send(ctx context.Context, message []byte) (Answer, error) {
	h, err := hl7.ParseHeader(message, hl7.Options{MaxBytes: len(message)})
	if err != nil || h.ControlID == "" {
		return Answer{}, errors.Join(ErrUnsendable, err)
	}
	frame, err := Frame(message)
	if err != nil {
		return Answer{}, err
	}
	failed := func(step Step, cause error) (Answer, error) {
		return Answer{}, &SendError{Step: step, Size: len(frame), cause: cause}
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return failed(StepTurn, ended(ctx))
	}
	l, err := c.connected(ctx)
	if err != nil {
		return failed(StepDial, err)
	}
	if c.cfg.Ready != nil {
		if err := c.cfg.Ready(ctx); err != nil {
			return failed(StepWrite, err)
		}
	}
	return c.exchange(ctx, l, h, frame)
}

// Connect makes the connection where there is none, so that it is known whether the receiver can be reached. The error is a
// *[SendError].
func (c *Client) Connect(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return &SendError{Step: StepTurn, cause: ended(ctx)}
	}
	if _, err := c.connected(ctx); err != nil {
		return &SendError{Step: StepDial, cause: err}
	}
	return nil
}

// Connected reports whether there is a connection that nobody has ended.
func (c *Client) Connected() bool {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l == nil {
		return false
	}
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

// connected is the connection there is, or a new one.
func (c *Client) connected(ctx context.Context) (*link, error) {
	c.mu.Lock()
	l, closed := c.link, c.closed
	c.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	if l != nil {
		select {
		case <-l.done: // the receiver hung up while nothing was in flight
		default:
			return l, nil
		}
	}
	conn, err := c.cfg.Dial(ctx)
	if err != nil {
		return nil, err
	}
	// A handshake is part of connecting: left to the first write, its failure would look like one of the message.
	if h, ok := conn.(interface{ HandshakeContext(context.Context) error }); ok {
		if err := h.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	l = &link{conn: conn, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.Close()
		return nil, ErrClosed
	}
	c.link = l
	go c.read(l)
	return l, nil
}

// read gives what comes to the message in flight, or away as stray, until the connection ends. Between messages it notices
// that the receiver hung up, before the next one is written into nothing.
func (c *Client) read(l *link) {
	r := NewReader(l.conn, c.cfg.MaxAnswer)
	r.Skipped = c.cfg.SkipGarbage
	for {
		frame, err := r.Next()
		if err != nil {
			_ = l.conn.Close()
			l.err = err
			close(l.done)
			return
		}
		c.mu.Lock()
		f := c.flight
		c.mu.Unlock()
		if f == nil || !f.take(frame) {
			c.stray(frame)
		}
	}
}

func (f *flight) take(frame []byte) bool {
	select {
	case f.answers <- frame:
		return true
	case <-f.over:
		return false
	}
}

func (c *Client) stray(frame []byte) {
	if c.cfg.Stray != nil {
		c.cfg.Stray(frame)
	}
}

// past is a deadline that has passed, whatever the time.
var past = time.Unix(1, 0)

// exchange writes a frame and waits for its answer.
func (c *Client) exchange(ctx context.Context, l *link, h hl7.MSH, frame []byte) (Answer, error) {
	f := &flight{answers: make(chan []byte), over: make(chan struct{})}
	c.fly(f)
	defer func() {
		c.fly(nil)
		close(f.over)
	}()
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetWriteDeadline(past) })
	defer func() {
		if !stop() { // the deadline is set by now or soon: nothing more can be written here
			c.drop(l)
		}
	}()
	n, err := l.conn.Write(frame)
	failure := &SendError{Step: StepWrite, Written: n, Size: len(frame)}
	if err != nil {
		failure.cause = c.because(ctx, err)
		c.drop(l)
		return Answer{}, failure
	}
	w := waiting{client: c, link: l, flight: f, header: h}
	w.application = !h.Enhanced() || h.ApplicationAck == hl7.Always && c.cfg.SameConnection
	w.commit = h.Enhanced() && h.AcceptAck != hl7.Never && h.AcceptAck != ""
	if err := w.wait(ctx); err != nil {
		failure.Step, failure.Commit, failure.cause = StepAnswer, w.answer.Commit, c.because(ctx, err)
		c.drop(l)
		return w.answer, failure
	}
	return w.answer, nil
}

// because prefers, of the reasons for a failure, the one that came first: the caller's or ours.
func (c *Client) because(ctx context.Context, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return ErrClosed
	case ctx.Err() != nil && !errors.Is(err, ErrGarbled):
		return ended(ctx)
	}
	return err
}

// ended is why ctx ended, with the error that says whether time ran out.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return errors.Join(ctx.Err(), cause)
	}
	return ctx.Err()
}

func (c *Client) fly(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flight = f
}

// drop ends a connection that a late answer could come on.
func (c *Client) drop(l *link) {
	_ = l.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == l {
		c.link = nil
	}
}
