package deliver

import (
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// member is one message of a transcript about to be planned.
type member struct {
	item           *connector.Item
	late, afterGap bool
}

// nextOfThread is nextOnChart for an EHR that files a thread as one entry. Messages are looked at when they come, and held
// until the thread is to be told: it was closed, one of its messages is urgent, or none has come for idle. Then they are
// told together, in the thread's order; the last of them carries the writes.
//
// What comes first: an attempt whose outcome is open; the header; writes that were committed and wait to be tried again;
// then follow-ups, messages, closing and reopening as on any chart lane. An item that is told with another one moves with
// that one and is never picked.
func nextOfThread(t connector.Thread, items []*connector.Item, now time.Time, line *Line, idle time.Duration) pick {
	if !t.Placed() {
		return pick{}
	}
	var p picker
	p.now = now
	for _, want := range []func(*connector.Item) bool{
		func(i *connector.Item) bool { return i.State == connector.Filing || i.State == connector.Unknown },
		func(i *connector.Item) bool { return i.Kind == connector.ItemHeader },
		carries,
	} {
		if i := first(items, want); i != nil {
			return p.when(i)
		}
	}
	free := slices.DeleteFunc(slices.Clone(items), follows)
	if f := p.followUp(free); f != nil {
		return pick{item: f}
	}
	messages := pendingMessages(free)
	if len(messages) > 0 {
		if got := p.thread(t, messages, line, idle); got.item != nil {
			return got
		}
	}
	if s := p.threadState(t, free, messages); s != nil {
		return pick{item: s}
	}
	return pick{due: p.due}
}

// carries says whether an item has the committed writes of a transcript.
func carries(i *connector.Item) bool { return i.Detail.Telling != nil && i.Detail.Telling.With == "" }

// follows says whether an item is told with another one.
func follows(i *connector.Item) bool { return i.Detail.Telling != nil && i.Detail.Telling.With != "" }

// awaitsTelling says whether a message was looked at and is held until its thread is told.
func awaitsTelling(i *connector.Item) bool {
	return i.State == connector.Held && i.Reason == connector.ThreadOpen
}

// thread picks a message that has not been looked at, else the messages to be told now.
func (p *picker) thread(t connector.Thread, messages []*connector.Item, line *Line, idle time.Duration) pick {
	waits, last := false, time.Time{}
	for _, m := range messages {
		last = later(last, m.CommittedAt)
		switch {
		case awaitsTelling(m):
		case p.ready(m):
			return pick{item: m, trial: true}
		default: // one without a patient, say, holds up the thread
			waits = true
		}
	}
	hurry := hurried(messages)
	if quiet := last.Add(idle); !waits && !hurry && !t.Closed && quiet.After(p.now) {
		p.waitUntil(quiet)
		waits = true
	}
	if waits {
		return pick{due: p.due}
	}
	return p.inOrder(t, messages, line, hurry)
}

// inOrder puts the messages in the thread's order, unless an earlier one may still come.
func (p *picker) inOrder(t connector.Thread, messages []*connector.Item, line *Line, hurry bool) pick {
	var out pick
	for rest := slices.Clone(messages); len(rest) > 0; {
		m := member{item: earliest(rest)}
		var wait time.Time
		m.late, m.afterGap, wait = inPlace(t, m.item, line)
		if !hurry && wait.After(p.now) {
			p.waitUntil(wait)
			return pick{due: p.due}
		}
		passed(&t, m.item)
		out.with = append(out.with, m)
		if out.item == nil || m.item.Direction != connector.Internal || out.item.Direction == connector.Internal {
			out.item, out.late, out.afterGap = m.item, m.late, m.afterGap // what a transcript leaves out carries none
		}
		rest = slices.DeleteFunc(rest, func(i *connector.Item) bool { return i == m.item })
	}
	return out
}
