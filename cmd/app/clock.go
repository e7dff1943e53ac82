package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store"
)

const (
	// clockBehind is how far the machine's clock may be behind the store's newest time, or apart from the database's clock,
	// and serve still starts: machines that keep time by NTP are closer.
	clockBehind = time.Minute
	// clockAhead is how long a store may have rested. A machine that was off for months is no reason to ask; a clock that is
	// years ahead is.
	clockAhead = 366 * 24 * time.Hour
	// clockStamp is how often the store is told the time, for the next start to compare with.
	clockStamp = 30 * time.Second
)

// checkClock refuses a start whose clock cannot be right. accept takes the clock as it is, and takes the store back from one
// that was ahead.
func checkClock(ctx context.Context, db *store.DB, c clock.Clock, accept bool, log *slog.Logger) error {
	newest, err := db.Newest(ctx)
	if err != nil {
		return err
	}
	lead, err := db.Lead(ctx)
	if err != nil {
		return err
	}
	now := c.Now()
	const then = "set the clock right and start again; where it is right now, start once with --accept-clock (see docs/outages.md)"
	wrong := ""
	switch {
	case newest.After(now.Add(clockBehind)):
		wrong = fmt.Sprintf("this machine's clock says %s, but the store was last written at %s, %s later", stamp(now), stamp(newest), span(newest.Sub(now)))
	case !newest.IsZero() && now.Sub(newest) > clockAhead:
		wrong = fmt.Sprintf("this machine's clock says %s, but the store was last written at %s, %s earlier", stamp(now), stamp(newest), span(now.Sub(newest)))
	case lead > clockBehind:
		wrong = fmt.Sprintf("this machine's clock is %s behind the clock of the database's machine", span(lead))
	case lead < -clockBehind:
		wrong = fmt.Sprintf("this machine's clock is %s ahead of the clock of the database's machine", span(-lead))
	case lead.Abs() >= clock.Jump:
		log.Warn("this machine's clock and the database's differ; keep both by NTP", "database_ahead_by", lead.String())
	}
	if wrong != "" && !accept {
		return fmt.Errorf("%s: %s", wrong, then)
	}
	if wrong != "" {
		log.Warn("the clock is taken as it is, as --accept-clock says", "found", wrong)
	}
	if newest.After(now) && wrong != "" {
		if err := db.PullBack(ctx, newest, now); err != nil {
			return err
		}
	}
	return db.Ping(ctx)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// span writes a duration as a person would say it.
func span(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.Round(time.Second).String()
}

// watchClock stamps the store with the time, and tells when the wall clock jumps, until ctx ends.
func (a *App) watchClock(ctx context.Context) error {
	if s, jumps := a.o.Clock.(*clock.Steady); jumps {
		go s.Watch(ctx, func(off time.Duration) {
			if off == 0 {
				a.o.Log.Info("the machine's clock is right again")
				return
			}
			a.o.Log.Error("the machine's clock has jumped; Chartwire keeps its own time until it is restarted: set the clock right, or restart where it is right now", "off_by", off.Round(time.Millisecond).String())
		})
	}
	for clock.Sleep(ctx, a.o.Clock, clockStamp) == nil {
		_ = a.store.Ping(ctx) // an error is an outage, which readiness and every event tell of
	}
	return nil
}

// clockOff is by how much the wall clock has jumped since the start; 0 where it has not.
func (a *App) clockOff() time.Duration {
	if s, jumps := a.o.Clock.(*clock.Steady); jumps {
		return s.Offset()
	}
	return 0
}

// notes are what a ready Chartwire wants somebody to look at.
func (a *App) notes() []string {
	if off := a.clockOff(); off != 0 {
		return []string{fmt.Sprintf("the machine's clock has jumped by %s; Chartwire keeps its own time until it is restarted", off.Round(time.Second))}
	}
	return nil
}
