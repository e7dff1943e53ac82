package deliver

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// nextTask decides what a task lane does next. It is pure: items are those not done, in any order. What comes first: an attempt
// whose outcome is open; then a change that a later one of the same spell has overtaken, which is only to be left out; then what
// begins a spell; then its newest change. A spell that cannot go on keeps no other one waiting.
func nextTask(t connector.Thread, items []*connector.Item, now time.Time) pick {
	if !t.Placed() {
		return pick{} // the thread may still become part of another one; the handover touches the lane
	}
	p := picker{now: now}
	if open := first(items, func(i *connector.Item) bool {
		return i.State == connector.Filing || i.State == connector.Unknown
	}); open != nil {
		return p.when(open)
	}
	ordered := slices.SortedFunc(slices.Values(items), byCommit)
	for _, i := range ordered {
		if overtaken(items, i) {
			return pick{item: i}
		}
	}
	for _, i := range ordered {
		waits := slices.ContainsFunc(items, func(other *connector.Item) bool { return other != i && other.ID == i.Detail.Task.ID })
		if !waits && p.ready(i) {
			return pick{item: i}
		}
	}
	return pick{due: p.due}
}

// begins says whether a spell of work, and its Task, begins with an item.
func begins(i *connector.Item) bool { return i.ID == i.Detail.Task.ID }

// overtaken says whether a later item says what the Task of this one is to be now. What begins a spell is never overtaken: the
// chart shows who took the work on first. Nothing comes after the end, whatever the clock of the process that committed it says.
func overtaken(items []*connector.Item, i *connector.Item) bool {
	if begins(i) {
		return false
	}
	ended := func(i *connector.Item) int {
		if i.Detail.Task.Status == connector.TaskCompleted {
			return 1
		}
		return 0
	}
	return slices.ContainsFunc(items, func(other *connector.Item) bool {
		return other.Detail.Task.ID == i.Detail.Task.ID && !begins(other) && cmp.Or(cmp.Compare(ended(other), ended(i)), byCommit(other, i)) > 0
	})
}

// task moves one item of a task lane: the Task of a spell of work, or a change of it.
func (d *drainer) task(ctx context.Context, i *connector.Item) error {
	if i.FirstTried.IsZero() {
		i.FirstTried = d.e.clock.Now()
	}
	rows, err := d.planned(ctx, i)
	if err != nil {
		return err
	}
	open := slices.ContainsFunc(rows, func(w connector.WriteRow) bool { return w.State == connector.WriteAttempted })
	if !open {
		if done, err := d.taskNotDue(ctx, i, rows); done || err != nil {
			return err
		}
	}
	_, rows, ok, err := d.begin(ctx, i)
	if !ok || err != nil {
		return err
	}
	if open && toDo(rows) { // it never came to the chart, and perhaps need not any more
		if late, err := d.overtaken(ctx, i); err != nil {
			return err
		} else if late {
			d.taskLeftOut(i, rows)
			return nil
		}
	}
	if rows == nil {
		x, ready, err := d.gatherTask(ctx, i)
		if !ready || err != nil {
			return err
		}
		if rows, ready = d.plan(i, x); !ready {
			return nil
		}
	}
	if d.c.Mode == "shadow" {
		return d.shadow(i, rows)
	}
	return d.fileAll(ctx, i, rows)
}

// taskNotDue leaves out what was overtaken and what this EHR takes no Tasks for, before its patient is asked for. It reports
// true where the item is done with or has to wait.
func (d *drainer) taskNotDue(ctx context.Context, i *connector.Item, rows []connector.WriteRow) (bool, error) {
	if late, err := d.overtaken(ctx, i); err != nil {
		return true, err
	} else if late {
		d.taskLeftOut(i, rows)
		return true, nil
	}
	traits, err := d.c.can(ctx, d.asker())
	switch {
	case ctx.Err() != nil:
		return true, ctx.Err()
	case err != nil:
		d.cannot(i, err, false)
		return true, nil
	case rows == nil && !traits.Tasks:
		d.taskLeftOut(i, nil)
		return true, nil
	}
	return false, nil
}

// overtaken is the rule for an item at work. What comes later may be on the chart already where a person has replayed this one.
func (d *drainer) overtaken(ctx context.Context, i *connector.Item) (bool, error) {
	if overtaken(d.items, i) || i.Detail.Decision == nil {
		return overtaken(d.items, i), nil
	}
	var said []*connector.Item
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		said = nil
		items, err := tx.ThreadItems(d.thread.EHR, d.thread.ID)
		for n := range items {
			if items[n].Kind == connector.ItemTask && items[n].State != connector.NotDue {
				said = append(said, &items[n])
			}
		}
		return err
	})
	return overtaken(said, i), err
}

// taskLeftOut leaves out an item of which nothing is on the chart, with whatever was planned for it.
func (d *drainer) taskLeftOut(i *connector.Item, rows []connector.WriteRow) {
	for n := range rows {
		if rows[n].State == connector.WriteReady {
			rows[n].State = connector.WriteDropped
			d.storeRow(&rows[n])
		}
	}
	d.finish(i, connector.NotDue, connector.PolicyLeftOut)
}

// gatherTask collects what a Task's plan may depend on. A change of a Task that is not on the chart waits until what begins it is
// filed or a person has dealt with it; where that was left out, so is the change.
func (d *drainer) gatherTask(ctx context.Context, i *connector.Item) (connector.Exchange, bool, error) {
	x := connector.Exchange{Kind: i.Kind, Base: d.c.Base, Channel: d.thread.Channel, Thread: d.thread.Info, Patient: d.thread.Bound.Reference,
		Revision: 1, Received: i.CommittedAt, Refs: map[string]connector.Reference{}, Missing: map[string]bool{},
		Task: i.Detail.Task, TaskNew: begins(i), Strategy: d.thread.Strategy}
	x.Thread.ID, x.Thread.Priority = d.thread.Ext, i.Priority
	if !x.TaskNew {
		if ok, err := d.taskThere(ctx, i); !ok || err != nil {
			return x, false, err
		}
	}
	gone, err := d.headerElsewhere(ctx)
	if err != nil {
		return x, false, err
	}
	if !gone {
		known := map[string]string{}
		if err := d.lookUp(ctx, []string{connector.SymHeader}, known); err != nil {
			return x, false, err
		}
		x.TaskFocus = known[connector.SymHeader]
	}
	ok, err := d.participants(ctx, i, &x)
	return x, ok, err
}

// taskThere says whether the Task that an item changes is on the chart. If not, the item waits or is left out.
func (d *drainer) taskThere(ctx context.Context, i *connector.Item) (bool, error) {
	if err := d.flush(ctx); err != nil { // it must see what its Task has just become
		return false, err
	}
	var begun connector.Item
	err := d.e.store.View(ctx, func(tx connector.Tx) (err error) {
		begun, err = tx.Item(d.thread.EHR, i.Detail.Task.ID)
		return err
	})
	switch {
	case err != nil && !errors.Is(err, connector.ErrNotFound):
		return false, err
	case err == nil && elsewhere(&begun): // whoever has its chart corrected has that one ended, too
		d.taskLeftOut(i, nil)
	case err == nil && begun.State == connector.Filed:
		return true, nil
	case err == nil && begun.State != connector.NotDue:
		d.hold(i, connector.EarlierItem, connector.Never, "") // a person acts on it and touches the lane
	default:
		d.taskLeftOut(i, nil)
	}
	return false, nil
}
