package ingest

import (
	"context"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Compose commits a message of ours, with the items that send it and that put it, and its CommunicationRequest, on the
// chart. It is of record from then on. Errors:
//   - *connector.DecodeError: the draft is not one that can be sent; Pointer says where.
//   - *ConsentError: a recipient has revoked consent, or gave none where the channel needs it. A notice for the channel's
//     pool is committed, and nothing is sent. (Of an EHR-born request it is no error; see Composed.Refused.)
//   - ErrKeyReused: see there.
//   - connector.ErrNotFound: no such thread on this channel.
//   - anything else is the store's: nothing was committed.
func (g *Ingest) Compose(ctx context.Context, d Draft) (Composed, error) {
	why := ""
	if err := d.check(); err != nil {
		if d.Born == "" {
			return Composed{}, err
		}
		if d.Refusal == "" {
			d.Refusal, why = connector.SendRefused, err.Error()
		}
	}
	shard, err := g.draftShard(ctx, &d)
	if err != nil {
		return Composed{}, err
	}
	var out Composed
	var refused *ConsentError
	err = g.store.Update(ctx, shard, func(tx connector.Tx) error {
		c := &composition{tx: tx, d: &d, why: why, now: g.now()}
		out, refused = Composed{}, nil
		err := c.run()
		out, refused = c.out, c.refused
		return err
	})
	switch {
	case err != nil:
		return Composed{}, err
	case refused != nil:
		return Composed{}, refused
	}
	return out, nil
}

// draftShard orders a reply with everything else of its thread.
func (g *Ingest) draftShard(ctx context.Context, d *Draft) (string, error) {
	if d.ThreadID == "" {
		return connector.Shard(d.Channel.EHR, d.Channel.Name, d.ThreadExt), nil
	}
	ext := ""
	err := g.store.View(ctx, func(tx connector.Tx) error {
		t, err := threadOf(tx, d)
		ext = t.Ext
		return err
	})
	return connector.Shard(d.Channel.EHR, d.Channel.Name, ext), err
}

// threadOf reads the thread replied in; one of another channel is not found.
func threadOf(tx connector.Tx, d *Draft) (connector.Thread, error) {
	t, err := tx.Thread(d.Channel.EHR, d.ThreadID)
	if err == nil && t.Channel != d.Channel.Name {
		err = connector.ErrNotFound
	}
	return t, err
}

// composition is one draft within its transaction.
type composition struct {
	tx      connector.Tx
	d       *Draft
	why     string // what is wrong with an EHR-born draft, for its notice
	now     time.Time
	thread  connector.Thread
	fresh   bool // the thread begins with this message
	out     Composed
	refused *ConsentError
}

func (c *composition) run() error {
	client := c.d.keyed("message", c.now)
	if done, err := c.before(client); done || err != nil {
		return err
	}
	if err := c.findThread(); err != nil {
		return err
	}
	if c.d.Refusal != "" {
		return c.refuse(c.d.Refusal)
	}
	if !c.fresh && !aboutPatient(c.thread, c.d.Patient) {
		return c.refuse(connector.RecipientRefused) // the thread named is another patient's
	}
	if !c.fresh && c.thread.Changed {
		return c.refuse(connector.PatientChanged) // nobody knows whose it is
	}
	reason, err := c.mayGo()
	if err != nil {
		return err
	}
	if reason != "" {
		return c.refuse(reason)
	}
	m, err := c.d.message(client, c.now, c.thread.Info.Priority)
	if err != nil {
		return err
	}
	row := connector.MessageRow{
		ID: connector.NewID(c.now), EHR: c.thread.EHR, Thread: c.thread.ID, Revision: 1, Message: m, Client: client,
		Requested: c.d.Born == "", Delivery: connector.Delivery{State: connector.Queued, At: c.now}, ReceivedAt: c.now,
	}
	return c.commit(row)
}

// aboutPatient says whether a thread is, as far as can be known, about the patient a draft names.
func aboutPatient(t connector.Thread, k connector.PatientKey) bool {
	if t.Bound.Reference != "" && k.Reference != "" {
		return t.Bound.Reference == k.Reference
	}
	return t.Patient.IsZero() || t.Patient.SameIdentifiers(k)
}

// before gives the answer of an earlier call with the same key, or about the same EHR-born request.
func (c *composition) before(client string) (bool, error) {
	if c.d.Born != "" {
		b, err := c.tx.BornByRef(c.d.Channel.EHR, c.d.Born)
		if ok, err := found(err); ok || err != nil {
			c.out = Composed{Thread: b.Thread, Item: b.Item, Repeat: true}
			return true, err
		}
	}
	if c.d.IdempotencyKey == "" {
		return false, nil
	}
	notice, err := c.tx.Item(c.d.Channel.EHR, c.d.keyed("notice", c.now))
	if ok, err := found(err); ok || err != nil {
		c.refused = &ConsentError{Reason: notice.Reason, Item: notice.ID}
		return true, err
	}
	m, err := c.tx.MessageByClient(c.d.Channel.EHR, client)
	if ok, err := found(err); !ok || err != nil {
		return false, err
	}
	same, err := c.d.message(client, c.now, "")
	if err != nil {
		return false, err
	}
	if !sameWords(&m.Message, &same) || c.d.ThreadID != "" && m.Thread != c.d.ThreadID {
		return false, ErrKeyReused
	}
	c.out = Composed{Thread: m.Thread, Message: m.ID, Client: client, Repeat: true}
	items, err := c.tx.ItemsOf(m.EHR, m.Thread, m.ID)
	for _, i := range items {
		if i.Kind == connector.ItemSend {
			c.out.Item = i.ID
		}
	}
	return true, err
}

// findThread reads the thread replied in, or begins one under our own id until the platform gives another.
func (c *composition) findThread() (err error) {
	if c.d.ThreadID != "" {
		c.thread, err = threadOf(c.tx, c.d)
		return err
	}
	if c.d.ThreadExt != "" {
		c.thread, err = c.tx.ThreadByExt(c.d.Channel.EHR, c.d.Channel.Name, c.d.ThreadExt)
		if ok, err := found(err); ok || err != nil {
			return err
		}
		if c.d.Patient.IsZero() && c.d.Refusal == "" {
			return connector.ErrNotFound
		}
	}
	c.fresh = true
	id := connector.NewID(c.now)
	c.thread = connector.Thread{
		ID: id, EHR: c.d.Channel.EHR, Channel: c.d.Channel.Name, Ext: id, Patient: c.d.Patient, CreatedAt: c.now,
		Info: connector.ThreadInfo{ID: id, Subject: c.d.Subject, Topic: c.d.Topic, Priority: c.d.Message.Priority},
	}
	return nil
}

// mayGo asks each patient's and proxy's consent; a revocation weighs more than a missing word.
func (c *composition) mayGo() (connector.Reason, error) {
	var missing connector.Reason
	for _, r := range c.d.Message.Recipients {
		if r.Role != connector.RolePatient && r.Role != connector.RoleProxy {
			continue
		}
		reason, err := ConsentState(c.tx, c.d.Channel, c.thread, r, c.d.Phones[r.Key()])
		if err != nil || reason == connector.ConsentRevoked {
			return reason, err
		}
		if reason != "" {
			missing = reason
		}
	}
	return missing, nil
}

// refuse commits a notice instead of the message.
func (c *composition) refuse(reason connector.Reason) error {
	thread, owner := c.thread.ID, ""
	if c.fresh {
		thread = "" // nothing of it is kept
	}
	if reason.Owner() == "pool" {
		owner = c.d.Channel.DefaultPool
	}
	i := connector.Item{
		ID: c.d.keyed("notice", c.now), EHR: c.d.Channel.EHR, Thread: thread, Kind: connector.ItemNotice,
		State: connector.Parked, Reason: reason, Owner: owner, Channel: c.d.Channel.Name,
		Direction: connector.ToPatient, SentAt: c.now, CommittedAt: c.now, ChangedAt: c.now,
		Priority: c.d.Message.Priority, Detail: connector.ItemDetail{Request: c.d.Born, Text: c.why},
	}
	if err := c.tx.PutItem(&i); err != nil {
		return err
	}
	if err := c.claim(thread, i.ID, ""); err != nil {
		return err
	}
	if c.d.Born != "" || reason == connector.RecipientRefused || reason == connector.PatientChanged {
		c.out = Composed{Thread: thread, Item: i.ID, Refused: reason}
	} else {
		c.refused = &ConsentError{Reason: reason, Item: i.ID}
	}
	return c.audit("send-refused", 8, thread, i.ID, map[string]string{"reason": string(reason)})
}

// claim writes down that an EHR-born request is answered, by this message or by this notice. Its id is the message row's
// Born.
func (c *composition) claim(thread, item, id string) error {
	if c.d.Born == "" {
		return nil
	}
	if id == "" {
		id = connector.NewID(c.now)
	}
	return c.tx.PutBorn(&connector.Born{
		ID: id, EHR: c.d.Channel.EHR, Ref: c.d.Born, Version: c.d.BornVersion, Thread: thread, Item: item, CreatedAt: c.now,
	})
}

// commit writes the message and its items.
func (c *composition) commit(row connector.MessageRow) error {
	if c.d.Born != "" {
		row.Born = connector.NewID(c.now)
	}
	if _, err := keepFiles(c.tx, &row); err != nil {
		return err
	}
	if err := c.tx.PutMessage(&row); err != nil {
		return err
	}
	if err := c.items(&row); err != nil {
		return err
	}
	if err := c.claim(row.Thread, c.out.Item, row.Born); err != nil {
		return err
	}
	unheard, err := c.unheard()
	if err != nil {
		return err
	}
	answer := false
	c.thread.ChangeDesk(func(d *connector.Desk) {
		answer = d.Said(c.now, row.Message, true) && len(unheard) == 0
		for _, row := range unheard {
			m := said(&row)
			d.Received(row.ReceivedAt, m, urgencyOf(&c.thread, &m))
		}
		takePool(d, c.d.Channel, &row.Message)
	})
	if answer {
		if err := endSpell(c.tx, &c.thread, c.now); err != nil {
			return err
		}
	}
	if err := c.tx.PutThread(&c.thread); err != nil {
		return err
	}
	c.out.Thread, c.out.Message, c.out.Client = row.Thread, row.ID, row.Client
	return c.audit("send-requested", 0, row.Thread, c.out.Item, map[string]string{"message": row.ID})
}

// items puts what sends the message and what files it. The chart waits for the platform to take the message, which is
// when its place in the thread, and the thread's own id, are known.
func (c *composition) items(row *connector.MessageRow) error {
	if err := c.header(row); err != nil {
		return err
	}
	send := c.item(connector.ItemSend, connector.LaneSend, row)
	due := c.now
	if c.d.Due.After(c.now) {
		due = c.d.Due
		send.State, send.Reason, send.NextAt = connector.Held, connector.NotYetDue, due
	}
	exchange := c.item(connector.ItemExchange, connector.LaneChart, row)
	exchange.Reason = connector.NeedsHandover
	send.Detail.Request, exchange.Detail.Request = c.d.Born, c.d.Born
	c.out.Item = send.ID
	all := []connector.Item{send, exchange}
	if c.d.Born == "" {
		request := c.item(connector.ItemRequest, connector.LaneRequest, row)
		request.Detail = connector.ItemDetail{Status: "active", Request: row.Client}
		all = append(all, request)
	}
	for n := range all {
		if err := c.tx.PutItem(&all[n]); err != nil {
			return err
		}
		if all[n].Lane == connector.LaneChart && c.fresh {
			continue // nothing of a thread without the platform's id may be filed; the handover touches the lane
		}
		at := c.now
		if all[n].Lane == connector.LaneSend {
			at = due
		}
		if err := c.tx.TouchLane(c.thread.EHR, c.thread.ID, all[n].Lane, at, all[n].Priority); err != nil {
			return err
		}
	}
	return nil
}

// header puts the thread's header before its first message.
func (c *composition) header(row *connector.MessageRow) error {
	if c.thread.Header != "" {
		return nil
	}
	h := c.item(connector.ItemHeader, connector.LaneChart, row)
	h.Message, h.MsgKey, h.Direction, h.Revision = "", "", "", 0
	if !c.thread.Placed() {
		h.Reason = connector.NeedsHandover
	}
	c.thread.Header = h.ID
	return c.tx.PutItem(&h)
}

func (c *composition) item(kind connector.ItemKind, lane connector.LaneKind, row *connector.MessageRow) connector.Item {
	return connector.Item{
		ID: connector.NewID(c.now), EHR: row.EHR, Thread: row.Thread, Lane: lane, Kind: kind, Message: row.ID,
		State: connector.Waiting, Channel: c.d.Channel.Name, Direction: connector.ToPatient, SentAt: row.Message.SentAt,
		MsgKey: row.Message.ID, Revision: 1, Priority: row.Message.Priority, CommittedAt: c.now, ChangedAt: c.now,
	}
}

func (c *composition) audit(kind string, outcome int, thread, item string, detail map[string]string) error {
	return c.tx.Audit(connector.AuditEntry{
		ID: connector.NewID(c.now), EHR: c.d.Channel.EHR, At: c.now, Kind: kind, Action: "C", Outcome: outcome,
		Agent: c.d.Agent, OnBehalf: c.d.ActAs, Thread: thread, Item: item, Detail: detail,
	})
}
