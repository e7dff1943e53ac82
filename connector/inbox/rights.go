package inbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
)

// How long the EHR's word about a patient counts for a session, and how many patients are asked about at once.
const (
	rightsFor   = 15 * time.Minute
	denialFor   = time.Minute
	readsAtOnce = 4
)

// right is what the EHR said about one patient to one session's user.
type right struct {
	may     bool
	patient connector.Patient
	at      time.Time
}

func (r right) fresh(now time.Time) bool {
	if r.may {
		return now.Sub(r.at) < rightsFor
	}
	return now.Sub(r.at) < denialFor
}

// Rights gives those of the patients that the session's user may open in the EHR, read with their own token at most 15 minutes
// ago. A patient who is not in it is hidden: not there, not for them, or not to be known now. A denial is audited. Errors:
// *Ended; ErrStore, then nobody is shown; *connector.Retry beside who is known, where the EHR could not be asked about all.
func (d *Desk) Rights(ctx context.Context, s *Session, patients []string) (map[string]connector.Patient, error) {
	seen := map[string]connector.Patient{}
	var ask []string
	now := d.now()
	for _, ref := range patients {
		r, known := d.right(s, ref)
		switch {
		case known && r.fresh(now):
			if r.may {
				seen[ref] = r.patient
			}
		case ref != "" && !slices.Contains(ask, ref):
			ask = append(ask, ref)
		}
	}
	found, err := d.askRights(ctx, s, ask)
	if err != nil && !errors.As(err, new(*connector.Retry)) {
		return nil, err
	}
	for ref, r := range found {
		if r.may {
			seen[ref] = r.patient
		}
	}
	return seen, err
}

// reread reads one patient anew with the session's token, past what is known, as before something is sent. ErrNoMatch where
// the user may not open them. Otherwise as Rights.
func (d *Desk) reread(ctx context.Context, s *Session, patient string) (connector.Patient, error) {
	found, err := d.askRights(ctx, s, []string{patient})
	if err != nil {
		return connector.Patient{}, err
	}
	if r := found[patient]; r.may {
		return r.patient, nil
	}
	return connector.Patient{}, connector.ErrNoMatch
}

// right is what is known of a patient for a session.
func (d *Desk) right(s *Session, ref string) (right, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.live[s.ID]
	if l == nil {
		return right{}, false
	}
	r, known := l.rights[ref]
	return r, known
}

// knows keeps what the EHR said.
func (d *Desk) knows(session string, found map[string]right) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rights := d.of(session).rights
	for ref, r := range found {
		rights[ref] = r
	}
}

// askRights asks the EHR about each of these patients, a few at a time, and keeps and audits what it says. It stops asking with
// the first error, which it gives beside what is known by then.
func (d *Desk) askRights(ctx context.Context, s *Session, patients []string) (map[string]right, error) {
	found := map[string]right{}
	if len(patients) == 0 {
		return found, nil
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var mu sync.Mutex
	d.each(ctx, s.ID, patients, func(ref string) {
		r, err := d.askRight(ctx, s, ref)
		if err != nil {
			stop(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		found[ref] = r
	})
	failed := context.Cause(ctx)
	if failed != nil && !errors.As(failed, new(*connector.Retry)) {
		return nil, failed
	}
	if err := d.auditDenials(context.WithoutCancel(ctx), s, found); err != nil {
		return nil, err
	}
	d.knows(s.ID, found)
	return found, failed
}

// each reads these for a session, a few at a time of all that is read for it, until ctx ends; what has begun is waited for.
func (d *Desk) each(ctx context.Context, session string, refs []string, read func(ref string)) {
	d.mu.Lock()
	reads := d.of(session).reads
	d.mu.Unlock()
	var all sync.WaitGroup
	for _, ref := range refs {
		select {
		case reads <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		all.Go(func() {
			defer func() { <-reads }()
			read(ref)
		})
	}
	all.Wait()
}

// askRight asks the EHR about one patient. What it says of somebody else counts as nothing.
func (d *Desk) askRight(ctx context.Context, s *Session, ref string) (right, error) {
	var p connector.Patient
	err := d.asUser(ctx, s, func(ctx context.Context, access string) (err error) {
		p, err = d.o.EHRs[s.EHR].Chart.Patient(ctx, access, ref)
		return err
	})
	switch {
	case err == nil:
		return right{p.Reference == ref, p, d.now()}, nil
	case errors.Is(err, connector.ErrNoMatch):
		return right{at: d.now()}, nil
	case errors.As(err, new(*connector.Refused)): // what it refuses without a reason is hidden, and may be asked for again
		err = &connector.Retry{Reason: connector.EHRUnavailable, Cause: err}
	}
	return right{}, err
}

// auditDenials writes one row for each patient that the EHR did not open to the user.
func (d *Desk) auditDenials(ctx context.Context, s *Session, found map[string]right) error {
	if !slices.ContainsFunc(patientsOf(found), func(ref string) bool { return !found[ref].may }) {
		return nil
	}
	now := d.now()
	return d.update(ctx, s.EHRID, s.User.Reference, func(tx connector.Tx) error {
		for _, ref := range patientsOf(found) {
			if found[ref].may {
				continue
			}
			row := act{audit.Deny, audit.Read, audit.MinorFailure, map[string]string{"why": PatientHidden, "patient": ref}}
			if err := tx.Audit(row.record(d.o.EHRs[s.EHR], s.ID, s.User.Reference, now)); err != nil {
				return err
			}
		}
		return nil
	})
}

// patientsOf names them in a fixed order.
func patientsOf(found map[string]right) []string {
	var out []string
	for ref := range found {
		out = append(out, ref)
	}
	slices.Sort(out)
	return out
}
