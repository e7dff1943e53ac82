package alert_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store"
)

func TestOneAlertForAReasonAsLongAsOneItemNeedsAPerson(t *testing.T) {
	bubble(t, func(t *testing.T, db *store.DB, p *pager) {
		b, stop := start(t, db, p)
		defer stop()
		parking := alert.Parking{Board: b, Store: db, Clock: clock.System, Names: map[string]string{"EHR": "mercy"}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- parking.Run(ctx) }()
		put := func(items ...*connector.Item) {
			t.Helper()
			err := db.Update(t.Context(), "test", func(tx connector.Tx) error {
				if err := tx.PutEHR(connector.EHRRow{ID: "EHR", Name: "mercy"}); err != nil {
					return err
				}
				for _, i := range items {
					if err := tx.PutItem(i); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		var items []*connector.Item
		for n := range 3 {
			items = append(items, &connector.Item{ID: fmt.Sprint("i", n), EHR: "EHR", Thread: "t", Kind: connector.ItemExchange, Channel: "texting",
				State: connector.Parked, Reason: connector.EHRRefused, CommittedAt: clock.System.Now()})
		}
		put(items...)
		for _, i := range items {
			parking.Alarm("mercy", i.Reason, i.ID)
		}
		parking.Alarm("mercy", connector.PatientChanged, "i9") // dealt with before the first look
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		p.heard(t, "alert.raised parked/mercy/patient-changed", "alert.raised parked/mercy/refused", "alert.cleared parked/mercy/patient-changed")
		items[0].State, items[1].State = connector.NotDue, connector.Filed
		put(items...)
		time.Sleep(2 * time.Minute)
		if open := b.Open(); len(open) != 1 || open[0].Reason != connector.EHRRefused {
			t.Errorf("open: %+v", open)
		}
		items[2].State = connector.NotDue
		put(items...)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if open := b.Open(); len(open) != 0 {
			t.Errorf("still open: %+v", open)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
