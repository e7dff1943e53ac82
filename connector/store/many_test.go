package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// TestMergeKeepsEachTablesOrder: whatever the functions write, each table's statements stay in the order of their function,
// and inserts of different functions become one.
func TestMergeKeepsEachTablesOrder(t *testing.T) {
	lane := func(thread string) write {
		return write{q: laneTouch, args: []any{"E", thread, "chart", int64(0), int64(1)}}
	}
	tally := func(n int64) write {
		return write{q: tallyAdd, args: []any{"E", "c", "d", "s", fmt.Sprint(n), n}}
	}
	bump := func(thread string) write { return write{q: threadBump, args: []any{"E", thread}} }
	out := merge([][]write{
		{lane("a"), tally(1), lane("a"), tally(2), bump("a")},
		{tally(3), bump("b"), lane("b"), bump("b")},
		{tally(4), lane("c")},
	})
	var got []string
	for _, s := range out {
		rows := 1
		if keys, many := s.args[1].([]string); many {
			rows = len(keys)
			got = append(got, fmt.Sprint(keys))
		} else {
			got = append(got, fmt.Sprint(s.args[1]))
		}
		if rows > 1 && s.sql == laneTouch.pg {
			t.Error("many rows by the statement of one")
		}
	}
	// threads before lanes; bumps one by one, lanes each functions first and then the second of the first, tallies cannot meet each other
	want := []string{"a", "b", "b", "[a b c]", "a", "[c c c c]"}
	if !slices.Equal(got, want) {
		t.Errorf("merge = %q, want %q", got, want)
	}
}

// TestAStatementThatCannotBeManyStaysAsItIs: an update, or an insert whose conflict clause has an argument.
func TestAStatementThatCannotBeManyStaysAsItIs(t *testing.T) {
	args := make([]any, 32)
	for i := range args {
		args[i] = ""
	}
	for _, q := range []*query{itemUpdate, laneHold, headPut} {
		if m := manyOf(q, args); m != nil {
			t.Errorf("%s became %s", q.pg, m.sql)
		}
	}
	for _, q := range []*query{eventInsert, threadPut, messagePut, itemInsert, laneTouch, auditInsert, attemptPut, writePut, tallyAdd} {
		if manyOf(q, args) == nil {
			t.Errorf("%s stays one row's", q.pg)
		}
	}
	insertAlls.Clear() // of these arguments
}

// TestWhatManyFunctionsReadTogetherIsEachsOwn: rows by the number of who asked, none for who has none, several in order.
func TestWhatManyFunctionsReadTogetherIsEachsOwn(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			db := mustOpen(t, e.url(t), Options{})
			const threads = 24
			thread := func(n int) string { return fmt.Sprintf("t%02d", n) }
			for n := range threads {
				err := db.Update(t.Context(), "E|c|"+thread(n), func(tx connector.Tx) error {
					for k := range n % 4 {
						i := connector.Item{ID: fmt.Sprintf("%s-%d", thread(n), k), EHR: "E", Thread: thread(n), Kind: connector.ItemExchange,
							State: connector.Waiting, Channel: "c", Direction: connector.FromPatient}
						if err := tx.PutItem(&i); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan error, threads)
			for n := range threads {
				go func() {
					done <- db.Update(t.Context(), "E|c|"+thread(n), func(tx connector.Tx) error {
						items, err := tx.ThreadItems("E", thread(n))
						for k, i := range items {
							if i.ID != fmt.Sprintf("%s-%d", thread(n), k) {
								return fmt.Errorf("%s was given item %s at %d", thread(n), i.ID, k)
							}
						}
						if err == nil && len(items) != n%4 {
							err = fmt.Errorf("%s was given %d items, want %d", thread(n), len(items), n%4)
						}
						return err
					})
				}()
			}
			for range threads {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestReadsThatNoArrayCanBeMadeOf: two Views that read by a list of ids at once each get their own rows.
func TestReadsThatNoArrayCanBeMadeOf(t *testing.T) {
	a := ask{q: pgAuditIDs, args: []any{"E", []string{"a"}}}
	if all := readMany([]ask{a, a}); len(all) != 2 || all[0].sql != pgAuditIDs.pg {
		t.Errorf("%d statements, the first %s", len(all), all[0].sql)
	}
}

// TestWhatManyAskGoesByAnIndex: the reads of functions are put together without losing the index each of them has alone.
func TestWhatManyAskGoesByAnIndex(t *testing.T) {
	db := mustOpen(t, pgtest.New(t), Options{})
	e, err := db.eng.(*postgres).pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Rollback(t.Context()) }()
	if _, err := e.Exec(t.Context(), "SET LOCAL enable_seqscan = off"); err != nil { // empty tables are read through otherwise
		t.Fatal(err)
	}
	b, s, n := []byte{1}, "x", int64(1)
	for name, c := range map[string]struct {
		q    *query
		args []any
	}{
		"eventKnown": {eventKnown, []any{s, b, s}}, "threadByExt": {threadByExt.lock, []any{s, b, s}}, "threadByID": {threadByID.lock, []any{s, s}},
		"messageArrived": {messageArrived, []any{s, b, s, b}}, "messageAll": {messageAll, []any{s, s, b}}, "messageByID": {messageByID.lock, []any{s, s}}, "messageNewest": {messageNewest.lock, []any{s, s, b}},
		"itemsOfLane": {itemsOfLane, []any{s, s, s}}, "itemsOfMessage": {itemsOfMessage, []any{s, s, s}}, "itemsOfThread": {itemsOfThread, []any{s, s}},
		"writeByKey": {writeByKey.lock, []any{s, b}}, "writeByProvides": {writeByProvides, []any{s, b}}, "writesOfItem": {writesOfItem, []any{s, s}},
		"attemptsOf": {attemptsOf, []any{s, s}}, "blobOfMessage": {blobOfMessage, []any{s, s, s}}, "laneTouched": {laneTouched, []any{s, s, s}},
		"meta (has no other way)": {tallySumOf, []any{n}},
	} {
		var args []any
		for i := range c.args {
			args = append(args, columnOf([]write{{args: c.args}, {args: c.args}}, i))
		}
		rows, err := e.Query(t.Context(), "EXPLAIN "+selectAll(c.q, c.args), args...)
		if err != nil {
			t.Fatal(name, err)
		}
		text, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(name, err)
		}
		if scans := strings.Contains(strings.Join(text, "\n"), "Seq Scan"); scans != (c.q == tallySumOf) {
			t.Errorf("%s reads a table through: %v\n%s", name, scans, strings.Join(text, "\n"))
		}
	}
}

// tallySumOf has no index to go by, so that the test above can be seen to see.
var tallySumOf = sq(`SELECT n FROM tally WHERE n = ?1`)
