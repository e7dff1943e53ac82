package store

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// fillLanes makes a backlog as a long outage leaves it: few lanes are due, spread over urgencies and kinds.
func fillLanes(t testing.TB, db *DB, numbers string) {
	err := db.Update(t.Context(), "fill", func(ct connector.Tx) error {
		return ct.(*tx).exec(sq(fmt.Sprintf(`INSERT INTO lane (ehr_id, thread_id, kind, urgency, next_at, leased, lease_until, fence, touched)
			SELECT 'E', 't' || n, CASE WHEN n %% 3 = 0 THEN 'send' ELSE 'chart' END, n %% 4, CASE WHEN n %% 20 = 7 THEN n ELSE 9000000000000000 END,
			CASE WHEN n %% 11 = 0 THEN 1 ELSE 0 END, 9000000000000000, 1, 1 FROM (%s) AS many`, numbers)))
	})
	if err != nil {
		t.Fatal(err)
	}
}

const (
	pgNumbers   = `SELECT n FROM generate_series(1, 20000) AS n`
	liteNumbers = `WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 5000) SELECT n FROM s`
)

// plan is what EXPLAIN (ANALYZE, FORMAT JSON) says of a node.
type plan struct {
	Type    string  `json:"Node Type"`
	Table   string  `json:"Relation Name"`
	Index   string  `json:"Index Name"`
	Rows    float64 `json:"Actual Rows"`
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Plans   []plan  `json:"Plans"`
}

func (p plan) walk(each func(plan)) {
	each(p)
	for _, c := range p.Plans {
		c.walk(each)
	}
}

// A claim reads its rows in the order of one partial index, sorts nothing, and reads at most twice what it claims,
// whatever lies in the backlog and however the server plans.
func TestClaimPlanOnPostgres(t *testing.T) {
	db := mustOpen(t, pgtest.New(t), Options{})
	fillLanes(t, db, pgNumbers)
	for _, c := range []struct {
		name  string
		setup []string
		kinds []any
		limit int
		since int64
	}{
		{"as planned for these values", []string{"ANALYZE lane", "SET LOCAL plan_cache_mode = force_custom_plan"}, []any{"chart"}, 16, math.MinInt64 + 1},
		{"as planned for any values", []string{"ANALYZE lane", "SET LOCAL plan_cache_mode = force_generic_plan"}, []any{"chart"}, 16, math.MinInt64 + 1},
		{"many at once", []string{"ANALYZE lane"}, []any{"chart"}, 200, math.MinInt64 + 1},
		{"in front", []string{"ANALYZE lane", "SET LOCAL plan_cache_mode = force_generic_plan"}, []any{"chart"}, 16, 10_000},
		{"two kinds", []string{"ANALYZE lane"}, []any{"chart", "send"}, 16, math.MinInt64 + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw(t, db, "ANALYZE lane")
			e, err := db.eng.(*postgres).pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = e.Rollback(t.Context()) }()
			for _, s := range c.setup {
				if _, err := e.Exec(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			read, claimed := explainClaim(t, e, c.kinds, c.limit, c.since)
			if claimed != float64(c.limit) || read > 2*claimed || read < claimed {
				t.Errorf("read %.0f rows of the index to claim %.0f, want %d and at most twice that", read, claimed, c.limit)
			}
		})
	}
}

// explainClaim claims in a transaction, planned as the driver's statements are, and says how many rows of the index were
// read and how many lanes claimed.
func explainClaim(t *testing.T, e pgx.Tx, kinds []any, limit int, since int64) (read, claimed float64) {
	t.Helper()
	q := pgClaim(len(kinds), limit).pg
	var names []string
	for _, a := range append([]any{"E", time.Now().UnixMicro(), int64(1), since}, kinds...) {
		if s, ok := a.(string); ok {
			a = "'" + s + "'"
		}
		names = append(names, fmt.Sprint(a))
	}
	types := []string{"text", "bigint", "bigint", "bigint"}
	for range kinds {
		types = append(types, "text")
	}
	if _, err := e.Exec(t.Context(), "PREPARE claim ("+strings.Join(types, ", ")+") AS "+q); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = e.Exec(t.Context(), "DEALLOCATE claim") }()
	var text []byte
	if err := e.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE claim("+strings.Join(names, ", ")+")").Scan(&text); err != nil {
		t.Fatal(err)
	}
	var out []struct{ Plan plan }
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	out[0].Plan.walk(func(p plan) {
		if p.Type == "Sort" && len(kinds) == 1 || p.Type == "Seq Scan" && p.Table == "lane" || strings.HasPrefix(p.Type, "Bitmap") {
			t.Errorf("the plan has a %s\n%s", p.Type, text)
		}
		switch {
		case p.Index == "lane_due":
			read += (p.Rows + p.Removed) * p.Loops
		case p.Type == "ModifyTable":
			claimed = p.Rows * p.Loops
		}
	})
	return read, claimed
}

// TestClaimsBesideAHeldSnapshot: a hundred thousand lanes are due, a backup holds a snapshot, so nothing that was claimed
// meanwhile can be cleaned up, and four claimers work: none is claimed twice, and a claim still reads at most twice its rows.
func TestClaimsBesideAHeldSnapshot(t *testing.T) {
	address, s := pgtest.New(t), newSealer(t)
	dbs := []*DB{mustOpen(t, address, Options{Sealer: s, Lease: time.Hour}), mustOpen(t, address, Options{Sealer: s, Lease: time.Hour})}
	pool := dbs[0].eng.(*postgres).pool
	fill := &pgx.Batch{} // one transaction, which may take its time
	for _, s := range []string{"SET LOCAL statement_timeout = 0", `INSERT INTO lane (ehr_id, thread_id, kind, urgency, next_at, leased, lease_until, fence, touched)
		SELECT 'E', 't' || n, 'chart', 0, n, 0, 0, 0, 1 FROM generate_series(1, 100000) AS n`, "ANALYZE lane"} {
		fill.Queue(s)
	}
	if err := pool.SendBatch(t.Context(), fill).Close(); err != nil {
		t.Fatal(err)
	}
	backup, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = backup.Rollback(t.Context()) }()
	if _, err := backup.Exec(t.Context(), "SET LOCAL idle_in_transaction_session_timeout = 0; SELECT 1 FROM meta"); err != nil {
		t.Fatal(err)
	}
	const rounds, limit = 50, 16
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for range rounds {
				lanes, err := dbs[n%2].Claim(t.Context(), "E", []connector.LaneKind{connector.LaneChart}, limit, time.Now())
				if err != nil || len(lanes) != limit {
					t.Errorf("claimed %d lanes, %v", len(lanes), err)
				}
				mu.Lock()
				for _, l := range lanes {
					if seen[l.Thread] {
						t.Errorf("lane %s was claimed twice", l.Thread)
					}
					seen[l.Thread] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	e, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Rollback(t.Context()) }()
	read, claimed := explainClaim(t, e, []any{"chart"}, limit, math.MinInt64+1)
	if claimed != limit || read > 2*claimed || read < claimed {
		t.Errorf("after %d claims read %.0f rows of the index to claim %.0f, want %d and at most twice that", 4*rounds, read, claimed, limit)
	}
}

func TestClaimPlanOnSQLite(t *testing.T) {
	db := mustOpen(t, "sqlite::memory:", Options{})
	fillLanes(t, db, liteNumbers)
	steps := litePlan(t, db, liteClaim(1, 16), "E", int64(1), nil, int64(0), "chart")
	uses := 0
	for _, s := range steps {
		if strings.Contains(s, "SCAN lane") || strings.Contains(s, "TEMP B-TREE") {
			t.Errorf("the plan has %q", s)
		}
		if strings.Contains(s, "INDEX lane_due (ehr_id=? AND kind=? AND urgency=? AND next_at<?)") ||
			strings.Contains(s, "INDEX lane_due (ehr_id=? AND kind=? AND urgency=? AND next_at>? AND next_at<?)") {
			uses++
		}
	}
	if uses != len(urgencies) {
		t.Errorf("%d of %d parts read a range of lane_due:\n%s", uses, len(urgencies), strings.Join(steps, "\n"))
	}
}

func litePlan(t *testing.T, db *DB, q *query, args ...any) (steps []string) {
	t.Helper()
	err := db.View(t.Context(), func(ct connector.Tx) error {
		return ct.(*tx).c.rows(&query{lite: "EXPLAIN QUERY PLAN " + q.lite}, args, func(scan func(...any) error) error {
			var id, parent, unused int64
			var detail string
			err := scan(&id, &parent, &unused, &detail)
			steps = append(steps, detail)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// Every look-up goes by an index; none reads a table through.
func TestEveryLookupHasAnIndex(t *testing.T) {
	db := mustOpen(t, "sqlite::memory:", Options{})
	tables := []string{"meta", "ehr", "event", "event_kept", "thread", "message", "blob", "item", "lane", "chart_write", "attempt", "born", "consent", "probe", "tally",
		"audit", "audit_wait", "audit_seal", "audit_head", "refusal", "inbox_launch", "inbox_session", "draft"}
	if steps := litePlan(t, db, tallySum); !slices.ContainsFunc(steps, func(s string) bool { return strings.HasPrefix(s, "SCAN tally") }) {
		t.Errorf("a statement that does read a table through has the plan %q: this test sees nothing", steps)
	}
	for name, q := range map[string]*query{
		"metaGet": metaGet, "ehrByName": ehrByName, "ehrByID": ehrByID, "eventKnown": eventKnown, "keptByID": keptByID, "keptOfThread": keptOfThread,
		"threadByID": threadByID, "threadByExt": threadByExt, "threadBump": threadBump,
		"messageByID": messageByID, "messageNewest": messageNewest, "messageRevision": messageRevision, "messageAll": messageAll,
		"messageByClient": messageByClient, "messageOfThread": messageOfThread, "filedOfThread": filedOfThread, "blobOfMessage": blobOfMessage, "blobOfThread": blobOfThread,
		"itemByID": itemByID, "itemsOfLane": itemsOfLane, "itemsOpen": itemsOpen, "itemsOfMessage": itemsOfMessage, "itemsOfThread": itemsOfThread,
		"laneHold": laneHold, "laneHoldToSend": laneHoldToSend, "laneRelease": laneRelease, "laneTouched": laneTouched, "laneExpire": laneExpire, "next": nextSQL(2, 1), "laneTake": laneTake, "laneOfThread": laneOfThread,
		"writeByKey": writeByKey, "writeByProvides": writeByProvides, "writesOfItem": writesOfItem, "writeFiled": writeFiled, "rehomeFiled": rehomeFiled,
		"attemptsOf": attemptsOf, "attemptsOfHome": attemptsOfHome, "bornByRef": bornByRef, "bornOfThread": bornOfThread, "consentGet": consentGet, "probeLast": probeLast,
		"refusalGet": refusalGet, "refusalEnded": refusalEnded, "traceIDs": traceIDs, "traceHashes": traceHashes,
		"auditByID": auditByID, "auditIDs": auditIDs, "waitFirst": waitFirst, "waitLeft": waitLeft, "waitDrop": waitDrop, "sealFrom": sealFrom, "sealLast": sealLast, "hashesOf": hashesOf, "headGet": headGet,
		"auditOfThread":    auditOfThread,
		"threadsOfPatient": threadsOfPatient, "threadsWaiting": threadsWaiting, "threadVersion": threadVersion,
		"launchGet": launchGet, "launchDrop": launchDrop, "launchOld": launchOld, "sessionByID": sessionByID, "sessionsOf": sessionsOf, "sessionLeft": sessionLeft, "sessionPut": sessionPut,
		"sessionOld": sessionOld, "draftByID": draftByID, "draftsOfThread": draftsOfThread, "draftsOf": draftsOf, "draftsDue": draftsDue, "draftNext": draftNext,
		"draftPut": draftPut, "draftDrop": draftDrop, "draftBlobDrop": draftBlobDrop, "draftMove": draftMove,
		"tallyDrop": tallyDrop, "rehomeDrop0": rehomeDrop[0], "rehomeDrop1": rehomeDrop[1], "rehomeDrop2": rehomeDrop[2],
	} {
		args := make([]any, strings.Count(q.lite, "?"))
		for _, s := range litePlan(t, db, q, args...) {
			if scanned, yes := strings.CutPrefix(s, "SCAN "); yes && slices.Contains(tables, strings.Fields(scanned)[0]) {
				t.Errorf("%s: %s", name, s)
			}
			if name == "threadsWaiting" || name == "sessionsOf" || name == "sessionOld" || name == "sessionLeft" || name == "launchOld" || strings.HasPrefix(name, "draft") || name == "itemsOfLane" || name == "itemsOpen" || name == "messageNewest" || name == "writeFiled" || name == "waitFirst" || name == "sealFrom" || name == "hashesOf" {
				if strings.Contains(s, "TEMP B-TREE") {
					t.Errorf("%s sorts: %s", name, s)
				}
			}
		}
	}
}

// BenchmarkClaim claims and gives back, out of a backlog.
func BenchmarkClaim(b *testing.B) {
	for _, e := range engines[1:] {
		b.Run(e.name, func(b *testing.B) {
			db := mustOpen(b, e.url(b), Options{Lease: time.Hour})
			numbers := liteNumbers
			if e.name == "postgres" {
				numbers = pgNumbers
			}
			fillLanes(b, db, numbers)
			b.ReportAllocs()
			for b.Loop() {
				now := time.Now()
				lanes, err := db.Claim(b.Context(), "E", []connector.LaneKind{connector.LaneChart}, 16, now)
				if err != nil || len(lanes) != 16 {
					b.Fatal(len(lanes), err)
				}
				err = db.Update(b.Context(), "s", func(tx connector.Tx) error {
					for _, l := range lanes {
						if err := tx.ReleaseLane(l, now, now); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCommit is what accepting one event costs: event, message, item, lane and audit row, alone and from many callers.
func BenchmarkCommit(b *testing.B) {
	for _, e := range engines[1:] {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", e.name, callers), func(b *testing.B) {
				db := mustOpen(b, e.url(b), Options{})
				b.ReportAllocs()
				b.SetParallelism(callers)
				if callers == 1 {
					for b.Loop() {
						accept(b, db)
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						accept(b, db)
					}
				})
			})
		}
	}
}

func accept(b *testing.B, db *DB) {
	now := time.Now()
	th := connector.NewID(now)
	err := db.Update(b.Context(), th, func(tx connector.Tx) error {
		if fresh, err := tx.InsertEvent(connector.EventRow{ID: connector.NewID(now), EHR: "E", Channel: "sms", Key: th, Thread: th, ReceivedAt: now, Body: make([]byte, 1000)}); err != nil || !fresh {
			return err
		}
		m := connector.MessageRow{ID: connector.NewID(now), EHR: "E", Thread: th, Revision: 1, ReceivedAt: now,
			Message: connector.Message{ID: "m", Sequence: 1, Direction: connector.FromPatient, SentAt: now, Text: strings.Repeat("wort ", 50)}}
		if err := tx.PutMessage(&m); err != nil {
			return err
		}
		i := connector.Item{ID: connector.NewID(now), EHR: "E", Thread: th, Lane: connector.LaneChart, Kind: connector.ItemExchange, Message: m.ID,
			State: connector.Waiting, Channel: "sms", Direction: connector.FromPatient, CommittedAt: now}
		if err := tx.PutItem(&i); err != nil {
			return err
		}
		if err := tx.TouchLane("E", th, connector.LaneChart, now, connector.Routine); err != nil {
			return err
		}
		return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: "E", At: now, Kind: "event-accepted", Action: "C", Agent: "channel:sms", Thread: th, Item: i.ID})
	})
	if err != nil {
		b.Error(err)
	}
}
