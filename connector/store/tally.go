package store

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"github.com/chartwire/chartwire/connector"
)

// tallyKey is what exchanges are counted by.
type tallyKey struct{ ehr, channel, direction, state string }

var (
	tallyAdd = sq(`INSERT INTO tally (ehr_id, channel, direction, state, id, n) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`)
	tallySum = sq(`SELECT ehr_id, channel, direction, state, CAST(SUM(n) AS BIGINT) FROM tally
		GROUP BY ehr_id, channel, direction, state`)
	tallyMany = sq(`SELECT ehr_id, channel, direction, state, CAST(SUM(n) AS BIGINT), MAX(id) FROM tally
		GROUP BY ehr_id, channel, direction, state HAVING COUNT(*) > 1`)
	tallyDrop = sq(`DELETE FROM tally WHERE ehr_id = ?1 AND channel = ?2 AND direction = ?3 AND state = ?4 AND id <= ?5`)
)

// foldEvery is how many delta rows a process writes before it folds them.
const foldEvery = 1000

// count notes what an item's change does to the tallies; the rows are written at the transaction's end, one per state.
func (t *tx) count(i *connector.Item) {
	if i.Kind != connector.ItemExchange || i.Was == i.State {
		return
	}
	if t.tally == nil {
		t.tally = map[tallyKey]int64{}
	}
	k := tallyKey{i.EHR, i.Channel, string(i.Direction), string(i.State)}
	t.tally[k]++
	if i.Was != "" {
		k.state = string(i.Was)
		t.tally[k]--
	}
}

func (b *batch) writeTally(db *DB, c conn) error {
	for k, n := range b.tally {
		if n == 0 {
			delete(b.tally, k)
			continue
		}
		if err := c.exec(tallyAdd, k.ehr, k.channel, k.direction, k.state, connector.NewID(db.clock.Now()), n); err != nil {
			return err
		}
	}
	return nil
}

// Tallies is connector.Tx: in the order of EHR, channel, direction and state, without the states nothing is in.
func (t *tx) Tallies() ([]connector.Tally, error) {
	sum := map[tallyKey]int64{}
	err := t.rows(tallySum, nil, func(scan func(...any) error) error {
		var k tallyKey
		var n int64
		err := scan(&k.ehr, &k.channel, &k.direction, &k.state, &n)
		sum[k] += n
		return err
	})
	if err != nil {
		return nil, err
	}
	for k, n := range t.tally {
		sum[k] += n
	}
	if t.batch != nil {
		for k, n := range t.batch.tally {
			sum[k] += n
		}
	}
	var out []connector.Tally
	for k, n := range sum {
		if n != 0 {
			out = append(out, connector.Tally{EHR: k.ehr, Channel: k.channel, Direction: connector.Direction(k.direction),
				State: connector.ItemState(k.state), N: n})
		}
	}
	slices.SortFunc(out, func(a, b connector.Tally) int {
		return cmp.Or(cmp.Compare(a.EHR, b.EHR), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Direction, b.Direction),
			cmp.Compare(a.State, b.State))
	})
	return out, nil
}

// folder knows when delta rows are to be added up.
type folder struct {
	rows atomic.Int64
	wake chan struct{}
}

func (f *folder) add(n int) {
	if f.rows.Add(int64(n)) >= foldEvery {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

func (db *DB) foldLoop() {
	for {
		select {
		case <-db.fold.wake:
		case <-db.closing:
			return
		}
		db.fold.rows.Store(0)
		// An error leaves the rows as they are: they still add up, and are folded another time.
		_ = db.foldTallies(context.Background())
	}
}

// foldTallies replaces the delta rows of each state by their sum. A replica that folds at the same time makes one of the
// two run again.
func (db *DB) foldTallies(ctx context.Context) error {
	return db.Update(ctx, "tally", func(ct connector.Tx) error {
		t := ct.(*tx)
		type sum struct {
			tallyKey
			n    int64
			last string
		}
		all, err := many(t, func(_ *tx, scan func(...any) error) (s sum, err error) {
			err = scan(&s.ehr, &s.channel, &s.direction, &s.state, &s.n, &s.last)
			return s, err
		}, tallyMany)
		if err != nil {
			return err
		}
		for _, s := range all {
			if err := t.exec(tallyDrop, s.ehr, s.channel, s.direction, s.state, s.last); err != nil {
				return err
			}
			if s.n == 0 {
				continue
			}
			if err := t.exec(tallyAdd, s.ehr, s.channel, s.direction, s.state, s.last, s.n); err != nil {
				return err
			}
		}
		return nil
	})
}
