package sim

import (
	"context"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// noted is what one transaction wrote, for the judge.
type noted struct {
	seq      int64 // in commit order
	items    []connector.Item
	writes   []connector.WriteRow
	attempts []connector.Attempt
	audits   []connector.AuditEntry
	ehrs     []connector.EHRRow
	threads  []connector.Thread
	held     []connector.Lane // whose lease was renewed
	back     []connector.Lane // given back
}

func (n *noted) audited(kind, item string) bool {
	return slices.ContainsFunc(n.audits, func(a connector.AuditEntry) bool { return a.Kind == kind && a.Item == item && a.Outcome == 0 })
}

// watched is a transaction whose writes are noted.
type watched struct {
	connector.Tx
	n *noted
}

func (t watched) PutItem(i *connector.Item) error {
	err := t.Tx.PutItem(i)
	t.n.items = append(t.n.items, *i)
	return err
}

func (t watched) PutWrite(w *connector.WriteRow) error {
	err := t.Tx.PutWrite(w)
	t.n.writes = append(t.n.writes, *w)
	return err
}

func (t watched) PutOutcome(w *connector.WriteRow) error {
	err := t.Tx.PutOutcome(w)
	t.n.writes = append(t.n.writes, *w)
	return err
}

func (t watched) PutAttempt(a *connector.Attempt) error {
	err := t.Tx.PutAttempt(a)
	t.n.attempts = append(t.n.attempts, *a)
	return err
}

func (t watched) PutEHR(r connector.EHRRow) error {
	err := t.Tx.PutEHR(r)
	t.n.ehrs = append(t.n.ehrs, r)
	return err
}

func (t watched) PutThread(th *connector.Thread) error {
	err := t.Tx.PutThread(th)
	t.n.threads = append(t.n.threads, *th)
	return err
}

func (t watched) HoldLane(l *connector.Lane, now time.Time) error {
	err := t.Tx.HoldLane(l, now)
	if err == nil {
		t.n.held = append(t.n.held, *l)
	}
	return err
}

func (t watched) HoldToSend(l *connector.Lane, now time.Time) error {
	err := t.Tx.HoldToSend(l, now)
	if err == nil {
		t.n.held = append(t.n.held, *l)
	}
	return err
}

func (t watched) ReleaseLane(l connector.Lane, next, now time.Time) error {
	err := t.Tx.ReleaseLane(l, next, now)
	if err == nil {
		t.n.back = append(t.n.back, l)
	}
	return err
}

func (t watched) Audit(a connector.AuditEntry) error {
	err := t.Tx.Audit(a)
	t.n.audits = append(t.n.audits, a)
	return err
}

// update commits through the judge's eyes.
func (w *world) update(ctx context.Context, shard string, fn func(connector.Tx) error) error {
	var n *noted
	err := w.db.Update(ctx, shard, func(tx connector.Tx) error {
		n = &noted{seq: w.order.Add(1)}
		return fn(watched{tx, n})
	})
	w.quiet.touch(clock.System.Now())
	if err != nil {
		return err
	}
	w.learnThreads(n.threads)
	w.judge.committed(n)
	w.judge.everyFew()
	return nil
}
