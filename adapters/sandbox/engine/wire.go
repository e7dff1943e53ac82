package engine

import (
	"context"
	"net"
	"time"
)

// spoil is what happens to an answer on the wire.
type spoil struct {
	every time.Duration // one byte each
	cut   int           // bytes of the frame after which the connection ends
}

// listener gives connections that can go wrong.
type listener struct {
	net.Listener
	e *Engine
}

// Accept is net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return conn{c, l.e}, nil
}

type conn struct {
	net.Conn
	e *Engine
}

// Write is net.Conn. It is given one frame, and each answer is one of its kind: it has a control id of its own.
func (c conn) Write(frame []byte) (int, error) {
	answer := string(frame[1 : len(frame)-2])
	c.e.mu.Lock()
	s, spoilt := c.e.spoilt[answer]
	delete(c.e.spoilt, answer)
	c.e.mu.Unlock()
	switch {
	case !spoilt:
		return c.Conn.Write(frame)
	case s.cut > 0:
		n, _ := c.Conn.Write(frame[:min(s.cut, len(frame))])
		return n, errHungUp
	}
	for i := range frame {
		if _, err := c.Conn.Write(frame[i : i+1]); err != nil {
			return i, err
		}
		if err := wait(context.Background(), s.every); err != nil {
			return i + 1, err
		}
	}
	return len(frame), nil
}
