package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

const (
	limitR7   = "<=250"
	ehrsOwn   = 50 * time.Millisecond
	perSecond = 50
)

// clockFiled notes when the receipt of an exchange is committed: a trigger that runs as the commit's last step.
const clockFiled = `CREATE TABLE bench_filed (item TEXT NOT NULL, at TIMESTAMPTZ NOT NULL);
CREATE FUNCTION bench_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO bench_filed VALUES (NEW.id, clock_timestamp()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER bench_note AFTER UPDATE ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
	WHEN (NEW.state = 'filed' AND OLD.state <> 'filed' AND NEW.kind = 'exchange') EXECUTE FUNCTION bench_note()`

// latency is R7: the 99th percentile of the time from an event's acceptance to the commit of its receipt, while 50
// exchanges a second come in and every request to the EHR takes 50 ms, of which one is taken off. The time of acceptance is
// the one in the row, from just before the commit that is acknowledged, so that the figure holds the acknowledgement too.
// The first messages of threads are among them, for which the EHR is asked three times.
func (b *bench) latency(ctx context.Context) error {
	b.ehr.latency.Store(int64(ehrsOwn + b.o.Slow))
	url, err := b.pg.database(ctx)
	if err != nil {
		return err
	}
	defer b.pg.drop(ctx, url)
	c, err := b.prepare("r7", setting{store: url})
	if err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	defer c.stop()
	first, err := events(1, 20, b.prefix())
	if err == nil {
		err = sign(first, b.secret)
	}
	if err == nil { // a connector that has just started knows neither the EHR nor its staff, once
		err = b.drip(ctx, c, first)
	}
	if err == nil {
		err = c.filed(ctx, len(first))
	}
	if err != nil {
		return err
	}
	if err := b.pg.with(ctx, url, func(db *pgx.Conn) error { _, err := db.Exec(ctx, clockFiled); return err }); err != nil {
		return err
	}
	seconds := max(4*b.o.Seconds, 12) // of fewer events the 99th percentile is whichever thread began worst
	all, err := events(max(seconds*perSecond/20, 1), 20, b.prefix())
	if err != nil {
		return err
	}
	if err := sign(all, b.secret); err != nil {
		return err
	}
	if err := b.drip(ctx, c, all); err != nil {
		return err
	}
	if err := c.filed(ctx, len(first)+len(all)); err != nil {
		return err
	}
	took, err := b.tookToFile(ctx, url)
	if err != nil {
		return err
	}
	slices.Sort(took)
	at := func(q float64) float64 { return took[int(q*float64(len(took)-1))] - float64(ehrsOwn.Milliseconds()) }
	b.o.Book.Add(figure.Figure{ID: "R7", Value: at(0.99), Limit: limitR7, Unit: "ms", Noisy: b.o.Pairs < enough, // as the ratios of a quick look are
		Note: fmt.Sprintf("p99 of %d exchanges at %d/s; p50 %.0f, p90 %.0f, most %.0f", len(took), perSecond, at(0.5), at(0.9), at(1))})
	return nil
}

// drip posts the events at their rate, whether or not those before were answered.
func (b *bench) drip(ctx context.Context, c *served, all []event) error {
	p := newPoster(c.public + "/channels/texting/events")
	defer p.close()
	var wg sync.WaitGroup
	errs := make([]error, len(all))
	next := now()
	for i := range all {
		time.Sleep(next.Sub(now()))
		next = next.Add(time.Second / perSecond)
		wg.Go(func() { errs[i] = p.post(ctx, &all[i]) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) tookToFile(ctx context.Context, url string) (took []float64, err error) {
	err = b.pg.with(ctx, url, func(db *pgx.Conn) error {
		rows, err := db.Query(ctx, `SELECT extract(epoch FROM f.at)::float8 * 1000 - i.committed_at / 1000.0::float8
			FROM bench_filed f JOIN item i ON i.id = f.item`)
		if err != nil {
			return err
		}
		took, err = pgx.CollectRows(rows, pgx.RowTo[float64])
		return err
	})
	if err == nil && len(took) == 0 {
		err = fmt.Errorf("no receipt was noted")
	}
	return took, err
}
