package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// progress is the deliver.Observer that shows each exchange move to the chart and notices when nothing moves.
type progress struct {
	mu      sync.Mutex
	out     io.Writer
	quiet   bool
	now     func() time.Time
	last    time.Time
	began   time.Time
	bell    chan struct{}
	store   connector.Store
	shown   int
	threads map[string]string // our thread id → the platform's
}

// showAtMost bounds the lines of a large run.
const showAtMost = 400

func newProgress(o Options, now func() time.Time) *progress {
	return &progress{out: o.Out, quiet: o.JSON, now: now, last: now(), began: now(), bell: make(chan struct{}, 1), threads: map[string]string{}}
}

// Attempted is deliver.Observer.
func (p *progress) Attempted(string, string, connector.Reason) {}

// Alarm is deliver.Observer.
func (p *progress) Alarm(ehr string, r connector.Reason, item string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.quiet {
		fmt.Fprintf(p.out, "  ! %s: %s (item %s)\n", ehr, r.Sentence(), item)
	}
}

// Moved is deliver.Observer.
func (p *progress) Moved(_, _ string, i connector.Item) {
	thread := ""
	if !p.quiet && i.State != connector.Waiting && i.State != connector.Filing {
		thread = p.name(i)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = p.now()
	select {
	case p.bell <- struct{}{}:
	default:
	}
	if thread == "" || (i.State == connector.NotDue && i.Kind != connector.ItemExchange) {
		return
	}
	if p.shown++; p.shown > showAtMost {
		if p.shown == showAtMost+1 {
			fmt.Fprintln(p.out, "  … and so on")
		}
		return
	}
	why := ""
	if i.Reason != "" {
		why = ": " + i.Reason.Sentence()
	}
	fmt.Fprintf(p.out, "  %5.2f s  %-16s %-28s %-12s %s%s\n", p.last.Sub(p.began).Seconds(), thread, what(i), i.MsgKey, i.State, why)
}

// what says in words what an item was to do.
func what(i connector.Item) string {
	switch i.Kind {
	case connector.ItemHeader:
		return "thread begun on the chart"
	case connector.ItemClose:
		return "thread closed on the chart"
	case connector.ItemReopen:
		return "thread reopened on the chart"
	case connector.ItemStatus:
		return "delivery news on the chart"
	case connector.ItemSend:
		return "message sent to the platform"
	case connector.ItemRequest:
		return "request " + i.Detail.Status + " on the chart"
	case connector.ItemTask:
		return "task " + string(i.Detail.Task.Status) + " on the chart"
	case connector.ItemFetch:
		return "attachment fetched"
	case connector.ItemExchange:
		return "message " + strings.ReplaceAll(string(i.Direction), "_", " ")
	default:
		return string(i.Kind) + " on the chart"
	}
}

// name is the platform's id of the item's thread. All people of the demonstration are invented, so it may be shown.
func (p *progress) name(i connector.Item) string {
	p.mu.Lock()
	known := p.threads[i.Thread]
	p.mu.Unlock()
	if known != "" {
		return known
	}
	name := "-"
	_ = p.store.View(context.Background(), func(tx connector.Tx) error {
		t, err := tx.Thread(i.EHR, i.Thread)
		if err == nil && t.Placed() {
			name = t.Ext
		}
		return err
	})
	if name != "-" {
		p.mu.Lock()
		p.threads[i.Thread] = name
		p.mu.Unlock()
	}
	return name
}

func (p *progress) since() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now().Sub(p.last)
}

// settle waits until the platform has said all it has to say and no lane can move without a person or a new event. It
// gives ErrNotClean after the stall time without progress.
func (r *run) settle(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.platform.Idle(ctx); err != nil {
			return nil
		}
		moving, err := r.moving(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if !moving {
			return nil
		}
		if r.show.since() > r.o.Stall {
			return fmt.Errorf("%w: nothing has moved for %s", ErrNotClean, r.o.Stall)
		}
		timer := r.clock.NewTimer(50 * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-r.show.bell:
		case <-timer.C():
		}
		timer.Stop()
	}
	return nil
}

// moving says whether anything can still move by itself. What stands behind an item that a probe has to prove cannot.
func (r *run) moving(ctx context.Context) (bool, error) {
	moving := false
	err := r.app.Store().View(ctx, func(tx connector.Tx) error {
		moving = false
		held, err := tx.OpenItems("", []connector.ItemState{connector.Held}, 1000)
		if err != nil {
			return err
		}
		stuck, most := map[string]bool{}, 1
		for _, i := range held {
			switch i.Reason {
			case connector.EarlierItem, connector.NeedsAttachment, connector.EHRUnavailable, connector.RateLimited, connector.ThreadOpen:
				moving = true
			case connector.Unproven:
				stuck[i.Thread], most = true, 10_000
			}
		}
		open, err := tx.OpenItems("", []connector.ItemState{connector.Waiting, connector.Filing, connector.Unknown}, most)
		for _, i := range open {
			moving = moving || !stuck[i.Thread] || i.State != connector.Waiting || i.Kind == connector.ItemSend
		}
		return err
	})
	return moving, err
}
