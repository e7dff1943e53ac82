package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var (
	laneTouch = sq(`INSERT INTO lane (ehr_id, thread_id, kind, urgency, next_at, leased, lease_until, fence, touched)
		VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 1) ON CONFLICT (ehr_id, thread_id, kind) DO UPDATE SET
		urgency = CASE WHEN excluded.urgency > lane.urgency THEN excluded.urgency ELSE lane.urgency END,
		next_at = CASE WHEN excluded.next_at < lane.next_at THEN excluded.next_at ELSE lane.next_at END,
		touched = lane.touched + 1`)
	// A lane that was given back has lease_until 0, so nobody holds it again without a claim; one whose lease merely ended
	// can still be held by whom it was leased to.
	laneHold = sqOne(`UPDATE lane SET leased = 1, lease_until = {now} + ?2
		WHERE ehr_id = ?3 AND thread_id = ?4 AND kind = ?5 AND fence = ?6 AND lease_until <> 0`)
	// laneHoldToSend asks in the same statement whether the connection is paused: a read would cost every attempt a round trip.
	laneHoldToSend = sqOne(`UPDATE lane SET leased = 1, lease_until = {now} + ?2
		WHERE ehr_id = ?3 AND thread_id = ?4 AND kind = ?5 AND fence = ?6 AND lease_until <> 0
		AND NOT EXISTS (SELECT 1 FROM ehr WHERE ehr_id = ?3 AND paused <> '')`)
	laneRelease = sqOne(`UPDATE lane SET leased = 0, lease_until = 0,
		next_at = CASE WHEN touched = ?5 THEN CAST(?6 AS BIGINT) ELSE CAST(?7 AS BIGINT) END,
		urgency = CASE WHEN touched = ?5 AND CAST(?6 AS BIGINT) = 9223372036854775807 THEN 0 ELSE urgency END
		WHERE ehr_id = ?1 AND thread_id = ?2 AND kind = ?3 AND fence = ?4 AND lease_until <> 0`)
	laneSeize   = sq(`UPDATE lane SET leased = 0, lease_until = 0, fence = fence + 1 WHERE ehr_id = ?1 AND thread_id = ?2 AND kind = ?3`)
	laneTouched = sq(`SELECT touched FROM lane WHERE ehr_id = ?1 AND thread_id = ?2 AND kind = ?3`)

	// laneExpire makes lanes whose lease has ended claimable again.
	laneExpire = sq(`UPDATE lane SET leased = 0 WHERE ehr_id = ?2 AND leased = 1 AND lease_until <= {now}`)
	ehrPaused  = sq(`SELECT paused FROM ehr WHERE ehr_id = ?1`)
)

// TouchLane is connector.Tx.
func (t *tx) TouchLane(ehr, thread string, kind connector.LaneKind, due time.Time, p connector.Priority) error {
	t.ring(touched{ehr, kind})
	return t.exec(laneTouch, ehr, thread, string(kind), int64(p.Rank()), due.UnixMicro())
}

// HoldLane is connector.Tx. l.Until becomes the new end of the lease by the caller's clock.
func (t *tx) HoldLane(l *connector.Lane, now time.Time) error { return t.hold(laneHold, l, now) }

// HoldToSend is connector.Tx.
func (t *tx) HoldToSend(l *connector.Lane, now time.Time) error {
	err := t.hold(laneHoldToSend, l, now)
	if !errors.Is(err, connector.ErrFenced) {
		return err
	}
	if paused, e := t.paused(l.EHR); e != nil || paused {
		return errors.Join(e, connector.ErrPaused)
	}
	return err
}

func (t *tx) hold(q *query, l *connector.Lane, now time.Time) error {
	n, err := t.execN(q, micros(now), t.db.lease.Microseconds(), l.EHR, l.Thread, string(l.Kind), l.Fence)
	if err != nil {
		return err
	}
	if n == 0 {
		return fenced(*l)
	}
	l.Until = now.Add(t.db.lease)
	return nil
}

func fenced(l connector.Lane) error {
	return fmt.Errorf("store: %s lane of thread %s, fence %d: %w", l.Kind, l.Thread, l.Fence, connector.ErrFenced)
}

// ReleaseLane is connector.Tx. It gives ErrFenced where another claim took the lane, or it was given back before.
func (t *tx) ReleaseLane(l connector.Lane, next, now time.Time) error {
	due := int64(never)
	if !next.IsZero() {
		due = next.UnixMicro()
	}
	n, err := t.execN(laneRelease, l.EHR, l.Thread, string(l.Kind), l.Fence, l.Touched, due, now.UnixMicro())
	if err != nil {
		return err
	}
	if n == 0 {
		return fenced(l)
	}
	return nil
}

// TakeLane is connector.Tx. A lane that is not there is no error.
func (t *tx) TakeLane(ehr, thread string, kind connector.LaneKind) error {
	return t.exec(laneSeize, ehr, thread, string(kind))
}

func (t *tx) LaneTouched(l connector.Lane) (int64, error) {
	var n int64
	err := t.single(laneTouched, []any{l.EHR, l.Thread, string(l.Kind)}, &n)
	return n, err
}

// unpaused leaves out the kinds whose work on this EHR connection is stopped: those toward a paused EHR. Only our own
// pause counts; what the platform is owed goes on.
func (t *tx) unpaused(ehr string, kinds []connector.LaneKind) ([]connector.LaneKind, error) {
	paused, err := t.paused(ehr)
	if err != nil {
		return nil, err
	}
	if !paused {
		return kinds, nil
	}
	return slices.DeleteFunc(slices.Clone(kinds), connector.LaneKind.TowardEHR), nil
}

func (t *tx) paused(ehr string) (bool, error) {
	var paused string
	if err := t.single(ehrPaused, []any{ehr}, &paused); err != nil && err != connector.ErrNotFound {
		return false, err
	}
	return paused != "", nil
}

// filingKinds is connector.FilingLanes as SQL lists them.
func filingKinds() string {
	var out []string
	for _, k := range connector.FilingLanes() {
		out = append(out, "'"+string(k)+"'")
	}
	return strings.Join(out, ", ")
}

// Claim is connector.Store.
func (db *DB) Claim(ctx context.Context, ehr string, kinds []connector.LaneKind, limit int, now time.Time) ([]connector.Lane, error) {
	if limit <= 0 || len(kinds) == 0 {
		return nil, nil
	}
	if err := db.up(); err != nil {
		return nil, err
	}
	return db.eng.claim(ctx, ehr, kinds, min(limit, maxClaim), now, time.Time{})
}

// ClaimFront is connector.Store.
func (db *DB) ClaimFront(ctx context.Context, ehr string, kinds []connector.LaneKind, limit int, now, since time.Time) ([]connector.Lane, error) {
	if limit <= 0 || len(kinds) == 0 {
		return nil, nil
	}
	if err := db.up(); err != nil {
		return nil, err
	}
	return db.eng.claim(ctx, ehr, kinds, min(limit, maxClaim), now, since)
}

// sinceMicros is a since for the statement; every lane is due after the zero time.
func sinceMicros(since time.Time) int64 {
	if since.IsZero() {
		return math.MinInt64
	}
	return since.UnixMicro()
}

// maxClaim bounds a claim, and with it the number of statements kept.
const maxClaim = 256

// urgencies are the ranks of connector.Priority, most urgent first.
var urgencies = []int64{3, 2, 1, 0}

// NextDue is connector.Store. Lanes that a pause stops do not wait; a lane whose lease has ended does.
func (db *DB) NextDue(ctx context.Context, ehr string, kinds []connector.LaneKind) (time.Time, bool, error) {
	if len(kinds) == 0 {
		return time.Time{}, false, nil
	}
	args := []any{micros(db.clock.Now()), ehr}
	for _, k := range kinds {
		args = append(args, string(k))
	}
	var first int64
	err := db.View(ctx, func(ct connector.Tx) error {
		return ct.(*tx).single(db.nexts.get(len(kinds), 1, nextSQL), args, &first)
	})
	if err != nil || first == never {
		return time.Time{}, false, err
	}
	return time.UnixMicro(first).UTC(), true, nil
}

// nextSQL is the text that finds when the next lane of several kinds is due: ?1 now, ?2 EHR, ?3… the kinds. Each part
// reads one entry of an index.
func nextSQL(kinds, _ int) *query {
	unpaused := `(kind NOT IN (` + filingKinds() + `) OR NOT EXISTS (SELECT 1 FROM ehr WHERE ehr_id = ?2 AND paused <> ''))`
	var parts []string
	for k := range kinds {
		for _, u := range urgencies {
			parts = append(parts, fmt.Sprintf(`SELECT * FROM (SELECT next_at FROM lane WHERE ehr_id = ?2 AND kind = ?%d AND urgency = %d
				AND leased = 0 AND next_at < 9223372036854775807 AND %s ORDER BY next_at LIMIT 1) AS k%du%d`, k+3, u, unpaused, k, u))
		}
		parts = append(parts, fmt.Sprintf(`SELECT next_at FROM lane WHERE ehr_id = ?2 AND leased = 1 AND lease_until <= {now}
			AND kind = ?%d AND %s`, k+3, unpaused))
	}
	return sq(`SELECT COALESCE(MIN(next_at), 9223372036854775807) FROM (` + strings.Join(parts, " UNION ALL ") + `) AS n`)
}

// claimSQL is the text that picks due lanes of several kinds: ?1 EHR, ?2 now, ?4 since, ?5… the kinds (?3 is the engine's).
// A lane without urgency must have become due after since. Each part reads one range of the index lane_due in its order and stops at the limit, so that a large backlog, of which most
// is not due or less urgent, is not read. The limit is part of the text, or Postgres would plan for a tenth of the table.
// and is a further condition, lock the row locking clause of the engine.
func claimSQL(kinds, limit int, and, lock string) string {
	var b strings.Builder
	b.WriteString("SELECT thread_id, kind FROM (")
	for i, u := range urgencies {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		after := ""
		if u == 0 {
			after = "AND next_at > ?4"
		}
		b.WriteString("SELECT * FROM (SELECT thread_id, kind FROM (")
		for k := range kinds {
			if k > 0 {
				b.WriteString(" UNION ALL ")
			}
			fmt.Fprintf(&b, `SELECT * FROM (SELECT thread_id, kind, next_at FROM lane WHERE ehr_id = ?1 AND kind = ?%d AND urgency = %d
				AND leased = 0 AND next_at < 9223372036854775807 AND next_at <= ?2 %s %s ORDER BY next_at LIMIT %d %s) AS r%d`,
				k+5, u, after, and, limit, lock, k)
		}
		b.WriteString(") AS one")
		if kinds > 1 {
			fmt.Fprintf(&b, " ORDER BY next_at LIMIT %d", limit)
		}
		fmt.Fprintf(&b, ") AS u%d", u)
	}
	fmt.Fprintf(&b, ") AS due LIMIT %d", limit)
	return b.String()
}

// perKinds keeps a statement for each number of kinds and each limit.
type perKinds struct {
	mu sync.Mutex
	q  map[[2]int]*query
}

func (p *perKinds) get(kinds, limit int, build func(kinds, limit int) *query) *query {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.q == nil {
		p.q = map[[2]int]*query{}
	}
	at := [2]int{kinds, limit}
	if p.q[at] == nil {
		p.q[at] = build(kinds, limit)
	}
	return p.q[at]
}
