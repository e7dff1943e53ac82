package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

const (
	wakeChannel = "chartwire_lane"
	wakeAgain   = time.Second // between attempts to listen again
)

// waker tells other replicas of touched lanes and hears of theirs: payloads are "replica ehr".
type waker struct {
	e       *postgres
	replica string
	ctx     context.Context // ends with the store
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu      sync.Mutex
	pending map[string]bool
	wake    chan struct{}
}

func startWaker(e *postgres, cfg *pgx.ConnConfig) *waker {
	ctx, cancel := context.WithCancel(context.Background())
	w := &waker{e: e, ctx: ctx, replica: connector.NewID(e.db.clock.Now()), cancel: cancel, pending: map[string]bool{}, wake: make(chan struct{}, 1)}
	w.done.Go(func() { w.listen(ctx, cfg.Copy()) })
	w.done.Go(func() { w.tell(ctx) })
	return w
}

func (w *waker) stop() {
	w.cancel()
	w.done.Wait()
}

func (w *waker) add(ehrs []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range ehrs {
		w.pending[e] = true
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// tell sends what has come together since the last time.
func (w *waker) tell(ctx context.Context) {
	for {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
		w.mu.Lock()
		b := &pgx.Batch{}
		b.Queue("SELECT set_config('synchronous_commit', 'off', true)") // for this transaction: nothing is lost with a wake-up
		for e := range w.pending {
			b.Queue("SELECT pg_notify($1, $2)", wakeChannel, w.replica+" "+e)
		}
		clear(w.pending)
		w.mu.Unlock()
		// An error loses wake-ups and nothing else: the others poll.
		within, cancel := context.WithTimeout(ctx, pgWithin)
		_ = w.e.pool.SendBatch(within, b).Close()
		cancel()
	}
}

// listen rings for what other replicas tell, on a connection of its own, for as long as ctx lives.
func (w *waker) listen(ctx context.Context, cfg *pgx.ConnConfig) {
	for ctx.Err() == nil {
		err := w.hear(ctx, cfg)
		if err == nil || ctx.Err() != nil {
			return
		}
		_ = clock.Sleep(ctx, w.e.db.clock, wakeAgain)
	}
}

func (w *waker) hear(ctx context.Context, cfg *pgx.ConnConfig) error {
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, "LISTEN "+wakeChannel); err != nil {
		return err
	}
	w.e.db.listeners.ringAll() // for what was told while nobody listened
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		replica, ehr, found := strings.Cut(n.Payload, " ")
		if !found {
			return errors.New("a notification of another kind")
		}
		if replica != w.replica {
			w.e.db.listeners.ring(ehr)
		}
	}
}
