package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// WorkKind is what staff do with a thread besides writing in it.
type WorkKind string

// The kinds of work.
const (
	Claim   WorkKind = "claim"   // take it on
	Release WorkKind = "release" // give it back to its pool
	Assign  WorkKind = "assign"  // give it to somebody, whoever holds it
	Hand    WorkKind = "hand"    // hand it over to another pool, where nobody holds it yet
	Resolve WorkKind = "resolve" // say that it needs no answer
)

// WorkIn is one act of staff on a thread.
type WorkIn struct {
	EHR      string // id of the EHR connection
	Thread   string // our id
	Agent    string // user:SESSION, api:TOKENNAME
	OnBehalf string // EHR reference of who does it; who claims holds it
	Do       WorkKind
	To       string // assign: EHR reference of who gets it; hand: id of the pool
	// Expect is the thread's Version that was shown: ErrStale where a message came or somebody did something with the thread since.
	// What only moved on its way to the chart does not matter. 0 is any.
	Expect int64
}

// Taken says that somebody else holds a thread. Nothing was done; they release it, or it is assigned.
type Taken struct {
	By string // EHR reference
	At time.Time
}

func (e *Taken) Error() string {
	return "somebody else has taken this thread: ask them to release it, or assign it"
}

// ErrNoSuchWork says that an act is none of WorkKind, or lacks who does it or whom it is for. Nothing was done.
var ErrNoSuchWork = errors.New("this cannot be done with a thread")

func (w *WorkIn) check() error {
	needsTo := w.Do == Assign || w.Do == Hand
	switch {
	case !slices.Contains([]WorkKind{Claim, Release, Assign, Hand, Resolve}, w.Do):
		return fmt.Errorf("%w: it is none of claim, release, assign, hand and resolve", ErrNoSuchWork)
	case w.OnBehalf == "":
		return fmt.Errorf("%w: %s by nobody", ErrNoSuchWork, w.Do)
	case needsTo != (w.To != ""):
		return fmt.Errorf("%w: %s names nobody it goes to, or should not", ErrNoSuchWork, w.Do)
	}
	return nil
}

// Work does one act of staff on a thread, with its audit row (kind work) and what the EHR's Task is to say of it in the same commit,
// and gives the thread as it is then.
// Saying again what is so already changes nothing and is audited. It decides nothing about rights: the caller has. Errors:
//   - *Taken: claim or release of a thread that somebody else holds.
//   - connector.ErrStale: see WorkIn.Expect. Show the thread anew.
//   - ErrNoSuchWork, connector.ErrNotFound.
//   - anything else is the store's: nothing was done.
func (g *Ingest) Work(ctx context.Context, w WorkIn) (connector.Thread, error) {
	if err := w.check(); err != nil {
		return connector.Thread{}, err
	}
	shard, err := g.threadShard(ctx, w.EHR, w.Thread)
	if err != nil {
		return connector.Thread{}, err
	}
	var out connector.Thread
	err = g.store.Update(ctx, shard, func(tx connector.Tx) error {
		t, err := tx.Thread(w.EHR, w.Thread)
		if err != nil {
			return err
		}
		if err := w.may(t); err != nil {
			return err
		}
		now := g.now()
		before := t.Desk
		w.do(&t.Desk, now)
		if err := w.spell(tx, &t, before, now); err != nil {
			return err
		}
		if t.Desk != before {
			t.ChangeDesk(func(*connector.Desk) {})
			if err := tx.PutThread(&t); err != nil {
				return err
			}
		}
		out = t
		return tx.Audit(w.entry(before, t.Desk, now))
	})
	if err != nil {
		return connector.Thread{}, err
	}
	return out, nil
}

// threadShard orders an act with everything else of its thread.
func (g *Ingest) threadShard(ctx context.Context, ehr, thread string) (shard string, err error) {
	err = g.store.View(ctx, func(tx connector.Tx) error {
		t, err := tx.Thread(ehr, thread)
		shard = connector.Shard(ehr, t.Channel, t.Ext)
		return err
	})
	return shard, err
}

// may says whether the act is possible with the thread as it is.
func (w *WorkIn) may(t connector.Thread) error {
	d := t.Desk
	switch {
	case w.Expect != 0 && d.Version > w.Expect:
		return fmt.Errorf("thread %s: %w", t.ID, connector.ErrStale)
	case (w.Do == Claim || w.Do == Release) && d.Holder != "" && d.Holder != w.OnBehalf:
		return &Taken{By: d.Holder, At: d.HeldAt}
	}
	return nil
}

func (w *WorkIn) do(d *connector.Desk, now time.Time) {
	hold := func(who string) {
		if d.Holder != who {
			d.Holder, d.HeldAt = who, now
		}
	}
	switch w.Do {
	case Claim:
		hold(w.OnBehalf)
	case Assign:
		hold(w.To)
	case Release:
		d.Holder, d.HeldAt = "", time.Time{}
	case Hand:
		d.Pool, d.Holder, d.HeldAt = w.To, "", time.Time{}
	case Resolve:
		d.Answered()
	}
}

// spell keeps the thread's spell of work in step with its desk. Claiming, assigning and handing over begin one where none is open
// and the act changes who has the thread, or somebody waits; resolving ends it.
func (w *WorkIn) spell(tx connector.Tx, t *connector.Thread, before connector.Desk, now time.Time) error {
	if w.Do == Resolve {
		return endSpell(tx, t, now)
	}
	d := &t.Desk
	moved := d.Holder != before.Holder || d.Pool != before.Pool
	begins := d.Task == "" && w.Do != Release && (moved || !d.Need.IsZero())
	if begins {
		d.Task = connector.NewID(now)
	}
	task, open := d.Spell()
	if !open || !moved && !begins {
		return nil
	}
	if begins {
		task.By = w.OnBehalf
	}
	return connector.PutTask(tx, *t, task, begins, now)
}

// entry is the act's audit row: what it changed, from and to.
func (w *WorkIn) entry(before, after connector.Desk, now time.Time) connector.AuditEntry {
	detail := map[string]string{"act": string(w.Do)}
	switch w.Do {
	case Hand:
		detail["from"], detail["to"] = before.Pool, after.Pool
	case Resolve:
		if !before.Need.IsZero() {
			detail["first"] = before.Need.Format(time.RFC3339Nano)
		}
	default:
		detail["from"], detail["to"] = before.Holder, after.Holder
	}
	return connector.AuditEntry{ID: connector.NewID(now), EHR: w.EHR, At: now, Kind: "work", Action: "U", Agent: w.Agent,
		OnBehalf: w.OnBehalf, Thread: w.Thread, Detail: detail}
}
