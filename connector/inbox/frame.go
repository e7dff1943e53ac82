package inbox

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
)

// frame is what every page of a session has; about is the patient of the page, nil where it is about none.
func (d *Desk) frame(s *Session, about *connector.Patient) Frame {
	e := d.o.EHRs[s.EHR]
	now := d.now()
	d.staff.learn(s.EHRID, s.User.Name, now, append([]string{s.User.Reference}, s.User.Also...)...)
	f := Frame{Launch: s.ID, EHR: s.EHR, User: Who{Key: s.User.Reference, Name: s.User.Name, Role: s.Role}, Role: s.Role, Write: s.Write(), Zone: e.Zone,
		StyleURL: s.StyleURL, Now: now, Ends: s.Ends}
	for _, scope := range s.Missing {
		f.Missing = append(f.Missing, "The EHR did not grant "+scope+". What needs it is not shown; your EHR administrator can grant it.")
	}
	if !s.Unsure.IsZero() {
		f.Missing = append(f.Missing, "The EHR has not said for half an hour or longer which role you have, so you can only read until it answers. If it stays so, tell your EHR administrator.")
	}
	if about != nil {
		f.Banner = banner(*about, s.showsBanner())
	}
	return f
}

// banner names a patient with what tells two of one name apart: what the EHR says they go by, and nothing that it may only have kept
// of them, such as a maiden name or the number of their insurance.
func banner(p connector.Patient, show bool) Banner {
	return Banner{Reference: p.Reference, Name: p.Called, BirthDate: p.BirthDate, MRN: p.MRN, Show: show}
}

func (e EHR) pool(id string) (Pool, bool) {
	n := slices.IndexFunc(e.Pools, func(p Pool) bool { return p.ID == id })
	if n < 0 {
		return Pool{}, false
	}
	return e.Pools[n], true
}

// subject is the patient a thread is about: the one it is bound to, else the one it names by the EHR's reference; "" where
// nobody knows yet.
func subject(t connector.Thread) string { return cmp.Or(t.Bound.Reference, t.Patient.Reference) }

// still reads a thread once more, in the transaction that shows something of it. ErrNotFound where it came to be about another
// patient than the one whose record the EHR opens to the user.
func still(tx connector.Tx, t connector.Thread) (connector.Thread, error) {
	now, err := tx.Thread(t.EHR, t.ID)
	if err == nil && subject(now) != subject(t) {
		err = connector.ErrNotFound
	}
	return now, err
}

// open gives a thread that the session may see, and its patient as the EHR has them. One of another patient than the launched
// one does not exist for the session, nor does one whose patient the EHR does not open to its user, or whose patient is not
// known: ErrNotFound, audited. *connector.Retry where the EHR could not be asked.
func (d *Desk) open(ctx context.Context, s *Session, thread string) (connector.Thread, connector.Patient, error) {
	var t connector.Thread
	err := d.o.Store.View(ctx, func(tx connector.Tx) (err error) {
		t, err = tx.Thread(s.EHRID, thread)
		return err
	})
	if errors.Is(err, connector.ErrNotFound) {
		return t, connector.Patient{}, d.deny(ctx, s, "", "no-thread", connector.ErrNotFound)
	}
	if err != nil {
		return t, connector.Patient{}, err
	}
	p, err := d.patient(ctx, s, subject(t), t.ID)
	return t, p, err
}

// patient gives a patient of whom the session may see something; thread is what was asked for, for the audit log.
func (d *Desk) patient(ctx context.Context, s *Session, ref, thread string) (connector.Patient, error) {
	switch {
	case ref == "":
		return connector.Patient{}, d.deny(ctx, s, thread, "patient-unknown", connector.ErrNotFound)
	case s.Patient != "" && s.Patient != ref:
		return connector.Patient{}, d.deny(ctx, s, thread, "other-patient", connector.ErrNotFound)
	}
	seen, err := d.Rights(ctx, s, []string{ref})
	if err != nil {
		return connector.Patient{}, err
	}
	p, may := seen[ref]
	if !may {
		return p, d.deny(ctx, s, thread, PatientHidden, connector.ErrNotFound)
	}
	return p, nil
}

// deny audits that a signed-in user was refused something, and gives the refusal.
func (d *Desk) deny(ctx context.Context, s *Session, thread, why string, refusal error) error {
	row := act{audit.Deny, audit.Execute, audit.MinorFailure, map[string]string{"why": why}}.record(d.o.EHRs[s.EHR], s.ID, s.User.Reference, d.now())
	row.Thread = thread
	if err := d.update(ctx, s.EHRID, s.User.Reference, func(tx connector.Tx) error { return tx.Audit(row) }); err != nil {
		return err
	}
	return refusal
}

// read says that the session's user is shown messages of these threads, in a commit of its own before anything is.
func (d *Desk) read(ctx context.Context, s *Session, detail map[string]string, threads ...string) error {
	if len(threads) == 0 {
		return nil
	}
	now := d.now()
	return d.update(ctx, s.EHRID, s.User.Reference, func(tx connector.Tx) error {
		for _, t := range threads {
			row := act{audit.MessageRead, audit.Read, audit.Success, detail}.record(d.o.EHRs[s.EHR], s.ID, s.User.Reference, now)
			row.Thread = t
			if err := tx.Audit(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// writer refuses whoever may only read.
func (d *Desk) writer(ctx context.Context, s *Session, thread string) error {
	if s.Write() {
		return nil
	}
	return d.deny(ctx, s, thread, "role", &Forbidden{"Your role may read messages and not write or act. If it should, ask your EHR administrator."})
}
