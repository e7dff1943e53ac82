package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

// Options are the flags of prove bench.
type Options struct {
	Only     []string // ids of figures, such as R2; none is all
	Seconds  int      // about how long one measurement of a pair takes
	Pairs    int
	Pending  int    // exchanges of the large backlog
	Threads  int    // open threads of R6
	Binary   string // chartwire
	Postgres string // URL of the server's database postgres
	Book     *figure.Book
	Slow     time.Duration // how long the EHR takes at least: a check of the checks
}

// bench is one run.
type bench struct {
	o      Options
	dir    string
	pg     *server
	ehr    *stub
	secret string
	runs   int
}

// part measures one or several figures.
type part struct {
	ids []string
	run func(*bench, context.Context) error
}

var parts = []part{
	{[]string{"R2"}, (*bench).acksOnPostgres},
	{[]string{"R3"}, (*bench).acksOnSQLite},
	{[]string{"R1", "R14"}, (*bench).delivered},
	{[]string{"R11"}, (*bench).syncs},
	{[]string{"R4"}, (*bench).backlog},
	{[]string{"R6"}, (*bench).idle},
	{[]string{"R7"}, (*bench).latency},
	{[]string{"R10"}, (*bench).calls},
}

// Run measures and tells each figure as soon as it is known. The error is of what could not be measured, not of a figure
// that is short.
func Run(ctx context.Context, o Options) error {
	b := &bench{o: o, secret: newSecret()}
	var err error
	if b.dir, err = os.MkdirTemp("", "chartwire-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.pg, err = openServer(ctx, o.Postgres); err != nil {
		return err
	}
	if b.ehr, err = startStub(ctx); err != nil {
		return err
	}
	defer b.ehr.close()
	for _, p := range parts {
		if len(o.Only) > 0 && !slices.ContainsFunc(p.ids, func(id string) bool { return slices.Contains(o.Only, id) }) {
			continue
		}
		b.ehr.reset()
		b.ehr.latency.Store(int64(o.Slow))
		if err := p.run(b, ctx); err != nil {
			return fmt.Errorf("%v: %w", p.ids, err)
		}
	}
	return nil
}

// prefix names the threads of one measurement apart from all others; every one is as long.
func (b *bench) prefix() string {
	b.runs++
	return fmt.Sprintf("r%04d-", b.runs)
}
