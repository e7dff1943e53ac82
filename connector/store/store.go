package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// Options are what Open needs besides the address.
type Options struct {
	Sealer     Sealer        // required
	MigrateURL string        // Postgres: the role that owns the schema and migrates it; "" is the one Open is given
	Lease      time.Duration // how long a claim holds; 0 is 30 s
	Clock      clock.Clock   // nil is clock.System
	Committers int           // Postgres: transactions at a time that Update uses; 0 is one for two processors, 4 at most. SQLite always has one
}

// DB is a connector.Store on SQLite or Postgres.
type DB struct {
	eng        engine
	sealer     Sealer
	clock      clock.Clock
	lease      time.Duration
	committers []*committer
	ran        bell
	listeners  listeners
	fold       folder
	nexts      perKinds
	views      crowd
	outage     outage

	closing chan struct{} // closed first: nothing new is taken
	stopped chan struct{} // closed when the committers have gone
	viewing sync.RWMutex  // held by Views for reading, by Close
	close   sync.Once
	commits sync.WaitGroup
	others  sync.WaitGroup
	closed  error
}

var _ connector.Store = (*DB)(nil)

var errClosed = fmt.Errorf("%w: it is closed", connector.ErrStore)

// Open opens the store a URL names, and brings its schema up to date: sqlite:PATH, sqlite::memory: (gone when closed) or
// postgres://…. It fails where the database cannot be reached, where another process uses the SQLite file, and where a
// newer version of Chartwire has been there. No error shows a password.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	if o.Sealer == nil {
		return nil, errors.New("store: no sealer was given")
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Lease <= 0 {
		o.Lease = 30 * time.Second
	}
	if o.Committers <= 0 {
		o.Committers = max(1, min(runtime.GOMAXPROCS(0)/2, 4)) // fewer and larger commits cost less, and processors are what they wait for
	}
	db := &DB{sealer: o.Sealer, clock: o.Clock, lease: o.Lease, closing: make(chan struct{}), stopped: make(chan struct{})}
	var err error
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		o.Committers = 1
		db.eng, err = openLite(ctx, db, rest)
	case "postgres", "postgresql":
		db.eng, err = openPostgres(ctx, db, url, o.MigrateURL, o.Committers)
	default:
		return nil, errors.New("store: the URL must begin with sqlite: or postgres://")
	}
	if err != nil {
		return nil, err
	}
	for range o.Committers {
		k := &committer{db: db, queue: make(chan *op, maxQueue)}
		db.committers = append(db.committers, k)
		db.commits.Go(k.loop)
	}
	db.fold.wake = make(chan struct{}, 1)
	db.others.Go(db.foldLoop)
	db.outage.began = make(chan struct{}, 1)
	db.others.Go(db.outageLoop)
	return db, nil
}

// Lease is connector.Store.
func (db *DB) Lease() time.Duration { return db.lease }

// Close commits what is queued and closes the database. Calls that come later fail with ErrStore.
func (db *DB) Close() error {
	db.close.Do(func() {
		close(db.closing)
		db.commits.Wait()
		close(db.stopped)
		db.others.Wait()
		db.viewing.Lock() // the last View is over
		defer db.viewing.Unlock()
		db.closed = db.eng.close()
	})
	return db.closed
}

// committed does what follows a commit.
func (db *DB) committed(b *batch) {
	if len(b.bells) > 0 {
		all := slices.Collect(maps.Keys(b.bells))
		for _, what := range all {
			db.listeners.ring(what)
		}
		db.eng.notify(all)
	}
	db.fold.add(len(b.tally))
}

// touched is a kind of lanes of an EHR; no kind is all.
type touched struct {
	ehr  string
	kind connector.LaneKind
}

// listeners are the channels given out by Listen, each with its kinds.
type listeners struct {
	mu sync.Mutex
	by map[string]map[chan struct{}][]connector.LaneKind
}

// Listen is connector.Store.
func (db *DB) Listen(ehr string, kinds ...connector.LaneKind) (<-chan struct{}, func()) {
	l := &db.listeners
	c := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[string]map[chan struct{}][]connector.LaneKind{}
	}
	if l.by[ehr] == nil {
		l.by[ehr] = map[chan struct{}][]connector.LaneKind{}
	}
	l.by[ehr][c] = kinds
	return c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.by[ehr], c)
	}
}

// ring wakes those who listen for lanes that were touched; those already woken stay so.
func (l *listeners) ring(what touched) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, kinds := range l.by[what.ehr] {
		if what.kind != "" && len(kinds) > 0 && !slices.Contains(kinds, what.kind) {
			continue
		}
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// ringAll wakes everybody: rings may have been missed.
func (l *listeners) ringAll() {
	l.mu.Lock()
	ehrs := make([]string, 0, len(l.by))
	for e := range l.by {
		ehrs = append(ehrs, e)
	}
	l.mu.Unlock()
	for _, e := range ehrs {
		l.ring(touched{ehr: e})
	}
}
