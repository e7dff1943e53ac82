package inbox

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// names is what a connection's configuration says of the ids in its threads.
type names struct {
	pools    map[string]string // pool id → name
	receipts map[string]string // channel → what it reports: none, sent, delivered or read
}

func (n names) who(p connector.Participant) Who {
	w := Who{Key: p.Key(), Name: p.Name, Role: p.Role, Relationship: p.Relationship}
	if p.Role == connector.RolePool {
		w.Name = cmp.Or(n.pools[p.ID], w.Name)
	}
	return w
}

func (n names) all(ps []connector.Participant) []Who {
	out := make([]Who, 0, len(ps))
	for _, p := range ps {
		out = append(out, n.who(p))
	}
	return out
}

// rows is a thread as the store has it: all that a page of it is made of, read in four questions however long it is.
type rows struct {
	thread   connector.Thread
	items    []connector.Item
	messages []connector.MessageRow
	filed    []connector.FiledWrite
}

func readRows(tx connector.Tx, t connector.Thread) (r rows, err error) {
	r.thread = t
	if r.items, err = tx.ThreadItems(t.EHR, t.ID); err != nil {
		return r, err
	}
	if r.messages, err = tx.ThreadMessages(t.EHR, t.ID); err != nil {
		return r, err
	}
	r.filed, err = tx.FiledWrites(t.EHR, t.ID)
	return r, err
}

// content is a thread worked out. It stays as it is while the thread's Version does, and is shared: nobody changes it.
type content struct {
	version    int64
	entries    []Entry
	held       *Line
	seen       string // which messages it shows; see seenOf
	last       time.Time
	snippet    string
	people     []person // of the patient's side, who wrote last first
	unfinished int
	stuck      int
}

// person is somebody on the patient's side of a thread.
type person struct {
	connector.Participant
	wrote time.Time // zero: was only written to
}

// work makes a thread's content of its rows.
func (n names) work(r rows) *content {
	c := &content{version: r.thread.Version}
	byExt := map[string][]connector.MessageRow{}
	extOf := map[string]string{}
	for _, m := range r.messages {
		byExt[m.Message.ID] = append(byExt[m.Message.ID], m)
		extOf[m.ID] = m.Message.ID
		if m.ReceivedAt.After(c.last) {
			c.last = m.ReceivedAt
		}
	}
	items := map[string][]connector.Item{}
	for _, i := range r.items {
		ext := cmp.Or(extOf[i.Message], i.MsgKey)
		items[ext] = append(items[ext], i)
		c.count(i)
	}
	filed := map[string][]connector.FiledWrite{}
	for _, w := range r.filed {
		filed[w.Item] = append(filed[w.Item], w)
	}
	for _, m := range inOrder(byExt) {
		c.entries = append(c.entries, n.entry(r.thread, byExt[m], items[m], filed))
		c.meet(byExt[m][0])
	}
	c.seen = seenOf(c.entries)
	slices.SortStableFunc(c.people, func(a, b person) int { return b.wrote.Compare(a.wrote) })
	c.held = heldThread(r.thread, r.items, n.pools)
	if len(c.entries) > 0 {
		c.snippet = snippet(c.entries)
	}
	return c
}

// count counts what is not on the chart yet, and what a person has to deal with.
func (c *content) count(i connector.Item) {
	switch {
	case i.State == connector.Parked:
		c.stuck++
	case i.Lane == connector.LaneChart && !i.State.Done() && i.Kind != connector.ItemHeader && i.Kind != connector.ItemClose && i.Kind != connector.ItemReopen:
		c.unfinished++
	}
}

// meet notes who of the patient's side wrote a message, or was written to.
func (c *content) meet(m connector.MessageRow) {
	if m.Message.Direction == connector.FromPatient {
		c.note(m.Message.Sender, m.ReceivedAt)
	}
	for _, p := range m.Message.Recipients {
		c.note(p, time.Time{})
	}
}

func (c *content) note(p connector.Participant, at time.Time) {
	if p.Role != connector.RolePatient && p.Role != connector.RoleProxy {
		return
	}
	for n := range c.people {
		known := &c.people[n]
		if known.Key() != p.Key() {
			continue
		}
		if at.After(known.wrote) {
			known.wrote = at
		}
		known.Name = cmp.Or(known.Name, p.Name)
		known.Relationship = cmp.Or(known.Relationship, p.Relationship)
		known.ID = cmp.Or(known.ID, p.ID)
		if known.Identifier == nil {
			known.Identifier = p.Identifier
		}
		return
	}
	c.people = append(c.people, person{p, at})
}

// inOrder gives the messages' ids in the thread's order: by sequence, and what has none by when it was sent among them. A
// correction whose message has not come says nothing that could be shown yet.
func inOrder(byExt map[string][]connector.MessageRow) []string {
	var counted, timed []connector.MessageRow
	for _, revisions := range byExt {
		slices.SortFunc(revisions, func(a, b connector.MessageRow) int { return cmp.Compare(a.Revision, b.Revision) })
		m := revisions[0]
		switch {
		case m.Revision != 1:
		case m.Message.Sequence > 0:
			counted = append(counted, m)
		default:
			timed = append(timed, m)
		}
	}
	slices.SortFunc(counted, func(a, b connector.MessageRow) int { return cmp.Compare(a.Message.Sequence, b.Message.Sequence) })
	slices.SortFunc(timed, func(a, b connector.MessageRow) int {
		return cmp.Or(a.Message.SentAt.Compare(b.Message.SentAt), cmp.Compare(a.ID, b.ID))
	})
	out := make([]string, 0, len(counted)+len(timed))
	for len(counted)+len(timed) > 0 {
		from := &counted
		if len(counted) == 0 || len(timed) > 0 && timed[0].Message.SentAt.Before(counted[0].Message.SentAt) {
			from = &timed
		}
		out = append(out, (*from)[0].Message.ID)
		*from = (*from)[1:]
	}
	return out
}

const snippetRunes = 120

// snippet is the beginning of the newest words.
func snippet(entries []Entry) string {
	last := entries[len(entries)-1]
	text := strings.Join(strings.Fields(last.Text), " ")
	if text == "" && len(last.Files) > 0 {
		return "Attachment"
	}
	runes := []rune(text)
	if len(runes) > snippetRunes {
		return string(runes[:snippetRunes-1]) + "…"
	}
	return text
}
