package deliver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// silent is a store that does not answer until it is let go.
type silent struct {
	connector.Store
	asked chan struct{}
	free  chan struct{}
}

func (s silent) View(context.Context, func(connector.Tx) error) error {
	s.asked <- struct{}{}
	<-s.free
	return connector.ErrStore
}

// One worker looks what the EHR asked, and the store does not answer: the others wait, and can stop.
func TestHeedWaitsAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := silent{asked: make(chan struct{}), free: make(chan struct{})}
		c := newConn(Connection{Deadline: time.Minute}, &Engine{clock: clock.System, store: s})
		first := make(chan error, 1)
		go func() { first <- c.heed(t.Context()) }()
		<-s.asked
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := c.heed(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second ended with %v", err)
		}
		close(s.free)
		if err := <-first; !errors.Is(err, connector.ErrStore) {
			t.Errorf("the first ended with %v", err)
		}
	})
}
