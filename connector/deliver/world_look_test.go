package deliver_test

import (
	"github.com/chartwire/chartwire/connector"
)

// conserved holds the tallies to the items: accepted = filed + not_due + open + parked (DESIGN §3.2). Where it is not
// final, an exchange may be counted as accepted whose commit is under way.
func (w *world) conserved(final bool) {
	w.view(func(tx connector.Tx) error {
		all := []connector.ItemState{connector.Waiting, connector.Held, connector.Filing, connector.Filed, connector.Unknown, connector.Parked, connector.NotDue}
		items, err := tx.OpenItems(ehrID, all, 0)
		if err != nil {
			return err
		}
		have, sum := map[connector.ItemState]int64{}, int64(0)
		for _, i := range items {
			if i.Kind == connector.ItemExchange {
				have[i.State]++
			}
		}
		tallies, err := tx.Tallies()
		for _, t := range tallies {
			have[t.State] -= t.N
			sum += t.N
		}
		for s, n := range have {
			if n != 0 {
				w.t.Errorf("%d exchanges more are %s than the tallies say", n, s)
			}
		}
		if accepted := int64(w.accepted()); sum > accepted || (final && sum != accepted) {
			w.t.Errorf("%d exchanges were accepted and %d are told of", accepted, sum)
		}
		return err
	})
}

func (w *world) accepted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events
}

func (w *world) thread(ext string) (t connector.Thread) {
	w.t.Helper()
	w.view(func(tx connector.Tx) (err error) {
		t, err = tx.ThreadByExt(ehrID, channel, ext)
		return err
	})
	return t
}

// items gives the items of a thread of one kind, oldest first.
func (w *world) items(ext string, kind connector.ItemKind) (out []connector.Item) {
	w.t.Helper()
	t := w.thread(ext)
	w.view(func(tx connector.Tx) error {
		out = nil
		items, err := tx.ThreadItems(ehrID, t.ID)
		for _, i := range items {
			if i.Kind == kind {
				out = append(out, i)
			}
		}
		return err
	})
	return out
}

// item gives the first revision's item of a message of t-1.
func (w *world) item(key string) connector.Item {
	w.t.Helper()
	for _, i := range w.items(thread1, connector.ItemExchange) {
		if i.MsgKey == key {
			return i
		}
	}
	w.t.Fatalf("no item of message %s", key)
	return connector.Item{}
}

// is holds an item to a state and a reason.
func (w *world) is(i connector.Item, s connector.ItemState, r connector.Reason) {
	w.t.Helper()
	if i.State != s || i.Reason != r {
		w.t.Errorf("%s %s is %s %s, want %s %s", i.Kind, i.MsgKey, i.State, i.Reason, s, r)
	}
}

// filed holds messages of t-1 to being filed, each in exactly one entry with its exact words.
func (w *world) filed(texts map[string]string) {
	w.t.Helper()
	for id, text := range texts {
		w.is(w.item(id), connector.Filed, "")
		on := w.chart.on(thread1 + "/" + id)
		if len(on) != 1 {
			w.t.Errorf("message %s has %d entries", id, len(on))
			continue
		}
		if on[0].str("text") != text || on[0].reference("subject") != "Patient/ana" {
			w.t.Errorf("message %s is on the chart as %q about %s", id, on[0].str("text"), on[0].reference("subject"))
		}
	}
}

func (w *world) ehr() (r connector.EHRRow) {
	w.t.Helper()
	w.view(func(tx connector.Tx) (err error) {
		r, err = tx.EHR(ehrID)
		return err
	})
	return r
}

// writes gives the write rows of an item.
func (w *world) writes(i connector.Item) (rows []connector.WriteRow) {
	w.t.Helper()
	w.view(func(tx connector.Tx) (err error) {
		rows, err = tx.WritesOf(ehrID, i.ID)
		return err
	})
	return rows
}
