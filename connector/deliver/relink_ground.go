package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// ground is all of a thread that a decision about its patient depends on.
type ground struct {
	thread    connector.Thread
	ehr       string // the connection's name
	perThread bool   // it is filed as one entry
	items     []connector.Item
	rows      map[string][]connector.WriteRow // of items toward the EHR that are not done for good, by item
	unsure    map[string]bool                 // writes that may be on the chart though they count as ready
	entries   map[string][]string             // what is on the chart, by item
	ours      map[string]bool                 // ids of messages that were written on our side
}

// groundOf finds the one thread an id means, and reads it.
func (e *Engine) groundOf(ctx context.Context, id string) (g ground, err error) {
	err = e.store.View(ctx, func(tx connector.Tx) error {
		g = ground{}
		threads, err := tx.Trace(id)
		if err != nil {
			return err
		}
		slices.SortFunc(threads, func(a, b connector.Thread) int { return cmpID(a.ID, b.ID) })
		threads = slices.CompactFunc(threads, func(a, b connector.Thread) bool { return a.ID == b.ID && a.EHR == b.EHR })
		switch len(threads) {
		case 0:
			return connector.ErrNotFound
		case 1:
		default:
			return fmt.Errorf("%w: this id means %d threads; name one by our thread id, which chartwire trace shows", ErrNotThisWay, len(threads))
		}
		g.thread = threads[0]
		row, err := tx.EHR(g.thread.EHR)
		if err != nil {
			return err
		}
		g.ehr = row.Name
		if c := e.conns[g.thread.EHR]; c != nil {
			g.perThread = c.PerThread
		}
		return g.read(tx)
	})
	return g, err
}

func cmpID(a, b string) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// read reads what stands around the thread.
func (g *ground) read(tx connector.Tx) (err error) {
	t := g.thread
	g.rows, g.unsure, g.entries, g.ours = map[string][]connector.WriteRow{}, map[string]bool{}, map[string][]string{}, map[string]bool{}
	if g.items, err = tx.ThreadItems(t.EHR, t.ID); err != nil {
		return err
	}
	filed, err := tx.FiledWrites(t.EHR, t.ID)
	if err != nil {
		return err
	}
	for _, w := range filed {
		if ref := w.Receipt.Reference; w.Identified && ref != "" && !isPerson(ref) {
			g.entries[w.Item] = append(g.entries[w.Item], ref)
		}
	}
	for n := range g.items {
		if err := g.readItem(tx, &g.items[n]); err != nil {
			return err
		}
	}
	return nil
}

func (g *ground) readItem(tx connector.Tx, i *connector.Item) error {
	if !i.Lane.TowardEHR() || i.State == connector.Filed || i.State == connector.NotDue {
		return nil
	}
	rows, err := tx.WritesOf(i.EHR, i.ID)
	if err != nil {
		return err
	}
	g.rows[i.ID] = live(rows)
	for _, w := range g.rows[i.ID] {
		if w.State != connector.WriteReady || w.Attempts == 0 {
			continue
		}
		attempts, err := tx.Attempts(i.EHR, w.ID)
		if err != nil && !errors.Is(err, connector.ErrNotFound) {
			return err
		}
		if len(attempts) == 0 || !slices.Contains(notTaken, attempts[len(attempts)-1].Outcome) {
			g.unsure[w.ID] = true
		}
	}
	if i.Message == "" || i.Direction == connector.FromPatient || g.ours[i.Message] {
		return nil
	}
	m, err := tx.Message(i.EHR, i.Message)
	if errors.Is(err, connector.ErrNotFound) {
		return nil
	}
	g.ours[i.Message] = m.Client != "" || m.Message.ClientID != ""
	return err
}

// notTaken are the outcomes of an attempt after which the chart is known not to have it.
var notTaken = []string{"retry", "refused", "conflict", "absent"}

// keys are whom the platform has named, the first first.
func (g ground) keys() []connector.PatientKey {
	var out []connector.PatientKey
	for _, k := range append([]connector.PatientKey{g.thread.Patient}, g.thread.Info.Disputed...) {
		if !k.IsZero() {
			out = append(out, k)
		}
	}
	return out
}

// reason is why the thread is held for its patient, "" where it is not.
func (g ground) reason() connector.Reason {
	if g.thread.Changed {
		return connector.PatientChanged
	}
	for _, i := range g.items {
		stands := i.State == connector.Held || i.State == connector.Parked
		if i.Lane.TowardEHR() && stands && aboutPatient(i.Reason) {
			return i.Reason
		}
	}
	return ""
}

// aboutPatient says whether an item with this reason waits for its thread's patient to be settled.
func aboutPatient(r connector.Reason) bool {
	return r == connector.PatientChanged || awaited(r) == connector.NoPatient
}

// isPerson says whether a reference is somebody's and not an entry's.
func isPerson(ref string) bool { return len(ref) > 14 && ref[:14] == "RelatedPerson/" }

// live leaves out the writes that were planned for a patient the thread is not bound to any more.
func live(rows []connector.WriteRow) []connector.WriteRow {
	return slices.DeleteFunc(rows, func(w connector.WriteRow) bool { return w.Ord < 0 })
}

// elsewhere says whether what is on the chart of an item is on another patient's than its thread's: nothing of this patient's
// refers to it, and nothing changes it.
func elsewhere(i *connector.Item) bool { return i.Detail.Under != "" }

// headerElsewhere says whether the thread's header is on the chart of a patient it is not bound to any more.
func (d *drainer) headerElsewhere(ctx context.Context) (gone bool, err error) {
	if d.thread.Header == "" || d.thread.Bound.How != connector.ByPerson {
		return false, nil
	}
	err = d.e.store.View(ctx, func(tx connector.Tx) error {
		header, err := tx.Item(d.thread.EHR, d.thread.Header)
		gone = elsewhere(&header)
		return err
	})
	return gone, err
}
