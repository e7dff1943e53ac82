package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// unsureFor is how long a message whose hand-over is unknown waits for the platform's echo before a person is asked.
const unsureFor = 10 * time.Minute

// send hands one message of ours to the platform.
func (d *drainer) send(ctx context.Context, i *connector.Item) error {
	m, patient, err := d.outgoing(ctx, i)
	if err != nil {
		return err
	}
	if m.Delivery.State != connector.Queued && m.Delivery.State != connector.SendUnsure {
		d.finish(i, connector.Filed, "") // its echo said so already
		return nil
	}
	if d.line.Channel == nil {
		d.hold(i, connector.SendRefused, never, "the channel is not configured any more")
		return nil
	}
	inDoubt := i.State == connector.Filing || i.State == connector.Unknown
	if inDoubt && !d.line.SendIdempotent {
		return d.unsure(i, m)
	}
	if ok, err := d.maySend(ctx, i, &m, patient); !ok || err != nil {
		return err
	}
	if i.FirstTried.IsZero() {
		i.FirstTried = d.e.clock.Now()
	}
	i.State, i.Reason = connector.Filing, ""
	i.Tries++
	d.put(i)
	a := &connector.Attempt{ID: connector.NewID(d.e.clock.Now()), EHR: d.c.ID, Thread: d.thread.ID, Write: i.ID, No: i.Tries,
		Fence: d.lane.Fence, StartedAt: d.e.clock.Now()}
	d.storeAttempt(a)
	if err := d.flush(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.c.Deadline)
	defer cancel()
	h, err := d.line.Channel.Send(ctx, d.message4(m, patient))
	return d.sent(i, m, a, h, err)
}

// outgoing reads the message and its files.
func (d *drainer) outgoing(ctx context.Context, i *connector.Item) (m connector.MessageRow, k connector.PatientKey, err error) {
	err = d.e.store.View(ctx, func(tx connector.Tx) error {
		if m, err = tx.Message(d.thread.EHR, i.Message); err != nil {
			return err
		}
		blobs, err := tx.Blobs(d.thread.EHR, d.thread.ID, m.ID)
		for n := range m.Message.Attachments {
			m.Message.Attachments[n].Data = blobs[m.Message.Attachments[n].ID]
		}
		return err
	})
	return m, d.thread.Patient, err
}

// message4 is the send contract's message.
func (d *drainer) message4(m connector.MessageRow, k connector.PatientKey) connector.Outgoing {
	o := connector.Outgoing{ClientID: m.Client, Subject: d.thread.Info.Subject, Topic: d.thread.Info.Topic,
		Priority: m.Message.Priority, Sender: m.Message.Sender, Recipients: m.Message.Recipients, SentAt: m.Message.SentAt,
		Text: m.Message.Text, Language: m.Message.Language, InReplyTo: m.Message.InReplyTo, Attachments: m.Message.Attachments}
	if d.thread.Ext != d.thread.ID {
		o.ThreadID = d.thread.Ext
	} else {
		o.Patient = &k
	}
	return o
}

// maySend asks once more, just before the message leaves: consent, and for an EHR-born message its request.
func (d *drainer) maySend(ctx context.Context, i *connector.Item, m *connector.MessageRow, k connector.PatientKey) (bool, error) {
	if reason, err := d.consent(ctx, m.Message.Recipients, k); reason != "" || err != nil {
		if err == nil {
			d.notSent(i, *m, reason, reason.Sentence())
		}
		return false, err
	}
	if m.Born == "" {
		return true, nil
	}
	return d.stillWanted(ctx, i, m)
}

// consent gives the reason not to send to these recipients, or "".
func (d *drainer) consent(ctx context.Context, to []connector.Participant, k connector.PatientKey) (connector.Reason, error) {
	if d.thread.Bound.Reference != "" {
		k.Reference = d.thread.Bound.Reference
	}
	var reason connector.Reason
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		for _, p := range to {
			phone := ""
			if p.Role == connector.RolePatient {
				phone = k.Phone
			}
			c, known, err := connector.LatestConsent(tx, d.c.ID, d.line.Name, connector.ConsentPersons(d.thread.ID, k, p, phone))
			if err != nil {
				return err
			}
			switch {
			case known && c.State == "revoked":
				reason = connector.ConsentRevoked
			case !known && d.line.ConsentNeeded && reason == "":
				reason = connector.ConsentMissing
			}
		}
		return nil
	})
	return reason, err
}

// sent decides what a hand-over came to.
func (d *drainer) sent(i *connector.Item, m connector.MessageRow, a *connector.Attempt, h connector.Handover, err error) error {
	now := d.e.clock.Now()
	var refused *connector.Refused
	var retry *connector.Retry
	switch {
	case err == nil:
		d.ended(a, "filed", "", 0, nil)
		d.audit("send", "C", 0, i, map[string]string{"client_message_id": m.Client})
		d.handedOver(m, h)
		d.finish(i, connector.Filed, "")
	case errors.As(err, &refused):
		d.ended(a, "refused", refused.Reason, refused.Status, []byte(refused.Detail.Reveal()))
		d.notSent(i, m, connector.SendRefused, refused.Detail.Reveal())
	case errors.As(err, &retry):
		d.ended(a, "retry", retry.Reason, retry.Status, nil)
		if now.Sub(i.FirstTried) > d.e.horizon {
			d.notSent(i, m, connector.RetriesExhausted, "")
			return nil
		}
		d.wait(i, connector.RateLimited, now.Add(max(retry.After, backoff(i.Tries))))
	default:
		d.ended(a, "ambiguous", connector.SendUnknown, ambiguousStatus(err), nil)
		i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, now.Add(backoff(i.Tries))
		d.audit("send", "C", 4, i, map[string]string{"client_message_id": m.Client, "outcome": "unknown"})
		d.put(i)
		d.delivery(m, connector.Delivery{State: connector.SendUnsure, At: now})
	}
	return nil
}

// unsure waits for the platform's echo of a message that may have been taken, then asks a person.
func (d *drainer) unsure(i *connector.Item, m connector.MessageRow) error {
	now := d.e.clock.Now()
	if i.State == connector.Filing { // the worker that sent it died before it learned the outcome
		i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, now.Add(unsureFor)
		d.put(i)
		d.delivery(m, connector.Delivery{State: connector.SendUnsure, At: now})
		return nil
	}
	if wait := i.ChangedAt.Add(unsureFor); now.Before(wait) {
		i.NextAt = wait
		d.put(i)
		return nil
	}
	d.park(i, connector.SendUnknown, "")
	return nil
}

// notSent parks a message that will not go out and lets its exchange be filed as not done.
func (d *drainer) notSent(i *connector.Item, m connector.MessageRow, r connector.Reason, text string) {
	d.delivery(m, connector.Delivery{State: connector.Failed, At: d.e.clock.Now(), Reason: text})
	d.audit("send", "C", 8, i, map[string]string{"client_message_id": m.Client, "reason": string(r)})
	d.park(i, r, text)
	d.placed(m, 0, "")
}

// delivery advances how far the message has got.
func (d *drainer) delivery(m connector.MessageRow, to connector.Delivery) {
	d.later(func(tx connector.Tx) error {
		row, err := tx.Message(m.EHR, m.ID)
		if err != nil {
			return err
		}
		if row.Delivery.State.Advance(to.State) != row.Delivery.State {
			row.Delivery = to
		}
		return tx.PutMessage(&row)
	})
}

// handedOver gives the message its place: the platform's id, its sequence, and its thread where the platform made one.
func (d *drainer) handedOver(m connector.MessageRow, h connector.Handover) {
	now := d.e.clock.Now()
	thread := d.thread
	if thread.Ext == thread.ID && h.ThreadID != "" {
		d.later(func(tx connector.Tx) error { return rename(tx, thread, h.ThreadID) })
	}
	d.later(func(tx connector.Tx) error {
		row, err := tx.Message(m.EHR, m.ID)
		if err != nil {
			return err
		}
		if h.MessageID != "" {
			row.Message.ID = h.MessageID
		}
		if h.Sequence > 0 {
			row.Message.Sequence = h.Sequence
		}
		at := h.At
		if at.IsZero() {
			at = now
		}
		if row.Delivery.State.Advance(connector.HandedOver) != row.Delivery.State {
			row.Delivery = connector.Delivery{State: connector.HandedOver, At: at}
		}
		return tx.PutMessage(&row)
	})
	d.placed(m, h.Sequence, h.MessageID)
}

// rename gives a thread of ours the platform's id. Where events of that thread came in meanwhile, ours moves into it.
func rename(tx connector.Tx, t connector.Thread, ext string) error {
	other, err := tx.ThreadByExt(t.EHR, t.Channel, ext)
	switch {
	case err == nil && other.ID != t.ID:
		return tx.Rehome(t.EHR, t.ID, other.ID)
	case err != nil && !errors.Is(err, connector.ErrNotFound):
		return err
	}
	now, err := tx.Thread(t.EHR, t.ID)
	if err != nil {
		return err
	}
	now.Ext, now.Info.ID = ext, ext
	return tx.PutThread(&now)
}

// placed lets the message's exchange be filed: it has its place in the thread now, or never will.
func (d *drainer) placed(m connector.MessageRow, sequence int64, id string) {
	now := d.e.clock.Now()
	d.later(func(tx connector.Tx) error {
		items, err := tx.ItemsOf(m.EHR, m.ID)
		if err != nil {
			return err
		}
		thread := m.Thread
		for _, it := range items {
			thread = it.Thread
			if it.Kind != connector.ItemExchange || it.State.Done() {
				continue
			}
			if it.Reason == connector.NeedsHandover {
				it.Reason = ""
			}
			if sequence > 0 {
				it.Sequence = sequence
			}
			if id != "" {
				it.MsgKey = id
			}
			it.ChangedAt = now
			if err := tx.PutItem(&it); err != nil {
				return err
			}
		}
		return tx.TouchLane(m.EHR, thread, connector.LaneChart, now, m.Message.Priority)
	})
}
