package store

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// query is one statement in both spellings of its placeholders.
type query struct {
	lite, pg string
	lock     *query // the same, keeping the row from others' changes until the commit
	locks    bool   // it is such a one
	one      bool   // it changes one row, or its function must not go on as if it had
	tables   []string
}

var placeholder = regexp.MustCompile(`\?(\d+)`)

// leaseNow is the lease clock in Postgres: the database's own, so that replicas with different clocks agree. It names the
// caller's time too, because Postgres wants every parameter used.
const leaseNow = `(0 * CAST(?1 AS BIGINT) + CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT))`

// sq writes a statement down: ?N for SQLite becomes $N for Postgres. {now} is the lease clock: ?1, the caller's time, on
// SQLite, and the database's time on Postgres. Statements have no text constants with a ? in them.
func sq(text string) *query {
	q := &query{
		lite: strings.ReplaceAll(text, "{now}", "?1"),
		pg:   placeholder.ReplaceAllString(strings.ReplaceAll(text, "{now}", leaseNow), `$$$1`),
	}
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		q.tables = append(q.tables, m[1])
	}
	return q
}

// named finds the tables a statement reads or writes.
var named = regexp.MustCompile(`(?:FROM|INTO|UPDATE|JOIN) ([a-z_]+)`)

// sqOne writes down a statement that changes one row, or whose function must not go on as if it had.
func sqOne(text string) *query {
	q := sq(text)
	q.one = true
	return q
}

// sqRow writes down a statement that reads a row which the transaction may go on to change.
func sqRow(text string) *query { return sq(text).keeping("FOR UPDATE") }

// sqHeld writes down a statement whose rows others may hold too, and nobody may change before the commit.
func sqHeld(text string) *query { return sq(text).keeping("FOR SHARE") }

func (q *query) keeping(rows string) *query {
	q.lock = &query{lite: q.lite, pg: q.pg + " " + rows, tables: q.tables, locks: true}
	return q
}

// in is the statement as a transaction reads by it: one of Update keeps the rows.
func (q *query) in(t *tx) *query {
	if t.batch != nil && q.lock != nil {
		return q.lock
	}
	return q
}

// conn is one database connection inside a transaction, as the statements see it.
type conn interface {
	// exec runs a statement whose result nobody waits for. Postgres sends it with the next statement that is waited for;
	// its error then belongs to the function that runs (see flush).
	exec(q *query, args ...any) error
	// execN runs a statement and says how many rows it changed.
	execN(q *query, args ...any) (int64, error)
	// rows calls each for every row; scan fills its arguments from the current one.
	rows(q *query, args []any, each func(scan func(dest ...any) error) error) error
	// flush sends what exec has kept back.
	flush() error

	savepoint() error
	release() error    // keeps what was done since the savepoint
	rollbackTo() error // undoes what was done since the savepoint
	// commit makes the transaction durable. unsure says that an error leaves open whether it did.
	commit() (unsure bool, err error)
	close() // ends the transaction, undoing it where it was not committed, and gives the connection back
}

// engine is what SQLite and Postgres each do in their own way.
type engine interface {
	// begin opens a transaction that writes.
	begin() (conn, error)
	// view opens one that only reads.
	view(ctx context.Context) (conn, error)
	// again says whether a function that met this error in its run so manieth should run again, on a new snapshot.
	again(err error, runs int) bool
	// lost says whether the connection is gone, so that a batch that has not tried to commit may run on another.
	lost(err error) bool
	// silent says whether an error shows a database that does not answer at all; answers, whether it does again.
	silent(err error) bool
	answers(ctx context.Context) error
	// claim is Store.Claim for kinds that may be claimed.
	claim(ctx context.Context, ehr string, kinds []connector.LaneKind, limit int, now, since time.Time) ([]connector.Lane, error)
	// notify tells other processes, after a commit, which lanes were touched.
	notify(all []touched)
	close() error
}
