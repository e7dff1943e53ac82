package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// How often a replica looks for messages that another one was to send, how long it waits after a failure of the store, and how
// many it sends between two looks.
const (
	dueEvery = 5 * time.Second
	dueAgain = time.Second
	dueLimit = 50
)

// outbox wakes who sends what is due, by the EHR's config name.
type outbox map[string]chan struct{}

func newOutbox(ehrs map[string]EHR) outbox {
	out := outbox{}
	for name := range ehrs {
		out[name] = make(chan struct{}, 1)
	}
	return out
}

// ring says that the next message of an EHR may be due earlier than was known.
func (o outbox) ring(ehr string) {
	select {
	case o[ehr] <- struct{}{}:
	default:
	}
}

// sendDue sends one EHR's messages when they are due, until ctx ends.
func (d *Desk) sendDue(ctx context.Context, e EHR) {
	for {
		wait, err := d.sendNow(ctx, e)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			d.o.Log.Warn("inbox: messages could not be sent yet", "ehr", e.Name, "error", err)
			wait = dueAgain
		}
		timer := d.o.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-d.due[e.Name]:
			timer.Stop()
		case <-timer.C():
		}
	}
}

// sendNow sends what is due, each message once in a call, and says how long to wait for what comes next. A message that is still
// due afterwards, whatever kept it, is an error: the caller waits before it looks again.
func (d *Desk) sendNow(ctx context.Context, e EHR) (time.Duration, error) {
	var failed error
	tried := map[string]bool{}
	for {
		due, wait, err := d.nextDue(ctx, e, dueLimit+len(tried))
		if err != nil {
			return 0, errors.Join(failed, err)
		}
		left := ""
		fresh := slices.DeleteFunc(due, func(row connector.DraftRow) bool {
			if tried[row.ID] {
				left = row.ID
			}
			return tried[row.ID]
		})
		switch {
		case len(fresh) > 0:
		case failed != nil:
			return 0, failed
		case left != "":
			return 0, fmt.Errorf("inbox: draft %s was dealt with and is still to be sent; the store did not keep what came of it: look whether its disk and its database are sound", left)
		default:
			return wait, nil
		}
		for _, row := range fresh {
			tried[row.ID] = true
			if err := d.sendOne(ctx, e, row); err != nil {
				failed = errors.Join(failed, err)
			}
		}
	}
}

// nextDue reads what is due, and how long it is until the next message is.
func (d *Desk) nextDue(ctx context.Context, e EHR, limit int) (due []connector.DraftRow, wait time.Duration, err error) {
	wait = dueEvery
	err = d.o.Store.View(ctx, func(tx connector.Tx) error {
		if due, err = tx.DueDrafts(e.ID, d.now(), limit); err != nil {
			return err
		}
		next, some, err := tx.NextDraft(e.ID)
		if some {
			wait = min(max(next.Sub(d.now()), 0), dueEvery)
		}
		return err
	})
	return due, wait, err
}

// outgoing is a message whose time has come, as it was read in the commit after which it cannot be taken back any more.
type outgoing struct {
	row  connector.DraftRow
	body draftBody
	data map[string][]byte
	gone bool // sent, taken back or given back meanwhile: there is nothing to do
}

// sendOne sends one message. First it is committed that it cannot be taken back any more; then it is composed, under a key that
// makes a second try, here or at another replica, the same message; then the draft goes. A process that dies between two of
// these leaves the rest to whoever looks next, and a draft that does not go is no message a second time.
func (d *Desk) sendOne(ctx context.Context, e EHR, row connector.DraftRow) error {
	var out outgoing
	err := d.update(ctx, e.ID, row.User, func(tx connector.Tx) (err error) {
		out, err = d.takeOut(tx, e, row.ID)
		return err
	})
	if err != nil || out.gone {
		return err
	}
	done, err := d.o.Ingest.Compose(ctx, d.composed(e, out.row, out.body, out.data))
	why, refused := refusedFor(done, err)
	switch {
	case refused:
		return d.giveBack(ctx, e, out.row, out.body.Tries, why)
	case err != nil:
		return err
	}
	return d.update(ctx, e.ID, row.User, func(tx connector.Tx) error { return tx.DropDraft(e.ID, row.ID) })
}

// keptFrom says why a message that is due does not go out after all: its thread is not its patient's any more, or its session was ended
// by an administrator, or because the EHR trusts its user no more or gives them no role. One that its user left, or that ran out,
// sends what it was given.
func (d *Desk) keptFrom(tx connector.Tx, e EHR, out outgoing) (string, error) {
	_, strays, err := stray(tx, out.row)
	switch {
	case err != nil:
		return "", err
	case strays:
		return notItsPatients, nil
	}
	k, err := readKept(tx, e, out.body.Session)
	if errors.Is(err, connector.ErrNotFound) { // forgotten: it ended more than a day ago
		return "", nil
	}
	if why := Why(k.row.Why); err == nil && (why == EndedByAdmin || why == EndedByEHR || why == EndedNoRole) {
		return sessionTaken, nil
	}
	return "", err
}

// takeOut reads a message that is due and marks it as being sent. One whose thread is not its patient's any more becomes a draft
// again before anything of it leaves.
func (d *Desk) takeOut(tx connector.Tx, e EHR, id string) (out outgoing, err error) {
	if out.row, err = tx.Draft(e.ID, id); errors.Is(err, connector.ErrNotFound) {
		return outgoing{gone: true}, nil
	}
	if err != nil {
		return out, err
	}
	if out.gone = out.row.SendAt.IsZero() || out.row.SendAt.After(d.now()); out.gone {
		return out, nil
	}
	if out.body, err = readDraft(out.row); err != nil {
		return out, err
	}
	if !out.row.Sending {
		why, err := d.keptFrom(tx, e, out)
		if err != nil {
			return out, err
		}
		if why != "" {
			out.gone = true
			return out, d.keepBack(tx, out.row, out.body, why)
		}
		out.row.Sending = true
		if err := tx.PutDraft(&out.row); err != nil {
			return out, err
		}
	}
	out.data, err = tx.Blobs(e.ID, "", out.row.ID)
	return out, err
}

// went says whether what a draft holds was composed already: then it is a message of record, whatever is left of the draft.
func (d *Desk) went(tx connector.Tx, e EHR, row connector.DraftRow, b draftBody) (bool, error) {
	m := d.composed(e, row, b, nil)
	m.Channel.EHR, m.Channel.Name = e.ID, b.Channel // as they were, whatever is configured by now
	_, err := tx.MessageByClient(e.ID, m.Client())
	if errors.Is(err, connector.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// composed is a draft as ingest takes messages.
func (d *Desk) composed(e EHR, row connector.DraftRow, b draftBody, data map[string][]byte) ingest.Draft {
	m := connector.Message{Sender: b.Sender, Recipients: b.Recipients, Text: b.Text}
	if b.Urgent {
		m.Priority = connector.Urgent
	}
	for _, f := range b.Files {
		m.Attachments = append(m.Attachments, connector.Attachment{ID: f.ID, Filename: f.Name, ContentType: f.Type, Data: data[f.ID]})
	}
	return ingest.Draft{Channel: d.o.Channels[b.Channel], ThreadID: row.Thread, Patient: b.Patient, Topic: b.Topic, Message: m,
		Agent: userAgent(b.Session), ActAs: row.User, Encounter: b.Encounter, Heard: b.Heard, IdempotencyKey: row.ID + "/" + strconv.Itoa(b.Tries)}
}

const (
	notItsPatients = "Not sent: its thread names another patient now, so this message may not belong there. Look whom it is about."
	sessionTaken   = "Not sent: your session was ended before it went. Look whether it should still go, and send it again."
)

// refusedFor says why a message will not go out however often it is tried, in a sentence.
func refusedFor(out ingest.Composed, err error) (string, bool) {
	var consent *ingest.ConsentError
	var wrong *connector.DecodeError
	if errors.As(err, &consent) {
		out.Refused, err = consent.Reason, nil
	}
	switch {
	case err == nil && out.Refused == connector.RecipientRefused:
		return notItsPatients, true
	case errors.As(err, &wrong):
		return "Not sent: the message cannot be put as it is (" + wrong.Text + "). Change it and send it again.", true
	case errors.Is(err, ingest.ErrKeyReused):
		return "Not sent: its page had sent another message already. Look at the thread, and send it again if it should still go.", true
	case errors.Is(err, connector.ErrNotFound):
		return "Not sent: its thread is not there any more. Write a new message.", true
	case err == nil && out.Refused != "":
		return "Not sent: " + out.Refused.Sentence() + ". Next: " + out.Refused.Next() + ".", true
	}
	return "", false
}

// giveBack makes a message that cannot go out a draft again, with why. Where another replica was faster its user may have sent it
// anew: what was tried is not what is there. One that went after all, in an earlier try, is not offered a second time.
func (d *Desk) giveBack(ctx context.Context, e EHR, row connector.DraftRow, tried int, why string) error {
	return d.update(ctx, e.ID, row.User, func(tx connector.Tx) error {
		row, err := tx.Draft(e.ID, row.ID)
		if errors.Is(err, connector.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := readDraft(row)
		if err != nil {
			return err
		}
		if !row.Sending || b.Tries != tried {
			return nil
		}
		went, err := d.went(tx, e, row, b)
		if err != nil {
			return err
		}
		if went {
			return tx.DropDraft(e.ID, row.ID)
		}
		b.Tries++ // what was refused under the last key may go under the next
		return d.keepBack(tx, row, b, why)
	})
}

// keepBack makes a draft again of what was given to be sent, with why. One whose thread is gone begins a thread of its own; one
// whose thread is another patient's stays where it was written, and is shown to nobody there.
func (d *Desk) keepBack(tx connector.Tx, row connector.DraftRow, b draftBody, why string) error {
	b.Problem = cmp.Or(why, "Not sent.")
	thread := row.Thread
	if thread != "" {
		_, err := tx.Thread(row.EHR, thread)
		switch {
		case errors.Is(err, connector.ErrNotFound):
			row.Thread = ""
		case err != nil:
			return err
		}
	}
	row.SendAt, row.Sending, row.UpdatedAt = time.Time{}, false, d.now()
	if err := putDraft(tx, &row, b); err != nil {
		return err
	}
	return tx.BumpThread(row.EHR, thread)
}
