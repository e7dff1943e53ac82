package deliver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// chart moves one item of a chart lane as far as it goes: bind the patient, gather, plan, write.
func (d *drainer) chart(ctx context.Context, p pick) error {
	i := p.item
	if i.FirstTried.IsZero() {
		i.FirstTried = d.e.clock.Now()
	}
	if done, err := d.orphan(ctx, i); done || err != nil {
		return err
	}
	i.Late = i.Late || p.late
	d.delayed(i)
	if retracting(i) {
		return d.retractItem(ctx, i)
	}
	traits, rows, ok, err := d.begin(ctx, i)
	if !ok || err != nil {
		return err
	}
	if gone, err := d.leftOut(ctx, i, rows); gone || err != nil {
		return err
	}
	if rows == nil {
		x, ready, err := d.gather(ctx, p, traits)
		if !ready || err != nil {
			return err
		}
		if p.trial && i.Detail.Note { // no transcript has a form for them that every chart restricts
			d.finish(i, connector.NotDue, connector.PolicyLeftOut)
			return nil
		}
		if p.trial {
			return d.tellable(i, x)
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

// begin brings an item to where it can be planned or go on: the connection is opened, since nothing is read before it either;
// what an earlier attempt left open is settled, whatever has become of the patient since; then the patient is made sure of. It
// reports false where the item has to wait or is done with.
func (d *drainer) begin(ctx context.Context, i *connector.Item) (t connector.Traits, rows []connector.WriteRow, ok bool, err error) {
	if rows, err = d.planned(ctx, i); err != nil {
		return t, nil, false, err
	}
	if elsewhere(i) { // nothing of it may go on, whatever let it
		d.park(i, connector.PatientChanged, "part of it is, or may be, on the chart of the patient the thread was bound to before; look there, then release it")
		return t, nil, false, nil
	}
	open := slices.ContainsFunc(rows, func(w connector.WriteRow) bool { return w.State == connector.WriteAttempted })
	if t, err = d.c.can(ctx, d.asker()); err != nil {
		if ctx.Err() != nil {
			return t, nil, false, ctx.Err()
		}
		d.cannot(i, err, open)
		return t, nil, false, nil
	}
	if !open {
		ok, err = d.bind(ctx, i)
		return t, rows, ok, err
	}
	if ok, err := d.resume(ctx, i, rows); !ok || err != nil {
		return t, nil, false, err
	}
	if toDo(rows) {
		ok, err = d.bind(ctx, i)
		return t, rows, ok, err
	}
	return t, rows, true, nil
}

func toDo(rows []connector.WriteRow) bool {
	return slices.ContainsFunc(rows, func(w connector.WriteRow) bool {
		return w.State != connector.WriteFiled && w.State != connector.WriteDropped
	})
}

// orphan holds a follow-up whose message has not come.
func (d *drainer) orphan(ctx context.Context, i *connector.Item) (bool, error) {
	if !isFollowUp(i.Kind) {
		return false, nil
	}
	missing := false
	err := d.e.store.View(ctx, func(tx connector.Tx) error {
		_, err := tx.MessageByExt(d.thread.EHR, d.thread.ID, i.MsgKey, 1)
		if errors.Is(err, connector.ErrNotFound) {
			missing, err = true, nil
		}
		return err
	})
	if missing {
		d.hold(i, connector.MessageMissing, connector.Never, "")
	}
	return missing, err
}

// cannot makes an item wait for a connection that could not be opened. An open attempt stays open.
func (d *drainer) cannot(i *connector.Item, err error, open bool) {
	var refused *connector.Refused
	switch {
	case open:
		d.unsettled(i, err)
	case errors.As(err, &refused):
		d.hold(i, refused.Reason, d.e.clock.Now().Add(time.Minute+jitter(time.Minute)), refused.Detail.Reveal())
	default:
		d.unavailable(i, err)
	}
}

// exhausted says whether an item has been tried for as long as the horizon allows.
func (d *drainer) exhausted(i *connector.Item) bool {
	return !i.FirstTried.IsZero() && d.e.clock.Now().Sub(i.FirstTried) > d.e.horizon
}

// unavailable makes an item wait for the connection, until the horizon has passed.
func (d *drainer) unavailable(i *connector.Item, err error) {
	if reason, untried := notTried(err); untried {
		d.wait(i, reason, d.notNow(i, err))
		return
	}
	i.Tries++
	d.tryAgain(i, err)
}

// tryAgain makes an item whose try failed wait for the next one, until the horizon has passed.
func (d *drainer) tryAgain(i *connector.Item, err error) {
	if d.exhausted(i) {
		d.park(i, connector.RetriesExhausted, err.Error())
		return
	}
	reason, again := d.again(i, err)
	d.wait(i, reason, again)
}

// notTried says whether the pace let no request leave, and why.
func notTried(err error) (connector.Reason, bool) {
	var retry *connector.Retry
	if errors.As(err, &retry) && (errors.Is(err, errClosed) || errors.Is(err, errCrowded)) {
		return retry.Reason, true
	}
	return "", false
}

// notNow is when an item that was not tried may be: at once where the whole connection waits, since no lane is claimed
// before that is over; else after a while of its own.
func (d *drainer) notNow(i *connector.Item, err error) time.Time {
	if errors.Is(err, errClosed) {
		return time.Time{}
	}
	return d.e.clock.Now().Add(backoff(i.Tries) + time.Second)
}

// unsettled leaves an attempt open until the connection answers again, or the horizon has passed.
func (d *drainer) unsettled(i *connector.Item, err error) {
	again := time.Time{}
	switch _, untried := notTried(err); {
	case untried:
		again = d.notNow(i, err)
	case d.exhausted(i):
		d.park(i, connector.RetriesExhausted, err.Error())
		return
	default:
		i.Tries++
		_, again = d.again(i, err)
	}
	i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, again
	d.put(i)
}

// again is when an item may be tried once more after an error, and what to call the wait: with growing full jitter, or
// when the EHR said, which a restart must not forget.
func (d *drainer) again(i *connector.Item, err error) (connector.Reason, time.Time) {
	reason, at := connector.EHRUnavailable, d.e.clock.Now().Add(backoff(i.Tries))
	var retry *connector.Retry
	if errors.As(err, &retry) {
		if retry.After > 0 {
			at = d.e.clock.Now().Add(min(retry.After, connector.AskedMost) + jitter(time.Second))
		}
		if retry.Reason != "" {
			reason = retry.Reason
		}
	}
	return reason, at
}

// bind makes sure the thread's patient is known, fresh and still the right one (DESIGN §3.5).
func (d *drainer) bind(ctx context.Context, i *connector.Item) (bool, error) {
	if d.thread.Changed {
		d.hold(i, connector.PatientChanged, connector.Never, "")
		return false, nil
	}
	key := d.thread.Patient
	if d.c.told() {
		key.Reference = "" // such an EHR issues none that a platform could know
	}
	if d.thread.Bound.Reference != "" {
		key = connector.PatientKey{Reference: d.thread.Bound.Reference}
	}
	if key.IsZero() {
		d.hold(i, connector.NoPatient, connector.Never, "")
		return false, nil
	}
	p, err := d.c.patient(ctx, d.asker(), key)
	now := d.e.clock.Now()
	again := now.Add(recheckPatient(i.Tries))
	var refused *connector.Refused
	switch {
	case errors.Is(err, connector.ErrNoMatch):
		d.holdForNews(i, connector.NoPatient, again, "", key)
		return false, nil
	case errors.Is(err, connector.ErrAmbiguous):
		d.holdForNews(i, connector.PatientAmbiguous, again, "", key)
		return false, nil
	case errors.As(err, &refused):
		d.hold(i, refused.Reason, again, refused.Detail.Reveal())
		if refused.Reason == connector.WrongSubject {
			d.stop(i, refused.Reason)
		}
		return false, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		d.unavailable(i, err)
		return false, nil
	}
	if reason := agree(key, p, d.trusted()); reason != "" {
		d.holdForNews(i, reason, again, "", key)
		return false, nil
	}
	d.theirs = p.Identifiers
	if d.thread.Bound.Reference == "" {
		d.bound(i, key, p)
	}
	return true, nil
}

// trusted says whether identifiers alone are enough: the channel's are trusted, or the EHR shows no patient to compare with.
func (d *drainer) trusted() bool { return d.c.TrustIDs || d.line.TrustIDs }

// bound records the link, once and with its audit row.
func (d *drainer) bound(i *connector.Item, k connector.PatientKey, p connector.Patient) {
	how := "identifier"
	switch {
	case d.c.TrustIDs, k.Reference == "" && d.line.TrustIDs:
		how = "trusted"
	case k.Reference != "":
		how = "reference"
	}
	b := connector.Binding{Reference: p.Reference, At: d.e.clock.Now(), How: how}
	d.thread.Bound = b
	d.audit("match", "R", 0, i, map[string]string{"how": how, "patient": p.Reference, "version": p.Version})
	d.later(func(tx connector.Tx) error {
		t, err := tx.Thread(d.lane.EHR, d.lane.Thread)
		if err != nil {
			return err
		}
		t.Bound = b
		return tx.PutThread(&t)
	})
}

// untouched says whether nobody has done anything about an item since it came.
func untouched(i *connector.Item) bool { return i.Tries == 0 && i.ChangedAt.Equal(i.CommittedAt) }

// planned gives the writes an earlier attempt of this item committed: they are what Find, compare and retry use, never
// a new plan.
func (d *drainer) planned(ctx context.Context, i *connector.Item) (rows []connector.WriteRow, err error) {
	if untouched(i) {
		return nil, nil
	}
	err = d.e.store.View(ctx, func(tx connector.Tx) error {
		rows, err = tx.WritesOf(d.lane.EHR, i.ID)
		return err
	})
	if rows = live(rows); len(rows) == 0 {
		return nil, err
	}
	return rows, err
}

// askPlan asks the adapter for the item's writes. It reports false with the item parked where they cannot be made.
func (d *drainer) askPlan(i *connector.Item, x connector.Exchange) ([]connector.Write, bool) {
	writes, err := d.c.EHR.Plan(x)
	var refused *connector.Refused
	switch {
	case errors.As(err, &refused):
		d.park(i, refused.Reason, refused.Detail.Reveal())
		d.followRequest(i, x)
	case err != nil:
		d.park(i, connector.Internals, err.Error())
	}
	return writes, err == nil
}

// plan makes the item's writes and settles what needs none.
func (d *drainer) plan(i *connector.Item, x connector.Exchange) ([]connector.WriteRow, bool) {
	writes, ok := d.askPlan(i, x)
	switch {
	case !ok:
		return nil, false
	case len(writes) == 0:
		d.finish(i, connector.NotDue, connector.PolicyLeftOut)
		d.followRequest(i, x)
		return nil, false
	}
	rows := make([]connector.WriteRow, len(writes))
	for n, w := range writes {
		rows[n] = connector.WriteRow{ID: connector.NewID(d.e.clock.Now()), EHR: d.c.ID, Thread: d.thread.ID, Item: i.ID, Ord: n,
			State: connector.WriteReady, Write: w, Provides: d.provides(w.Provides, x.Channel)}
	}
	d.thread.Strategy = x.Strategy
	return rows, true
}

// shadow asks the gate about what would be written and writes nothing: what the gate refuses is parked, so that it is
// known before the connection goes live.
func (d *drainer) shadow(i *connector.Item, rows []connector.WriteRow) error {
	for _, row := range rows {
		if ok, err := d.passes(i, row.Write); !ok || err != nil {
			return err
		}
	}
	d.finish(i, connector.NotDue, connector.PolicyLeftOut)
	return nil
}

// passes asks the gate about a planned write that is not made, or not yet. It reports false with the item parked.
func (d *drainer) passes(i *connector.Item, w connector.Write) (bool, error) {
	if w.Update != nil {
		return true, nil // its bytes depend on what the chart would show
	}
	w.Body = WithStandIns(w)
	err := d.c.EHR.Gate(w)
	var refused *connector.Refused
	if errors.As(err, &refused) {
		d.park(i, refused.Reason, refused.Detail.Reveal())
		return false, nil
	}
	return err == nil, err
}
