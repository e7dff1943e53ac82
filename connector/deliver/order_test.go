package deliver

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chartwire/chartwire/connector"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var texting = &Line{Name: "texting", Receipts: "delivered", OrderWindow: 10 * time.Second, GapWait: time.Minute}

// placed is a thread the platform has given an id.
func placed() connector.Thread { return connector.Thread{ID: "T", Ext: "t-1", Header: "H"} }

// an is an item as it comes, changed by the given functions.
func an(kind connector.ItemKind, key string, with ...func(*connector.Item)) *connector.Item {
	i := &connector.Item{ID: string(kind) + "/" + key, Lane: connector.LaneChart, Kind: kind, MsgKey: key, Message: key,
		State: connector.Waiting, CommittedAt: noon, SentAt: noon, Revision: 1}
	for _, f := range with {
		f(i)
	}
	return i
}

func message(key string, seq int64, with ...func(*connector.Item)) *connector.Item {
	i := an(connector.ItemExchange, key, with...)
	i.Sequence = seq
	return i
}

func at(d time.Duration) func(*connector.Item) {
	return func(i *connector.Item) { i.CommittedAt = noon.Add(d) }
}
func sentAt(d time.Duration) func(*connector.Item) {
	return func(i *connector.Item) { i.SentAt = noon.Add(d) }
}
func in(s connector.ItemState) func(*connector.Item) { return func(i *connector.Item) { i.State = s } }
func because(r connector.Reason) func(*connector.Item) {
	return func(i *connector.Item) { i.Reason = r }
}
func next(d time.Duration) func(*connector.Item) {
	return func(i *connector.Item) { i.NextAt = noon.Add(d) }
}
func never(i *connector.Item)  { i.NextAt = connector.Never }
func urgent(i *connector.Item) { i.Priority = connector.Urgent }
func revision(n int) func(*connector.Item) {
	return func(i *connector.Item) { i.Revision = n; i.ID += fmt.Sprint("r", n) }
}

func TestOrderOfAChartLane(t *testing.T) {
	type want struct {
		item     string        // id, "" for none
		due      time.Duration // from noon; -1 not before a touch
		late     bool
		afterGap bool
	}
	const idle = time.Duration(-1)
	seen := func(n int64) func(*connector.Thread) { return func(t *connector.Thread) { t.NextSeq = n + 1 } }
	for _, c := range []struct {
		name   string
		thread func(*connector.Thread)
		now    time.Duration
		items  []*connector.Item
		want   want
	}{
		{name: "nothing", want: want{due: idle}},
		{name: "the first of its sequence goes at once", items: []*connector.Item{message("b", 2), message("a", 1)},
			want: want{item: "exchange/a"}},
		{name: "the next of its sequence goes at once", thread: seen(4), items: []*connector.Item{message("e", 5)},
			want: want{item: "exchange/e"}},
		{name: "a gap waits gap_wait from the later message's commit", thread: seen(1), now: 5 * time.Second,
			items: []*connector.Item{message("c", 3, at(2*time.Second))}, want: want{due: 62 * time.Second}},
		{name: "a gap ends after gap_wait", thread: seen(1), now: 62 * time.Second,
			items: []*connector.Item{message("c", 3, at(2*time.Second))}, want: want{item: "exchange/c", afterGap: true}},
		{name: "a gap at the start waits too", items: []*connector.Item{message("b", 2)}, want: want{due: time.Minute}},
		{name: "a gap that was closed does not wait", thread: seen(1), items: []*connector.Item{message("c", 3), message("b", 2)},
			want: want{item: "exchange/b"}},
		{name: "urgent does not wait for a gap", thread: seen(1), items: []*connector.Item{message("c", 3, urgent)},
			want: want{item: "exchange/c", afterGap: true}},
		{name: "urgent hurries what comes before it", thread: seen(1), items: []*connector.Item{message("c", 3), message("d", 4, urgent)},
			want: want{item: "exchange/c", afterGap: true}},
		{name: "urgent does not overtake", items: []*connector.Item{message("b", 2, urgent), message("a", 1)}, want: want{item: "exchange/a"}},
		{name: "what comes after later ones files at once, late", thread: seen(3), items: []*connector.Item{message("b", 2)},
			want: want{item: "exchange/b", late: true}},
		{name: "without sequence order_window passes first", now: 3 * time.Second,
			items: []*connector.Item{message("a", 0, at(time.Second))}, want: want{due: 11 * time.Second}},
		{name: "without sequence the earliest sent goes first", now: time.Minute,
			items: []*connector.Item{message("b", 0, sentAt(2*time.Second)), message("a", 0, sentAt(time.Second))}, want: want{item: "exchange/a"}},
		{name: "sent at one instant, the lower id goes first", now: time.Minute,
			items: []*connector.Item{message("b", 0), message("a", 0)}, want: want{item: "exchange/a"}},
		{name: "without sequence the window is that of the earliest sent", now: 11 * time.Second,
			items: []*connector.Item{message("b", 0, sentAt(2*time.Second)), message("a", 0, sentAt(time.Second), at(9*time.Second))},
			want:  want{due: 19 * time.Second}},
		{name: "without sequence urgent does not wait", items: []*connector.Item{message("a", 0, urgent)}, want: want{item: "exchange/a"}},
		{name: "without sequence what was sent before the last one is late", now: time.Minute,
			thread: func(t *connector.Thread) { t.LastSent, t.LastMsg = noon.Add(time.Second), "b" },
			items:  []*connector.Item{message("a", 0)}, want: want{item: "exchange/a", late: true}},
		{name: "without sequence a lower id of the same instant is late", now: time.Minute,
			thread: func(t *connector.Thread) { t.LastSent, t.LastMsg = noon, "b" },
			items:  []*connector.Item{message("a", 0)}, want: want{item: "exchange/a", late: true}},
		{name: "without sequence a higher id of the same instant is not late", now: time.Minute,
			thread: func(t *connector.Thread) { t.LastSent, t.LastMsg = noon, "b" },
			items:  []*connector.Item{message("c", 0)}, want: want{item: "exchange/c"}},
		{name: "an unsent reply among sequenced ones comes where it was written", now: time.Minute,
			items: []*connector.Item{message("a", 1, sentAt(time.Second)), message("b", 2, sentAt(3*time.Second)), message("x", 0, sentAt(2*time.Second))},
			want:  want{item: "exchange/a"}},
		{name: "an unsent reply written before all goes first", now: time.Minute,
			items: []*connector.Item{message("b", 1, sentAt(3*time.Second)), message("x", 0, sentAt(2*time.Second))}, want: want{item: "exchange/x"}},
		{name: "the header goes first", items: []*connector.Item{message("a", 1), an(connector.ItemHeader, "")}, want: want{item: "header/"}},
		{name: "a held header holds all", items: []*connector.Item{message("a", 1), an(connector.ItemHeader, "", in(connector.Held), next(time.Hour))},
			want: want{due: time.Hour}},
		{name: "a thread without the platform's id waits for the hand-over", thread: func(t *connector.Thread) { t.Ext = t.ID },
			items: []*connector.Item{an(connector.ItemHeader, "", because(connector.NeedsHandover)), message("a", 0)}, now: time.Hour,
			want: want{due: idle}},
		{name: "a reply that waits for its hand-over blocks nobody",
			items: []*connector.Item{message("r", 0, because(connector.NeedsHandover), sentAt(-time.Hour)), message("a", 1)}, want: want{item: "exchange/a"}},
		{name: "a reply that waits for its hand-over is not filed", now: time.Hour,
			items: []*connector.Item{message("r", 0, because(connector.NeedsHandover))}, want: want{due: idle}},
		{name: "held blocks", items: []*connector.Item{message("a", 1, in(connector.Held), next(time.Hour)), message("b", 2)}, want: want{due: time.Hour}},
		{name: "held without a time blocks until something touches the lane", now: time.Hour,
			items: []*connector.Item{message("a", 1, in(connector.Held), never), message("b", 2)}, want: want{due: idle}},
		{name: "waiting for a retry blocks", items: []*connector.Item{message("a", 1, next(time.Second)), message("b", 2)}, want: want{due: time.Second}},
		{name: "unknown blocks even follow-ups",
			items: []*connector.Item{message("b", 2, in(connector.Unknown), next(time.Minute)), an(connector.ItemStatus, "a")}, want: want{due: time.Minute}},
		{name: "unknown is settled when due", now: time.Minute,
			items: []*connector.Item{message("a", 1), message("b", 2, in(connector.Unknown), next(time.Minute))}, want: want{item: "exchange/b"}},
		{name: "what another worker left in filing comes before all",
			items: []*connector.Item{message("a", 1), an(connector.ItemHeader, ""), message("b", 2, in(connector.Filing))}, want: want{item: "exchange/b"}},
		{name: "a follow-up waits for its message", items: []*connector.Item{an(connector.ItemStatus, "a"), message("a", 1, in(connector.Held), never)},
			want: want{due: idle}},
		{name: "a follow-up of a message on the chart goes before later messages",
			thread: seen(1), items: []*connector.Item{message("b", 2), an(connector.ItemStatus, "a")}, want: want{item: "status/a"}},
		{name: "a follow-up of a reply not handed over waits", now: time.Hour,
			items: []*connector.Item{message("r", 0, because(connector.NeedsHandover)), an(connector.ItemStatus, "r")}, want: want{due: idle}},
		{name: "a follow-up of a message that has not come blocks nobody",
			items: []*connector.Item{an(connector.ItemStatus, "z", because(connector.MessageMissing)), message("a", 1)}, want: want{item: "exchange/a"}},
		{name: "a held follow-up does not block messages", thread: seen(1),
			items: []*connector.Item{an(connector.ItemStatus, "a", in(connector.Held), next(time.Hour)), message("b", 2)}, want: want{item: "exchange/b"}},
		{name: "corrections go by revision, not by commit", thread: seen(1),
			items: []*connector.Item{an(connector.ItemCorrection, "a", revision(3)), an(connector.ItemCorrection, "a", revision(2), at(time.Second))},
			want:  want{item: "correction/ar2"}},
		{name: "a later correction waits for an earlier one that waits", thread: seen(1),
			items: []*connector.Item{an(connector.ItemCorrection, "a", revision(3)), an(connector.ItemCorrection, "a", revision(2), next(time.Hour))},
			want:  want{due: time.Hour}},
		{name: "a retraction comes after the corrections", thread: seen(1),
			items: []*connector.Item{an(connector.ItemRetraction, "a"), an(connector.ItemCorrection, "a", revision(2), at(time.Second))},
			want:  want{item: "correction/ar2"}},
		{name: "a retraction waits for a correction that waits", thread: seen(1),
			items: []*connector.Item{an(connector.ItemRetraction, "a"), an(connector.ItemCorrection, "a", revision(2), in(connector.Held), never)},
			want:  want{due: idle}},
		{name: "a retraction does not wait for another message's correction", thread: seen(2),
			items: []*connector.Item{an(connector.ItemRetraction, "a"), an(connector.ItemCorrection, "b", revision(2), in(connector.Held), never)},
			want:  want{item: "retraction/a"}},
		{name: "closing waits for messages that came before it",
			items: []*connector.Item{an(connector.ItemClose, "", at(time.Second)), message("a", 1, next(time.Hour))}, want: want{due: time.Hour}},
		{name: "closing does not wait for messages that came after it", thread: seen(1),
			items: []*connector.Item{an(connector.ItemClose, ""), message("c", 3, at(time.Second))}, want: want{item: "close/"}},
		{name: "closing of one instant with a message goes by their ids",
			items: []*connector.Item{an(connector.ItemClose, "", func(i *connector.Item) { i.ID = "2" }),
				message("a", 1, next(time.Hour), func(i *connector.Item) { i.ID = "1" })}, want: want{due: time.Hour}},
		{name: "closing and reopening keep their order", thread: seen(1),
			items: []*connector.Item{an(connector.ItemReopen, "", at(time.Second)), an(connector.ItemClose, "")}, want: want{item: "close/"}},
		{name: "closing a thread of which nothing came does nothing", thread: func(t *connector.Thread) { t.Header = "" },
			items: []*connector.Item{an(connector.ItemClose, "")}, want: want{due: idle}},
	} {
		t.Run(c.name, func(t *testing.T) {
			thread := placed()
			if c.thread != nil {
				c.thread(&thread)
			}
			items := slices.Clone(c.items)
			slices.Reverse(items) // the order given must not matter
			for _, order := range [][]*connector.Item{c.items, items} {
				got := nextOnChart(thread, order, noon.Add(c.now), texting)
				id := ""
				if got.item != nil {
					id = got.item.ID
				}
				due := got.due.Sub(noon)
				if got.due.IsZero() {
					due = idle
				}
				if id != "" {
					due = c.want.due
				}
				if have := (want{id, due, got.late, got.afterGap}); have != c.want {
					t.Errorf("got %+v, want %+v", have, c.want)
				}
			}
		})
	}
}

// lane plays a thread's chart lane: messages arrive, the clock moves, and what nextOnChart picks is filed at once.
type lane struct {
	thread connector.Thread
	items  []*connector.Item
	now    time.Time
	filed  []pick
}

// drain files whatever can be filed now and says when the lane is due again.
func (l *lane) drain(t *rapid.T) time.Time {
	for n := 0; ; n++ {
		if n > 1000 {
			t.Fatal("the lane does not come to rest")
		}
		l.items = slices.DeleteFunc(l.items, func(i *connector.Item) bool { return i.State.Done() })
		p := nextOnChart(l.thread, l.items, l.now, texting)
		if p.item == nil {
			return p.due
		}
		p.item.State = connector.Filed
		if p.item.Kind == connector.ItemExchange {
			passed(&l.thread, p.item)
		}
		l.filed = append(l.filed, p)
	}
}

// until lets the time pass until to, waking the lane whenever it is due.
func (l *lane) until(t *rapid.T, to time.Time) {
	for {
		due := l.drain(t)
		if due.IsZero() || due.After(to) {
			l.now = to
			return
		}
		if !due.After(l.now) {
			t.Fatal("the lane is due at a time that has passed, and did nothing")
		}
		l.now = due
	}
}

// Any shuffle of a thread's messages, with some lost, some urgent and any time between them: each message that came is
// filed once; by sequence unless it is marked late, which it is exactly where a later one was filed before it; a gap that
// nothing urgent follows has waited gap_wait.
func TestAnyShuffleFilesInOrderOrMarkedLate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "messages")
		sequenced := rapid.Bool().Draw(t, "sequenced")
		var all []*connector.Item
		for k := range n {
			seq := int64(k + 1)
			if !sequenced {
				seq = 0
			}
			m := message(fmt.Sprintf("m%02d", k), seq, sentAt(time.Duration(k/2)*time.Second))
			if rapid.IntRange(0, 9).Draw(t, "urgent") == 0 {
				urgent(m)
			}
			all = append(all, m)
		}
		arrive := rapid.Permutation(all).Draw(t, "order of arrival")
		lost := rapid.IntRange(0, n-1).Draw(t, "lost")
		l := &lane{thread: placed(), now: noon}
		came := map[string]*connector.Item{}
		for k, m := range arrive {
			if k < lost {
				continue
			}
			l.until(t, l.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds"))*time.Second))
			m.CommittedAt, m.ID = l.now, fmt.Sprintf("%06d", k)
			came[m.MsgKey] = m
			l.items = append(l.items, m)
		}
		l.until(t, l.now.Add(time.Hour))
		if len(l.filed) != len(came) {
			t.Fatalf("%d of %d messages were filed", len(l.filed), len(came))
		}
		order := func(a, b *connector.Item) int { return cmp.Compare(a.MsgKey, b.MsgKey) } // the names grow as sequence and sent_at do
		for k, p := range l.filed {
			overtaken := slices.ContainsFunc(l.filed[:k], func(q pick) bool { return order(q.item, p.item) > 0 })
			if p.late != overtaken {
				t.Fatalf("message %s: late is %v, and later ones filed before it is %v", p.item.MsgKey, p.late, overtaken)
			}
		}
	})
}

func TestGapIsWaitedForFromTheLaterMessagesCommit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		after := time.Duration(rapid.IntRange(0, 59_999).Draw(t, "ms after the later one")) * time.Millisecond
		l := &lane{thread: placed(), now: noon}
		l.items = append(l.items, message("b", 2))
		l.until(t, noon.Add(after))
		if len(l.filed) != 0 {
			t.Fatal("the later message did not wait")
		}
		l.items = append(l.items, message("a", 1, at(after)))
		l.drain(t)
		if len(l.filed) != 2 || l.filed[0].item.MsgKey != "a" || l.filed[0].late || l.filed[1].afterGap {
			t.Fatalf("the gap was closed in time, but %d were filed", len(l.filed))
		}
	})
}

func TestRequestComesBeforeTheChangesOfItsStatus(t *testing.T) {
	wanted := func(s string) func(*connector.Item) { return func(i *connector.Item) { i.Detail.Status = s } }
	hold, active := an(connector.ItemRequest, "a", wanted("on-hold")), an(connector.ItemRequest, "b", wanted("active"), at(5*time.Second))
	done := an(connector.ItemRequest, "c", wanted("completed"), at(time.Second))
	items := []*connector.Item{hold, done, active} // a replica's clock was five seconds ahead
	slices.SortStableFunc(items, requestsFirst)
	if items[0] != active || items[1] != hold || items[2] != done {
		t.Errorf("the order is %s %s %s", items[0].Detail.Status, items[1].Detail.Status, items[2].Detail.Status)
	}
}

func TestFifoWaitsForItsFirst(t *testing.T) {
	a, b := an(connector.ItemRequest, "a", next(time.Second)), an(connector.ItemRequest, "b")
	if p := fifo([]*connector.Item{a, b}, noon); p.item != nil || !p.due.Equal(noon.Add(time.Second)) {
		t.Errorf("the second did not wait for the first: %+v", p)
	}
	if p := fifo([]*connector.Item{a, b}, noon.Add(time.Second)); p.item != a {
		t.Errorf("the first did not go when it was due: %+v", p)
	}
	if p := fifo(nil, noon); p.item != nil || !p.due.IsZero() {
		t.Errorf("an empty lane is due: %+v", p)
	}
}
