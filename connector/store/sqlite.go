package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver named sqlite

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/crash"
)

// litePragmas hold for every connection. FULL syncs the WAL at every commit: without it an acknowledged commit can be lost
// with the power. Commits are shared, so it is affordable.
var litePragmas = []string{
	"busy_timeout = 5000", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "temp_store = MEMORY",
	"journal_size_limit = 67108864", // a WAL that a burst has grown shrinks again
	"recursive_triggers = ON",       // REPLACE, too, runs into the audit log's triggers
	"cache_size = -32768",           // KiB: the leaves of the indexes that commits go to stay in memory
	"wal_autocheckpoint = 2000",     // pages: what many commits write again is copied into the file once; 8 MiB of disk
}

// liteReaders is how many Views run at a time.
const liteReaders = 4

// lite is the SQLite engine: one connection that writes and a few that read. In memory there is one for all.
type lite struct {
	db      *DB
	sql     *sql.DB
	file    *liteFile // nil in memory
	writer  *liteConn
	readers chan *liteConn
	memory  sync.Mutex // held through each transaction of a store in memory
	claims  perKinds
}

// openLite opens the file at path, or a store in memory.
func openLite(ctx context.Context, db *DB, path string) (_ engine, err error) {
	e := &lite{db: db}
	dsn, mem := ":memory:", path == ":memory:"
	if !mem {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return nil, errors.New("store: sqlite: needs a path, such as sqlite:chartwire.db")
		}
		if e.file, err = lockLite(path, db.clock.Now()); err != nil {
			return nil, err
		}
		dsn = "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	}
	defer func() {
		if err != nil {
			_ = e.close()
			err = fmt.Errorf("store: SQLite file %s: %s%w", path, whyLite(err), err)
		}
	}()
	if e.sql, err = sql.Open("sqlite", dsn); err != nil {
		return nil, err
	}
	if mem {
		e.sql.SetMaxOpenConns(1)
		e.sql.SetConnMaxIdleTime(0)
	}
	if err = e.migrate(ctx); err != nil {
		return nil, err
	}
	if e.writer, err = e.connect(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	if _, err = e.writer.execN(liteFree); err != nil {
		return nil, err
	}
	if e.file != nil {
		e.writer.ready = e.file.inPlace
		if err = e.file.inPlace(); err != nil {
			return nil, err
		}
	}
	e.readers = make(chan *liteConn, liteReaders)
	for range liteReaders {
		r := e.writer
		if !mem {
			if r, err = e.connect(ctx, "BEGIN"); err != nil {
				return nil, err
			}
			if _, err = r.c.ExecContext(ctx, "PRAGMA query_only = ON"); err != nil {
				return nil, err
			}
		}
		e.readers <- r
	}
	return e, nil
}

func (e *lite) migrate(ctx context.Context) error {
	c, err := e.connect(ctx, "BEGIN IMMEDIATE") // WAL stays with the file; memory has this one connection
	if err != nil {
		return err
	}
	if err := c.c.Close(); err != nil {
		return err
	}
	all, err := steps(migrations, "sqlite_guard.sql", false)
	if err != nil {
		return err
	}
	return migrate(ctx, e.sql, goose.DialectSQLite3, all)
}

func (e *lite) connect(ctx context.Context, begin string) (*liteConn, error) {
	c, err := e.sql.Conn(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range litePragmas {
		if _, err := c.ExecContext(ctx, "PRAGMA "+p); err != nil {
			c.Close()
			return nil, fmt.Errorf("PRAGMA %s: %w", p, err)
		}
	}
	if mode := crash.Synchronous(); mode != "" { // never in a build for use
		if _, err := c.ExecContext(ctx, "PRAGMA synchronous = "+mode); err != nil {
			c.Close()
			return nil, err
		}
	}
	return &liteConn{c: c, stmts: map[*query]*sql.Stmt{}, opens: sq(begin)}, nil
}

func (e *lite) begin() (conn, error) {
	if e.file == nil {
		e.memory.Lock()
		return e.writer.start(e.memory.Unlock)
	}
	return e.writer.start(func() {})
}

func (e *lite) view(ctx context.Context) (conn, error) {
	if e.file == nil {
		e.memory.Lock()
		return e.writer.start(e.memory.Unlock)
	}
	select {
	case r := <-e.readers:
		return r.start(func() { e.readers <- r })
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (e *lite) again(error, int) bool { return false } // there is one writer
func (e *lite) lost(error) bool       { return false }
func (e *lite) silent(error) bool     { return false } // a file always answers
func (e *lite) answers(context.Context) error {
	return nil
}
func (e *lite) notify([]touched) {} // there is one process

// claim runs among the updates, so it shares their commits.
func (e *lite) claim(ctx context.Context, ehr string, kinds []connector.LaneKind, limit int, now, since time.Time) ([]connector.Lane, error) {
	var out []connector.Lane
	err := e.db.Update(ctx, "claim/"+ehr, func(ct connector.Tx) error {
		out = nil
		t := ct.(*tx)
		kinds, err := t.unpaused(ehr, kinds)
		if err != nil || len(kinds) == 0 {
			return err
		}
		if err := t.exec(laneExpire, micros(now), ehr); err != nil {
			return err
		}
		args := []any{ehr, micros(now), nil, sinceMicros(since)}
		for _, k := range kinds {
			args = append(args, string(k))
		}
		pick := e.claims.get(len(kinds), limit, liteClaim)
		out, err = many(t, func(_ *tx, scan func(...any) error) (l connector.Lane, err error) {
			var kind string
			err = scan(&l.Thread, &kind)
			l.EHR, l.Kind, l.Until = ehr, connector.LaneKind(kind), now.Add(e.db.lease)
			return l, err
		}, pick, args...)
		if err != nil {
			return err
		}
		for i := range out {
			l := &out[i]
			if err := t.single(laneTake, []any{ehr, l.Thread, string(l.Kind), micros(l.Until)}, &l.Fence, &l.Touched); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func liteClaim(kinds, limit int) *query { return sq(claimSQL(kinds, limit, "", "")) }

// liteFree ends the leases of the process that had the file before, whatever clock it had: the lock says that it is gone.
// What it had under way is found as an attempt without an outcome, and settled.
var liteFree = sq(`UPDATE lane SET leased = 0 WHERE leased = 1`)

var laneTake = sq(`UPDATE lane SET leased = 1, lease_until = ?4, fence = fence + 1
	WHERE ehr_id = ?1 AND thread_id = ?2 AND kind = ?3 RETURNING fence, touched`)

func (e *lite) close() error {
	var errs []error
	if e.writer != nil {
		errs = append(errs, e.writer.shut())
	}
	if e.file != nil && e.readers != nil {
		for range len(e.readers) { // all are back: Close has waited for the Views
			errs = append(errs, (<-e.readers).shut())
		}
	}
	if e.sql != nil {
		errs = append(errs, e.sql.Close())
	}
	if e.file != nil {
		errs = append(errs, e.file.lock.Close())
	}
	return errors.Join(errs...)
}
