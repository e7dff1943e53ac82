package storetest

import (
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var pageCases = []testCase{{"a thread's messages and what proves them come whole, and nobody else's", func(f *fixture) {
	t, other := f.thread("mine"), f.thread("other")
	var want []connector.MessageRow
	for n, revision := range []int{1, 2, 1} {
		m := f.message(t.ID, []string{"m-1", "m-1", "m-2"}[n], revision)
		want = append(want, m)
	}
	strange := f.message(other.ID, "m-1", 1)
	proof := connector.FiledWrite{Item: f.id(), FiledAt: f.now.Add(time.Minute), Identified: true,
		Receipt: connector.Receipt{Reference: "Communication/c-1", Version: "1", At: f.now, Status: 201, Verified: true}}
	beside := connector.FiledWrite{Item: proof.Item, FiledAt: f.now, Receipt: connector.Receipt{Reference: "Provenance/p-1"}}
	write := func(thread string, w connector.FiledWrite, state connector.WriteState) connector.WriteRow {
		row := connector.WriteRow{ID: f.id(), EHR: f.ehr, Thread: thread, Item: w.Item, Key: f.id(), State: state, FiledAt: w.FiledAt, Receipt: w.Receipt}
		if w.Identified {
			row.Write.Identity = connector.Identifier{System: "urn:m", Value: row.ID}
		}
		return row
	}
	writes := []connector.WriteRow{write(t.ID, proof, connector.WriteFiled), write(t.ID, beside, connector.WriteFiled),
		write(t.ID, proof, connector.WriteAttempted), write(other.ID, proof, connector.WriteFiled)}
	f.update(func(tx connector.Tx) error {
		for _, th := range []*connector.Thread{&t, &other} {
			if err := tx.PutThread(th); err != nil {
				return err
			}
		}
		for _, m := range append(slices.Clone(want), strange) {
			i := f.item(m.Thread, connector.Waiting)
			i.Message = m.ID
			if err := tx.PutMessage(&m); err != nil {
				return err
			}
			if err := tx.PutItem(&i); err != nil {
				return err
			}
		}
		for _, w := range writes {
			if err := tx.PutWrite(&w); err != nil {
				return err
			}
		}
		return nil
	})
	f.view(func(tx connector.Tx) error {
		same(f, "ThreadMessages", want)(tx.ThreadMessages(f.ehr, t.ID))
		same(f, "FiledWrites", []connector.FiledWrite{proof, beside})(tx.FiledWrites(f.ehr, t.ID))
		none, err := tx.FiledWrites(f.ehr, f.id())
		if len(none) != 0 {
			f.Errorf("a thread that is not there has %d writes", len(none))
		}
		return err
	})
}}}
