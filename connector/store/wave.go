package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// A batch on Postgres is first tried in waves: its functions run at the same time, each on a conn of its own that keeps
// writes back and hands reads in. When every function either waits for a read or is over, all reads go to the server
// together; when all are over, so do all writes, and then the commit. A batch then costs as many round trips as its
// deepest function has reads, plus two, however many functions it has.
//
// It is the same transaction as when they run one after the other as long as no function reads what it or another has
// written. Therefore only functions of a thread's shard take part, each shard once in a wave; and a function leaves that
// reads a table it has written, writes a table of more than its thread which it has read, merges threads, or counts rows.
// Where any write is not what its function was promised, the transaction is undone and the batch runs one function after the
// other, with savepoints, as on SQLite.

// errLeaves ends a function that cannot run in a wave. Its caller never sees it.
var errLeaves = errors.New("store: this function has to run by itself")

// runner is the conn of one function in a wave.
type runner struct {
	o      *op
	t      *tx
	writes []write
	wrote  map[string]bool // tables
	saw    map[string]bool // tables
	asks   chan<- *runner  // to the wave: a read is wanted, or the function is over
	answer chan error

	reads []ask // none when the function is over
	leave bool
}

// ask is one read.
type ask struct {
	q    *query
	args []any
	each func(scan func(dest ...any) error) error
}

// threadOwn are the tables whose rows belong to one thread, and are only changed by functions of its shard.
var threadOwn = map[string]bool{"event": true, "event_kept": true, "thread": true, "message": true, "blob": true, "item": true, "lane": true, "attempt": true,
	"audit": true, "tally": true}

func (r *runner) exec(q *query, args ...any) error {
	for _, t := range q.tables {
		if r.saw[t] && !threadOwn[t] {
			return r.leaves()
		}
		r.wrote[t] = true
	}
	r.writes = append(r.writes, write{q: q, args: args})
	return nil
}

func (r *runner) leaves() error {
	r.leave = true
	return errLeaves
}

// byItself ends a function of a wave, to be run again by itself; for the others it does nothing.
func (t *tx) byItself() error {
	if r, ok := t.c.(*runner); ok {
		return t.note(r.leaves())
	}
	return nil
}

// execN keeps back a statement that must change one row, and says it did: where it does not, the wave is undone.
func (r *runner) execN(q *query, args ...any) (int64, error) {
	if !q.one {
		return 0, r.leaves()
	}
	if err := r.exec(q, args...); err != nil {
		return 0, err
	}
	r.writes[len(r.writes)-1].one = true
	return 1, nil
}

func (r *runner) rows(q *query, args []any, each func(scan func(dest ...any) error) error) error {
	return r.ask([]ask{{q, args, each}})
}

// ask reads several things at once.
func (r *runner) ask(all []ask) error {
	if r.t.batch == nil && r.o.ctx.Err() != nil { // a View nobody waits for any more
		return context.Cause(r.o.ctx)
	}
	for _, a := range all {
		if r.leave || slices.ContainsFunc(a.q.tables, func(t string) bool { return r.wrote[t] }) {
			return r.leaves()
		}
		for _, t := range a.q.tables {
			r.saw[t] = true
		}
	}
	r.reads = all
	r.asks <- r
	return <-r.answer
}

func (r *runner) flush() error          { return nil }
func (r *runner) savepoint() error      { return nil }
func (r *runner) release() error        { return nil }
func (r *runner) rollbackTo() error     { return nil }
func (r *runner) commit() (bool, error) { return false, nil }
func (r *runner) close()                {}

// wave runs the functions of a batch together. ran are those that are over, with their errors in them and their writes kept
// back in c; alone those that have to run by themselves. An error is one that ends the transaction.
func (k *committer) wave(c *pgConn, batch []*op) (ran, alone []*op, b *batch, err error) {
	asks := make(chan *runner, len(batch))
	var all []*runner
	for _, o := range batch {
		r := &runner{o: o, wrote: map[string]bool{}, saw: map[string]bool{}, asks: asks, answer: make(chan error, 1)}
		r.t = &tx{c: r, s: k.db.sealer, db: k.db, batch: newBatch()}
		all = append(all, r)
		go func() {
			o.runs++
			o.err = call(r.t, o.fn)
			r.reads = nil
			asks <- r
		}()
	}
	if err := gather(c, asks, len(all)); err != nil {
		return nil, nil, nil, err
	}
	b = newBatch()
	var writes [][]write
	for _, r := range all {
		switch {
		case r.leave:
			alone = append(alone, r.o)
			continue
		case r.o.err == nil && r.t.err != nil:
			return nil, nil, nil, r.t.err // it ignored a failure of the database
		case r.o.err == nil:
			b.keep(r.t)
			writes = append(writes, r.writes)
		}
		ran = append(ran, r.o)
	}
	c.queued = append(c.queued, merge(writes)...)
	return ran, alone, b, nil
}

// gather answers the reads of n functions, together whenever all of them wait, until all are over. A read that fails ends
// the transaction, and fails all that come after it.
func gather(c *pgConn, asks <-chan *runner, n int) (err error) {
	for n > 0 {
		var waiting []*runner
		for len(waiting) < n {
			if r := <-asks; len(r.reads) == 0 {
				n--
			} else {
				waiting = append(waiting, r)
			}
		}
		if len(waiting) == 0 {
			break
		}
		slices.SortFunc(waiting, func(a, b *runner) int { return cmp.Compare(a.o.shard, b.o.shard) })
		if err == nil {
			err = readAll(c, waiting)
		}
		for _, r := range waiting {
			r.answer <- err
		}
	}
	return err
}

// readAll sends the reads of several functions together and gives each its rows. Rows are locked in the order of the functions,
// which is that of their shards: reads that lock are put together only where all of them are by one statement.
func readAll(c *pgConn, waiting []*runner) error {
	var locks *query
	mixed := false
	for _, r := range waiting {
		for _, a := range r.reads {
			if a.q.locks {
				mixed = mixed || locks != nil && locks != a.q
				locks = a.q
			}
		}
	}
	var asked []*query
	of := map[*query][]ask{}
	for _, r := range waiting {
		for _, a := range r.reads {
			if a.q.locks && mixed {
				c.queued = append(c.queued, readMany([]ask{a})...)
				continue
			}
			if of[a.q] == nil {
				asked = append(asked, a.q)
			}
			of[a.q] = append(of[a.q], a)
		}
	}
	for _, q := range asked {
		c.queued = append(c.queued, readMany(of[q])...)
	}
	return c.flush()
}

// together runs a batch in waves as far as it can and gives what is left to be run one after the other. Of the ops it does
// not give back each was answered, or is kept for the next batch.
func (k *committer) together(batch []*op) []*op {
	p, ok := k.db.eng.(*postgres)
	if !ok || k.db.up() != nil {
		return batch
	}
	var waves, alone, later []*op
	for i, o := range batch { // sorted by shard
		same := i > 0 && batch[i-1].shard == o.shard
		switch {
		case same && len(alone) > 0 && alone[len(alone)-1].shard == o.shard, !same && (o.alone || !ofThread(o.shard)):
			alone = append(alone, o)
		case same:
			later = append(later, o)
		default:
			waves = append(waves, o)
		}
	}
	if len(waves) == 0 {
		k.late = later
		return alone
	}
	left, err := k.tryWave(p, waves)
	if err != nil {
		k.db.failed(context.Background(), err) // or the batch would wait for a silent server once more
		return batch
	}
	k.late = append(left, later...)
	return alone
}

// ofThread says whether a shard is connector.Shard of a channel's thread.
func ofThread(shard string) bool {
	_, rest, ok := strings.Cut(shard, "|")
	channel, _, threads := strings.Cut(rest, "|")
	return ok && threads && channel != ""
}

// tryWave is one transaction of one wave. left have to run by themselves. An error means that nobody was answered and nothing
// committed.
func (k *committer) tryWave(p *postgres, batch []*op) (left []*op, err error) {
	begun, err := p.begin()
	if err != nil {
		return nil, err
	}
	c := begun.(*pgConn)
	defer c.close()
	batch = slices.DeleteFunc(batch, func(o *op) bool { return !o.take() })
	ran, left, b, err := k.wave(c, batch)
	if err != nil {
		return nil, err
	}
	for _, o := range left {
		o.alone = true
	}
	if slices.ContainsFunc(ran, func(o *op) bool { return o.err == nil }) {
		if err := b.writeEnds(k.db, c); err != nil {
			return nil, err
		}
		if err := c.flush(); err != nil {
			return nil, err
		}
		for _, o := range ran {
			o.state.CompareAndSwap(opRunning, opRan)
		}
		k.db.ran.ring()
		unsure, err := c.commit()
		if err != nil && !unsure {
			return nil, err
		}
		if err != nil {
			for _, o := range ran {
				o.err = fmt.Errorf("%w: %w", connector.ErrStore, err)
			}
		} else {
			k.db.committed(b)
		}
	}
	k.answer(ran)
	return left, nil
}
