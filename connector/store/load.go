package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/chartwire/chartwire/connector"
)

// Load runs fn in a transaction of its own whose rows are written in bulk: COPY on Postgres, an ordinary Update on SQLite.
// It is for a store that is being filled. Reads find nothing, and every row must be new: a lane touched twice, or an update,
// is a unique violation or stays unnoticed. Run several at once for more than one processor.
func (db *DB) Load(ctx context.Context, fn func(tx connector.Tx) error) error {
	p, ok := db.eng.(*postgres)
	if !ok {
		return db.Update(ctx, "load", fn)
	}
	c := &copier{kept: map[*query][][]any{}}
	b := newBatch()
	t := &tx{c: c, s: db.sealer, db: db, batch: b}
	if err := call(t, fn); err != nil {
		return err
	}
	b.keep(t)
	if err := b.writeEnds(db, c); err != nil {
		return err
	}
	if err := c.copy(ctx, p); err != nil {
		return fmt.Errorf("%w: loading: %w", connector.ErrStore, err)
	}
	db.committed(b)
	return nil
}

// copier is a conn that keeps the rows of inserts for COPY.
type copier struct {
	order []*query
	kept  map[*query][][]any
}

func (c *copier) exec(q *query, args ...any) error {
	shape, err := shapeOf(q)
	if err != nil {
		return err
	}
	row := make([]any, len(shape.values))
	for i, v := range shape.values {
		if row[i] = v.constant; v.arg > 0 {
			row[i] = args[v.arg-1]
		}
	}
	if c.kept[q] == nil {
		c.order = append(c.order, q)
	}
	c.kept[q] = append(c.kept[q], row)
	return nil
}

func (c *copier) execN(q *query, args ...any) (int64, error) { return 1, c.exec(q, args...) }

func (c *copier) copy(ctx context.Context, p *postgres) error {
	return pgx.BeginFunc(ctx, p.pool, func(t pgx.Tx) error {
		// A load takes its time and waits for others' new pages; the rest of the connections' limits stays.
		if _, err := t.Exec(ctx, "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"); err != nil {
			return err
		}
		for _, q := range c.order {
			shape, err := shapeOf(q)
			if err != nil {
				return err
			}
			if _, err := t.CopyFrom(ctx, pgx.Identifier{shape.table}, shape.columns, pgx.CopyFromRows(c.kept[q])); err != nil {
				return err
			}
		}
		return nil
	})
}

// insertShape is what an INSERT of one row puts where.
type insertShape struct {
	table   string
	columns []string
	values  []insertValue
}

type insertValue struct {
	arg      int // of the statement, from 1; 0 for a constant
	constant int64
}

var (
	insertText = regexp.MustCompile(`(?s)^INSERT INTO (\w+) \(([^)]*)\)\s+VALUES \(([^)]*)\)`)
	shapes     sync.Map // *query → insertShape
)

func shapeOf(q *query) (insertShape, error) {
	if s, ok := shapes.Load(q); ok {
		return s.(insertShape), nil
	}
	m := insertText.FindStringSubmatch(q.lite)
	if m == nil {
		return insertShape{}, errors.New("store: only rows that are new can be loaded")
	}
	s := insertShape{table: m[1]}
	for _, c := range strings.Split(m[2], ",") {
		s.columns = append(s.columns, strings.TrimSpace(c))
	}
	for _, text := range strings.Split(m[3], ",") {
		text, isArg := strings.CutPrefix(strings.TrimSpace(text), "?")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return s, fmt.Errorf("store: table %s is not loaded by plain values", s.table)
		}
		if isArg {
			s.values = append(s.values, insertValue{arg: int(n)})
		} else {
			s.values = append(s.values, insertValue{constant: n})
		}
	}
	shapes.Store(q, s)
	return s, nil
}

// A load reads nothing and undoes nothing: what fails before its commit has not begun.

func (c *copier) rows(*query, []any, func(scan func(dest ...any) error) error) error { return nil }

func (c *copier) flush() error          { return nil }
func (c *copier) savepoint() error      { return nil }
func (c *copier) release() error        { return nil }
func (c *copier) rollbackTo() error     { return nil }
func (c *copier) commit() (bool, error) { return false, nil }
func (c *copier) close()                {}
