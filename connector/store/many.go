package store

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// The writes of a wave are single rows of many functions. Rows of one insert go to the server as one statement, for most of
// what a small insert costs there is not the row. It is the same transaction: functions of a wave write rows of different
// threads, nothing a statement does in one table depends on another, and each table's statements stay in their function's order.

// write is a statement a function of a wave has kept back.
type write struct {
	q    *query
	args []any
	one  bool // it must change one row
}

// The reads of a wave are put together in the same way: what several functions ask by one statement is asked once, with an
// array for each argument, and every row comes with the number of who asked. Each of them reads what it would have read alone.

// insertAll is an insert of many rows: a column of values each an array.
type insertAll struct {
	sql  string
	args []int // of the statement for one row, from 0, in the order of the arrays
	free bool  // its rows cannot meet each other
}

var insertAlls sync.Map // *query → *insertAll; nil where there is none

// manyOf gives the insert of many rows that a statement for one row is, nil where it is no plain insert. row are values for
// one row: what they are in Go is what the columns are. Only byte strings may be NULL.
func manyOf(q *query, row []any) *insertAll {
	if m, ok := insertAlls.Load(q); ok {
		return m.(*insertAll)
	}
	m := buildMany(q, row)
	insertAlls.Store(q, m)
	return m
}

func buildMany(q *query, row []any) *insertAll {
	text := insertText.FindString(q.lite)
	tail := strings.TrimPrefix(q.lite, text)
	shape, err := shapeOf(q)
	if err != nil || strings.Contains(tail, "?") || slices.ContainsFunc(row, unlike) {
		return nil
	}
	m := &insertAll{free: strings.TrimSpace(tail) == ""}
	var picks []string
	for _, v := range shape.values {
		if v.arg == 0 {
			picks = append(picks, fmt.Sprint(v.constant))
			continue
		}
		m.args = append(m.args, v.arg-1)
		picks = append(picks, fmt.Sprintf("n.a%d", v.arg))
	}
	m.sql = fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s%s", shape.table, strings.Join(shape.columns, ", "),
		strings.Join(picks, ", "), arrays(row, m.args, ""), tail)
	return m
}

// arrays is the text of a table n that has a row for each element of the arrays and a column aN for argument N.
func arrays(row []any, args []int, with string) string {
	var values, names []string
	for n, a := range args {
		kind := "BYTEA"
		switch row[a].(type) {
		case int64:
			kind = "BIGINT"
		case string:
			kind = "TEXT"
		}
		values = append(values, fmt.Sprintf("CAST($%d AS %s[])", n+1, kind))
		names = append(names, fmt.Sprintf("a%d", a+1))
	}
	if with != "" {
		names = append(names, "no")
	}
	return fmt.Sprintf("unnest(%s)%s AS n (%s)", strings.Join(values, ", "), with, strings.Join(names, ", "))
}

var (
	selectAlls sync.Map // *query → string
	pgArgument = regexp.MustCompile(`\$(\d+)`)
)

// selectAll is the text that reads for many askers: the statement for one, run for each row of their arguments. OFFSET 0 keeps
// the server from making a join of it, which it might then begin at the wrong end.
func selectAll(q *query, row []any) string {
	if text, ok := selectAlls.Load(q); ok {
		return text.(string)
	}
	args := make([]int, len(row))
	for i := range args {
		args[i] = i
	}
	one := pgArgument.ReplaceAllString(q.pg, "n.a$1")
	if !q.locks {
		one += " OFFSET 0"
	}
	text := "SELECT n.no, r.* FROM " + arrays(row, args, " WITH ORDINALITY") + ", LATERAL (" + one + ") AS r"
	selectAlls.Store(q, text)
	return text
}

// readMany is what several functions that ask by one statement ask, as few statements.
func readMany(asking []ask) []stmt {
	if len(asking) == 1 || len(asking[0].args) == 0 || slices.ContainsFunc(asking[0].args, unlike) {
		var out []stmt
		for _, r := range asking {
			out = append(out, stmt{sql: r.q.pg, args: r.args, each: r.each})
		}
		return out
	}
	rows := make([]write, len(asking))
	for i, r := range asking {
		rows[i].args = r.args
	}
	s := stmt{sql: selectAll(asking[0].q, asking[0].args), numbered: func(no int64) func(func(...any) error) error { return asking[no-1].each }}
	for a := range asking[0].args {
		s.args = append(s.args, columnOf(rows, a))
	}
	return []stmt{s}
}

// unlike says whether an argument is of a kind that no array is made of.
func unlike(arg any) bool {
	switch arg.(type) {
	case int64, string, []byte, nil:
		return false
	}
	return true
}

// stmt is the insert of these rows.
func (m *insertAll) stmt(rows []write) stmt {
	s := stmt{sql: m.sql}
	for _, a := range m.args {
		s.args = append(s.args, columnOf(rows, a))
	}
	for _, r := range rows {
		if r.one {
			s.must++
		}
	}
	return s
}

// columnOf is the array of an argument of many rows.
func columnOf(rows []write, a int) any {
	switch rows[0].args[a].(type) {
	case int64:
		return column[int64](rows, a)
	case string:
		return column[string](rows, a)
	}
	return column[[]byte](rows, a)
}

func column[T any](rows []write, a int) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		if r.args[a] != nil { // which is NULL
			out[i] = r.args[a].(T)
		}
	}
	return out
}

// merge puts the writes of many functions together. They come in the order of their shards, and so do the rows a statement
// changes; threads before lanes, as they are read before them. Replicas that change the same rows then wait for each other
// in one order.
func merge(functions [][]write) []stmt {
	of := map[string][][]write{} // by table, what each function writes there
	for f, all := range functions {
		for _, w := range all {
			t := w.q.tables[0]
			if of[t] == nil {
				of[t] = make([][]write, len(functions))
			}
			of[t][f] = append(of[t][f], w)
		}
	}
	tables := slices.SortedFunc(maps.Keys(of), func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	var out []stmt
	for _, t := range tables {
		for left := of[t]; len(left) > 0; {
			var group []write
			if group, left = takeNew(left); len(group) > 0 {
				out = append(out, stmts(group)...)
			}
			for group, left = takeRound(left); len(group) > 0; {
				n := 1
				for n < len(group) && group[n].q == group[0].q {
					n++
				}
				out = append(out, stmts(group[:n])...)
				group = group[n:]
			}
		}
	}
	return out
}

func rank(table string) int {
	if i := slices.Index([]string{"thread", "lane"}, table); i >= 0 {
		return i
	}
	return 2
}

// takeNew takes the new rows of one statement that the functions begin with: they meet no other's.
func takeNew(functions [][]write) (group []write, left [][]write) {
	var q *query
	for _, all := range functions {
		n := 0
		for n < len(all) && (q == nil || all[n].q == q) {
			m := manyOf(all[n].q, all[n].args)
			if m == nil || !m.free {
				break
			}
			q = all[n].q
			n++
		}
		group = append(group, all[:n]...)
		if n < len(all) {
			left = append(left, all[n:])
		}
	}
	return group, left
}

// takeRound takes the next statement of each function.
func takeRound(functions [][]write) (group []write, left [][]write) {
	for _, all := range functions {
		group = append(group, all[0])
		if len(all) > 1 {
			left = append(left, all[1:])
		}
	}
	return group, left
}

// mergedBytes is about what a merged statement may hold.
const mergedBytes = 8 << 20

// stmts writes a group of one statement's rows as few statements.
func stmts(group []write) (out []stmt) {
	m := manyOf(group[0].q, group[0].args)
	for len(group) > 0 {
		n, size := 1, group[0].size()
		for ; m != nil && n < len(group) && size < mergedBytes; n++ {
			size += group[n].size()
		}
		if n > 1 {
			out = append(out, m.stmt(group[:n]))
		} else {
			s := stmt{sql: group[0].q.pg, args: group[0].args}
			if group[0].one {
				s.must = 1
			}
			out = append(out, s)
		}
		group = group[n:]
	}
	return out
}

// size is about how many bytes a write carries.
func (w write) size() (n int) {
	for _, a := range w.args {
		if b, ok := a.([]byte); ok {
			n += len(b)
		}
	}
	return n
}
