package sandbox

import (
	"context"
	"fmt"
	"net"

	"github.com/chartwire/chartwire/adapters/sandbox/engine"
)

// Engine is a running sandbox interface engine.
type Engine struct {
	*engine.Engine
	addr string
	stop context.CancelFunc
	done chan struct{}
}

// StartEngine listens on addr ("" means a free port on 127.0.0.1) and takes messages until Close or until ctx ends.
func StartEngine(ctx context.Context, addr string, o engine.Options) (*Engine, error) {
	e, err := engine.New(o)
	if err != nil {
		return nil, err
	}
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("sandbox: cannot listen on %s: %w", addr, err)
	}
	ctx, stop := context.WithCancel(ctx)
	out := &Engine{Engine: e, addr: l.Addr().String(), stop: stop, done: make(chan struct{})}
	go func() {
		defer close(out.done)
		_ = e.Serve(ctx, l) // ends with ctx
	}()
	return out, nil
}

// URL is where the engine takes messages, mllp://host:port.
func (e *Engine) URL() string { return "mllp://" + e.addr }

// Close stops the engine; a message in hand is answered first.
func (e *Engine) Close() {
	e.stop()
	<-e.done
}
