package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/connector"
)

// What is loaded is what an Update would have written: it reads back, opens, counts, and can be claimed.
func TestLoad(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		now := time.Now().UTC().Truncate(time.Microsecond)
		id := func() string { return connector.NewID(now) }
		ehr := connector.EHRRow{ID: id(), Name: "mercy"}
		thread := connector.Thread{ID: id(), EHR: ehr.ID, Channel: "texting", Ext: "t-1", Info: connector.ThreadInfo{ID: "t-1", Subject: "Readings"}, CreatedAt: now}
		message := connector.MessageRow{ID: id(), EHR: ehr.ID, Thread: thread.ID, Revision: 1, ReceivedAt: now,
			Message: connector.Message{ID: "m-1", Text: "98|60", Direction: connector.FromPatient}}
		item := connector.Item{ID: id(), EHR: ehr.ID, Thread: thread.ID, Lane: connector.LaneChart, Kind: connector.ItemExchange, State: connector.Waiting,
			Channel: "texting", Direction: connector.FromPatient, Message: message.ID, CommittedAt: now, ChangedAt: now}
		bell, stop := db.Listen(ehr.ID)
		defer stop()
		err := db.Load(t.Context(), func(tx connector.Tx) error {
			if err := tx.PutEHR(ehr); err != nil {
				return err
			}
			i, th := item, thread
			if _, err := tx.InsertEvent(connector.EventRow{ID: id(), EHR: ehr.ID, Channel: "texting", Key: "k-1", Type: connector.MessageCreated, ReceivedAt: now}); err != nil {
				return err
			}
			for _, err := range []error{tx.PutThread(&th), tx.PutMessage(&message), tx.PutItem(&i),
				tx.TouchLane(ehr.ID, thread.ID, connector.LaneChart, now, connector.Routine),
				tx.Audit(connector.AuditEntry{ID: id(), EHR: ehr.ID, At: now, Kind: "event-accepted", Action: "C", Agent: "channel:texting"})} {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-bell:
		default:
			t.Error("nobody was woken")
		}
		err = db.View(t.Context(), func(tx connector.Tx) error {
			got, err := tx.Item(ehr.ID, item.ID)
			want := item
			want.Was = want.State
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Errorf("%v (-want +got)\n%s", err, d)
			}
			m, err := tx.MessageByExt(ehr.ID, thread.ID, "m-1", 1)
			if err != nil || m.Message.Text != message.Message.Text {
				t.Errorf("%q, %v", m.Message.Text, err)
			}
			tallies, err := tx.Tallies()
			if err != nil || len(tallies) != 1 || tallies[0].N != 1 {
				t.Errorf("%v, %v", tallies, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if lanes, err := db.Claim(t.Context(), ehr.ID, []connector.LaneKind{connector.LaneChart}, 10, time.Now()); err != nil || len(lanes) != 1 {
			t.Errorf("%v, %v", lanes, err)
		}
		if rows, err := db.AuditLog(ehr.ID).Unsealed(t.Context(), 10); err != nil || len(rows) != 1 {
			t.Errorf("%d audit rows, %v", len(rows), err)
		}
	})
}

// A load that fails leaves nothing.
func TestLoadFails(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		put := func(tx connector.Tx) error { return tx.PutMeta("seed", "1") }
		if err := db.Load(t.Context(), func(tx connector.Tx) error { _ = put(tx); return connector.ErrStale }); err != connector.ErrStale {
			t.Errorf("%v", err)
		}
		err := db.View(t.Context(), func(tx connector.Tx) error { _, err := tx.Meta("seed"); return err })
		if err != connector.ErrNotFound {
			t.Errorf("a load that failed left its rows: %v", err)
		}
	})
}
