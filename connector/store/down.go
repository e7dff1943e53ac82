package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

var errDown = errors.New("the database does not answer")

// outage says whether the database answers. While it does not, callers are told at once instead of one after the other
// waiting for it, so that a sender has its 503 within its patience however many wait.
type outage struct {
	down  atomic.Bool
	began chan struct{}
}

// failed takes note of an error that ended a batch, a claim or a View of a caller with this context. The first that shows
// that the database does not answer begins the outage.
func (db *DB) failed(ctx context.Context, err error) {
	if ctx.Err() == nil && db.eng.silent(err) && db.outage.down.CompareAndSwap(false, true) {
		db.outage.began <- struct{}{} // there is room: the last outage is over
	}
}

// outageLoop ends each outage once the database answers again.
func (db *DB) outageLoop() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-db.closing; cancel() }()
	for {
		select {
		case <-db.outage.began:
		case <-ctx.Done():
			return
		}
		for db.eng.answers(ctx) != nil {
			if clock.Sleep(ctx, clock.System, pgAgain) != nil {
				return
			}
		}
		db.outage.down.Store(false)
	}
}

// up is nil while the database answers.
func (db *DB) up() error {
	if db.outage.down.Load() {
		return fmt.Errorf("%w: %w", connector.ErrStore, errDown)
	}
	return nil
}
