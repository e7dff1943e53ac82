package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/crash"
	"github.com/chartwire/chartwire/connector/egress"
)

// attempt makes the request. The transport asks for the fence when it gets its connection, so that a worker that slept
// past its lease writes nothing.
func (d *drainer) attempt(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.c.Deadline)
	defer cancel()
	crash.At(crash.DeliverBeforeSend)
	r, err := d.c.EHR.File(d.fenced(ctx), w)
	crash.At(crash.DeliverAfterSend)
	return r, err
}

// fenced makes requests under ctx stop before their first byte where our lease of the lane has run out.
func (d *drainer) fenced(ctx context.Context) context.Context {
	return egress.WithFence(ctx, func() error {
		if d.e.clock.Now().After(d.lane.Until) {
			return connector.ErrFenced
		}
		return nil
	})
}

// errPatientNews says that something was told of the patient since they were matched, before the attempt was committed.
var errPatientNews = errors.New("news of the patient has come since they were matched, so nothing leaves before they are matched anew")

// fencedOff says whether an attempt was not made, and nothing has left: its lane is given back as it was before.
func fencedOff(err error) bool {
	return errors.Is(err, connector.ErrPaused) || errors.Is(err, errPatientNews)
}

// stillTheirs is holdToSend for an item whose patient was made sure of (bind): what an EHR's feed has told us by then counts, so that
// nothing leaves under a record whose merge we have acknowledged.
func (d *drainer) stillTheirs(tx connector.Tx, l *connector.Lane) error {
	if a, ok := d.c.EHR.(connector.PatientAwaiter); ok {
		k := connector.PatientKey{Reference: d.thread.Bound.Reference}
		p, err := a.Stored(tx, k.Reference)
		switch {
		case errors.Is(err, connector.ErrNoMatch), errors.Is(err, connector.ErrAmbiguous):
			return errPatientNews
		case err != nil:
			return err
		case agree(k, p, d.trusted()) != "":
			return errPatientNews
		}
	}
	return d.holdToSend(tx, l)
}

// holdToSend is the fence of a commit after which a request leaves.
func (d *drainer) holdToSend(tx connector.Tx, l *connector.Lane) error {
	if d.c.stopped() {
		return connector.ErrPaused
	}
	return tx.HoldToSend(l, d.e.clock.Now())
}

// commitAttempt commits, in one transaction with whatever completions wait, that a request with these final bytes may
// leave from now on. ErrPaused: the connection is paused; errPatientNews: the patient has to be matched anew. The attempt was not
// made then.
func (d *drainer) commitAttempt(ctx context.Context, i *connector.Item, rows []connector.WriteRow, n int) (*connector.Attempt, error) {
	now, pending, moved := d.e.clock.Now(), len(d.pending), len(d.moved)
	w := &rows[n]
	w.State = connector.WriteAttempted
	w.Attempts++
	if i.FirstTried.IsZero() {
		i.FirstTried = now
	}
	i.State, i.Reason, i.NextAt = connector.Filing, "", time.Time{} // whoever takes the lane over does not wait for when it was due before
	i.Tries++
	d.stamp(i)
	d.put(i)
	for k := range rows {
		if rows[k].Attempts == 0 {
			d.storeRow(&rows[k])
		}
	}
	// The time is taken inside the commit, after the lease was renewed: what may still be sent under that lease, and how
	// long it may be under way, then lies within settle of it.
	row := *w
	d.later(func(tx connector.Tx) error {
		c := row
		c.AttemptedAt = d.e.clock.Now()
		w.AttemptedAt = c.AttemptedAt
		return tx.PutWrite(&c)
	})
	a := &connector.Attempt{ID: connector.NewID(now), EHR: d.c.ID, Thread: d.thread.ID, Write: w.ID, No: w.Attempts,
		Fence: d.lane.Fence, StartedAt: now}
	if w.Write.Update != nil { // each attempt patches the EHR's own bytes anew: these are this one's
		sent := w.Write
		a.Sent = &sent
	}
	d.storeAttempt(a)
	crash.At(crash.DeliverBeforeAttempt)
	fence := d.stillTheirs
	if retracting(i) { // whatever has become of the patient
		fence = d.holdToSend
	}
	err := d.commit(ctx, fence)
	if fencedOff(err) { // what came before it is committed without it
		d.pending, d.moved = d.pending[:pending], d.moved[:moved]
	}
	if err != nil {
		return a, err
	}
	crash.At(crash.DeliverAfterAttempt)
	return a, nil
}

func (d *drainer) storeRow(w *connector.WriteRow) {
	row := *w
	if row.Key == "" { // not resolved yet: its turn has not come
		row.Key = "item|" + row.Item + "|" + fmt.Sprint(row.Ord)
	}
	d.later(func(tx connector.Tx) error {
		c := row
		return tx.PutWrite(&c)
	})
}

func (d *drainer) storeOutcome(w *connector.WriteRow) {
	row := *w
	d.later(func(tx connector.Tx) error {
		c := row
		return tx.PutOutcome(&c)
	})
}

func (d *drainer) storeAttempt(a *connector.Attempt) {
	row := *a
	d.later(func(tx connector.Tx) error {
		c := row
		return tx.PutAttempt(&c)
	})
}
