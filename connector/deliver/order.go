package deliver

import (
	"cmp"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// pick is what a lane does next: an item now, or nothing before due (zero: not before something touches the lane).
type pick struct {
	item     *connector.Item
	due      time.Time
	late     bool // it files after later messages of its thread
	afterGap bool // an earlier sequence never came
	gap      bool // of no item: the next message waits for one that may still come

	trial bool     // it is to be held until its thread is told (nextOfThread), if it can be told at all
	with  []member // the messages that are told with it, itself the last that is told, in the thread's order
}

// nextOnChart decides what a thread's chart lane does next (DESIGN §3.4). It is pure: items are those not done, in any
// order; t says what has already left the lane.
//
// What comes first: an attempt whose outcome is open; then the header; then follow-ups (statuses, corrections,
// retractions) of messages that have left the lane; then messages in order; then closing and reopening.
func nextOnChart(t connector.Thread, items []*connector.Item, now time.Time, line *Line) pick {
	if !t.Placed() {
		return pick{} // its identifiers on the chart are made of the platform's id, which the handover brings
	}
	var p picker
	p.now = now
	if open := first(items, func(i *connector.Item) bool {
		return i.State == connector.Filing || i.State == connector.Unknown
	}); open != nil {
		return p.when(open)
	}
	messages := pendingMessages(items)
	if header := first(items, func(i *connector.Item) bool { return i.Kind == connector.ItemHeader }); header != nil {
		return p.when(header)
	}
	if f := p.followUp(items); f != nil {
		return pick{item: f}
	}
	if len(messages) > 0 {
		got := p.messageOrNote(t, messages, line)
		if got.item != nil {
			return got
		}
	}
	if s := p.threadState(t, items, messages); s != nil {
		return pick{item: s}
	}
	return pick{due: p.due}
}

// picker gathers the earliest time at which something that has to wait can go on.
type picker struct{ now, due time.Time }

func (p *picker) waitUntil(t time.Time) {
	if p.due.IsZero() || t.Before(p.due) {
		p.due = t
	}
}

// ready says whether the item may be looked at now; if not, the lane is due when it may.
func (p *picker) ready(i *connector.Item) bool {
	if !i.NextAt.After(p.now) {
		return true
	}
	if i.NextAt.Before(connector.Never) {
		p.waitUntil(i.NextAt)
	}
	return false
}

func (p *picker) when(i *connector.Item) pick {
	if p.ready(i) {
		return pick{item: i}
	}
	return pick{due: p.due}
}

func first(items []*connector.Item, want func(*connector.Item) bool) *connector.Item {
	for _, i := range items {
		if want(i) {
			return i
		}
	}
	return nil
}

// pendingMessages are the exchanges that have not left the lane. A reply that has not been handed over yet is not among
// them: it has no place in the thread until the platform took it, and blocks nobody.
func pendingMessages(items []*connector.Item) []*connector.Item {
	var out []*connector.Item
	for _, i := range items {
		if i.Kind == connector.ItemExchange && i.Reason != connector.NeedsHandover {
			out = append(out, i)
		}
	}
	return out
}

// earliest is the exchange that comes first in its thread: by sequence, or by (sent_at, id) where the channel has none. A
// message without sequence in a thread that has them (a reply the platform never took) comes where it was written.
func earliest(messages []*connector.Item) *connector.Item {
	var placed, loose *connector.Item
	for _, m := range messages {
		switch {
		case m.Sequence == 0:
			if loose == nil || bySent(m, loose) < 0 {
				loose = m
			}
		case placed == nil || cmp.Or(cmp.Compare(m.Sequence, placed.Sequence), bySent(m, placed)) < 0:
			placed = m
		}
	}
	if placed == nil || (loose != nil && loose.SentAt.Before(placed.SentAt)) {
		return loose
	}
	return placed
}

func bySent(a, b *connector.Item) int {
	return cmp.Or(a.SentAt.Compare(b.SentAt), cmp.Compare(a.MsgKey, b.MsgKey))
}

// byCommit compares by when items came to us. Ids are ULIDs, which part commits of one instant.
func byCommit(a, b *connector.Item) int {
	return cmp.Or(a.CommittedAt.Compare(b.CommittedAt), cmp.Compare(a.ID, b.ID))
}

// passed notes in t that an exchange has left the lane. Our own notes say nothing about what is still to come.
func passed(t *connector.Thread, i *connector.Item) {
	if i.Detail.Note {
		return
	}
	if i.Sequence > 0 {
		t.NextSeq = max(t.NextSeq, i.Sequence+1)
	}
	if cmp.Or(i.SentAt.Compare(t.LastSent), cmp.Compare(i.MsgKey, t.LastMsg)) > 0 {
		t.LastSent, t.LastMsg = i.SentAt, i.MsgKey
	}
}

func isFollowUp(k connector.ItemKind) bool {
	return k == connector.ItemStatus || k == connector.ItemCorrection || k == connector.ItemRetraction
}

// followUp picks the earliest follow-up whose message is not pending any more. Corrections of one message keep their
// order by revision, and a retraction comes after them.
func (p *picker) followUp(items []*connector.Item) *connector.Item {
	pending := map[string]bool{}
	for _, i := range items {
		if i.Kind == connector.ItemExchange {
			pending[i.MsgKey] = true
		}
	}
	var best *connector.Item
	for _, it := range items {
		if !isFollowUp(it.Kind) || pending[it.MsgKey] || it.Reason == connector.MessageMissing {
			continue
		}
		if slices.ContainsFunc(items, func(other *connector.Item) bool { return revisesBefore(other, it) }) {
			continue
		}
		if !p.ready(it) {
			continue
		}
		if best == nil || byCommit(it, best) < 0 {
			best = it
		}
	}
	return best
}

// revisesBefore says whether a must be done before b: an earlier correction of the same message, or a correction before
// the message's retraction. It waits even where a has to wait for something else.
func revisesBefore(a, b *connector.Item) bool {
	if a.Kind != connector.ItemCorrection || a.MsgKey != b.MsgKey || a.Reason == connector.MessageMissing {
		return false
	}
	return b.Kind == connector.ItemRetraction || (b.Kind == connector.ItemCorrection && a.Revision < b.Revision)
}

// messageOrNote picks the next exchange or note of ours. The platform does not know our notes: they are in no order with its
// messages but that in which both were committed, so a note comes after what was there before it, and waits for nothing that
// has not come.
func (p *picker) messageOrNote(t connector.Thread, all []*connector.Item, line *Line) pick {
	var messages []*connector.Item
	var note *connector.Item
	for _, i := range all {
		switch {
		case !i.Detail.Note:
			messages = append(messages, i)
		case note == nil || byCommit(i, note) < 0:
			note = i
		}
	}
	var got pick
	if len(messages) > 0 {
		got = p.message(t, messages, line)
	}
	before := got.item
	if before == nil && !got.gap && len(messages) > 0 {
		before = earliest(messages) // it is held
	}
	if note == nil || before != nil && byCommit(before, note) < 0 || !p.ready(note) {
		return got
	}
	return pick{item: note}
}

// message picks the first exchange in thread order, unless an earlier one may still come.
func (p *picker) message(t connector.Thread, messages []*connector.Item, line *Line) pick {
	m := earliest(messages)
	out := pick{item: m}
	wait := time.Time{}
	out.late, out.afterGap, wait = inPlace(t, m, line)
	if !hurried(messages) && wait.After(p.now) {
		p.waitUntil(wait)
		return pick{due: p.due, gap: true}
	}
	if !p.ready(m) {
		return pick{due: p.due}
	}
	return out
}

// inPlace says where a message comes in its thread, and until when an earlier one is waited for.
func inPlace(t connector.Thread, m *connector.Item, line *Line) (late, afterGap bool, wait time.Time) {
	if m.Detail.Note {
		return false, false, time.Time{}
	}
	if m.Sequence == 0 {
		late = !t.LastSent.IsZero() && cmp.Or(m.SentAt.Compare(t.LastSent), cmp.Compare(m.MsgKey, t.LastMsg)) < 0
		return late, false, m.CommittedAt.Add(line.OrderWindow)
	}
	expected := max(t.NextSeq, 1)
	if m.Sequence > expected {
		return false, true, m.CommittedAt.Add(line.GapWait)
	}
	return m.Sequence < expected, false, time.Time{}
}

// hurried says whether something urgent is among the messages: it waits for nothing.
func hurried(messages []*connector.Item) bool {
	return slices.ContainsFunc(messages, func(i *connector.Item) bool { return i.Priority.Rank() > 0 })
}

// threadState picks a close or reopen that every message committed before it has been done for.
func (p *picker) threadState(t connector.Thread, items []*connector.Item, messages []*connector.Item) *connector.Item {
	if t.Header == "" {
		return nil // nothing of the thread has come yet
	}
	var s *connector.Item
	for _, i := range items {
		if (i.Kind == connector.ItemClose || i.Kind == connector.ItemReopen) && (s == nil || byCommit(i, s) < 0) {
			s = i
		}
	}
	if s == nil {
		return nil
	}
	for _, m := range messages {
		if byCommit(m, s) < 0 {
			return nil
		}
	}
	if !p.ready(s) {
		return nil
	}
	return s
}

// requestsFirst puts requests before the changes of their status. The two may have been committed by processes whose
// clocks differ.
func requestsFirst(a, b *connector.Item) int {
	rank := func(i *connector.Item) int {
		if i.Detail.Status == "active" {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), byCommit(a, b))
}

// fifo picks the oldest item of a lane whose items simply follow each other.
func fifo(items []*connector.Item, now time.Time) pick {
	if len(items) == 0 {
		return pick{}
	}
	p := picker{now: now}
	return p.when(items[0])
}
