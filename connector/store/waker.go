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
	wakeAgain   = time.Second           // between attempts to listen again
	wakeRest    = 10 * time.Millisecond // between two times others are told
)

// waker tells other replicas of touched lanes and hears of theirs: payloads are "replica ehr kind".
type waker struct {
	e       *postgres
	replica string
	ctx     context.Context // ends with the store
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu      sync.Mutex
	pending map[touched]bool
	wake    chan struct{}
}

func startWaker(e *postgres, cfg *pgx.ConnConfig) *waker {
	ctx, cancel := context.WithCancel(context.Background())
	w := &waker{e: e, ctx: ctx, replica: connector.NewID(e.db.clock.Now()), cancel: cancel, pending: map[touched]bool{}, wake: make(chan struct{}, 1)}
	w.done.Go(func() { w.listen(ctx, cfg.Copy()) })
	w.done.Go(func() { w.tell(ctx) })
	return w
}

func (w *waker) stop() {
	w.cancel()
	w.done.Wait()
}

func (w *waker) add(all []touched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, what := range all {
		w.pending[what] = true
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
			w.send(context.WithoutCancel(ctx), pgProbe) // what came since the last time
			return
		}
		w.send(ctx, pgWithin)
		_ = clock.Sleep(ctx, clock.System, wakeRest)
	}
}

// send tells the other replicas. An error loses wake-ups and nothing else: they poll.
func (w *waker) send(ctx context.Context, within time.Duration) {
	w.mu.Lock()
	b := &pgx.Batch{}
	b.Queue("SELECT set_config('synchronous_commit', 'off', true)") // for this transaction: nothing is lost with a wake-up
	for what := range w.pending {
		b.Queue("SELECT pg_notify($1, $2)", wakeChannel, w.replica+" "+what.ehr+" "+string(what.kind))
	}
	clear(w.pending)
	w.mu.Unlock()
	if b.Len() == 1 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_ = w.e.pool.SendBatch(ctx, b).Close()
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
		words := strings.Split(n.Payload, " ")
		if len(words) != 3 {
			return errors.New("a notification of another kind")
		}
		if words[0] != w.replica {
			w.e.db.listeners.ring(touched{words[1], connector.LaneKind(words[2])})
		}
	}
}
