package deliver

import (
	"context"

	"github.com/chartwire/chartwire/connector"
)

// request moves one item of a request lane: the CommunicationRequest of a reply, or a change of its status. Once the
// request itself is done with, whichever way, its exchange goes on.
func (d *drainer) request(ctx context.Context, i *connector.Item) error {
	err := d.requestItem(ctx, i)
	if i.State.Done() && i.Detail.Status == "active" {
		d.touch(connector.LaneChart)
	}
	return err
}

func (d *drainer) requestItem(ctx context.Context, i *connector.Item) error {
	if i.FirstTried.IsZero() {
		i.FirstTried = d.e.clock.Now()
	}
	traits, rows, ok, err := d.begin(ctx, i)
	if !ok || err != nil {
		return err
	}
	create := i.Detail.Status == "active"
	if !traits.Requests || (!create && !traits.RequestPut) {
		d.requestLeftOut(i)
		return nil
	}
	if rows == nil {
		x, ready, err := d.gatherRequest(ctx, i, traits)
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

func (d *drainer) requestLeftOut(i *connector.Item) {
	d.finish(i, connector.NotDue, connector.PolicyLeftOut)
}

// gatherRequest collects what a CommunicationRequest's plan may depend on.
func (d *drainer) gatherRequest(ctx context.Context, i *connector.Item, traits connector.Traits) (connector.Exchange, bool, error) {
	x := connector.Exchange{Kind: i.Kind, Base: d.c.Base, Channel: d.thread.Channel, Thread: d.thread.Info,
		Patient: d.thread.Bound.Reference, Revision: 1, Refs: map[string]connector.Reference{}, Missing: map[string]bool{},
		RequestID: i.Detail.Request, RequestStatus: i.Detail.Status, StatusReason: i.Detail.Why, Strategy: traits.Strategy}
	x.Thread.ID = ""
	if d.thread.Placed() {
		x.Thread.ID = d.thread.Ext
	}
	var requestState connector.ItemState
	born := false
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		m, err := tx.Message(d.thread.EHR, i.Message)
		if err != nil {
			return err
		}
		x.Message, x.Received, born = m.Message, m.ReceivedAt, m.Born != ""
		blobs, err := tx.Blobs(d.thread.EHR, d.thread.ID, m.ID)
		if err != nil {
			return err
		}
		for n := range x.Message.Attachments {
			x.Message.Attachments[n].Data = blobs[x.Message.Attachments[n].ID]
		}
		items, err := tx.ItemsOf(d.thread.EHR, i.Thread, i.Message)
		for _, it := range items {
			if it.Kind == connector.ItemRequest && it.Detail.Status == "active" && !elsewhere(&it) {
				requestState = it.State
			}
		}
		return err
	})
	if err != nil {
		return x, false, err
	}
	if i.Detail.Status != "active" && !born && requestState != connector.Filed && !d.requests[i.Detail.Request] {
		d.requestLeftOut(i) // the request itself is not on the chart
		return x, false, nil
	}
	ok, err := d.participants(ctx, i, &x)
	return x, ok, err
}

// requestStatus is what a CommunicationRequest becomes when its message has got so far (DESIGN §5): "" leaves it active.
func requestStatus(dl connector.Delivery, receipts string) string {
	switch dl.State {
	case connector.Failed:
		return "on-hold"
	case connector.Delivered, connector.Read:
		return "completed"
	case connector.Sent:
		if receipts == "none" || receipts == "sent" {
			return "completed"
		}
	case connector.HandedOver:
		if receipts == "none" {
			return "completed"
		}
	}
	return ""
}

// afterMessage moves the message's CommunicationRequest with or after its Communication, and opens an item for the pool
// where the message did not reach its recipient.
func (d *drainer) afterMessage(i *connector.Item) {
	if i.Direction != connector.ToPatient || i.Message == "" {
		return
	}
	line, now := d.line, d.e.clock.Now()
	thread, ehr, key := d.thread.ID, d.c.ID, i.MsgKey
	delivery := i.Detail.Delivery
	d.later(func(tx connector.Tx) error {
		m, err := tx.MessageByExt(ehr, thread, key, 1)
		if err != nil {
			return err
		}
		dl := m.Delivery
		if delivery != nil && dl.State.Advance(delivery.State) != dl.State {
			dl = *delivery
		}
		items, err := tx.ItemsOf(ehr, m.Thread, m.ID)
		if err != nil {
			return err
		}
		if dl.State == connector.Failed && !has(items, connector.ItemNotice, "") {
			n := connector.Item{ID: connector.NewID(now), EHR: ehr, Thread: thread, Kind: connector.ItemNotice, Message: m.ID,
				State: connector.Parked, Reason: connector.NotDelivered, Owner: line.DefaultPool, Channel: line.Name,
				Direction: connector.ToPatient, MsgKey: key, CommittedAt: now, ChangedAt: now,
				Detail: connector.ItemDetail{Text: dl.Reason}}
			if err := tx.PutItem(&n); err != nil {
				return err
			}
		}
		status := requestStatus(dl, line.Receipts)
		if status == "" || (!m.Requested && m.Born == "") || has(items, connector.ItemRequest, status) {
			return nil
		}
		id := m.Client
		if m.Born != "" {
			if id = bornRef(items); id == "" { // it was that of a patient the thread is not bound to any more
				return nil
			}
		}
		r := connector.Item{ID: connector.NewID(now), EHR: ehr, Thread: thread, Lane: connector.LaneRequest, Kind: connector.ItemRequest,
			Message: m.ID, State: connector.Waiting, Channel: line.Name, Direction: connector.ToPatient, MsgKey: key,
			CommittedAt: now, ChangedAt: now, Detail: connector.ItemDetail{Status: status, Why: dl.Reason, Request: id}}
		if err := tx.PutItem(&r); err != nil {
			return err
		}
		return tx.TouchLane(ehr, thread, connector.LaneRequest, now, connector.Routine)
	})
}

// bornRef is the reference of the EHR's own request a message answers, as its items keep it.
func bornRef(items []connector.Item) string {
	for _, it := range items {
		if it.Kind == connector.ItemExchange {
			return it.Detail.Request
		}
	}
	return ""
}

// has says whether the message already has an item of this kind (and status).
func has(items []connector.Item, k connector.ItemKind, status string) bool {
	for _, it := range items {
		if it.Kind == k && (status == "" || it.Detail.Status == status) {
			return true
		}
	}
	return false
}

// followRequest is afterMessage for exchanges that end without a chart entry.
func (d *drainer) followRequest(i *connector.Item, _ connector.Exchange) {
	if i.Kind == connector.ItemExchange || i.Kind == connector.ItemStatus {
		d.afterMessage(i)
	}
}
