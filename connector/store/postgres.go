package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chartwire/chartwire/connector"
)

const (
	pgReaders   = 8                // connections beside the committers': views, claims, the waker
	pgWithin    = 8 * time.Second  // for one transaction; then its connection is given up, and its senders get a 503
	pgAnewEvery = 10 * time.Second // between looks for leases that end too late
	pgAnewOver  = 20 * time.Minute // beyond twice our own lease: other replicas may be configured with a longer one
	pgProbe     = 2 * time.Second  // for finding out whether the server answers again
	pgEnd       = 5 * time.Second  // for undoing one
)

// postgres is the Postgres engine: many replicas may use one database.
type postgres struct {
	db     *DB
	pool   *pgxpool.Pool
	claims perKinds
	waker  *waker
	stats  statistics
	begun  atomic.Int64 // when leases were last held to pgAnew
}

// openPostgres opens a database as the role of address. Where owner is not "", the schema is that role's: it migrates, and
// the role of address must not be able to change what is on the audit log.
func openPostgres(ctx context.Context, db *DB, address, owner string, committers int) (engine, error) {
	cfg, where, err := pgConfig(address, "store.url")
	if err != nil {
		return nil, err
	}
	size(cfg, address, committers)
	if err := reach(ctx, cfg, where, "store.url"); err != nil {
		return nil, err
	}
	by, role := cfg, ""
	if owner != "" {
		role = cfg.ConnConfig.User
		if by, where, err = pgConfig(owner, "store.migrate_url"); err != nil {
			return nil, err
		}
		if err := reach(ctx, by, where, "store.migrate_url"); err != nil {
			return nil, err
		}
	}
	err = migratePostgres(ctx, by.ConnConfig, role, migrations)
	if err == nil && owner != "" {
		err = powerless(ctx, cfg.ConnConfig)
	}
	var pool *pgxpool.Pool
	if err == nil {
		pool, err = pgxpool.NewWithConfig(ctx, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("store: Postgres %s: %w", where, err)
	}
	e := &postgres{db: db, pool: pool, stats: statistics{wake: make(chan struct{}, 1)}}
	e.waker = startWaker(e, cfg.ConnConfig)
	e.waker.done.Go(func() { e.analyzeLoop(e.waker.ctx) })
	return e, nil
}

func (e *postgres) begin() (conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), pgWithin)
	return e.open(ctx, cancel, "begin isolation level repeatable read", false)
}

func (e *postgres) view(ctx context.Context) (conn, error) {
	ctx, cancel := context.WithTimeout(ctx, pgWithin)
	return e.open(ctx, cancel, "begin isolation level repeatable read read only", true)
}

// unhurried runs fn in a transaction of its own that may take as long as ctx lives, for what an operator asks for before
// anybody is served.
func (e *postgres) unhurried(ctx context.Context, fn func(t *tx) error) error {
	ctx, cancel := context.WithCancel(ctx)
	c, err := e.open(ctx, cancel, "begin isolation level repeatable read", false)
	if err != nil {
		return fmt.Errorf("%w: %w", connector.ErrStore, err)
	}
	defer c.close()
	t := &tx{c: c, s: e.db.sealer, db: e.db, batch: newBatch()}
	if err := t.exec(pgNoHurry); err != nil {
		return err
	}
	if err := fn(t); err != nil {
		return err
	}
	_, err = c.commit()
	return t.note(err)
}

var pgNoHurry = sq(`SET LOCAL statement_timeout = 0`)

func (e *postgres) open(ctx context.Context, cancel context.CancelFunc, begin string, reads bool) (conn, error) {
	c, err := e.pool.Acquire(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	return &pgConn{ctx: ctx, cancel: cancel, pool: c, c: c.Conn(), reads: reads, queued: []stmt{{sql: begin}}}, nil
}

// again is true where another transaction got in first: on a new snapshot the function sees what it did.
func (e *postgres) again(err error, runs int) bool {
	var p *pgconn.PgError
	if !errors.As(err, &p) {
		return false
	}
	switch p.Code {
	case "40001", "40P01", "55P03": // serialization_failure, deadlock_detected, lock_not_available
		return runs < maxRuns
	case "23505": // unique_violation: either another one's insert, or a mistake of the function
		return runs < 3
	}
	return false
}

func (e *postgres) lost(err error) bool {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return goingDown(p)
	}
	return !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errScan) && !errors.Is(err, connector.ErrNotFound)
}

// silent says whether an error shows a server that does not answer, rather than one that answers with an error.
func (e *postgres) silent(err error) bool {
	var p *pgconn.PgError
	var c *pgconn.ConnectError
	return !errors.As(err, &p) && (errors.As(err, &c) || errors.Is(err, context.DeadlineExceeded))
}

// answers asks the server for something, on a connection that works.
func (e *postgres) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pgProbe)
	defer cancel()
	return e.pool.Ping(ctx)
}

// goingDown says whether the server ends the connection: admin_shutdown, crash_shutdown, cannot_connect_now.
func goingDown(err *pgconn.PgError) bool {
	return err.Code == "57P01" || err.Code == "57P02" || err.Code == "57P03"
}

// notify wakes the other replicas, after the commit: a NOTIFY within it would make all commits of the database queue up
// behind one lock. One that is lost with a crash costs a wait until the next poll.
func (e *postgres) notify(all []touched) {
	e.stats.committed()
	e.waker.add(all)
}

var (
	// pgExpire leaves alone a lane whose holder is renewing its lease right now.
	pgExpire = sq(`UPDATE lane SET leased = 0 FROM (SELECT ehr_id, thread_id, kind FROM lane
		WHERE ehr_id = ?2 AND leased = 1 AND lease_until <= {now} FOR UPDATE SKIP LOCKED) AS e
		WHERE lane.ehr_id = e.ehr_id AND lane.thread_id = e.thread_id AND lane.kind = e.kind`)
	// pgAnew begins leases anew that end later than any lease can: the database's clock was set back. Their holders lose
	// nothing, and the lanes of one that is gone do not wait for the old time.
	pgAnew = sq(`UPDATE lane SET lease_until = {now} + ?2 FROM (SELECT ehr_id, thread_id, kind FROM lane
		WHERE leased = 1 AND lease_until > {now} + ?3 FOR UPDATE SKIP LOCKED) AS f
		WHERE lane.ehr_id = f.ehr_id AND lane.thread_id = f.thread_id AND lane.kind = f.kind`)
	pgUnpaused = `AND (kind NOT IN (` + filingKinds() + `) OR NOT EXISTS (SELECT 1 FROM ehr WHERE ehr_id = ?1 AND paused <> ''))`
)

// pgClaim picks lanes that nobody else is claiming and takes them, in one statement.
func pgClaim(kinds, limit int) *query {
	pick := claimSQL(kinds, limit, pgUnpaused, "FOR UPDATE SKIP LOCKED")
	return sq(`WITH due AS MATERIALIZED (` + pick + `)
		UPDATE lane SET leased = 1, fence = fence + 1,
		lease_until = CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) + ?3
		FROM due WHERE lane.ehr_id = ?1 AND lane.thread_id = due.thread_id AND lane.kind = due.kind
		RETURNING lane.thread_id, lane.kind, lane.fence, lane.touched, lane.urgency, lane.next_at`)
}

func (e *postgres) claim(ctx context.Context, ehr string, kinds []connector.LaneKind, limit int, now, since time.Time) ([]connector.Lane, error) {
	q := e.claims.get(len(kinds), limit, pgClaim)
	args := []any{ehr, micros(now), e.db.lease.Microseconds(), sinceMicros(since)}
	for _, k := range kinds {
		args = append(args, string(k))
	}
	type due struct {
		connector.Lane
		urgency, next int64
	}
	// One round trip, one transaction, read committed: what was leased meanwhile is looked at again and left out.
	b := &pgx.Batch{}
	if e.anewDue(now) {
		b.Queue(pgAnew.pg, micros(now), e.db.lease.Microseconds(), (2*e.db.lease + pgAnewOver).Microseconds())
	}
	b.Queue(pgExpire.pg, micros(now), ehr)
	b.Queue(q.pg, args...)
	within, cancel := context.WithTimeout(ctx, pgWithin)
	defer cancel()
	r := e.pool.SendBatch(within, b)
	var err error
	for range b.Len() - 1 {
		_, e := r.Exec()
		err = errors.Join(err, e)
	}
	var all []due
	if err == nil {
		rows, _ := r.Query() // its error is CollectRows's
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d due, err error) {
			var kind string
			err = row.Scan(&d.Thread, &kind, &d.Fence, &d.Touched, &d.urgency, &d.next)
			d.EHR, d.Kind, d.Until = ehr, connector.LaneKind(kind), now.Add(e.db.lease)
			return d, err
		})
	}
	if err := errors.Join(err, r.Close()); err != nil {
		e.db.failed(ctx, err)
		return nil, fmt.Errorf("%w: claiming: %w", connector.ErrStore, err)
	}
	slices.SortFunc(all, func(a, b due) int { return cmp.Or(cmp.Compare(b.urgency, a.urgency), cmp.Compare(a.next, b.next)) })
	var out []connector.Lane
	for _, d := range all {
		out = append(out, d.Lane)
	}
	return out, nil
}

// anewDue says whether leases are to be looked at again, and takes it that they are.
func (e *postgres) anewDue(now time.Time) bool {
	last := e.begun.Load()
	return now.Sub(time.UnixMicro(last)).Abs() >= pgAnewEvery && e.begun.CompareAndSwap(last, now.UnixMicro())
}

func (e *postgres) close() error {
	e.waker.stop()
	e.pool.Close()
	return nil
}
