package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// stmt is a statement that was kept back.
type stmt struct {
	sql  string
	args []any
	must int64                                    // 0, or how many rows it must change
	each func(scan func(dest ...any) error) error // not nil: it is a read, and this gets its rows
	// not nil: a read whose first column says whose row it is, by a number from 1
	numbered func(no int64) func(scan func(dest ...any) error) error
}

var errNotAll = errors.New("a statement did not change the rows it was for")

// take reads a statement's answer.
func (s stmt) take(r pgx.BatchResults) error {
	switch {
	case s.numbered != nil:
		return takeNumbered(r, s.numbered)
	case s.each != nil:
		return takeRows(r, s.each)
	}
	tag, err := r.Exec()
	if err == nil && s.must > 0 && tag.RowsAffected() != s.must {
		err = errNotAll
	}
	return err
}

func takeRows(r pgx.BatchResults, each func(scan func(dest ...any) error) error) error {
	rows, err := r.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	scan := func(dest ...any) error {
		if err := rows.Scan(dest...); err != nil {
			return fmt.Errorf("%w (%T)", errScan, err)
		}
		return nil
	}
	for rows.Next() {
		if err := each(scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// takeNumbered gives each row to whom it is for, without its number.
func takeNumbered(r pgx.BatchResults, whose func(no int64) func(scan func(dest ...any) error) error) error {
	rows, err := r.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var no int64
		first := make([]any, len(rows.FieldDescriptions()))
		first[0] = &no
		if err := rows.Scan(first...); err != nil {
			return fmt.Errorf("%w (%T)", errScan, err)
		}
		err := whose(no)(func(dest ...any) error {
			if err := rows.Scan(append([]any{nil}, dest...)...); err != nil {
				return fmt.Errorf("%w (%T)", errScan, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

const (
	pgSavepoint = "savepoint one"
	pgRelease   = "release savepoint one"
	pgKeepBack  = 500 // statements; then they are sent
)

var errScan = errors.New("a row has another shape than expected")

// pgConn is one transaction on one connection. Statements nobody waits for are kept back and travel with the next one
// that is waited for, so that a function costs one round trip a read and one at its end.
type pgConn struct {
	ctx    context.Context
	cancel context.CancelFunc
	pool   *pgxpool.Conn
	c      *pgx.Conn
	queued []stmt
	inside bool // begin was sent and no commit
	reads  bool // nothing to be undone, so nobody waits for the end
}

func (p *pgConn) exec(q *query, args ...any) error {
	p.queued = append(p.queued, stmt{sql: q.pg, args: args})
	if len(p.queued) >= pgKeepBack {
		return p.flush()
	}
	return nil
}

// send sends everything kept back and reads all answers but the last, which read gets.
func (p *pgConn) send(read func(pgx.BatchResults) error) error {
	b := &pgx.Batch{}
	for _, s := range p.queued {
		b.Queue(s.sql, s.args...)
	}
	sent := p.queued
	p.queued = nil
	p.inside = true
	r := p.c.SendBatch(p.ctx, b)
	var err error
	for _, s := range sent[:len(sent)-1] {
		if err = s.take(r); err != nil {
			break
		}
	}
	if err == nil {
		err = read(r)
	}
	if e := r.Close(); err == nil {
		err = e
	}
	return err
}

func (p *pgConn) flush() error {
	if len(p.queued) == 0 {
		return nil
	}
	return p.send(p.queued[len(p.queued)-1].take)
}

func (p *pgConn) execN(q *query, args ...any) (n int64, err error) {
	p.queued = append(p.queued, stmt{sql: q.pg, args: args})
	err = p.send(func(r pgx.BatchResults) error {
		tag, err := r.Exec()
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

func (p *pgConn) rows(q *query, args []any, each func(scan func(dest ...any) error) error) error {
	p.queued = append(p.queued, stmt{sql: q.pg, args: args, each: each})
	return p.flush()
}

func (p *pgConn) savepoint() error {
	p.queued = append(p.queued, stmt{sql: pgSavepoint})
	return nil
}

func (p *pgConn) release() error {
	p.queued = append(p.queued, stmt{sql: pgRelease})
	return nil
}

func (p *pgConn) rollbackTo() error {
	if i := slices.IndexFunc(p.queued, func(s stmt) bool { return s.sql == pgSavepoint }); i >= 0 {
		p.queued = p.queued[:i] // the server has not heard of it
		return nil
	}
	p.queued = p.queued[:0]
	_, err := p.c.PgConn().Exec(p.ctx, "rollback to savepoint one; release savepoint one").ReadAll()
	return err
}

func (p *pgConn) commit() (unsure bool, err error) {
	p.queued = append(p.queued, stmt{sql: "commit"})
	err = p.send(func(r pgx.BatchResults) error {
		tag, err := r.Exec()
		if err == nil && tag.String() != "COMMIT" {
			return errors.New("the server rolled the transaction back")
		}
		return err
	})
	if err != nil {
		// The server's own refusal means that nothing was committed, unless it was going down while it answered.
		var p *pgconn.PgError
		return !errors.As(err, &p) || goingDown(p), err
	}
	p.inside = false
	return false, nil
}

func (p *pgConn) close() {
	end := func() {
		if p.inside && !p.c.IsClosed() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), pgEnd) // the caller's may be over
			if _, err := p.c.PgConn().Exec(ctx, "rollback").ReadAll(); err != nil {
				_ = p.c.Close(ctx) // the pool drops it
			}
			cancel()
		}
		p.pool.Release()
		p.cancel()
	}
	if p.reads {
		go end() // the pool's Close waits for it
		return
	}
	end()
}
