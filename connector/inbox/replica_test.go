//go:build unix

package inbox

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// TestReplicasSendOnce lets two processes on one Postgres, with two senders each, send the same due messages at once.
func TestReplicasSendOnce(t *testing.T) {
	url := pgtest.New(t)
	keys, err := seal.Generate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var dbs []*store.DB
	for range 2 {
		db, err := store.Open(t.Context(), url, store.Options{Sealer: keys, Clock: clock.System})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		dbs = append(dbs, db)
	}
	w := worldOn(t, dbs[0])
	other := *w
	other.store = &spy{Store: dbs[1]}
	desks := []*Desk{w.desk, other.replica()}
	s, _ := w.launch(daniel)
	texts := map[string]string{}
	for n := range 12 {
		thread := w.comes(daniel, fmt.Sprint("t-", n), 1, patientSide, "My knee hurts")
		texts[thread] = fmt.Sprint("Cool it, ", n)
		in := answer(w.opened(s, thread), "patient", texts[thread])
		in.AddFiles = []Upload{{"plan.pdf", []byte(pdf)}}
		if _, err := w.desk.Send(t.Context(), s, in); err != nil {
			t.Fatal(err)
		}
	}
	later := clock.NewFake(time.Now().Add(time.Minute))
	var senders sync.WaitGroup
	for _, d := range desks {
		d.o.Clock = later
		for range 2 {
			senders.Go(func() {
				for range 5 { // one that finds another at work on a message may leave it to the next look
					if _, err := d.sendNow(t.Context(), w.ehr); err != nil {
						t.Logf("left to the next look: %v", err)
					}
				}
			})
		}
	}
	senders.Wait()
	for thread, text := range texts {
		if got := w.sent(thread); !slices.Equal(got, []string{text}) {
			t.Errorf("sent %v, want %q once", got, text)
		}
	}
	w.update(func(tx connector.Tx) error {
		if left, err := tx.PatientDrafts(w.ehr.ID, daniel); err != nil || len(left) != 0 {
			t.Errorf("%d drafts are left, %v", len(left), err)
		}
		return nil
	})
}
