package deliver_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

// TestWhatIsHeldTooLongParksForAPerson: with the sentence of what it waited for, and nothing waits for it a second time behind
// it.
func TestWhatIsHeldTooLongParksForAPerson(t *testing.T) {
	for name, c := range map[string]struct {
		before func(w *world)
		mend   func(w *world)
		reason connector.Reason
	}{
		"patient": {func(w *world) { w.chart.patients[0].Identifiers[0].Value = "other" },
			func(w *world) { w.chart.set(func(c *chart) { c.patients = []connector.Patient{ana()} }) }, connector.NoPatient},
		"encounter": {func(w *world) { w.conn.Encounters = deliver.Encounters{Policy: "required", Within: time.Hour} },
			func(w *world) { w.has(visiting("e", "in-progress", 0)) }, connector.NeedsEncounter},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.HoldFor = 72 * time.Hour
				c.before(w)
				w.run()
				w.accept(today("a", 1, "one"), today("b", 2, "two"))
				w.pass(40 * time.Hour)
				w.accept(today("c", 3, "three"))
				w.pass(31 * time.Hour)
				w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, c.reason)
				w.pass(61 * time.Minute)
				w.is(w.items(thread1, connector.ItemHeader)[0], connector.Parked, c.reason)
				w.is(w.item("a"), connector.Parked, c.reason)
				w.is(w.item("b"), connector.Parked, c.reason)
				w.is(w.item("c"), connector.Held, c.reason) // it came later
				c.mend(w)
				w.pass(20 * time.Minute)
				w.filed(map[string]string{"c": "three"})
				w.replay(w.item("a"))
				w.replay(w.item("b"))
				w.pass(20 * time.Minute)
				w.filed(map[string]string{"a": "one", "b": "two"})
			})
		})
	}
}

// TestReplayOfWhatWasHeldTooLongMayWaitAnew: a person said that the cause is gone, and may be early.
func TestReplayOfWhatWasHeldTooLongMayWaitAnew(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.HoldFor = time.Hour
		w.chart.patients[0].Identifiers[0].Value = "other"
		w.run()
		w.accept(today("a", 1, "one"))
		w.pass(61 * time.Minute)
		w.is(w.item("a"), connector.Parked, connector.NoPatient)
		w.replay(w.item("a"))
		w.pass(time.Second)
		w.is(w.item("a"), connector.Held, connector.NoPatient)
		w.pass(time.Hour)
		w.is(w.item("a"), connector.Parked, connector.NoPatient)
	})
}

// TestThreadWithoutPatientParksTooAndIsWokenBefore: nobody named the patient, so nothing is looked for meanwhile.
func TestThreadWithoutPatientParksTooAndIsWokenBefore(t *testing.T) {
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprint(named), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.HoldFor = time.Hour
				w.run()
				ev := today("b", 2, "two")
				ev.Patient = nil
				w.accept(ev)
				w.pass(50 * time.Minute)
				w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, connector.NoPatient)
				if !named {
					w.pass(11 * time.Minute)
					w.is(w.items(thread1, connector.ItemHeader)[0], connector.Parked, connector.NoPatient)
					w.is(w.item("b"), connector.Parked, connector.NoPatient)
					return
				}
				w.accept(today("a", 1, "one"))
				w.pass(time.Second)
				w.filed(map[string]string{"a": "one", "b": "two"})
			})
		})
	}
}
