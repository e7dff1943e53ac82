package deliver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/crash"
)

// drainer works one claimed lane. Completions wait in pending and share the commit of the next attempt, so that a lane
// of n writes costs n+1 commits and not 2n (and group commit folds those of different lanes again).
type drainer struct {
	e       *Engine
	c       *conn
	lane    connector.Lane
	shard   string
	thread  connector.Thread
	line    *Line
	loaded  bool
	front   bool              // urgent, or due a moment ago
	items   []*connector.Item // of the lane, not done, oldest commit first
	pending []func(tx connector.Tx) error
	moved   []connector.Item // told to the observer once committed
	back    bool             // the lane was given back
	stops   *stop            // of the connection, in pending

	// What this drain has brought about and may not have committed yet.
	known    map[string]string              // scoped symbol → EHR reference
	done     map[string]bool                // message id → its exchange is on the chart
	requests map[string]bool                // request id → it is on the chart
	noHeader bool                           // the header was parked
	waited   map[connector.Reason]time.Time // what was waited for in vain, and since when
	tellings map[string]telling             // item id → what it is about to carry
	theirs   []connector.Identifier         // of the EHR's patient, as bind saw them
}

// run works the lane until nothing moves; it gives when the lane is due again (zero: when something touches it). The
// lane is read once and worked in memory; when nothing is left to do, it is given back with the commit of what was done,
// or read again where something has touched it meanwhile.
func (d *drainer) run(ctx context.Context) (time.Time, error) {
	fresh := false
	picked := map[string]int{} // an item that does not move must not be picked forever
	for ctx.Err() == nil {
		p := d.next()
		if p.item == nil {
			if fresh {
				return p.due, nil
			}
			if len(d.pending) > 0 {
				if err := d.giveBack(ctx, p.due); err != nil || d.back {
					return p.due, err
				}
			}
			if err := d.load(ctx); err != nil {
				return time.Time{}, err
			}
			fresh = true
			continue
		}
		fresh = false
		if picked[p.item.ID]++; picked[p.item.ID] > 50 {
			return time.Time{}, errors.New("an item was worked on 50 times without moving on")
		}
		if err := d.work(ctx, p); fencedOff(err) {
			return p.item.CommittedAt, nil // where it was in line before: of a paused connection no lane is claimed until it is resumed
		} else if err != nil {
			return time.Time{}, err
		}
		if wait, _ := d.c.pace.closedFor(d.e.clock.Now()); d.towardEHR() && (wait > 0 || d.c.stopped()) {
			return d.stopped(), nil
		}
	}
	return time.Time{}, ctx.Err()
}

// stopped is when a lane is due that the whole connection stopped: where it was in line before, since no lane is claimed
// until the connection is open again. A lane whose own request failed is due later, and others are the next to try.
func (d *drainer) stopped() time.Time {
	p := d.next()
	if p.item == nil {
		return p.due
	}
	return p.item.CommittedAt
}

// asker is the lane toward the EHR's pace.
func (d *drainer) asker() asker {
	return asker{lane: d.lane.Thread + "/" + string(d.lane.Kind), front: d.front}
}

func (d *drainer) towardEHR() bool { return d.lane.Kind.TowardEHR() }

// next decides what comes next among the items in memory.
func (d *drainer) next() pick {
	d.items = slices.DeleteFunc(d.items, func(i *connector.Item) bool { return i.State.Done() })
	if len(d.items) == 0 {
		return pick{}
	}
	now := d.e.clock.Now()
	if d.lane.Kind == connector.LaneChart {
		if d.perThread() {
			return nextOfThread(d.thread, d.items, now, d.line, d.c.Idle)
		}
		return nextOnChart(d.thread, d.items, now, d.line)
	}
	if d.lane.Kind == connector.LaneTask {
		return nextTask(d.thread, d.items, now)
	}
	if d.lane.Kind == connector.LaneRequest {
		slices.SortStableFunc(d.items, requestsFirst)
	}
	return fifo(d.items, now)
}

// load commits what is pending and reads the lane anew.
func (d *drainer) load(ctx context.Context) error {
	if err := d.flush(ctx); err != nil {
		return err
	}
	var items []connector.Item
	before := d.lane.Touched
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		var err error
		if d.lane.Touched, err = tx.LaneTouched(d.lane); err != nil {
			return err
		}
		if d.thread, err = tx.Thread(d.lane.EHR, d.lane.Thread); err != nil {
			return err
		}
		if items, err = tx.LaneItems(d.lane); err != nil {
			return err
		}
		return findOrphans(tx, d.thread, items)
	})
	if errors.Is(err, connector.ErrNotFound) {
		return connector.ErrFenced // the thread became part of another one, and its lanes with it
	}
	if err != nil {
		return err
	}
	touched := !d.loaded || d.lane.Touched != before
	d.loaded = true
	d.items = make([]*connector.Item, len(items))
	for n := range items {
		d.items[n] = &items[n]
		if touched && waitsForTouch(&items[n], d.c.told()) {
			items[n].NextAt = time.Time{}
		}
		d.front = d.front || items[n].Priority.Rank() > 0
	}
	d.shard = connector.Shard(d.thread.EHR, d.thread.Channel, d.thread.Ext)
	d.line = d.e.line(d.thread.Channel, d.thread.EHR)
	return nil
}

// findOrphans wakes follow-ups whose message has come meanwhile.
func findOrphans(tx connector.Tx, t connector.Thread, items []connector.Item) error {
	for i := range items {
		it := &items[i]
		if !isFollowUp(it.Kind) || it.Reason != connector.MessageMissing {
			continue
		}
		m, err := tx.MessageByExt(t.EHR, t.ID, it.MsgKey, 1)
		switch {
		case errors.Is(err, connector.ErrNotFound):
			continue
		case err != nil:
			return err
		}
		it.Reason, it.NextAt = "", time.Time{}
		if it.Message == "" {
			it.Message = m.ID
		}
	}
	return nil
}

func (d *drainer) work(ctx context.Context, p pick) error {
	switch d.lane.Kind {
	case connector.LaneChart:
		return d.chart(ctx, p)
	case connector.LaneRequest:
		return d.request(ctx, p.item)
	case connector.LaneTask:
		return d.task(ctx, p.item)
	case connector.LaneSend:
		return d.send(ctx, p.item)
	case connector.LaneMedia:
		return d.fetch(ctx, p.item)
	}
	return errors.New("a lane of an unknown kind was claimed")
}

// later adds an effect to the next commit.
func (d *drainer) later(op func(tx connector.Tx) error) { d.pending = append(d.pending, op) }

// flush commits what is pending, under the lane's fence.
func (d *drainer) flush(ctx context.Context) error {
	if len(d.pending) == 0 {
		return nil
	}
	return d.commit(ctx, func(tx connector.Tx, l *connector.Lane) error { return tx.HoldLane(l, d.e.clock.Now()) })
}

// giveBack commits what is pending and gives the lane back in the same commit, unless something has touched it.
func (d *drainer) giveBack(ctx context.Context, next time.Time) error {
	crash.At(crash.DeliverBeforeRelease)
	back := false
	err := d.commit(context.WithoutCancel(ctx), func(tx connector.Tx, l *connector.Lane) error {
		touched, err := tx.LaneTouched(*l)
		if back = touched == l.Touched; err != nil || !back {
			return errors.Join(err, tx.HoldLane(l, d.e.clock.Now()))
		}
		return tx.ReleaseLane(*l, next, d.e.clock.Now())
	})
	d.back = back && err == nil
	return err
}

// commit commits what is pending with what fence does about the lane, which fails where the lane is no longer ours.
func (d *drainer) commit(ctx context.Context, fence func(tx connector.Tx, l *connector.Lane) error) error {
	ops, lane, grows := d.pending, d.lane, d.unseen()
	receipts := slices.ContainsFunc(d.moved, func(i connector.Item) bool { return i.State == connector.Filed })
	if receipts {
		crash.At(crash.DeliverBeforeReceipt)
	}
	err := d.e.store.Update(ctx, d.shard, func(tx connector.Tx) error {
		l := d.lane
		if err := fence(tx, &l); err != nil {
			return err
		}
		for _, op := range ops {
			if err := op(tx); err != nil {
				return err
			}
		}
		lane = l
		if grows {
			return tx.BumpThread(d.lane.EHR, d.lane.Thread)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if receipts {
		crash.At(crash.DeliverAfterReceipt)
	}
	d.lane.Until = lane.Until
	d.pending = nil
	if d.stops != nil {
		d.c.stops.CompareAndSwap(d.stops, nil)
		d.stops = nil
	}
	for _, i := range d.moved {
		d.e.observe.Moved(d.c.Name, d.thread.Channel, i)
		d.tellStall(i)
		if i.State == connector.Parked || (i.State == connector.Held && i.Reason == connector.PatientChanged) {
			d.e.observe.Alarm(d.c.Name, i.Reason, i.ID)
		}
	}
	d.moved = nil
	return nil
}

// release gives the lane back with whatever is still pending committed before.
func (d *drainer) release(ctx context.Context, next time.Time) {
	if d.back {
		return
	}
	if err := d.flush(ctx); err != nil {
		if !errors.Is(err, connector.ErrFenced) {
			d.e.log.Error("a lane's last results could not be committed; they are found again after the lease", "ehr", d.c.Name, "thread", d.lane.Thread, "error", err)
		}
		return
	}
	crash.At(crash.DeliverBeforeRelease)
	err := d.e.store.Update(ctx, d.shard, func(tx connector.Tx) error {
		return tx.ReleaseLane(d.lane, next, d.e.clock.Now())
	})
	if err != nil && !errors.Is(err, connector.ErrFenced) {
		d.e.log.Error("a lane could not be given back; its lease will end", "ehr", d.c.Name, "thread", d.lane.Thread, "error", err)
	}
}

// put adds the item as it is now to the next commit.
func (d *drainer) put(i *connector.Item) {
	now := d.e.clock.Now()
	i.ChangedAt = now
	it := *i
	d.later(func(tx connector.Tx) error {
		c := it
		return tx.PutItem(&c)
	})
	i.Was = i.State
	d.moved = append(d.moved, it)
}

// audit adds an audit row to the next commit.
func (d *drainer) audit(kind, action string, outcome int, i *connector.Item, detail map[string]string) {
	a := connector.AuditEntry{ID: connector.NewID(d.e.clock.Now()), EHR: d.c.ID, At: d.e.clock.Now(), Kind: kind, Action: action,
		Outcome: outcome, Agent: "worker", Thread: d.thread.ID, Item: i.ID, Detail: detail}
	d.later(func(tx connector.Tx) error { return tx.Audit(a) })
}

// wait makes the item try again at a time.
func (d *drainer) wait(i *connector.Item, r connector.Reason, at time.Time) {
	i.State, i.Reason, i.NextAt = connector.Waiting, r, at
	d.put(i)
}

// park gives the item to a person.
func (d *drainer) park(i *connector.Item, r connector.Reason, text string) {
	i.State, i.Reason, i.Detail.Text, i.NextAt = connector.Parked, r, text, time.Time{}
	if r.Owner() == "pool" && i.Owner == "" {
		i.Owner = d.line.DefaultPool
	}
	d.noHeader = d.noHeader || i.Kind == connector.ItemHeader
	d.audit("park", "E", 8, i, map[string]string{"reason": string(r)})
	d.put(i)
	d.leftLane(i)
}

// finish marks the item done.
func (d *drainer) finish(i *connector.Item, s connector.ItemState, r connector.Reason) {
	d.stamp(i)
	i.State, i.Reason, i.NextAt = s, r, time.Time{}
	d.put(i)
	d.leftLane(i)
	d.finishFollowers(i)
}

// leftLane moves the thread's place in its order forward once an exchange is filed, parked or left out.
func (d *drainer) leftLane(i *connector.Item) {
	if !d.hadTurn(i) {
		return
	}
	passed(&d.thread, i)
	t := d.thread
	d.later(func(tx connector.Tx) error { return tx.PassThread(t) }) // under the fence: nobody else moves it
}

// hadTurn says whether an item that is done has had its turn in the thread's order. One that was looked at before its turn has not.
func (d *drainer) hadTurn(i *connector.Item) bool {
	return i.Kind == connector.ItemExchange && i.Lane == connector.LaneChart && i.State.Done() &&
		!(d.perThread() && i.State == connector.Parked && i.Detail.Telling == nil)
}

// unseen says whether what is about to be committed changes what a page shows without changing the thread's row, whose Version
// tells pages to look again. An exchange that leaves the lane does, and so do a hand-over and a binding; that something is under
// way a page need not know.
func (d *drainer) unseen() bool {
	shows := false
	for n := range d.moved {
		i := &d.moved[n]
		if d.hadTurn(i) {
			return false
		}
		shows = shows || shown(i)
	}
	return shows
}

// shown says whether a page shows that an item has come to where it is now.
func shown(i *connector.Item) bool {
	switch i.State {
	case connector.Held, connector.Unknown, connector.Parked:
		return true
	case connector.Waiting:
		return i.Reason != ""
	case connector.Filed, connector.NotDue:
		switch i.Kind {
		case connector.ItemExchange, connector.ItemCorrection, connector.ItemRetraction, connector.ItemFetch, connector.ItemStatus:
			return true
		}
	}
	return false
}
