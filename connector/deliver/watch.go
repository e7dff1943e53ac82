package deliver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// watcher and caller ask for no lane.
var watcher, caller = asker{lane: "watch"}, asker{lane: "call", front: true}

// watch sees EHR-born CommunicationRequests by polling, sooner when the EHR notifies us. One watcher runs per EHR and
// process; several replicas may watch at once, because claiming is a row on (EHR, request).
func (e *Engine) watch(ctx context.Context, c *conn, w connector.Watcher) {
	var seen = map[string]string{} // reference → version already decided on
	for ctx.Err() == nil {
		if traits, err := c.can(ctx, watcher); err == nil && traits.Watch {
			e.subscribe(ctx, c, traits)
			if err := e.look(ctx, c, w, seen); err != nil && ctx.Err() == nil {
				e.log.Warn("EHR-born requests could not be read; trying again", "ehr", c.Name, "error", err)
			}
		}
		timer := e.clock.NewTimer(c.Poll)
		select {
		case <-ctx.Done():
		case <-timer.C():
		case <-c.nudge:
		}
		timer.Stop()
	}
}

// subscribe asks the EHR to notify us, once per opening of the connection, where it offers that.
func (e *Engine) subscribe(ctx context.Context, c *conn, t connector.Traits) {
	s, ok := c.EHR.(connector.Subscriber)
	if !ok || !t.Subscribe || c.NotifyURL == "" || c.subscribed {
		return
	}
	err := c.ask(ctx, watcher, func(ctx context.Context) error { return s.Subscribe(ctx, c.NotifyURL, c.NotifyWith) })
	if _, untried := notTried(err); untried {
		return
	}
	if err != nil {
		e.log.Warn("the EHR did not take the subscription; polling goes on", "ehr", c.Name, "error", err)
	}
	c.subscribed = true
}

// look reads what changed since the cursor, with enough overlap that neither clock skew nor index lag hides a request.
func (e *Engine) look(ctx context.Context, c *conn, w connector.Watcher, seen map[string]string) error {
	var cursor time.Time
	err := e.store.View(ctx, func(tx connector.Tx) error {
		row, err := tx.EHR(c.ID)
		cursor = row.Cursor
		return err
	})
	if err != nil {
		return err
	}
	since := cursor
	if !since.IsZero() {
		since = since.Add(-max(time.Minute, c.SearchLag))
	}
	var requests []connector.EHRRequest
	var highest time.Time
	err = c.ask(ctx, watcher, func(ctx context.Context) (err error) {
		requests, highest, err = w.Changed(ctx, since)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range requests {
		if seen[r.Reference] == r.Version {
			continue
		}
		if err := e.consider(ctx, c, w, r); err != nil {
			return err
		}
		if len(seen) > 10_000 {
			clear(seen)
		}
		seen[r.Reference] = r.Version
	}
	if !highest.After(cursor) {
		return nil
	}
	return e.store.Update(ctx, connector.Shard(c.ID, "", "watch"), func(tx connector.Tx) error {
		row, err := tx.EHR(c.ID)
		if err != nil {
			return err
		}
		row.Cursor = later(row.Cursor, highest)
		return tx.PutEHR(row)
	})
}

// consider claims a request that is ours to send. One of our own, one for another system, and one that is not active
// are not ours; a request that is active and cannot be sent is claimed and parked, so that somebody knows.
func (e *Engine) consider(ctx context.Context, c *conn, w connector.Watcher, r connector.EHRRequest) error {
	line := e.lineOf(c, r)
	if r.Ours || line == nil {
		return nil
	}
	known := false
	err := e.store.View(ctx, func(tx connector.Tx) error {
		_, err := tx.BornByRef(c.ID, r.Reference)
		known = err == nil
		if errors.Is(err, connector.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if known {
		return e.wakeBorn(ctx, c, r)
	}
	if r.Status != "active" || r.DoNotPerform {
		return nil
	}
	if r, err = e.whole(ctx, c, w, r); err != nil {
		return err
	}
	if line = e.lineOf(c, r); line == nil || r.Status != "active" || r.DoNotPerform {
		return nil // it was changed meanwhile
	}
	draft, err := e.draft(ctx, c, w, line, r)
	if err != nil {
		return err
	}
	return e.compose.ComposeBorn(ctx, draft)
}

// wakeBorn makes the send lane look again at a request that changed in the EHR.
func (e *Engine) wakeBorn(ctx context.Context, c *conn, r connector.EHRRequest) error {
	return e.store.Update(ctx, connector.Shard(c.ID, "", "watch"), func(tx connector.Tx) error {
		b, err := tx.BornByRef(c.ID, r.Reference)
		if err != nil || b.Version == r.Version || b.Item == "" {
			return err
		}
		b.Version = r.Version
		if err := tx.PutBorn(&b); err != nil {
			return err
		}
		it, err := tx.Item(c.ID, b.Item)
		if err != nil || it.State.Done() || it.Reason != connector.NotYetDue {
			return err
		}
		it.NextAt = e.clock.Now()
		if err := tx.PutItem(&it); err != nil {
			return err
		}
		return tx.TouchLane(c.ID, b.Thread, connector.LaneSend, e.clock.Now(), r.Priority)
	})
}

func (e *Engine) lineOf(c *conn, r connector.EHRRequest) *Line {
	for _, name := range r.Channels {
		if l := e.lines[name]; l != nil && l.EHR == c.ID {
			return l
		}
	}
	return nil
}

// draft turns a request into a message for the channel, or into the reason why it must not go.
func (e *Engine) draft(ctx context.Context, c *conn, w connector.Watcher, line *Line, r connector.EHRRequest) (BornDraft, error) {
	b := BornDraft{EHR: c.ID, Channel: line.Name, Request: r}
	p, err := c.patient(ctx, watcher, connector.PatientKey{Reference: r.Subject})
	switch {
	case errors.Is(err, connector.ErrNoMatch), r.Subject == "", gone(err):
		b.Refusal = connector.NoPatient
		return b, nil
	case err != nil:
		return b, err
	}
	b.Patient = e.keyOf(c, p)
	b.Sender = senderOf(r)
	now := e.clock.Now()
	b.Refusal = e.refusal(c, r, p, now)
	if b.Refusal == "" {
		b.Recipients, b.Refusal, err = e.recipients(ctx, c, watcher, w, line.Name, r, p)
	}
	if r.DueFrom.After(now) {
		b.Due = r.DueFrom
	}
	return b, err
}

// refusal gives the reason not to send a request, "" when it may go (issue of consent and address apart).
func (e *Engine) refusal(c *conn, r connector.EHRRequest, p connector.Patient, now time.Time) connector.Reason {
	begun := later(r.AuthoredOn, r.DueFrom)
	switch {
	case r.Status != "active" || r.DoNotPerform:
		return connector.RequestNotActive
	case begun.Before(e.restoredAt()):
		return connector.RestoredSent
	case !p.Active || p.ReplacedBy != "":
		return connector.PatientInactive
	case !r.DueUntil.IsZero() && r.DueUntil.Before(now):
		return connector.RequestTooOld
	case c.NotBefore > 0 && !begun.IsZero() && begun.Before(now.Add(-c.NotBefore)):
		return connector.RequestTooOld
	}
	return ""
}

// gone says whether the EHR definitely does not show a resource. A refusal of our credentials or scopes says nothing about
// the resource.
func gone(err error) bool {
	var refused *connector.Refused
	return errors.As(err, &refused) && refused.Reason != connector.Unauthorized && refused.Reason != connector.ScopeMissing
}

// recipients must each be the subject or one of their RelatedPersons, with an address on the channel.
func (e *Engine) recipients(ctx context.Context, c *conn, by asker, w connector.Watcher, channel string, r connector.EHRRequest, p connector.Patient) ([]connector.Participant, connector.Reason, error) {
	refs := r.Recipients
	if len(refs) == 0 {
		return nil, connector.RecipientRefused, nil
	}
	var out []connector.Participant
	for _, ref := range refs {
		var who connector.Recipient
		err := c.ask(ctx, by, func(ctx context.Context) (err error) {
			who, err = w.Recipient(ctx, channel, ref)
			return err
		})
		switch {
		case errors.Is(err, connector.ErrNoMatch), gone(err):
			return nil, connector.RecipientRefused, nil
		case err != nil:
			return nil, "", err
		case who.Patient != p.Reference || !who.Active:
			return nil, connector.RecipientRefused, nil
		}
		if who.IsPatient {
			patient := e.patientParticipant(c, p)
			if patient.Identifier == nil {
				return nil, connector.NoAddress, nil
			}
			out = append(out, patient)
			continue
		}
		if who.Participant == "" {
			return nil, connector.NoAddress, nil
		}
		out = append(out, connector.Participant{Role: connector.RoleProxy, ID: who.Participant, Name: who.Name, Relationship: who.Relation})
	}
	return out, "", nil
}

func (e *Engine) patientParticipant(c *conn, p connector.Patient) connector.Participant {
	out := connector.Participant{Role: connector.RolePatient}
	for _, id := range e.keyOf(c, p).Identifiers {
		out.Identifier = &id
		break
	}
	if len(p.Names) > 0 {
		out.Name = displayName(p.Names[0])
	}
	return out
}

func displayName(n connector.HumanName) string {
	out := ""
	for _, g := range n.Given {
		out += g + " "
	}
	return out + n.Family
}

// keyOf names an EHR's patient in the channel's terms: identifiers in the systems the channel uses.
func (e *Engine) keyOf(c *conn, p connector.Patient) connector.PatientKey {
	k := connector.PatientKey{Reference: p.Reference, BirthDate: p.BirthDate}
	var channelSystems []string
	for ch := range c.Systems {
		channelSystems = append(channelSystems, ch)
	}
	slices.Sort(channelSystems)
	for _, ch := range channelSystems {
		for _, id := range p.Identifiers {
			if id.System == c.Systems[ch] {
				k.Identifiers = append(k.Identifiers, connector.Identifier{System: ch, Value: id.Value})
			}
		}
	}
	if len(c.Systems) == 0 {
		k.Identifiers = p.Identifiers
	}
	if len(p.Names) > 0 {
		k.Name = &p.Names[0]
	}
	for _, ph := range p.Phones {
		if len(ph) > 7 && ph[0] == '+' {
			k.Phone = ph
			break
		}
	}
	return k
}

// Patient reads a patient of an EHR by reference and names them in the channels' terms, for a thread that begins with us.
// ErrNoMatch: there is none, or the record is inactive or merged. Other errors are the connection's; ask again.
func (e *Engine) Patient(ctx context.Context, ehr, reference string) (connector.PatientKey, error) {
	c := e.conns[ehr]
	if c == nil {
		return connector.PatientKey{}, connector.ErrNoMatch
	}
	if _, err := c.can(ctx, caller); err != nil {
		return connector.PatientKey{}, err
	}
	p, err := c.patient(ctx, caller, connector.PatientKey{Reference: reference})
	if err != nil {
		return connector.PatientKey{}, err
	}
	if !p.Active || p.ReplacedBy != "" {
		return connector.PatientKey{}, connector.ErrNoMatch
	}
	return e.keyOf(c, p), nil
}

// senderOf names who asked for the message; a request without a sender or requester is the system's.
func senderOf(r connector.EHRRequest) connector.Participant {
	ref := r.Sender
	if ref.Literal == "" && ref.Identifier == nil {
		ref = r.Requester
	}
	if ref.Literal == "" && ref.Identifier == nil {
		return connector.Participant{Role: connector.RoleSystem}
	}
	return connector.Participant{Role: connector.RoleClinician, ID: ref.Literal, Identifier: ref.Identifier, Name: ref.Display}
}
