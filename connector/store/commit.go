package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/crash"
)

const (
	maxBatch  = 64   // functions that share one commit
	maxQueue  = 4096 // calls that wait for one committer before callers wait to enter
	maxRuns   = 100  // of one function that keeps meeting others' changes
	crowdWait = time.Millisecond
	inVain    = 16 // batches not to wait for, after one whose crowd did not come
)

// errPanic is what a caller gets whose function panicked. The panic's value may hold PHI, so only its type is told.
var errPanic = errors.New("store: a transaction's function panicked")

// op is one call of Update.
type op struct {
	ctx   context.Context
	shard string
	fn    func(connector.Tx) error
	runs  int
	alone bool         // it does not run in waves
	state atomic.Int32 // opQueued …
	err   error        // of the last run
	done  chan error   // receives once
}

const (
	opQueued  = iota // nobody has run it; its caller may leave
	opRunning        // fn runs, or will be run again: its caller waits, for fn may write to the caller's variables
	opRan            // fn is over and the commit outstanding: its caller may leave, not knowing
	opLeft           // its caller has left
)

// take marks the op as running; false when its caller has left.
func (o *op) take() bool {
	return o.state.CompareAndSwap(opQueued, opRunning) || o.state.CompareAndSwap(opRan, opRunning) || o.state.Load() == opRunning
}

// answer is the op's answer once the committers have gone.
func (o *op) answer() error {
	select {
	case err := <-o.done:
		return err
	default:
		return errClosed
	}
}

// committer runs queued functions, many to a commit. Each has its own connection at a time and its own shards.
type committer struct {
	db      *DB
	queue   chan *op
	late    []*op        // to run again, before anything queued
	callers atomic.Int64 // in Update
	crowd   int64        // how many of them there were as the last commit ended
	vain    int          // how many batches not to wait for
}

var shardSeed = maphash.MakeSeed()

// Update is connector.Store.
func (db *DB) Update(ctx context.Context, shard string, fn func(tx connector.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := db.up(); err != nil {
		return err
	}
	o := &op{ctx: ctx, shard: shard, fn: fn, done: make(chan error, 1)}
	k := db.committers[maphash.String(shardSeed, shard)%uint64(len(db.committers))]
	k.callers.Add(1)
	defer k.callers.Add(-1)
	select {
	case k.queue <- o:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-db.closing:
		return errClosed
	}
	select {
	case err := <-o.done:
		return err
	case <-db.stopped:
		return o.answer()
	case <-ctx.Done():
	}
	for {
		ran := db.ran.wait() // before looking, so that no ring is missed
		switch {
		case o.state.CompareAndSwap(opQueued, opLeft):
			return context.Cause(ctx)
		case o.state.CompareAndSwap(opRan, opLeft):
			return fmt.Errorf("%w: the caller stopped waiting for the commit: %w", connector.ErrStore, context.Cause(ctx))
		}
		select {
		case err := <-o.done:
			return err
		case <-db.stopped:
			return o.answer()
		case <-ran:
		}
	}
}

// loop commits until the store closes; what is queued then is still committed.
func (k *committer) loop() {
	for {
		batch := k.late
		k.late = nil
		fresh := len(batch) == 0
		if fresh {
			select {
			case o := <-k.queue:
				batch = append(batch, o)
			case <-k.db.closing:
				select {
				case o := <-k.queue:
					batch = append(batch, o)
				default:
					return
				}
			}
		}
		batch = k.fill(batch, fresh)
		// One order of shards in every committer and replica, so that they take row locks in one order.
		slices.SortStableFunc(batch, func(a, b *op) int { return cmp.Compare(a.shard, b.shard) })
		if batch = k.together(batch); len(batch) > 0 {
			late := k.late
			k.late = nil
			k.commit(batch)
			k.late = append(k.late, late...)
		}
	}
}

// fill adds what is queued to a batch. A crowd whose every member waits for its commit comes again about together: fill waits a
// moment for as many as there were, or the crowd would split into two that take turns. Where they do not come it does not
// wait the next times; nor for a batch that has been waiting already.
func (k *committer) fill(batch []*op, wait bool) []*op {
	var over <-chan time.Time
	wait = wait && k.vain == 0
	k.vain = max(0, k.vain-1)
	for len(batch) < maxBatch {
		select {
		case o := <-k.queue:
			batch = append(batch, o)
			continue
		default:
		}
		if !wait || int64(len(batch)) >= k.crowd {
			break
		}
		if over == nil {
			t := clock.System.NewTimer(crowdWait)
			defer t.Stop()
			over = t.C()
		}
		select {
		case o := <-k.queue:
			batch = append(batch, o)
		case <-over:
			k.vain = inVain
			return batch
		case <-k.db.closing:
			return batch
		}
	}
	return batch
}

// commit runs a batch to its end: every op is answered, or kept to run again.
func (k *committer) commit(batch []*op) {
	for tries := 0; ; tries++ {
		unsure, err := false, k.db.up()
		if err == nil {
			unsure, err = k.try(batch)
		}
		if err == nil {
			return
		}
		// A connection that was dead before we used it (the server restarted) costs one more try; once a commit was
		// sent nothing may run again, for it may have been heard.
		if tries == 0 && !unsure && k.db.eng.lost(err) {
			continue
		}
		k.db.failed(context.Background(), err)
		for _, o := range batch {
			o.done <- fmt.Errorf("%w: %w", connector.ErrStore, err)
		}
		return
	}
}

// try is one transaction. An error means that nobody was answered.
func (k *committer) try(batch []*op) (unsure bool, err error) {
	c, err := k.db.eng.begin()
	if err != nil {
		return false, err
	}
	defer c.close()
	b := newBatch()
	var ran, again []*op
	conflicted := map[string]bool{} // shards that must wait for the next transaction to keep their order
	for _, o := range batch {
		if conflicted[o.shard] {
			again = append(again, o)
			continue
		}
		if !o.take() {
			continue
		}
		retry, err := k.run(c, b, o, len(batch) == 1)
		switch {
		case err != nil:
			return false, err
		case retry:
			conflicted[o.shard] = true
			again = append(again, o)
		default:
			ran = append(ran, o)
		}
		crash.At(crash.StoreMidBatch)
	}
	if slices.ContainsFunc(ran, func(o *op) bool { return o.err == nil }) {
		if err := b.writeEnds(k.db, c); err != nil {
			return false, err
		}
		for _, o := range ran {
			o.state.CompareAndSwap(opRunning, opRan)
		}
		k.db.ran.ring()
		crash.At(crash.StoreBeforeCommit)
		if unsure, err := c.commit(); err != nil {
			if unsure || len(batch) > 1 || k.db.eng.lost(err) {
				return unsure, err
			}
			// The only function's last statements travelled with the commit: the error is its own.
			if o := batch[0]; k.db.eng.again(err, o.runs) {
				k.late = batch
				return false, nil
			}
			return false, err
		}
		crash.At(crash.StoreAfterCommit)
		k.db.committed(b)
	}
	k.answer(ran)
	k.late = again
	return false, nil
}

// answer tells the callers of functions what became of them.
func (k *committer) answer(ran []*op) {
	k.crowd = k.callers.Load()
	for _, o := range ran {
		o.done <- o.err
	}
}

// run runs one function under a savepoint. An error means that the transaction cannot go on.
func (k *committer) run(c conn, b *batch, o *op, alone bool) (retry bool, err error) {
	o.runs++
	if !alone {
		if err := c.savepoint(); err != nil {
			return false, err
		}
	}
	t := &tx{c: c, s: k.db.sealer, db: k.db, batch: b}
	o.err = call(t, o.fn)
	if o.err == nil && t.err == nil && !alone {
		_ = t.note(c.flush())
	}
	if o.err == nil {
		o.err = t.err // the function ignored a failure of the database, or it came with the flush
	}
	if o.err == nil {
		b.keep(t)
		if !alone {
			return false, c.release()
		}
		return false, nil
	}
	if t.err != nil && (k.db.eng.lost(t.err) || k.db.eng.silent(t.err)) {
		return false, t.err // nothing can be undone there any more
	}
	if !alone {
		if err := c.rollbackTo(); err != nil {
			return false, err
		}
	}
	return t.err != nil && k.db.eng.again(t.err, o.runs), nil
}

func call(t *tx, fn func(connector.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w (a value of type %T)", errPanic, p)
		}
	}()
	return fn(t)
}

// bell wakes all who wait, once; a new wait hears only later rings.
type bell struct {
	mu sync.Mutex
	c  chan struct{}
}

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}
