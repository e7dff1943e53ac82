package inbox

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
	"github.com/chartwire/chartwire/fhir/smart"
)

// signedIn is who a launch has signed in, and for whom.
type signedIn struct {
	grant   smart.Grant
	user    User
	role    connector.Role
	pools   []string
	patient string // Patient/…; "" without one
	chart   connector.Patient
}

// signIn redeems the code and reads, with the user's own token, who they are and whether they may open the patient. Beside a
// *Refusal it gives what is known by then.
func (d *Desk) signIn(ctx context.Context, e EHR, in FinishIn, b begun) (*signedIn, error) {
	who := &signedIn{}
	if in.Error != "" || in.Code == "" {
		return who, refusal(smart.DeniedBy(in.Error))
	}
	var err error
	if who.grant, err = e.App.Exchange(ctx, in.Code, smart.Start{State: b.State, Verifier: b.Verifier, Nonce: b.Nonce}); err != nil {
		return who, refusal(err)
	}
	if err := d.identify(ctx, e, who); err != nil {
		return who, err
	}
	return who, d.openPatient(ctx, e, who)
}

// identify reads the user and gives them their role. A user whose own resource they may not read has no codes.
func (d *Desk) identify(ctx context.Context, e EHR, who *signedIn) error {
	ref := who.grant.User
	switch {
	case ref == "":
		return &Refusal{Code: smart.NoUser}
	case !isPerson(ref):
		return &Refusal{Code: NotStaff}
	}
	u, err := e.Chart.User(ctx, who.grant.Access, ref)
	if err != nil && !errors.Is(err, connector.ErrNoMatch) {
		return &Refusal{smart.Unreachable, err}
	}
	u.Reference, u.Name = ref, cmp.Or(u.Name, who.grant.Name)
	who.user, who.role, who.pools = u, e.Roles.of(u), e.poolsOf(u)
	switch who.role {
	case connector.RoleClinician, connector.RoleStaff, ReadOnly:
		return nil
	}
	if missing := lacking(who.grant, "Practitioner", "PractitionerRole"); missing != nil {
		return &Refusal{ScopeMissing, missing} // they may have a role that nobody could read
	}
	return &Refusal{Code: NoPermission}
}

// openPatient reads the patient of the launch. Without one there is the pools' work, for those who do it; a patient is never
// guessed.
func (d *Desk) openPatient(ctx context.Context, e EHR, who *signedIn) error {
	id := strings.TrimPrefix(who.grant.Patient, "Patient/")
	if id == "" {
		if who.role == ReadOnly && len(who.pools) == 0 {
			return &Refusal{Code: smart.NoPatient}
		}
		return nil
	}
	who.patient = "Patient/" + id
	p, err := e.Chart.Patient(ctx, who.grant.Access, who.patient)
	switch {
	case err == nil && p.Reference == who.patient:
		who.chart = p
		return nil
	case err == nil || errors.Is(err, connector.ErrNoMatch):
		if missing := lacking(who.grant, "Patient"); missing != nil {
			return &Refusal{ScopeMissing, missing}
		}
		return &Refusal{PatientHidden, err}
	}
	return &Refusal{smart.Unreachable, err}
}

// replace ends the session that the window showed before, where it is another patient's or another user's. Its drafts stay.
func (d *Desk) replace(ctx context.Context, in FinishIn, who *signedIn) error {
	if in.Previous == "" {
		return nil
	}
	k, err := d.find(ctx, in.Previous)
	if errors.Is(err, connector.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	proven := same(k.row.Handle, d.mac("handle", k.row.ID, in.Proof)) || same(k.body.Window, d.mac("window", in.Proof))
	if !proven || k.row.User == who.user.Reference && k.body.Patient == who.patient {
		return nil
	}
	return d.end(ctx, &k, EndedReplaced, userAgent(k.row.ID), k.row.User)
}

// admit makes the session, and covers the user's other sessions that show another patient, under whichever of their references they
// signed in, in one commit.
func (d *Desk) admit(ctx context.Context, e EHR, b begun, who *signedIn) (*Session, string, error) {
	now := d.now()
	k := kept{ehr: e, row: connector.SessionRow{ID: connector.NewID(now), EHR: e.ID, User: who.user.Reference, CreatedAt: now, SeenAt: now},
		body: sessionBody{User: who.user, Role: who.role, Pools: who.pools, Patient: who.patient, Window: b.Window, Grant: who.grant}}
	if id := strings.TrimPrefix(who.grant.Encounter, "Encounter/"); id != "" {
		k.body.Encounter = "Encounter/" + id
	}
	handle := secret()
	k.row.Handle = d.mac("handle", k.row.ID, handle)
	login := act{audit.Login, audit.Execute, audit.Success, map[string]string{"how": b.How, "scope": who.grant.Scopes.String()}}
	if who.patient != "" {
		login.detail["patient"] = who.patient
	}
	err := d.update(ctx, e.ID, who.user.person(), func(tx connector.Tx) error {
		k.row.Version = 0 // a run before this one has not been
		if err := d.cover(tx, &k); err != nil {
			return err
		}
		if err := k.put(tx); err != nil {
			return err
		}
		return tx.Audit(login.record(e, k.row.ID, who.user.Reference, now))
	})
	if err != nil {
		return nil, "", err
	}
	if who.patient != "" {
		d.knows(k.row.ID, map[string]right{who.patient: {true, who.chart, now}})
	}
	d.sawUser(&k, now)
	return k.session(now), handle, nil
}

// cover marks the user's other sessions that show, or as those of pools can show, another patient than the new one.
func (d *Desk) cover(tx connector.Tx, k *kept) error {
	if k.body.Patient == "" {
		return nil
	}
	all, err := d.sessionsOf(tx, k.ehr, k.body.User.person())
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.body.Patient == k.body.Patient {
			continue
		}
		o.body.Covered = k.row.ID
		if err := o.put(tx); err != nil {
			return err
		}
	}
	return nil
}
