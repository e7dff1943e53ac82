package inbox

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/fhir/smart"
)

// live is what this process knows of a session beside its row; the desk's mu guards it.
type live struct {
	seen      time.Time // when its user did something here last; the row says it by the minute
	rights    map[string]right
	untold    map[string]time.Time // names that the EHR did not tell, and until when it is not asked again
	reads     chan struct{}        // holds one for each read that runs
	roles     chan struct{}        // holds one while its user is read
	rolesNext time.Time            // when they may be read again
}

// of gives what is known of a session; mu is held.
func (d *Desk) of(id string) *live {
	l := d.live[id]
	if l == nil {
		l = &live{rights: map[string]right{}, untold: map[string]time.Time{}, reads: make(chan struct{}, readsAtOnce), roles: make(chan struct{}, 1)}
		d.live[id] = l
	}
	return l
}

// seen is when a session's user did something last.
func (d *Desk) seen(k *kept) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.live[k.row.ID]; l != nil && l.seen.After(k.row.SeenAt) {
		return l.seen
	}
	return k.row.SeenAt
}

// sawUser notes that a session's user did something.
func (d *Desk) sawUser(k *kept, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of(k.row.ID).seen = now
}

// forget drops what is known of a session that is over.
func (d *Desk) forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.live, id)
}

// How often Run looks for sessions whose time has run out; how long rows are kept after that for their pages to say why: of
// sessions, and of launches, whose page says so to who comes back late and is useless to anybody else; how long an EHR is given to
// end tokens; how many sessions that were left are read at once, and how many rows forgotten in one commit.
const (
	sweepEvery   = time.Minute
	keepEnded    = 2 * Life
	keepLaunch   = 10 * time.Minute
	revokeFor    = 10 * time.Second
	leftAtOnce   = 100
	forgetAtOnce = 500
)

// Run does what the desk does by itself until ctx ends: it ends sessions whose time has run out, forgets old launches and
// sessions, sends drafts that are due, and finishes what it has begun. Errors are logged and tried again; it gives none.
func (d *Desk) Run(ctx context.Context) error {
	var jobs sync.WaitGroup
	for _, job := range d.jobs() {
		jobs.Go(func() { job(ctx) })
	}
	<-ctx.Done()
	jobs.Wait()
	d.under.Wait()
	return nil
}

// jobs are what Run runs until its context ends.
func (d *Desk) jobs() []func(context.Context) {
	out := []func(context.Context){d.sweep}
	for _, e := range d.o.EHRs {
		out = append(out, func(ctx context.Context) { d.sendDue(ctx, e) })
	}
	return out
}

// sweep ends the sessions that nobody uses any more: those this process has served, and those whose process is gone.
func (d *Desk) sweep(ctx context.Context) {
	for clock.Sleep(ctx, d.o.Clock, sweepEvery) == nil {
		for _, id := range d.known() {
			_, err := d.going(ctx, id)
			switch {
			case errors.As(err, new(*Ended)) || errors.Is(err, connector.ErrNotFound):
				d.forget(id)
			case err != nil:
				d.o.Log.Warn("inbox: a session could not be looked at", "session", id, "error", err)
			}
		}
		d.endLeft(ctx)
		if err := d.forgetOld(ctx); err != nil {
			d.o.Log.Warn("inbox: old sessions could not be forgotten", "error", err)
		}
	}
}

// forgetOld removes what is over, in batches until there is no more: launches come from anybody, and what comes faster than it
// goes would fill the disk.
func (d *Desk) forgetOld(ctx context.Context) error {
	now := d.now()
	for _, old := range []func(tx connector.Tx) (int, error){
		func(tx connector.Tx) (int, error) { return tx.ForgetLaunches(now.Add(-keepLaunch), forgetAtOnce) },
		func(tx connector.Tx) (int, error) { return tx.ForgetSessions(now.Add(-keepEnded), forgetAtOnce) },
	} {
		for gone := forgetAtOnce; gone == forgetAtOnce; {
			err := d.o.Store.Update(ctx, "inbox", func(tx connector.Tx) (err error) {
				gone, err = old(tx)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// endLeft ends sessions by what their rows say, which may be behind what their process knows by touch.
func (d *Desk) endLeft(ctx context.Context) {
	for _, e := range d.o.EHRs {
		for {
			var left []connector.SessionRow
			err := d.o.Store.View(ctx, func(tx connector.Tx) (err error) {
				left, err = tx.SessionsLeft(e.ID, d.now().Add(-Idle-2*touch), leftAtOnce)
				return err
			})
			over := 0
			for _, row := range left {
				_, ended := d.going(ctx, row.ID)
				if errors.As(ended, new(*Ended)) {
					over++
					continue
				}
				err = errors.Join(err, ended)
			}
			if err != nil {
				d.o.Log.Warn("inbox: sessions that were left could not be ended", "ehr", e.Name, "error", err)
			}
			if err != nil || over < leftAtOnce {
				break
			}
		}
	}
}

func (d *Desk) known() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for id := range d.live {
		out = append(out, id)
	}
	return out
}

// revoke has the EHR end tokens that nobody uses any more, beside whatever goes on, and audits what came of it.
func (d *Desk) revoke(e EHR, session, user string, g smart.Grant) {
	if e.App == nil || g.Access == "" && g.Refresh == "" {
		return
	}
	d.under.Go(func() {
		ctx, done := context.WithTimeout(context.Background(), revokeFor)
		defer done()
		row := act{audit.Token, audit.Execute, audit.Success, map[string]string{"act": "revoke", "key": session}}
		if err := e.App.Revoke(ctx, g); err != nil {
			row.outcome = audit.MinorFailure
			d.o.Log.Warn("inbox: the EHR did not confirm that it ended a session's tokens", "ehr", e.Name, "session", session, "error", err)
		}
		now := d.now()
		err := d.update(context.Background(), e.ID, user, func(tx connector.Tx) error {
			return tx.Audit(row.by(workerAgent, e, now))
		})
		if err != nil {
			d.o.Log.Error("inbox: the end of a session's tokens could not be audited", "ehr", e.Name, "session", session, "error", err)
		}
	})
}
