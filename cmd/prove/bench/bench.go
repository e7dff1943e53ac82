package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/figure"
	"github.com/chartwire/chartwire/cmd/prove/rig"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// now is the machine's clock: what is measured here is time.
func now() time.Time { return clock.System.Now() }

// Options are the flags of prove bench.
type Options struct {
	Only     []string // ids of figures, such as R2; none is all
	Seconds  int      // about how long one measurement of a pair takes; under 5 is a quick look
	Pairs    int      // 0 is 5, of a quick look 2
	Pending  int      // exchanges of the large backlog; 0 is 10⁶, of a quick look 20,000
	Threads  int      // open threads of R6; 0 is 10⁵, of a quick look 20,000
	Binary   string   // chartwire
	Postgres string   // URL of the server's database postgres
	Book     *figure.Book
	Slow     time.Duration // how long the EHR takes at least: a check of the checks
}

// sized fills in what was left open.
func (o Options) sized() Options {
	pairs, pending, threads := 5, 1_000_000, 100_000
	if o.Seconds < 5 {
		pairs, pending, threads = 2, 20_000, 20_000
	}
	o.Seconds, o.Pairs = max(o.Seconds, 1), cmp.Or(o.Pairs, pairs)
	o.Pending, o.Threads = cmp.Or(o.Pending, pending), cmp.Or(o.Threads, threads)
	return o
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
	b := &bench{o: o.sized(), secret: newSecret()}
	var err error
	if b.dir, err = os.MkdirTemp("", "chartwire-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if o.Binary == "" {
		if b.o.Binary, err = rig.Build(ctx, b.dir, false); err != nil {
			return err
		}
	}
	if o.Postgres == "" {
		c, err := pgtest.Start(pgtest.Options{Sync: true, Config: []string{"shared_buffers = 128MB"}}) // as it comes
		if err != nil {
			return err
		}
		defer c.Close()
		b.o.Postgres = c.URL("postgres")
	}
	if b.pg, err = openServer(ctx, b.o.Postgres); err != nil {
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
