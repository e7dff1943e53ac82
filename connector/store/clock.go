package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// metaNewest is where Ping leaves its time. The next process holds its own clock to it.
const metaNewest = "clock.newest"

var (
	databaseTime = &query{pg: `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`}
)

// Ping is connector.Store: it commits a small change, the time. serve calls it as it starts and every half minute, so that
// Newest is never much older than what was committed last.
func (db *DB) Ping(ctx context.Context) error {
	return db.Update(ctx, "ping", func(t connector.Tx) error {
		return t.PutMeta(metaNewest, strconv.FormatInt(micros(db.clock.Now()), 10))
	})
}

// Newest is the time of the last commit, to half a minute, by the clock of whoever made it; zero where nothing was
// committed yet.
func (db *DB) Newest(ctx context.Context) (newest time.Time, err error) {
	err = db.View(ctx, func(ct connector.Tx) error {
		t := ct.(*tx)
		v, err := t.Meta(metaNewest)
		if us, bad := strconv.ParseInt(v, 10, 64); err == nil && bad == nil {
			newest = fromMicros(us)
			return nil
		}
		if errors.Is(err, connector.ErrNotFound) {
			return nil // nobody has served from it yet
		}
		return err
	})
	return newest, err
}

// Lead is by how much the database's own clock is ahead of the store's (negative: behind), to half a round trip. It is 0 on
// SQLite, which has none.
func (db *DB) Lead(ctx context.Context) (lead time.Duration, err error) {
	if _, has := db.eng.(*postgres); !has {
		return 0, nil
	}
	err = db.View(ctx, func(ct connector.Tx) error {
		var us int64
		before := db.clock.Now()
		err := ct.(*tx).single(databaseTime, nil, &us)
		after := db.clock.Now()
		lead = fromMicros(us).Sub(before.Add(after.Sub(before) / 2))
		return err
	})
	return lead, err
}

// soonEnough is how far ahead a due time may lie before PullBack touches it. No EHR and no platform is heeded that asks for
// a longer wait, so nothing that was asked for is cut short.
const soonEnough = time.Hour

// The times that logic goes by, of what is not done. ?1 EHR, ?2 now; due times: ?3 what counts as soon enough, ?4 the newest
// time of the wrong clock, ?5 by how much that was ahead. What is done, and the audit log, stays as it was said.
var pullBack = []*query{
	sq(`UPDATE item SET committed_at = CASE WHEN committed_at > ?2 THEN ?2 ELSE committed_at END,
		changed_at = CASE WHEN changed_at > ?2 THEN ?2 ELSE changed_at END,
		first_tried = CASE WHEN first_tried > ?2 THEN ?2 ELSE first_tried END,
		next_at = CASE WHEN next_at <= ?3 OR next_at >= ?6 THEN next_at WHEN next_at - ?5 > CAST(?2 AS BIGINT) AND next_at > CAST(?4 AS BIGINT) THEN next_at - ?5
			ELSE ?2 END
		WHERE ehr_id = ?1 AND state NOT IN ('filed', 'not_due')`),
	sq(`UPDATE lane SET next_at = CASE WHEN next_at - ?5 > CAST(?2 AS BIGINT) AND next_at > CAST(?4 AS BIGINT) THEN next_at - ?5 ELSE ?2 END
		WHERE ehr_id = ?1 AND next_at > ?3 AND next_at < ?6`),
	sq(`UPDATE chart_write SET attempted_at = ?2 WHERE ehr_id = ?1 AND attempted_at > ?2
		AND item_id IN (SELECT id FROM item WHERE ehr_id = ?1 AND state NOT IN ('filed', 'not_due'))`),
	sq(`UPDATE chart_write SET filed_at = ?2 WHERE ehr_id = ?1 AND state = 'filed' AND identified = 1 AND filed_at > ?2`),
}

// PullBack takes a store back from a clock that was ahead: what is not done and carries a time after now is due again as
// if that time had been now. Attempts settle from now on, and no wait an EHR asked for is cut short; a time within the next
// hour may stay. newest is what Newest says. No other process may use the store meanwhile.
func (db *DB) PullBack(ctx context.Context, newest, now time.Time) error {
	if !newest.After(now) {
		return nil
	}
	if err := db.EndRefusals(ctx, newest.Add(2*time.Minute)); err != nil {
		return err
	}
	if p, ok := db.eng.(*postgres); ok {
		return p.unhurried(ctx, func(t *tx) error { return t.pullBack(newest, now) })
	}
	return db.Update(ctx, "clock", func(ct connector.Tx) error { return ct.(*tx).pullBack(newest, now) })
}

func (t *tx) pullBack(newest, now time.Time) error {
	ehrs, err := t.ehrs()
	if err != nil {
		return err
	}
	all := []any{nil, micros(now), micros(now.Add(soonEnough)), micros(newest), newest.Sub(now).Microseconds(), micros(connector.Never)}
	for _, e := range ehrs {
		if err := t.pullBackAsked(e, newest, now); err != nil {
			return err
		}
		all[0] = e
		for n, q := range pullBack {
			args := slices.Clone(all)
			if n >= 2 {
				args = args[:2]
			}
			if err := t.exec(q, args...); err != nil {
				return err
			}
		}
	}
	return t.PutMeta(metaNewest, strconv.FormatInt(micros(now), 10))
}

// pullBackAsked is pullBack for the wait that an EHR asked for.
func (t *tx) pullBackAsked(ehr string, newest, now time.Time) error {
	until, err := connector.ReadAsked(t, ehr)
	if err != nil || !until.After(now.Add(soonEnough)) {
		return err
	}
	return connector.SetAsked(t, ehr, until.Add(-newest.Sub(now)))
}
