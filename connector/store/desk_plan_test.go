package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// TestPoolPlanOnPostgres: a pool's list reads what it gives by one index in its order, however many threads wait elsewhere, and
// wherever in the list it goes on.
func TestPoolPlanOnPostgres(t *testing.T) {
	e := manyThreads(t)
	if _, err := e.Exec(t.Context(), "PREPARE waiting (text, bytea, bigint, bigint, text, bigint) AS "+threadsWaiting.pg); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		for _, place := range []string{"-1, 0, ''", "2, 9000, 't9000'"} {
			text, found := explained(t, e, mode, fmt.Sprintf(`waiting('E', '\x01', %s, 20)`, place))
			read := 0.0
			found.walk(func(p plan) {
				if p.Type == "Sort" || p.Type == "Seq Scan" || strings.HasPrefix(p.Type, "Bitmap") {
					t.Errorf("%s after %s: the plan has a %s\n%s", mode, place, p.Type, text)
				}
				if p.Index == "thread_waits" {
					read += (p.Rows + p.Removed) * p.Loops
				}
			})
			if read != 20 {
				t.Errorf("%s after %s: %.0f rows were read to give 20", mode, place, read)
			}
		}
	}
}

// TestShownPlanOnPostgres: what open pages show is read by indexes, no more of it than is shown.
func TestShownPlanOnPostgres(t *testing.T) {
	e := manyThreads(t)
	if _, err := e.Exec(t.Context(), "PREPARE shown (text, text[], bytea[], bytea[], bigint, bigint) AS "+shownVersions.pg); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		text, found := explained(t, e, mode, `shown('E', '{t7,t8}', ARRAY['\x05'::bytea], ARRAY['\x01'::bytea, '\x02'::bytea], 100, 25)`)
		read := 0.0
		found.walk(func(p plan) {
			if p.Type == "Seq Scan" {
				t.Errorf("%s: the plan has a %s\n%s", mode, p.Type, text)
			}
			if p.Index != "" {
				read += (p.Rows + p.Removed) * p.Loops
			}
		})
		if read != 2+2*25 {
			t.Errorf("%s: %.0f rows were read to give 52\n%s", mode, read, text)
		}
	}
}

// explained is the plan of a prepared statement that was run.
func explained(t *testing.T, e pgx.Tx, mode, call string) (text []byte, _ plan) {
	t.Helper()
	if _, err := e.Exec(t.Context(), "SET LOCAL plan_cache_mode = "+mode); err != nil {
		t.Fatal(err)
	}
	if err := e.QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE "+call).Scan(&text); err != nil {
		t.Fatal(err)
	}
	var out []struct{ Plan plan }
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return text, out[0].Plan
}

// manyThreads is a transaction on a database with many threads, half of each of two pools, three in four of which wait.
func manyThreads(t *testing.T) pgx.Tx {
	t.Helper()
	db := mustOpen(t, pgtest.New(t), Options{})
	err := db.Update(t.Context(), "fill", func(ct connector.Tx) error {
		return ct.(*tx).exec(sq(`INSERT INTO thread (ehr_id, id, channel, ext_hash, changed, closed, header_id, strategy, next_seq, last_sent, version,
			created_at, ext, info, patient, need_at, patience, pool_hash) SELECT 'E', 't' || n, 'c', decode(lpad(to_hex(n), 8, '0'), 'hex'), 0, 0, '', '', 0, 0, 1, 0, '', '', '',
			CASE WHEN n % 4 = 0 THEN 0 ELSE n END, n % 4, CASE WHEN n % 2 = 0 THEN decode('01', 'hex') ELSE decode('02', 'hex') END FROM (` + pgNumbers + `) AS many`))
	})
	if err != nil {
		t.Fatal(err)
	}
	raw(t, db, "ANALYZE thread")
	e, err := db.eng.(*postgres).pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Rollback(context.Background()) })
	return e
}
