package store

import (
	"context"
	"database/sql"
	"errors"
)

var (
	liteSavepoint = sq("SAVEPOINT one")
	liteRelease   = sq("RELEASE one")
	liteUndo      = sq("ROLLBACK TO one")
	liteCommit    = sq("COMMIT")
	liteRollback  = sq("ROLLBACK")
)

// liteConn is one SQLite connection with its prepared statements. Contexts do not reach it: a statement takes
// microseconds, and one that is interrupted ends its whole transaction.
type liteConn struct {
	c      *sql.Conn
	stmts  map[*query]*sql.Stmt
	opens  *query
	inside bool
	done   func()
	ready  func() error // says whether a commit would be kept; nil: it would
}

func (l *liteConn) start(done func()) (conn, error) {
	if _, err := l.execN(l.opens); err != nil {
		done()
		return nil, err
	}
	l.inside, l.done = true, done
	return l, nil
}

func (l *liteConn) stmt(q *query) (*sql.Stmt, error) {
	if s := l.stmts[q]; s != nil {
		return s, nil
	}
	s, err := l.c.PrepareContext(context.Background(), q.lite)
	if err == nil {
		l.stmts[q] = s
	}
	return s, err
}

func (l *liteConn) exec(q *query, args ...any) error {
	_, err := l.execN(q, args...)
	return err
}

func (l *liteConn) execN(q *query, args ...any) (int64, error) {
	s, err := l.stmt(q)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (l *liteConn) rows(q *query, args []any, each func(scan func(dest ...any) error) error) error {
	s, err := l.stmt(q)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (l *liteConn) flush() error     { return nil }
func (l *liteConn) savepoint() error { return l.exec(liteSavepoint) }
func (l *liteConn) release() error   { return l.exec(liteRelease) }

func (l *liteConn) rollbackTo() error { return errors.Join(l.exec(liteUndo), l.exec(liteRelease)) }

// commit leaves it unsure when it fails: where the disk refused the sync, the frames may yet be found after a crash.
func (l *liteConn) commit() (bool, error) {
	if l.ready != nil {
		if err := l.ready(); err != nil {
			return false, err
		}
	}
	if err := l.exec(liteCommit); err != nil {
		return true, err
	}
	l.inside = false
	return false, nil
}

func (l *liteConn) close() {
	if l.inside {
		_ = l.exec(liteRollback) // fails only where SQLite has rolled back by itself
		l.inside = false
	}
	l.done()
}

func (l *liteConn) shut() error {
	for _, s := range l.stmts {
		_ = s.Close()
	}
	return l.c.Close()
}
