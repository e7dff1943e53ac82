package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	limitR4      = "<=1.25"
	smallBacklog = 1000
)

// backlog is P9 and R4: what one exchange costs in processor time, of the connector and of Postgres, while 10⁶ wait ÷ while
// 10³ wait. Both backlogs are loaded by COPY and drained from their front; serve is started anew for each measurement, and
// the first exchanges of each do not count. It is told for fresh tables, which Postgres knows nothing about, and again
// after ANALYZE. Autovacuum is off for these tables: what it does once after a load would fall on one measurement.
func (b *bench) backlog(ctx context.Context) error {
	large, err := b.backlogged(ctx, "r4-large", b.o.Pending)
	if err != nil {
		return err
	}
	defer large.drop(ctx)
	small, err := b.backlogged(ctx, "r4-small", 0)
	if err != nil {
		return err
	}
	defer small.drop(ctx)
	for _, s := range []struct{ id, after string }{{"R4", ""}, {"R4-analyzed", "ANALYZE"}} {
		for _, w := range []*waiting{large, small} {
			if err := w.run(ctx, s.after); err != nil {
				return err
			}
		}
		ours := func() (float64, error) { return large.cost(ctx) }
		theirs := func() (float64, error) {
			if err := small.fill(ctx, b.warm()+max(b.drained(), smallBacklog)); err != nil {
				return 0, err
			}
			return small.cost(ctx)
		}
		p, err := take(b.o.Pairs, func(*pairs) bool { return true }, ours, theirs)
		if err != nil {
			return err
		}
		f := p.figure(s.id, limitR4, fmt.Sprintf("CPU ms per exchange, %d waiting", b.o.Pending), fmt.Sprintf("%d waiting", smallBacklog), false)
		b.o.Book.Add(f)
	}
	return nil
}

// drained is how many exchanges a measurement files; warm how many are filed before it.
func (b *bench) drained() int { return max(200*b.o.Seconds, 400) }
func (b *bench) warm() int    { return 200 }

// waiting is a connector with a database in which exchanges wait.
type waiting struct {
	b    *bench
	c    *served
	url  string
	seed *backlog
	left int
}

func (b *bench) backlogged(ctx context.Context, name string, pending int) (*waiting, error) {
	url, err := b.pg.database(ctx)
	if err != nil {
		return nil, err
	}
	w := &waiting{b: b, url: url}
	if w.c, err = b.prepare(name, setting{store: url}); err != nil {
		return nil, err
	}
	if err := w.c.start(ctx); err != nil {
		return nil, err
	}
	w.c.stop()
	if w.seed, err = b.seeder(ctx, w.c, url); err != nil {
		return nil, err
	}
	for _, table := range []string{"item", "lane", "message", "thread", "event", "audit", "chart_write", "attempt", "tally"} {
		if err := w.run(ctx, "ALTER TABLE "+table+" SET (autovacuum_enabled = off)"); err != nil {
			return nil, err
		}
	}
	return w, w.fill(ctx, pending)
}

func (w *waiting) run(ctx context.Context, statement string) error {
	if statement == "" {
		return nil
	}
	return w.b.pg.with(ctx, w.url, func(c *pgx.Conn) error {
		_, err := c.Exec(ctx, statement)
		return err
	})
}

func (w *waiting) fill(ctx context.Context, exchanges int) error {
	w.left += exchanges
	return w.seed.fill(ctx, (exchanges+perThread-1)/perThread, w.seed.pending)
}

func (w *waiting) drop(ctx context.Context) {
	_ = w.seed.db.Close()
	w.b.pg.drop(ctx, w.url)
}

// cost starts serve, lets it file some and then the measured exchanges, and gives the processor time of one in ms.
func (w *waiting) cost(ctx context.Context) (float64, error) {
	b := w.b
	if w.left < b.warm()+b.drained() {
		return 0, fmt.Errorf("only %d exchanges wait, %d are wanted", w.left, b.warm()+b.drained())
	}
	b.ehr.reset()
	if err := w.c.start(ctx); err != nil {
		return 0, err
	}
	defer w.c.stop()
	used := func() (time.Duration, error) {
		c, err := cpuOf(w.c.pid())
		if err != nil {
			return 0, err
		}
		p, err := b.pg.cpu()
		return c + p, err
	}
	if err := b.ehr.await(ctx, b.warm()); err != nil {
		return 0, err
	}
	from := b.ehr.exchanges()
	before, err := used()
	if err != nil {
		return 0, err
	}
	if err := b.ehr.await(ctx, b.warm()+b.drained()); err != nil {
		return 0, err
	}
	to := b.ehr.exchanges()
	after, err := used()
	w.left -= to
	return float64((after - before).Milliseconds()) / float64(to-from), err
}
