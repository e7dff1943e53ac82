package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// outcome decides what an attempt came to (the table of DESIGN §3.3). It reports true when the write needs nothing more.
func (d *drainer) outcome(ctx context.Context, i *connector.Item, w *connector.WriteRow, a *connector.Attempt, r connector.Receipt, err error) (bool, error) {
	var refused *connector.Refused
	var retry *connector.Retry
	var conflict *connector.Conflicted
	switch {
	case err == nil:
		return d.accept(i, w, a, r), nil
	case errors.Is(err, connector.ErrFenced):
		return false, connector.ErrFenced // nothing was written; the lane's new holder sees an open attempt and settles it
	case errors.As(err, &retry):
		w.State = connector.WriteReady
		d.ended(a, "retry", retry.Reason, retry.Status, connector.AnswerOf(err))
		d.storeRow(w)
		if reason, untried := notTried(err); untried {
			d.wait(i, reason, d.notNow(i, err))
		} else {
			d.tryAgain(i, err) // its attempt counted it
		}
		return false, nil
	case errors.As(err, &refused):
		return d.refuse(i, w, a, err), nil
	case errors.As(err, &conflict):
		d.ended(a, "conflict", "", conflict.Status, connector.AnswerOf(err))
		return d.conflict(ctx, i, w)
	default: // *Ambiguous, and anything an adapter did not classify
		d.ended(a, "ambiguous", connector.Settling, ambiguousStatus(err), connector.AnswerOf(err))
		i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, w.AttemptedAt.Add(d.c.settle())
		d.audit("file", "C", 4, i, map[string]string{"outcome": "unknown"})
		d.put(i)
		return false, nil
	}
}

func ambiguousStatus(err error) int {
	var a *connector.Ambiguous
	if errors.As(err, &a) {
		return a.Status
	}
	return 0
}

// ended records how an attempt ended.
func (d *drainer) ended(a *connector.Attempt, outcome string, r connector.Reason, status int, answer []byte) {
	if a == nil {
		return
	}
	a.EndedAt, a.Outcome, a.Reason, a.Status, a.Answer = d.e.clock.Now(), outcome, r, status, answer
	d.storeAttempt(a)
	d.e.observe.Attempted(d.c.Name, outcome, r)
}

// accept compares what the chart shows with what was sent, and records the receipt.
func (d *drainer) accept(i *connector.Item, w *connector.WriteRow, a *connector.Attempt, r connector.Receipt) bool {
	now := d.e.clock.Now()
	v := compare(w.Write, r)
	r.Verified = r.Echo.Shown && v.reason == ""
	w.Receipt, w.State, w.FiledAt = r, connector.WriteFiled, now
	switch v.reason {
	case connector.IdentityCollision: // what is there is not ours: a replay searches again
		w.State, w.Receipt, w.FiledAt = connector.WriteAttempted, connector.Receipt{}, time.Time{}
	case connector.WrongSubject:
		w.State, w.FiledAt = connector.WriteAttempted, time.Time{}
	}
	outcome := "filed"
	if r.Found {
		outcome = "found"
	}
	d.ended(a, outcome, v.reason, r.Status, r.Response)
	if a != nil { // its attempt's commit has everything else
		d.storeOutcome(w)
	} else {
		d.storeRow(w)
	}
	d.know(w)
	if v.reason == "" {
		return true
	}
	d.park(i, v.reason, "")
	if v.stop || (v.reason == connector.ContentAltered && d.c.contentAltered(now)) {
		d.stop(i, v.reason)
	}
	return false
}

// refuse settles a definite no. An optional write is left out; a refusal of our credentials holds the item, because the
// cause is not in it; everything else parks. It reports true when the item can go on without the write.
func (d *drainer) refuse(i *connector.Item, w *connector.WriteRow, a *connector.Attempt, err error) bool {
	var refused *connector.Refused
	if !errors.As(err, &refused) {
		refused = &connector.Refused{Reason: connector.Internals, Detail: connector.Protect(err.Error())}
	}
	d.ended(a, "refused", refused.Reason, refused.Status, connector.AnswerOf(refused))
	if w.Write.Optional {
		w.State = connector.WriteDropped
		if w.Attempts > 0 {
			d.storeRow(w)
		}
		return true
	}
	w.State = connector.WriteReady
	if w.Attempts > 0 { // else no commit has the plan, and it is made anew
		d.storeRow(w)
	}
	if refused.Reason == connector.Unauthorized {
		d.c.reopen()
		d.hold(i, refused.Reason, d.e.clock.Now().Add(recheckPatient(i.Tries)), refused.Detail.Reveal())
		return false
	}
	d.park(i, refused.Reason, refused.Detail.Reveal())
	if refused.Reason == connector.WrongSubject {
		d.stop(i, refused.Reason)
	}
	return false
}

// conflict answers a 409 or 412: somebody was there. An update is prepared anew; an entry is searched for at once, and
// if it cannot be seen, after settle.
func (d *drainer) conflict(ctx context.Context, i *connector.Item, w *connector.WriteRow) (bool, error) {
	now := d.e.clock.Now()
	if w.Write.Update != nil {
		w.State = connector.WriteReady
		d.storeRow(w)
		if d.exhausted(i) {
			d.park(i, connector.RetriesExhausted, "")
			return false, nil
		}
		d.wait(i, connector.EarlierItem, now.Add(jitter(backoff(w.Attempts))))
		return false, nil
	}
	r, err := d.find(ctx, w.Write)
	if err == nil {
		r.Found = true
		return d.accept(i, w, nil, r), nil
	}
	d.storeRow(w) // still open: a refused or failed search says nothing about what is there
	i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, w.AttemptedAt.Add(d.c.settle())
	d.put(i)
	return false, nil
}

// filed does what follows from an item being on the chart.
func (d *drainer) filed(i *connector.Item) {
	switch i.Kind {
	case connector.ItemExchange:
		d.done[i.MsgKey] = true
		d.afterMessage(i)
	case connector.ItemStatus:
		d.afterMessage(i)
	case connector.ItemCorrection:
		d.retractToo(i)
	case connector.ItemRequest:
		d.requests[i.Detail.Request] = true
	}
}

func (d *drainer) touch(k connector.LaneKind) {
	now := d.e.clock.Now()
	d.later(func(tx connector.Tx) error {
		return tx.TouchLane(d.lane.EHR, d.lane.Thread, k, now, connector.Routine)
	})
}
