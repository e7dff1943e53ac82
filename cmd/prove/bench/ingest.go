package bench

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver named sqlite

	"github.com/chartwire/chartwire/connector"
)

// limits of the acknowledgement rates (issue 3).
const (
	limitR2 = ">=0.45"
	limitR3 = ">=0.25"
)

// acksOnPostgres is R2: acknowledged events a second ÷ raw transactions of two rows a second, both from 16 clients.
func (b *bench) acksOnPostgres(ctx context.Context) error {
	db, err := b.pg.database(ctx)
	if err != nil {
		return err
	}
	defer b.pg.drop(ctx, db)
	raw, err := b.pg.database(ctx)
	if err != nil {
		return err
	}
	defer b.pg.drop(ctx, raw)
	ours, done, err := b.acks(ctx, "r2", db)
	if err != nil {
		return err
	}
	defer done()
	theirs, closed, err := twoRows(ctx, raw, b.span())
	if err != nil {
		return err
	}
	defer closed()
	return b.ratio("R2", limitR2, "acks/s", ours, "two-row commits/s", theirs)
}

// acksOnSQLite is R3: acknowledged events a second ÷ rows a second written to SQLite in commits of 16, synchronous=FULL.
func (b *bench) acksOnSQLite(ctx context.Context) error {
	ours, done, err := b.acks(ctx, "r3", "sqlite:chartwire.db")
	if err != nil {
		return err
	}
	defer done()
	theirs, closed, err := batchRows(filepath.Join(b.dir, "rows.db"), b.span())
	if err != nil {
		return err
	}
	defer closed()
	return b.ratio("R3", limitR3, "acks/s", ours, "rows/s", theirs)
}

func (b *bench) ratio(id, limit, ourUnit string, ours func() (float64, error), theirUnit string, theirs func() (float64, error)) error {
	p, err := take(b.o.Pairs, func(p *pairs) bool { return p.figure(id, limit, "", "", false).Verdict() == "ok" }, ours, theirs)
	if err != nil {
		return err
	}
	b.o.Book.Add(p.figure(id, limit, ourUnit, theirUnit, true))
	return nil
}

func (b *bench) span() time.Duration { return time.Duration(b.o.Seconds) * time.Second }

// acks starts a connector that only accepts (its EHR connection is off) and gives a measurement of the events it
// acknowledges a second: signed events of generated conversations over HTTP, each client waiting for the answer to its last.
func (b *bench) acks(ctx context.Context, name, store string) (func() (float64, error), func(), error) {
	c, err := b.prepare(name, setting{store: store, mode: "off"})
	if err != nil {
		return nil, nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, nil, err
	}
	p, err := dialWire(ctx, c.public+"/channels/texting/events")
	if err != nil {
		c.stop()
		return nil, nil, err
	}
	rate := 500.0 // a guess for the first time
	measure := func() (float64, error) {
		all, err := events(max(int(rate*b.span().Seconds())/5, clients), 5, b.prefix())
		if err != nil {
			return 0, err
		}
		if err := sign(all, b.secret); err != nil {
			return 0, err
		}
		took, err := p.pour(all)
		rate = float64(len(all)) / took.Seconds()
		return rate, err
	}
	if _, err := measure(); err != nil { // warm: connections, statements, pages
		c.stop()
		return nil, nil, err
	}
	return measure, func() { p.close(); c.stop() }, nil
}

// payload is as large as an event of the traffic.
func payload() []byte {
	b := make([]byte, 700)
	_, _ = rand.Read(b) // never fails
	return b
}

// twoRows is the reference of R2: as many clients with a connection each, every one committing an event-like row (a text
// key, a unique hash, a payload of an event's size) and an audit-like row in one transaction, by the statements an
// ordinary program sends: begin, insert, insert, commit, prepared and each answered before the next. The same server, the
// same driver, the same settings, fsync on.
func twoRows(ctx context.Context, address string, span time.Duration) (func() (float64, error), func(), error) {
	conns := make([]*pgx.Conn, clients)
	closed := func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close(ctx)
			}
		}
	}
	for i := range conns {
		var err error
		if conns[i], err = pgx.Connect(ctx, address); err != nil {
			closed()
			return nil, nil, err
		}
	}
	_, err := conns[0].Exec(ctx, `CREATE TABLE event (tenant TEXT NOT NULL, id TEXT NOT NULL, key_hash BYTEA NOT NULL, at BIGINT NOT NULL,
		body BYTEA NOT NULL, PRIMARY KEY (tenant, id), UNIQUE (tenant, key_hash));
		CREATE TABLE audit (tenant TEXT NOT NULL, id TEXT NOT NULL, at BIGINT NOT NULL, detail BYTEA NOT NULL, PRIMARY KEY (tenant, id))`)
	if err != nil {
		closed()
		return nil, nil, err
	}
	one := func(c *pgx.Conn, body, detail []byte) error {
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			var key [24]byte
			_, _ = rand.Read(key[:])
			at := now()
			if _, err := tx.Exec(ctx, `INSERT INTO event (tenant, id, key_hash, at, body) VALUES ($1, $2, $3, $4, $5)`,
				"bench", connector.NewID(at), key[:], at.UnixMicro(), body); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO audit (tenant, id, at, detail) VALUES ($1, $2, $3, $4)`, "bench", connector.NewID(at), at.UnixMicro(), detail)
			return err
		})
	}
	measure := func() (float64, error) {
		return rate(span, clients, func(i int) (int, error) {
			body := payload()
			return 1, one(conns[i], body, body[:100])
		})
	}
	if _, err := measure(); err != nil {
		closed()
		return nil, nil, err
	}
	return measure, closed, nil
}

// rate runs work on a number of goroutines for a time and gives what they have done a second.
func rate(span time.Duration, n int, work func(i int) (int, error)) (float64, error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, n)
	start := now()
	for i := range n {
		wg.Go(func() {
			for now().Sub(start) < span {
				k, err := work(i)
				if err != nil {
					errs[i] = err
					return
				}
				done.Add(int64(k))
			}
		})
	}
	wg.Wait()
	took := now().Sub(start)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(done.Load()) / took.Seconds(), nil
}

// batchRows is the reference of R3: event-like rows into SQLite by the same driver, WAL, synchronous=FULL, in
// transactions of 16 rows, with a prepared statement.
func batchRows(file string, span time.Duration) (func() (float64, error), func(), error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	closed := func() { _ = db.Close() }
	if _, err := db.Exec(`CREATE TABLE event (tenant TEXT NOT NULL, id TEXT NOT NULL, key_hash BLOB NOT NULL, at BIGINT NOT NULL,
		body BLOB NOT NULL, PRIMARY KEY (tenant, id), UNIQUE (tenant, key_hash))`); err != nil {
		closed()
		return nil, nil, err
	}
	insert, err := db.Prepare(`INSERT INTO event (tenant, id, key_hash, at, body) VALUES (?, ?, ?, ?, ?)`)
	if err != nil {
		closed()
		return nil, nil, err
	}
	const batch = 16
	measure := func() (float64, error) {
		return rate(span, 1, func(int) (int, error) {
			tx, err := db.Begin()
			if err != nil {
				return 0, err
			}
			in := tx.Stmt(insert)
			for range batch {
				var key [24]byte
				_, _ = rand.Read(key[:])
				at := now()
				if _, err := in.Exec("bench", connector.NewID(at), key[:], at.UnixMicro(), payload()); err != nil {
					return 0, fmt.Errorf("inserting: %w", err)
				}
			}
			return batch, tx.Commit()
		})
	}
	if _, err := measure(); err != nil {
		closed()
		return nil, nil, err
	}
	return measure, closed, nil
}
