package inbox

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// Send gives a message to be sent in UndoFor, and keeps it as Save does whatever comes of that. Errors: those of Save; *Covered,
// *Collision, *NotSent and *Wrong, each beside the draft as it was kept. Nothing was sent then.
func (d *Desk) Send(ctx context.Context, s *Session, in SendIn) (DraftView, error) {
	to, err := d.aim(ctx, s, in.DraftIn)
	if err != nil {
		return DraftView{}, err
	}
	kept, err := d.save(ctx, s, in.DraftIn, to)
	if errors.As(err, new(*TooLate)) {
		return d.sentAlready(ctx, s, in, to)
	}
	if err != nil {
		return kept, err
	}
	switch {
	case strings.TrimSpace(in.Text) == "" && len(kept.Files) == 0:
		return kept, &Wrong{"text", "Write something, or attach a file."}
	case len(in.To) == 0:
		return kept, &Wrong{"to", "Choose who this message is for."}
	}
	if w := unfilled(in.Text); w != nil {
		return kept, w
	}
	if err := d.again(ctx, s, &to); err != nil {
		return kept, err
	}
	sent, err := d.hand(ctx, s, in, to, kept)
	switch {
	case errors.As(err, new(*Covered)):
		return kept, d.deny(ctx, s, in.Thread, "covered", err)
	case errors.As(err, new(*NotSent)):
		return kept, d.deny(ctx, s, in.Thread, "not-sent", err)
	case err != nil:
		return kept, err
	}
	d.due.ring(s.EHR)
	return sent, nil
}

// sentAlready answers a composer that is posted a second time, as a double click does, with what the first time gave to be sent:
// *TooLate where that was something else.
func (d *Desk) sentAlready(ctx context.Context, s *Session, in SendIn, to target) (view DraftView, err error) {
	err = d.o.Store.View(ctx, func(tx connector.Tx) error {
		row, b, err := d.own(tx, s, cmp.Or(in.ID, to.first))
		if err != nil {
			return err
		}
		if b.Text != in.Text || !slices.Equal(b.To, in.To) || b.Urgent != in.Urgent || len(in.AddFiles)+len(in.DropFiles) > 0 {
			return &TooLate{}
		}
		view = b.view(row, nil, to.patient)
		return nil
	})
	return view, err
}

// again asks the EHR anew whose record it is, with the user's own token, as the last thing before a message is given to be sent.
func (d *Desk) again(ctx context.Context, s *Session, to *target) error {
	p, err := d.reread(ctx, s, to.ref)
	switch {
	case errors.Is(err, connector.ErrNoMatch):
		return connector.ErrNotFound
	case err != nil:
		return err
	case !p.Active || p.ReplacedBy != "":
		return d.deny(ctx, s, to.thread.ID, "patient-inactive",
			&Wrong{"to", "The patient's record in the EHR is inactive or was merged into another, so nothing was sent. Open the record that counts, and write from there."})
	}
	if to.thread.ID != "" {
		return nil
	}
	to.key, err = d.patientKey(ctx, d.o.EHRs[s.EHR], to.ref)
	return err
}

// hand commits that a message goes out, with whom it is from and to, where its session goes on and is not covered: asking the EHR
// may have taken a while.
func (d *Desk) hand(ctx context.Context, s *Session, in SendIn, to target, kept DraftView) (view DraftView, err error) {
	e := d.o.EHRs[s.EHR]
	now := d.now()
	err = d.update(ctx, e.ID, s.User.Reference, func(tx connector.Tx) error {
		if err := d.maySend(tx, e, s); err != nil {
			return err
		}
		row, b, err := d.own(tx, s, kept.ID)
		switch {
		case err != nil:
			return err
		case !row.SendAt.IsZero():
			return &TooLate{}
		case row.Version != kept.Version:
			return &Stale{}
		}
		if err := d.checkThread(tx, e, s, in, to); err != nil {
			return err
		}
		people, err := d.people(tx, e, to)
		if err != nil {
			return err
		}
		b.Recipients = nil
		for _, key := range in.To {
			n := slices.IndexFunc(people, func(a addressee) bool { return a.Key() == key })
			switch {
			case n < 0:
				return &Wrong{"to", "Choose who this message is for: one of those you chose is not in this thread."}
			case people[n].why != "":
				return &NotSent{people[n].why}
			case people[n].ID == "" && people[n].Identifier == nil:
				return &NotSent{connector.NoAddress}
			}
			b.Recipients = append(b.Recipients, people[n].Participant)
		}
		b.Session, b.Sender, b.Encounter, b.Patient = s.ID, e.sender(s), s.Encounter, to.key
		b.Patient.Reference = to.ref
		if b.Heard, err = heard(tx, e, to.thread.ID); err != nil {
			return err
		}
		row.SendAt, row.UpdatedAt = now.Add(UndoFor), now
		if err := putDraft(tx, &row, b); err != nil {
			return err
		}
		view = b.view(row, participants(people), to.patient)
		return tx.BumpThread(e.ID, row.Thread)
	})
	return view, err
}

// maySend reads the session anew. *Ended, *Covered.
func (d *Desk) maySend(tx connector.Tx, e EHR, s *Session) error {
	k, err := readKept(tx, e, s.ID)
	if err != nil {
		return err
	}
	if why := d.over(&k, d.now()); why != "" {
		return &Ended{why}
	}
	if k.body.Covered != "" {
		return &Covered{}
	}
	return nil
}

// heard is what a reply answers: what its thread holds as it is given to be sent, and its writer was shown.
func heard(tx connector.Tx, e EHR, thread string) (*int, error) {
	if thread == "" {
		return nil, nil
	}
	n, err := ingest.Heard(tx, e.ID, thread)
	return &n, err
}

// checkThread holds a reply to the thread as it is now: still about that patient, with nothing in it that the sender has not seen.
func (d *Desk) checkThread(tx connector.Tx, e EHR, s *Session, in SendIn, to target) error {
	if to.thread.ID == "" {
		return nil
	}
	t, err := tx.Thread(e.ID, to.thread.ID)
	switch {
	case err != nil:
		return err
	case t.Changed || subject(t) != to.ref:
		return &NotSent{connector.PatientChanged}
	case !d.carries(e, t.Channel):
		return &Wrong{"channel", "The channel of this thread is not in use any more. Reach the patient another way."}
	}
	c, err := d.contentIn(tx, e, t)
	if err != nil {
		return err
	}
	if met := c.since(in.Seen); met != nil {
		return met
	}
	if in.Anyway {
		return nil
	}
	drafts, err := tx.ThreadDrafts(e.ID, t.ID)
	if err != nil {
		return err
	}
	for _, row := range drafts {
		if row.User != s.User.Reference && !row.SendAt.IsZero() {
			return &Collision{Who: d.member(e, row.User), When: row.UpdatedAt}
		}
	}
	return nil
}

// Undo takes a message back that was given to be sent: it is a draft again. *TooLate once it is on its way.
func (d *Desk) Undo(ctx context.Context, s *Session, draft string) (view DraftView, err error) {
	err = d.update(ctx, s.EHRID, s.User.Reference, func(tx connector.Tx) error {
		row, b, err := d.own(tx, s, draft)
		switch {
		case errors.Is(err, connector.ErrNotFound):
			return &TooLate{}
		case err != nil:
			return err
		case row.Sending:
			return &TooLate{}
		}
		_, why, err := whyStray(tx, row)
		if err != nil {
			return err
		}
		patient := Banner{Reference: row.Patient}
		if r, known := d.right(s, row.Patient); known && r.may {
			patient = banner(r.patient, s.showsBanner())
		}
		if row.SendAt.IsZero() {
			view = b.view(row, nil, patient)
			view.Stray = why
			return nil
		}
		row.SendAt, row.UpdatedAt = time.Time{}, d.now()
		if err := putDraft(tx, &row, b); err != nil {
			return err
		}
		view = b.view(row, nil, patient)
		view.Stray = why
		return tx.BumpThread(row.EHR, row.Thread)
	})
	return view, err
}
