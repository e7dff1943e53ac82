package mllp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// Handler takes a message and gives what is answered, in order: one acknowledgement, or a commit's and an application's, or
// none. It returns when what it acknowledges is durable. An error closes the connection without an answer, so that the sender
// sends again: it is for what could not be stored and could not be said. ctx ends when the server has waited Grace for it.
//
// Messages of one connection are handled one after the other, those of several at once.
type Handler func(ctx context.Context, message []byte) (answers [][]byte, err error)

// What a [Server] tells Note besides the errors of [Reader] and of the handler.
var (
	// ErrBusy is a connection over the limit. It was closed without a word, and the sender tries again.
	ErrBusy = errors.New("mllp: too many connections")
	// ErrPanicked is a handler that panicked. What it panicked with may be PHI and is not kept.
	ErrPanicked = errors.New("mllp: the handler panicked")
	// ErrHandshake is a connection that became no TLS one: its sender does not speak TLS, or showed no certificate that is trusted.
	ErrHandshake = errors.New("mllp: the TLS handshake")
)

// Server takes messages. A zero field takes the default it names.
type Server struct {
	Handle     Handler
	Conns      int           // connections at once: 64
	MaxMessage int           // bytes: [DefaultMax]
	Idle       time.Duration // how long a connection may be silent between messages: 10 min
	Read       time.Duration // from a message's first byte to its last: 30 s
	Write      time.Duration // for one answer: 10 s
	Grace      time.Duration // how long a message that is being handled may take once the server is to end: 10 s
	// SkipGarbage passes over bytes between frames, which else end the connection. Both are told.
	SkipGarbage bool
	// Note is told of what went wrong on a connection; nil where nobody listens. The texts of errors that are not the
	// handler's hold nothing of a message.
	Note func(remote net.Addr, err error)
}

// Serve takes connections from l until ctx ends, then ends cleanly: it takes no more, closes those that are silent, lets
// each message in hand be answered within Grace, and returns nil when every handler has. Another end is the listener's error.
// A server serves one listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	// A handler is not called off by ctx but after Grace: what it has stored is to be answered.
	hand, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var all sync.WaitGroup
	free := make(chan struct{}, cmp.Or(s.Conns, 64))
	err := s.accept(ctx, l, func(conn net.Conn) {
		select {
		case free <- struct{}{}:
		default:
			s.note(conn, ErrBusy)
			_ = conn.Close()
			return
		}
		all.Go(func() {
			defer func() { <-free }()
			s.serve(ctx, hand, conn)
		})
	})
	_ = l.Close()
	if ctx.Err() == nil { // the listener is gone: nobody will end the connections but we
		cancel()
		all.Wait()
		return err
	}
	defer time.AfterFunc(cmp.Or(s.Grace, 10*time.Second), cancel).Stop()
	all.Wait()
	return nil
}

// accept gives each connection to take. It waits where the process has no more file descriptors, and ends with ctx.
func (s *Server) accept(ctx context.Context, l net.Listener, take func(net.Conn)) error {
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			take(conn)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED):
			pause := time.NewTimer(100 * time.Millisecond)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
			}
		default:
			return fmt.Errorf("mllp: taking connections: %w", err)
		}
	}
}

// serve reads and answers the messages of one connection. hand is the handlers' context; its end closes the connection.
func (s *Server) serve(ctx, hand context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(hand, func() { _ = conn.Close() })()
	// A read that waits for a message when the server is to end need not end by itself.
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(past) })()
	if err := s.handshake(ctx, conn); err != nil {
		s.note(conn, err)
		return
	}
	r := NewReader(conn, s.MaxMessage)
	if s.SkipGarbage {
		r.Skipped = func(n int) { s.note(conn, fmt.Errorf("%w: %d were passed over", ErrGarbage, n)) }
	}
	for ctx.Err() == nil { // a message that is read ahead is not taken any more either
		err := within(cmp.Or(s.Idle, 10*time.Minute), conn.SetReadDeadline, r.begin)
		if err != nil {
			s.closing(ctx, conn, err, false)
			return
		}
		var message []byte
		err = within(cmp.Or(s.Read, 30*time.Second), conn.SetReadDeadline, func() (err error) {
			message, err = r.body()
			return err
		})
		if err != nil {
			s.closing(ctx, conn, err, true)
			return
		}
		if err := s.answer(hand, conn, message); err != nil {
			s.note(conn, err)
			return
		}
	}
}

// handshake makes a TLS connection one within the time a message may take; left to the first read it could take Idle.
func (s *Server) handshake(ctx context.Context, conn net.Conn) error {
	h, ok := conn.(interface{ HandshakeContext(context.Context) error })
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.Read, 30*time.Second))
	defer cancel()
	if err := h.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return nil
}

// answer handles a message and writes what is answered. It has a deadline of its own: a server that is to end still answers.
func (s *Server) answer(hand context.Context, conn net.Conn, message []byte) error {
	answers, err := s.handle(hand, message)
	if err != nil {
		return err
	}
	for _, a := range answers {
		frame, err := Frame(a)
		if err != nil {
			return err
		}
		err = within(cmp.Or(s.Write, 10*time.Second), conn.SetWriteDeadline, func() error {
			_, err := conn.Write(frame)
			return err
		})
		if err != nil {
			return fmt.Errorf("mllp: writing an answer: %w", err)
		}
	}
	return nil
}

func (s *Server) handle(ctx context.Context, message []byte) (answers [][]byte, err error) {
	defer func() {
		if recover() != nil {
			answers, err = nil, ErrPanicked
		}
	}()
	return s.Handle(ctx, message)
}

// within does something that a deadline of the connection ends, d from now.
func within(d time.Duration, deadline func(time.Time) error, do func() error) error {
	// An alarm that goes off just as do ends may end what comes next: the connection closes and the sender sends again.
	alarm := time.AfterFunc(d, func() { _ = deadline(past) })
	defer alarm.Stop()
	return do()
}

// closing tells of a connection that ended otherwise than between two messages.
func (s *Server) closing(ctx context.Context, conn net.Conn, err error, inFrame bool) {
	var n net.Error
	quiet := ctx.Err() != nil || errors.As(err, &n) && n.Timeout() || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF)
	if inFrame || !quiet {
		s.note(conn, err)
	}
}

func (s *Server) note(conn net.Conn, err error) {
	if s.Note != nil {
		s.Note(conn.RemoteAddr(), err)
	}
}
