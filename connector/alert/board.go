package alert

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

const (
	metaKey = "alerts" // where the store keeps the state

	maxWants   = 4096            // alerts raised or cleared and not yet written down; more are dropped, and that is logged
	maxOpen    = 500             // open at once; who reads five hundred alerts needs no further one
	maxQueue   = 1000            // notices not yet told; the oldest are dropped first
	tellAtOnce = 50              // notices told between two commits
	tellFor    = 24 * time.Hour  // a notice nobody took for this long is dropped
	firstWait  = time.Second     // between tries to tell, doubling to maxWait
	maxWait    = 5 * time.Minute // also between two looks at what other replicas left
	tellLease  = time.Minute     // one board tells at a time; it has so long until it tells the store how it went
)

// Options wires a Board.
type Options struct {
	Store connector.Store
	Clock clock.Clock
	Log   *slog.Logger // nil is silent
	Tell  Teller       // nil tells nobody: alerts are open, counted and logged
}

// Teller hands one notice to people. An error means it was not taken; it is offered again with growing waits.
type Teller interface {
	Tell(ctx context.Context, n Notice) error
}

// Notice is one message to people: an alert was raised or has cleared.
type Notice struct {
	ID    string    `json:"id"` // a ULID; the same at every try, so that the far side can tell a repeat
	Type  string    `json:"type"`
	At    time.Time `json:"at"` // UTC
	Alert Alert     `json:"alert"`
}

// The types of a notice.
const (
	Raised  = "alert.raised"
	Cleared = "alert.cleared"
)

// Board keeps the open alerts and tells of their opening and closing. Run it; Raise and Clear may be called before.
type Board struct {
	o    Options
	id   string
	wake chan struct{}

	mu      sync.Mutex
	wants   map[string]*Alert // by key: to be raised, or nil to be cleared
	open    map[string]Alert  // as last read from the store
	loaded  bool
	dropped int
}

// state is what the store keeps.
type state struct {
	Open  map[string]Alert `json:"open"`
	Queue []Notice         `json:"queue"`
	// Teller is the board that tells now. Others leave the queue to it, or they would tell the same once more.
	Teller teller `json:"teller,omitzero"`
}

type teller struct {
	ID    string    `json:"id"`
	Until time.Time `json:"until"`
}

// New gives a board that has told nothing yet.
func New(o Options) *Board {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Board{o: o, id: connector.NewID(o.Clock.Now()), wake: make(chan struct{}, 1), wants: map[string]*Alert{}, open: map[string]Alert{}}
}

// Raise is Alerter.
func (b *Board) Raise(a Alert) { b.want(a.Key, &a) }

// Clear is Alerter.
func (b *Board) Clear(key string) { b.want(key, nil) }

// want notes the newest wish about a key. It is called for every attempt while something stands still, so the common case,
// that nothing changes, ends here.
func (b *Board) want(key string, a *Alert) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, pending := b.wants[key]
	if _, open := b.open[key]; b.loaded && !pending && open == (a != nil) {
		return
	}
	if !pending && len(b.wants) >= maxWants {
		b.dropped++
		return
	}
	b.wants[key] = a
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Open gives the open alerts, by key. It reads memory: after a start it is empty until Run has read the store.
func (b *Board) Open() []Alert {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Alert
	for _, key := range slices.Sorted(maps.Keys(b.open)) {
		out = append(out, b.open[key])
	}
	return out
}

// Run writes down and tells until ctx ends. A store or a far side that does not answer is tried again.
func (b *Board) Run(ctx context.Context) error {
	wait := firstWait
	for ctx.Err() == nil {
		left, again, err := b.turn(ctx)
		switch {
		case err != nil:
			b.o.Log.Warn("alerts could not be told; trying again", "error", err)
		case left:
			wait = firstWait
			continue
		}
		if err == nil {
			b.rest(ctx, again)
			continue
		}
		_ = clock.Sleep(ctx, b.o.Clock, wait) // what is raised meanwhile would wait behind the same notice
		wait = min(2*wait, maxWait)
	}
	return nil
}

// rest waits until something is raised or cleared here, or for so long.
func (b *Board) rest(ctx context.Context, again time.Duration) {
	timer := b.o.Clock.NewTimer(again)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-b.wake:
	case <-timer.C():
	}
}

// turn writes down what was raised and cleared and tells the oldest notices, where no other board is about to; it says
// whether more is left to tell, and when to look again if not. A notice told just before the process dies is told again,
// under its id.
func (b *Board) turn(ctx context.Context) (left bool, again time.Duration, err error) {
	s, err := b.write(ctx)
	switch {
	case err != nil || len(s.Queue) == 0:
		return false, maxWait, err
	case s.Teller.ID != b.id:
		return false, max(s.Teller.Until.Sub(b.o.Clock.Now()), 0) + time.Millisecond, nil
	}
	done := map[string]bool{}
	for _, n := range s.Queue[:min(len(s.Queue), tellAtOnce)] {
		if s.Teller.Until.Sub(b.o.Clock.Now()) < tellWithin {
			break
		}
		if err = b.tell(ctx, n); err != nil {
			break
		}
		done[n.ID] = true
	}
	// Also where ctx has ended: what was told must not be told again by the next process.
	e := b.change(context.WithoutCancel(ctx), func(s *state) {
		s.Queue = slices.DeleteFunc(s.Queue, func(q Notice) bool { return done[q.ID] })
		left = len(s.Queue) > 0
		if s.Teller.ID == b.id {
			s.Teller = teller{}
		}
	})
	return left, maxWait, errors.Join(err, e)
}

// tell hands one notice over. One that nobody took for long enough is given up.
func (b *Board) tell(ctx context.Context, n Notice) error {
	if b.o.Tell == nil {
		return nil
	}
	err := b.o.Tell.Tell(ctx, n)
	if err == nil || ctx.Err() != nil || b.o.Clock.Now().Sub(n.At) < tellFor {
		return err
	}
	b.o.Log.Error("nobody took an alert in a day; it is dropped", "key", n.Alert.Key, "type", n.Type, "error", err)
	return nil
}

// write commits what was wanted since the last time.
func (b *Board) write(ctx context.Context) (state, error) {
	b.mu.Lock()
	wants, dropped := b.wants, b.dropped
	b.wants, b.dropped = map[string]*Alert{}, 0
	b.mu.Unlock()
	if dropped > 0 {
		b.o.Log.Error("more alerts came at once than are kept; some were dropped", "dropped", dropped)
	}
	now := b.o.Clock.Now()
	var s state
	err := b.change(ctx, func(in *state) {
		for _, key := range slices.Sorted(maps.Keys(wants)) {
			in.take(key, wants[key], now)
		}
		if len(in.Queue) > 0 && (in.Teller.ID == b.id || !in.Teller.Until.After(now) || in.Teller.Until.After(now.Add(tellLease))) {
			in.Teller = teller{ID: b.id, Until: now.Add(tellLease).UTC()}
		}
		s = *in
	})
	if err == nil {
		return s, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, a := range wants { // a newer wish stands
		if _, newer := b.wants[key]; !newer {
			b.wants[key] = a
		}
	}
	return s, err
}

// take applies one wish.
func (s *state) take(key string, a *Alert, now time.Time) {
	was, open := s.Open[key]
	n := Notice{ID: connector.NewID(now), At: now.UTC()}
	switch {
	case a == nil && open:
		delete(s.Open, key)
		n.Type, n.Alert = Cleared, was
	case a != nil && !open && len(s.Open) < maxOpen:
		full := a.filled(now)
		s.Open[key] = full
		n.Type, n.Alert = Raised, full
	default:
		return
	}
	s.Queue = append(s.Queue, n)
	if over := len(s.Queue) - maxQueue; over > 0 {
		s.Queue = s.Queue[over:]
	}
}

// change reads the state, changes it and commits it, and remembers what is open.
func (b *Board) change(ctx context.Context, fn func(*state)) error {
	var s state
	err := b.o.Store.Update(ctx, metaKey, func(tx connector.Tx) error {
		s = state{}
		before, err := tx.Meta(metaKey)
		if err != nil && !errors.Is(err, connector.ErrNotFound) {
			return err
		}
		if before != "" {
			if err := json.Unmarshal([]byte(before), &s); err != nil {
				return err
			}
		}
		if s.Open == nil {
			s.Open = map[string]Alert{}
		}
		fn(&s)
		after, err := json.Marshal(s)
		if err != nil || string(after) == before {
			return err
		}
		return tx.PutMeta(metaKey, string(after))
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.open, b.loaded = s.Open, true
	b.mu.Unlock()
	return nil
}
