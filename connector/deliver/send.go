package deliver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/crash"
)

// unsureFor is how long a message whose hand-over is unknown waits for the platform's echo before a person is asked.
const unsureFor = 10 * time.Minute

// send hands one message of ours to the platform.
func (d *drainer) send(ctx context.Context, i *connector.Item) error {
	m, patient, paused, err := d.outgoing(ctx, i)
	if err != nil {
		return err
	}
	switch m.Delivery.State {
	case connector.Queued, connector.SendUnsure:
	case connector.Failed: // a replay: the chart and the pool were told that it did not go out
		d.park(i, connector.SendRefused, "it was told as not delivered: write a new message")
		return nil
	default:
		d.finish(i, connector.Filed, "") // its echo said so already
		return nil
	}
	if d.line.Channel == nil {
		d.hold(i, connector.SendRefused, connector.Never, "the channel is not configured any more")
		return nil
	}
	open := inDoubt(i, &m) // also after a replay: what the platform may have is not sent again without its word
	if !open && !d.line.SendIdempotent && d.mayHaveGone(i) {
		i.State, open = connector.Filing, true // as if the process that sent it had died
	}
	switch {
	case open && !d.line.SendIdempotent:
		return d.unsure(i, m)
	case open && d.exhausted(i):
		d.park(i, connector.SendUnknown, "")
		return nil
	case paused:
		d.heldBack(i, open)
		return nil
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
	ctx = d.fenced(ctx)
	crash.At(crash.SendBefore)
	h, err := d.line.Channel.Send(ctx, d.message4(m, patient))
	crash.At(crash.SendAfter)
	return d.sent(i, m, a, h, err)
}

// outgoing reads the message and its files.
func (d *drainer) outgoing(ctx context.Context, i *connector.Item) (m connector.MessageRow, k connector.PatientKey, paused bool, err error) {
	err = d.e.store.View(ctx, func(tx connector.Tx) error {
		if paused, err = channelPaused(tx, d.line.Name); err != nil {
			return err
		}
		if m, err = tx.Message(d.thread.EHR, i.Message); err != nil {
			return err
		}
		blobs, err := tx.Blobs(d.thread.EHR, d.thread.ID, m.ID)
		for n := range m.Message.Attachments {
			m.Message.Attachments[n].Data = blobs[m.Message.Attachments[n].ID]
		}
		return err
	})
	return m, d.thread.Patient, paused, err
}

// message4 is the send contract's message.
func (d *drainer) message4(m connector.MessageRow, k connector.PatientKey) connector.Outgoing {
	o := connector.Outgoing{ClientID: m.Client, Subject: d.thread.Info.Subject, Topic: d.thread.Info.Topic,
		Priority: m.Message.Priority, Sender: m.Message.Sender, Recipients: m.Message.Recipients, SentAt: m.Message.SentAt,
		Text: m.Message.Text, Language: m.Message.Language, InReplyTo: m.Message.InReplyTo, Attachments: m.Message.Attachments}
	if d.thread.Placed() {
		o.ThreadID = d.thread.Ext
	} else {
		o.Patient = &k
	}
	return o
}

// maySend asks once more, just before the message leaves: whose the thread is, consent, and for an EHR-born message its request.
func (d *drainer) maySend(ctx context.Context, i *connector.Item, m *connector.MessageRow, k connector.PatientKey) (bool, error) {
	reason, err := d.consent(ctx, m.Message.Recipients, k)
	if d.thread.Changed {
		reason = connector.PatientChanged
	}
	if reason != "" || err != nil {
		switch {
		case err != nil:
		case inDoubt(i, m):
			d.park(i, connector.SendUnknown, reason.Sentence()) // it may have gone out before: not known to have failed
		default:
			d.notSent(i, *m, reason, reason.Sentence())
		}
		return false, err
	}
	if m.Born == "" {
		return true, nil
	}
	return d.stillWanted(ctx, i, m)
}

// inDoubt says whether the platform may have taken the message already.
func inDoubt(i *connector.Item, m *connector.MessageRow) bool {
	return i.State == connector.Filing || i.State == connector.Unknown || m.Delivery.State == connector.SendUnsure
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
	case errors.Is(err, connector.ErrFenced):
		return connector.ErrFenced // nothing was sent; the lane's new holder sees an open attempt
	case err == nil:
		d.ended(a, "filed", "", 0, nil)
		d.audit("send", "C", 0, i, map[string]string{"client_message_id": m.Client})
		d.finish(i, connector.Filed, "") // before the thread may be moved
		d.handedOver(m, h)
	case errors.As(err, &refused):
		d.ended(a, "refused", refused.Reason, refused.Status, connector.AnswerOf(refused))
		d.notSent(i, m, connector.SendRefused, refused.Detail.Reveal())
	case errors.As(err, &retry):
		d.ended(a, "retry", retry.Reason, retry.Status, connector.AnswerOf(err))
		if now.Sub(i.FirstTried) > d.e.horizon {
			d.notSent(i, m, connector.RetriesExhausted, "")
			return nil
		}
		d.wait(i, connector.RateLimited, now.Add(max(retry.After, backoff(i.Tries))))
	default:
		d.ended(a, "ambiguous", connector.SendUnknown, ambiguousStatus(err), connector.AnswerOf(err))
		wait := unsureFor
		if d.line.SendIdempotent {
			wait = backoff(i.Tries)
		}
		i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, now.Add(wait)
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
	d.park(i, connector.SendUnknown, "")
	return nil
}

// notSent parks a message that will not go out and lets its exchange be filed as not done.
func (d *drainer) notSent(i *connector.Item, m connector.MessageRow, r connector.Reason, text string) {
	d.delivery(m, connector.Delivery{State: connector.Failed, At: d.e.clock.Now(), Reason: text})
	d.audit("send", "C", 8, i, map[string]string{"client_message_id": m.Client, "reason": string(r)})
	d.park(i, r, text)
	d.unplaced(i, m, r)
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

// handedOver writes down that the platform has the message. What it says may contradict what it said before; then a
// person has to compare.
func (d *drainer) handedOver(m connector.MessageRow, h connector.Handover) {
	now, line := d.e.clock.Now(), d.line
	d.later(func(tx connector.Tx) error {
		row, err := tx.Message(m.EHR, m.ID)
		if err != nil {
			return err
		}
		_, _, err = connector.TakeHandover(tx, row, h, now)
		if !errors.Is(err, connector.ErrOtherMessage) {
			return err
		}
		n := connector.Item{ID: connector.NewID(now), EHR: m.EHR, Thread: m.Thread, Kind: connector.ItemNotice, Message: m.ID,
			State: connector.Parked, Reason: connector.Conflict, Owner: line.DefaultPool, Channel: line.Name,
			Direction: connector.ToPatient, CommittedAt: now, ChangedAt: now, Detail: connector.ItemDetail{Text: err.Error()}}
		return tx.PutItem(&n)
	})
	if !d.thread.Placed() {
		d.items = nil // the thread has its name now, or became part of another: look anew
	}
}

// unplaced lets the exchange of a message that will not go out be filed as not done: it never gets a place. Where its
// thread has none either it cannot be filed; its request on the chart and the pool's notice say what became of it.
func (d *drainer) unplaced(i *connector.Item, m connector.MessageRow, r connector.Reason) {
	now := d.e.clock.Now()
	d.later(func(tx connector.Tx) error { return letGo(tx, m, r, now) })
	if !d.thread.Placed() {
		d.afterMessage(i)
	}
}

// letGo makes the exchange of a message that waits for no hand-over any more go on, or leaves it out where its thread has
// no place.
func letGo(tx connector.Tx, m connector.MessageRow, r connector.Reason, now time.Time) error {
	t, err := tx.Thread(m.EHR, m.Thread)
	if err != nil {
		return err
	}
	if !t.Placed() {
		return leaveOut(tx, t, m.ID, r, now)
	}
	items, err := tx.ItemsOf(m.EHR, m.Thread, m.ID)
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.Kind != connector.ItemExchange || it.State.Done() || it.Reason != connector.NeedsHandover {
			continue
		}
		it.State, it.Reason, it.NextAt, it.ChangedAt = connector.Waiting, "", time.Time{}, now
		if err := tx.PutItem(&it); err != nil {
			return err
		}
	}
	return tx.TouchLane(m.EHR, m.Thread, connector.LaneChart, now, m.Message.Priority)
}

// leaveOut settles the exchange of a message that never was one, and the header and notes of a thread that never began.
func leaveOut(tx connector.Tx, t connector.Thread, message string, r connector.Reason, now time.Time) error {
	items, err := tx.ThreadItems(t.EHR, t.ID)
	if err != nil {
		return err
	}
	others := slices.ContainsFunc(items, func(i connector.Item) bool {
		return i.Kind == connector.ItemExchange && i.Message != message && i.State != connector.NotDue && !i.Detail.Note
	})
	for _, i := range items {
		ours := i.Kind == connector.ItemExchange && (i.Message == message || i.Detail.Note && !others)
		if i.State.Done() || !(ours || (i.Kind == connector.ItemHeader && !t.Placed() && !others)) {
			continue
		}
		i.State, i.Reason, i.NextAt, i.ChangedAt = connector.NotDue, r, time.Time{}, now
		if err := tx.PutItem(&i); err != nil {
			return err
		}
	}
	return nil
}
