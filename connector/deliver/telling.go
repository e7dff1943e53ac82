package deliver

import (
	"context"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// telling is a transcript about to be carried by an item: its version, and the items that are done once it is on the chart.
type telling struct {
	version  int
	replaces []int
	members  []member
}

// perThread says whether the lane's thread is filed as one entry. A thread that was begun as Communications stays so. A version
// that is under way is brought to its end whatever the connection is configured to since.
func (d *drainer) perThread() bool {
	return d.lane.Kind == connector.LaneChart && (d.c.PerThread && d.thread.Strategy != connector.AsCommunication ||
		slices.ContainsFunc(d.items, func(i *connector.Item) bool { return carries(i) && !i.State.Done() }))
}

// tellable holds a message until its thread is told, or parks it now where it cannot be told: one message must not keep the
// others off the chart.
func (d *drainer) tellable(i *connector.Item, x connector.Exchange) error {
	writes, ok := d.askPlan(i, x)
	if !ok {
		return nil
	}
	for _, w := range writes {
		if ok, err := d.passes(i, w); !ok || err != nil {
			return err
		}
	}
	d.hold(i, connector.ThreadOpen, i.CommittedAt.Add(d.c.Idle), "")
	return nil
}

// tell makes the item file the thread's transcript, where its EHR files threads. News of a message that is told already makes
// a new version where the chart can replace the one that is there; elsewhere it is an entry of its own, added to that. Where its
// message stands decides, and not how the connection files now.
func (d *drainer) tell(ctx context.Context, p pick, m told, traits connector.Traits, x *connector.Exchange) (bool, error) {
	if !isFollowUp(p.item.Kind) && !d.perThread() {
		return true, nil
	}
	if p.trial {
		x.Transcript = &connector.Transcript{Told: []connector.Told{{Message: x.Message, Received: x.Received, Delivery: x.Delivery}}}
		return true, nil
	}
	i, news := p.item, isFollowUp(p.item.Kind)
	if !news && i.Direction == connector.Internal { // then all of them are, and a version that tells nothing new is none
		for _, m := range p.with {
			d.finish(m.item, connector.NotDue, connector.PolicyLeftOut)
		}
		return false, nil
	}
	if news {
		in := m.exchange.Detail.Telling
		if in == nil {
			return true, nil // its message is an entry of its own
		}
		x.Stands = in.Version
		if i.Kind == connector.ItemStatus && !newFailure(*x) {
			return true, nil
		}
	}
	if err := d.flush(ctx); err != nil { // the book must have what this drain has brought about
		return false, err
	}
	b, err := d.book(ctx)
	if err != nil {
		return false, err
	}
	replaces := !b.doubt && (traits.Update || traits.Replaces && len(b.current) == 1)
	switch {
	case news && !traits.Update && !traits.Replaces:
		return true, nil // it is added to the version its message stands in
	case news && b.open:
		d.hold(i, connector.EarlierItem, d.e.clock.Now().Add(recheckPatient(i.Tries)), "")
		return false, nil
	case news && b.doubt:
		d.park(i, connector.NotExpressible, "A version of this thread's transcript was taken off the list, and nobody knows whether it is on the chart. Change by hand what tells this message there.")
		return false, nil
	case news && !replaces:
		return true, nil
	}
	if i.Kind == connector.ItemStatus {
		delivery := x.Delivery
		i.Detail.Delivery = &delivery // what the chart shows once this is filed
	}
	t := telling{version: b.newest + 1, members: p.with}
	x.Transcript = &connector.Transcript{Version: t.version}
	if d.thread.Closed {
		x.Transcript.Closed = d.thread.Info.TurnedAt
	}
	switch {
	case len(b.current) == 0:
	case !b.open && replaces:
		t.replaces = b.current
		x.Transcript.Replaces = b.current
	default:
		x.Transcript.Appends = slices.Max(b.current)
	}
	x.Transcript.Told, err = d.told(ctx, b, &t, x.Transcript.Appends == 0)
	if d.tellings == nil {
		d.tellings = map[string]telling{}
	}
	d.tellings[i.ID] = t
	return err == nil, err
}

// newFailure says whether a status tells of a failure that the chart does not show.
func newFailure(x connector.Exchange) bool {
	return x.Delivery.State == connector.Failed && x.Charted.State != connector.Failed
}

// book is what the thread's items say of its transcripts.
type book struct {
	items   []connector.Item
	newest  int   // version, of all that were ever committed
	current []int // versions on the chart that none there stands in the place of
	open    bool  // a version may come to the chart yet, when a person or an answer has decided

	kept  map[string]bool // carrying items a person has released although their version is on the chart
	doubt bool            // a person has released a version that may be on the chart: none takes the place of what it tells
}

func (d *drainer) book(ctx context.Context) (b book, err error) {
	err = d.e.store.View(ctx, func(tx connector.Tx) error {
		b = book{kept: map[string]bool{}}
		if b.items, err = tx.ThreadItems(d.lane.EHR, d.lane.Thread); err != nil {
			return err
		}
		return b.released(tx)
	})
	replaced := map[int]bool{}
	for _, i := range b.items {
		t := i.Detail.Telling
		if t == nil {
			continue
		}
		b.newest = max(b.newest, t.Version)
		if t.With != "" || elsewhere(&i) {
			continue
		}
		switch {
		case b.kept[i.ID]: // whether it has taken the place of others is not known; the next one takes that of all
			b.current = append(b.current, t.Version)
		case i.State == connector.Filed:
			b.current = append(b.current, t.Version)
			for _, v := range t.Replaces {
				replaced[v] = true
			}
		case i.State == connector.NotDue: // a person has dealt with it
		default:
			b.open = true
		}
	}
	b.current = slices.DeleteFunc(b.current, func(v int) bool { return replaced[v] })
	slices.Sort(b.current)
	return b, err
}

// released asks of each version that a person took off the list whether it is on the chart all the same: its entry may have been
// created before what parked it, and it tells messages of other items too.
func (b *book) released(tx connector.Tx) error {
	for n := range b.items {
		i := &b.items[n]
		if !carries(i) || i.State != connector.NotDue || elsewhere(i) {
			continue
		}
		rows, err := tx.WritesOf(i.EHR, i.ID)
		if err != nil {
			return err
		}
		rows = live(rows)
		is := func(s connector.WriteState) bool {
			return slices.ContainsFunc(rows, func(w connector.WriteRow) bool { return w.State == s })
		}
		b.kept[i.ID] = is(connector.WriteFiled) // its first write is the entry
		b.doubt = b.doubt || !b.kept[i.ID] && is(connector.WriteAttempted)
	}
	return nil
}

// followUps are the corrections, retractions and news that the transcript shows with its messages: they are done when it is. Some of
// the book's items may have come after the lane was read. whole says that the transcript tells what was told before, too.
func (d *drainer) followUps(b book, t *telling, whole bool) (out []*connector.Item) {
	shown, lane := map[string]bool{}, map[string]*connector.Item{}
	for _, m := range t.members {
		shown[m.item.MsgKey] = true
	}
	for _, i := range d.items {
		lane[i.ID] = i
	}
	for _, i := range b.items {
		shown[i.MsgKey] = shown[i.MsgKey] || whole && b.tells(i)
	}
	for n := range b.items {
		i := &b.items[n]
		known := lane[i.ID]
		if known == nil && i.Lane == d.lane.Kind && untouched(i) && !i.State.Done() {
			known = i
		}
		if known != nil && isFollowUp(i.Kind) && shown[i.MsgKey] && known.Detail.Telling == nil {
			out = append(out, known)
		}
	}
	return out
}

// tells says whether an item is a message that stands in a transcript on the chart.
func (b book) tells(i connector.Item) bool {
	t := i.Detail.Telling
	return i.Kind == connector.ItemExchange && t != nil && !elsewhere(&i) && (i.State == connector.Filed || b.kept[i.ID] || b.kept[t.With])
}

// stamp notes on an item and on all that is told with it, from the commit that lets its request leave on, that they move
// together.
func (d *drainer) stamp(i *connector.Item) {
	t, ok := d.tellings[i.ID]
	if !ok {
		return
	}
	delete(d.tellings, i.ID)
	i.Detail.Telling = &connector.Telling{Version: t.version, Replaces: t.replaces}
	for _, m := range t.members {
		if m.item == i {
			i.Detail.Telling.AfterGap = m.afterGap
			continue
		}
		m.item.Detail.Telling = &connector.Telling{Version: t.version, With: i.ID, AfterGap: m.afterGap}
		m.item.Late = m.item.Late || m.late
		m.item.State, m.item.Reason, m.item.NextAt = connector.Held, connector.EarlierItem, connector.Never
		d.put(m.item)
	}
}

// delayed marks the messages of a version that waited, for a person say, while later ones of the thread came to the chart.
func (d *drainer) delayed(i *connector.Item) {
	if !carries(i) {
		return
	}
	for _, m := range d.items {
		if m.Kind != connector.ItemExchange || m != i && (!follows(m) || m.Detail.Telling.With != i.ID) {
			continue
		}
		if late, _, _ := inPlace(d.thread, m, d.line); late && !m.Late {
			m.Late = true
			d.put(m)
		}
	}
}

// finishFollowers ends what was told with an item as the item ended. What a transcript leaves out by policy is not due.
func (d *drainer) finishFollowers(i *connector.Item) {
	if !carries(i) {
		return
	}
	for _, f := range d.items {
		if !follows(f) || f.Detail.Telling.With != i.ID || f.State.Done() {
			continue
		}
		f.State, f.Reason, f.NextAt = i.State, i.Reason, i.NextAt
		if f.Direction == connector.Internal {
			f.State, f.Reason = connector.NotDue, connector.PolicyLeftOut
		}
		f.Detail.Decision = i.Detail.Decision
		d.put(f)
		d.leftLane(f)
		if f.State == connector.Filed {
			d.filed(f)
		}
	}
}

// followers reads the items that are told with one, for a decision about it outside its lane.
func followers(tx connector.Tx, i connector.Item) ([]*connector.Item, error) {
	if !carries(&i) {
		return nil, nil
	}
	all, err := tx.LaneItems(connector.Lane{EHR: i.EHR, Thread: i.Thread, Kind: i.Lane})
	var out []*connector.Item
	for n := range all {
		if follows(&all[n]) && all[n].Detail.Telling.With == i.ID {
			out = append(out, &all[n])
		}
	}
	return out, err
}
