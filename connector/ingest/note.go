package ingest

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/chartwire/chartwire/connector"
)

// NoteDraft is an internal note: what staff tell each other about a thread, and never the patient.
type NoteDraft struct {
	Channel  Channel
	ThreadID string // our id
	Sender   connector.Participant
	Text     string
	// Encounter is as in Draft.
	Encounter string
	Agent     string // user:SESSION, api:TOKENNAME
	ActAs     string // EHR reference of whom the agent acts as
	// IdempotencyKey makes a repeated call give the first one's answer; "" makes every call a new note.
	IdempotencyKey string
}

func (n *NoteDraft) check() error {
	switch {
	case n.Text == "":
		return wrong("/text", "a note needs text")
	case !utf8.ValidString(n.Text):
		return wrong("/text", "this is not valid UTF-8")
	case utf8.RuneCountInString(n.Text) > maxText:
		return wrong("/text", "longer than 20000 characters")
	case !slices.Contains([]connector.Role{connector.RoleClinician, connector.RoleStaff}, n.Sender.Role):
		return wrong("/sender/role", "only clinicians and staff write notes")
	case n.Encounter != "" && !encounter.MatchString(n.Encounter):
		return wrong("/encounter", "want Encounter/ and its id in the EHR")
	}
	return nil
}

// Note commits an internal note and the item that puts it on the chart, where the EHR's policy has a form for notes that the chart
// restricts; elsewhere it is not due there, and ours alone. No platform hears of it: its identity is our own, and it neither waits
// for the platform's messages nor makes them wait. In a thread the platform has not placed yet it goes to the chart with the
// thread. Errors: *connector.DecodeError, ErrKeyReused, connector.ErrNotFound as of Compose; anything else is the store's, and
// nothing was committed.
func (g *Ingest) Note(ctx context.Context, n NoteDraft) (Composed, error) {
	if err := n.check(); err != nil {
		return Composed{}, err
	}
	d := Draft{Channel: n.Channel, ThreadID: n.ThreadID, Agent: n.Agent, ActAs: n.ActAs, IdempotencyKey: n.IdempotencyKey}
	shard, err := g.draftShard(ctx, &d)
	if err != nil {
		return Composed{}, err
	}
	var out Composed
	err = g.store.Update(ctx, shard, func(tx connector.Tx) error {
		c := &composition{tx: tx, d: &d, now: g.now()}
		err := c.note(&n)
		out = c.out
		return err
	})
	if err != nil {
		return Composed{}, err
	}
	return out, nil
}

func (c *composition) note(n *NoteDraft) (err error) {
	id := c.d.keyed("note", c.now)
	if done, err := c.noted(id, n); done || err != nil {
		return err
	}
	if c.thread, err = threadOf(c.tx, c.d); err != nil {
		return err
	}
	row := connector.MessageRow{ID: connector.NewID(c.now), EHR: c.thread.EHR, Thread: c.thread.ID, Revision: 1, Client: id, ReceivedAt: c.now,
		Message: connector.Message{ID: id, ClientID: id, Direction: connector.Internal, SentAt: c.now, Sender: n.Sender, Text: n.Text,
			Encounter: n.Encounter}}
	if err := c.tx.PutMessage(&row); err != nil {
		return err
	}
	if err := c.header(&row); err != nil {
		return err
	}
	i := c.item(connector.ItemExchange, connector.LaneChart, &row)
	i.Direction, i.Detail.Note = connector.Internal, true
	if err := c.tx.PutItem(&i); err != nil {
		return err
	}
	if c.thread.Placed() { // else the handover touches the lane
		if err := c.tx.TouchLane(i.EHR, i.Thread, i.Lane, c.now, i.Priority); err != nil {
			return err
		}
	}
	if err := c.tx.PutThread(&c.thread); err != nil {
		return err
	}
	c.out = Composed{Thread: row.Thread, Message: row.ID, Client: id, Item: i.ID}
	return c.audit("note", 0, row.Thread, i.ID, map[string]string{"message": row.ID})
}

// noted gives the answer of an earlier call with the same key.
func (c *composition) noted(id string, n *NoteDraft) (bool, error) {
	if c.d.IdempotencyKey == "" {
		return false, nil
	}
	m, err := c.tx.MessageByClient(c.d.Channel.EHR, id)
	if ok, err := found(err); !ok || err != nil {
		return false, err
	}
	if m.Message.Text != n.Text || m.Thread != c.d.ThreadID {
		return false, ErrKeyReused
	}
	items, err := c.tx.ItemsOf(m.EHR, m.Thread, m.ID)
	for _, i := range items {
		c.out = Composed{Thread: m.Thread, Message: m.ID, Client: id, Item: i.ID, Repeat: true}
	}
	return true, err
}
