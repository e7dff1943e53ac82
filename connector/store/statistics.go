package store

import (
	"context"
	"sync/atomic"
)

// A new database has no statistics, and on small tables all indexes look alike: plans are then guesses, and a prepared
// statement keeps its guess while its table grows. Autovacuum ends that after a minute or so of use; until then each
// process sees to it itself, once its own commits have given the tables something to count. ANALYZE makes every connection
// plan anew.

// analyzeAfter are the commits after which tables that nobody has analyzed yet are.
var analyzeAfter = []int64{20, 100, 500}

const (
	pgUnanalyzed = `SELECT count(*) FROM pg_stat_user_tables WHERE schemaname = current_schema()
		AND relname = 'item' AND autoanalyze_count = 0`
	pgAnalyze = `ANALYZE event, thread, message, item, lane, chart_write, attempt, tally, audit, audit_wait, audit_seal`
)

// statistics counts commits and asks for an ANALYZE after some.
type statistics struct {
	commits atomic.Int64
	wake    chan struct{}
}

func (s *statistics) committed() {
	n := s.commits.Add(1)
	if n > analyzeAfter[len(analyzeAfter)-1] {
		return
	}
	for _, at := range analyzeAfter {
		if n == at {
			select {
			case s.wake <- struct{}{}:
			default:
			}
		}
	}
}

// analyzeLoop runs for as long as the engine is open.
func (e *postgres) analyzeLoop(ctx context.Context) {
	for {
		select {
		case <-e.stats.wake:
		case <-ctx.Done():
			return
		}
		e.analyze(ctx)
	}
}

// analyze leaves tables alone that autovacuum looks after. An error changes nothing: plans stay guesses a while longer. A
// role that does not own the tables is told so by a warning nobody reads.
func (e *postgres) analyze(ctx context.Context) {
	var n int
	if err := e.pool.QueryRow(ctx, pgUnanalyzed).Scan(&n); err != nil || n == 0 {
		return
	}
	_, _ = e.pool.Exec(ctx, pgAnalyze)
}
