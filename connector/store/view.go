package store

import (
	"context"
	"fmt"
	"sync"

	"github.com/chartwire/chartwire/connector"
)

// viewsAlone is how many Views on Postgres have a transaction each. Those that come while so many are under way share one: a
// crowd of lanes then costs as many round trips as its deepest View has reads, and not that many for each.
const viewsAlone = 2

// crowd are the Views under way.
type crowd struct {
	mu      sync.Mutex
	alone   int
	waiting []*op
	sharing bool // somebody runs what waits
}

// View is connector.Store.
func (db *DB) View(ctx context.Context, fn func(tx connector.Tx) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	db.viewing.RLock()
	defer db.viewing.RUnlock()
	select {
	case <-db.closing:
		return errClosed
	default:
	}
	if err := db.up(); err != nil {
		return err
	}
	if p, ok := db.eng.(*postgres); ok {
		if !db.views.enter() {
			return db.viewTogether(ctx, p, fn)
		}
		defer db.views.leave()
	}
	c, err := db.eng.view(ctx)
	if err != nil {
		db.failed(ctx, err)
		return fmt.Errorf("%w: %w", connector.ErrStore, err)
	}
	defer c.close()
	t := &tx{c: c, s: db.sealer, db: db}
	err = call(t, fn)
	if t.err != nil {
		db.failed(ctx, t.err)
	}
	return err
}

// enter takes a place among those that have a transaction of their own, where there is one.
func (v *crowd) enter() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.alone >= viewsAlone {
		return false
	}
	v.alone++
	return true
}

func (v *crowd) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.alone--
}

// next takes what waits, up to a batch; nobody shares any more where nothing does.
func (v *crowd) next() []*op {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := min(len(v.waiting), maxBatch)
	batch := v.waiting[:n:n]
	v.waiting = v.waiting[n:]
	v.sharing = n > 0
	return batch
}

// viewTogether runs one View with others. It waits for the function's end and not for ctx, for the function may write to
// the caller's variables; after ctx it reads nothing more.
func (db *DB) viewTogether(ctx context.Context, p *postgres, fn func(tx connector.Tx) error) error {
	o := &op{ctx: ctx, fn: fn, done: make(chan error, 1)}
	v := &db.views
	v.mu.Lock()
	v.waiting = append(v.waiting, o)
	begin := !v.sharing
	v.sharing = true
	v.mu.Unlock()
	if begin {
		go func() { // it ends before the last of its Views' callers lets go of viewing, or soon after
			for batch := v.next(); len(batch) > 0; batch = v.next() {
				db.viewAll(p, batch)
			}
		}()
	}
	return <-o.done
}

// viewAll runs Views in one transaction, begun after the last of them came, and answers each as it ends.
func (db *DB) viewAll(p *postgres, batch []*op) {
	begun, err := p.view(context.Background())
	if err != nil {
		db.failed(context.Background(), err)
		for _, o := range batch {
			o.done <- fmt.Errorf("%w: %w", connector.ErrStore, err)
		}
		return
	}
	c := begun.(*pgConn)
	defer c.close()
	asks := make(chan *runner, len(batch))
	for _, o := range batch {
		r := &runner{o: o, wrote: map[string]bool{}, saw: map[string]bool{}, asks: asks, answer: make(chan error, 1)}
		r.t = &tx{c: r, s: db.sealer, db: db}
		go func() {
			err := call(r.t, o.fn)
			if r.t.err != nil {
				db.failed(o.ctx, r.t.err)
			}
			o.done <- err
			r.reads = nil
			asks <- r
		}()
	}
	_ = gather(c, asks, len(batch)) // each has its own error
}
