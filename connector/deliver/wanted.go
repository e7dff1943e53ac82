package deliver

import (
	"context"
	"errors"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// whole gives a request with the bytes of its files: what has changed is listed without those that the EHR keeps apart. One whose
// files cannot be read stays as it is listed; it is claimed and parked.
func (e *Engine) whole(ctx context.Context, c *conn, w connector.Watcher, listed connector.EHRRequest) (connector.EHRRequest, error) {
	if !slices.ContainsFunc(listed.Attachments, func(a connector.Attachment) bool { return a.Data == nil }) {
		return listed, nil
	}
	r := listed
	err := c.ask(ctx, watcher, func(ctx context.Context) (err error) {
		r, err = w.Request(ctx, listed.Reference)
		return err
	})
	if errors.Is(err, connector.ErrNoMatch) || gone(err) {
		return listed, nil
	}
	return r, err
}

// sameFile says whether a file of a request as it stands is one that was taken from it.
func sameFile(now, taken connector.Attachment) bool {
	return now.Data != nil && now.ContentType == taken.ContentType && connector.Hash(now.Data) == taken.SHA256
}

// stillWanted re-reads the request of an EHR-born message just before it is sent.
func (d *drainer) stillWanted(ctx context.Context, i *connector.Item, m *connector.MessageRow) (bool, error) {
	w, ok := d.c.EHR.(connector.Watcher)
	if !ok {
		return true, nil
	}
	now := d.e.clock.Now()
	var r connector.EHRRequest
	err := d.c.ask(ctx, d.asker(), func(ctx context.Context) (err error) {
		r, err = w.Request(ctx, i.Detail.Request)
		return err
	})
	switch {
	case errors.Is(err, connector.ErrNoMatch), gone(err):
		d.notWanted(i, *m, connector.RequestNotActive)
		return false, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		i.Tries++
		d.wait(i, connector.EHRUnavailable, now.Add(backoff(i.Tries)))
		return false, nil
	}
	if r.Status == "active" && r.DueFrom.After(now) {
		d.hold(i, connector.NotYetDue, r.DueFrom, "")
		return false, nil
	}
	p, err := d.c.patient(ctx, d.asker(), connector.PatientKey{Reference: r.Subject})
	if err != nil {
		i.Tries++
		d.wait(i, connector.EHRUnavailable, now.Add(backoff(i.Tries)))
		return false, nil
	}
	if reason := d.e.refusal(d.c, r, p, now); reason != "" {
		d.notWanted(i, *m, reason)
		return false, nil
	}
	if d.thread.Bound.Reference != "" && d.thread.Bound.Reference != r.Subject {
		d.notWanted(i, *m, connector.RecipientRefused)
		return false, nil
	}
	return d.stillTheSame(ctx, i, m, w, r, p)
}

// stillTheSame refuses to send the words or to the people of a request that says something else by now.
func (d *drainer) stillTheSame(ctx context.Context, i *connector.Item, m *connector.MessageRow, w connector.Watcher, r connector.EHRRequest, p connector.Patient) (bool, error) {
	to, reason, err := d.e.recipients(ctx, d.c, d.asker(), w, d.line.Name, r, p)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		i.Tries++
		d.wait(i, connector.EHRUnavailable, d.e.clock.Now().Add(backoff(i.Tries)))
		return false, nil
	case reason != "":
		d.notWanted(i, *m, reason)
		return false, nil
	}
	key := func(a, b connector.Participant) bool { return a.Key() == b.Key() }
	if r.Text != m.Message.Text || !slices.EqualFunc(r.Attachments, m.Message.Attachments, sameFile) || !slices.EqualFunc(to, m.Message.Recipients, key) {
		d.notWanted(i, *m, connector.RequestChanged)
		return false, nil
	}
	return true, nil
}

// notWanted leaves out a message whose request must not be sent any more. There was no exchange, so nothing is charted.
func (d *drainer) notWanted(i *connector.Item, m connector.MessageRow, r connector.Reason) {
	now := d.e.clock.Now()
	if inDoubt(i, &m) {
		d.park(i, connector.SendUnknown, r.Sentence()) // it may have gone out before
		return
	}
	d.delivery(m, connector.Delivery{State: connector.Failed, At: now, Reason: r.Sentence()})
	d.audit("send", "C", 8, i, map[string]string{"request": i.Detail.Request, "reason": string(r)})
	d.park(i, r, "")
	d.later(func(tx connector.Tx) error {
		t, err := tx.Thread(m.EHR, m.Thread)
		if err != nil {
			return err
		}
		return leaveOut(tx, t, m.ID, r, now)
	})
}
