package inbox

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// lookFor is how long one look may take: a store that does not answer must not keep the next look from being made.
const lookFor = 5 * time.Second

// looker reads what is watched for all who watch it, as little as says whether anything is new: Versions of threads and of
// sessions, in two questions however many pages there are. A session is opened only when it has changed.
type looker struct {
	d        *Desk
	sessions map[string]kept // by id, as last read; see lean
}

// look reads what is watched and tells each page what is new to it.
func (l *looker) look(all []*watching) {
	byEHR := map[string][]*watching{}
	watched := map[string]bool{}
	for _, w := range all {
		byEHR[w.s.EHR] = append(byEHR[w.s.EHR], w)
		watched[w.s.ID] = true
	}
	maps.DeleteFunc(l.sessions, func(id string, _ kept) bool { return !watched[id] })
	for name, some := range byEHR {
		l.lookAt(l.d.o.EHRs[name], some)
	}
}

func (l *looker) lookAt(e EHR, all []*watching) {
	ctx, done := context.WithTimeout(context.Background(), lookFor)
	defer done()
	seen, err := l.read(ctx, e, all)
	if err != nil {
		l.d.o.Log.Warn("inbox: what pages show could not be looked at", "ehr", e.Name, "error", err)
		return
	}
	for _, w := range all {
		l.tell(ctx, w, seen)
	}
}

// seen is what one look at an EHR connection finds.
type seen struct {
	shown    connector.ShownVersions
	sessions map[string]int64 // Version by id
}

// read reads the Versions of what pages show, and the sessions that have changed since they were read.
func (l *looker) read(ctx context.Context, e EHR, all []*watching) (out seen, err error) {
	var ids []string
	for _, w := range all {
		ids = append(ids, w.s.ID)
	}
	ids = distinct(ids)
	err = l.d.o.Store.View(ctx, func(tx connector.Tx) (err error) {
		if out.sessions, err = tx.SessionVersions(e.ID, ids); err != nil {
			return err
		}
		for id, version := range out.sessions {
			if l.sessions[id].row.Version == version {
				continue
			}
			k, err := readKept(tx, e, id)
			if errors.Is(err, connector.ErrStore) {
				return err
			}
			if err != nil { // its row is damaged: that is no reason to tell nobody anything
				l.d.o.Log.Error("inbox: a session that is watched could not be read", "session", id, "error", err)
				delete(l.sessions, id)
				continue
			}
			l.sessions[id] = k.lean()
		}
		out.shown, err = tx.Versions(e.ID, l.shown(all))
		return err
	})
	return out, err
}

// lean is a session with what a look needs of it: neither tokens nor a person's name are kept for longer than they are used.
func (k kept) lean() kept {
	k.row.Handle, k.row.Body = "", nil
	k.body = sessionBody{Pools: k.body.Pools, Patient: k.body.Patient, Covered: k.body.Covered}
	return k
}

// shown is what the pages show together.
func (l *looker) shown(all []*watching) connector.Shown {
	out := connector.Shown{PerPatient: patientThreads, PerPool: poolPage}
	for _, w := range all {
		b := l.sessions[w.s.ID].body
		switch {
		case len(w.threads) > 0:
			out.Threads = append(out.Threads, w.threads...)
		case b.Patient != "":
			out.Patients = append(out.Patients, b.Patient)
		default:
			out.Pools = append(out.Pools, b.Pools...)
		}
	}
	out.Threads, out.Patients, out.Pools = distinct(out.Threads), distinct(out.Patients), distinct(out.Pools)
	return out
}

// versions gives a page the Version of every thread it shows.
func (w *watching) versions(b sessionBody, of connector.ShownVersions) map[string]int64 {
	if len(w.threads) == 0 && b.Patient != "" {
		return of.Patients[b.Patient]
	}
	out := map[string]int64{}
	for _, id := range w.threads {
		out[id] = of.Threads[id]
	}
	if len(w.threads) == 0 {
		for _, pool := range b.Pools {
			maps.Copy(out, of.Pools[pool])
		}
	}
	return out
}

// tell tells one page its news, and how its session is. A page that does not listen holds up nobody.
func (l *looker) tell(ctx context.Context, w *watching, now seen) {
	if _, there := now.sessions[w.s.ID]; !there {
		l.d.finish(w, &Ended{EndedSignOut})
		return
	}
	k, known := l.sessions[w.s.ID]
	if !known {
		return
	}
	var ended *Ended
	if err := l.d.goesOn(ctx, &k); errors.As(err, &ended) {
		l.d.finish(w, ended)
		return
	}
	news := w.news(w.versions(k.body, now.shown))
	if k.body.Covered != w.covered {
		w.covered = k.body.Covered
		if w.covered != "" {
			news = append(news, Change{Cover: w.covered})
		}
	}
	w.say(news...)
}

// distinct sorts, and names each once.
func distinct(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}
