package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// A fetch that a person took off the list brings nothing any more: whoever replays its message is asked again.
func TestReleasedFetchHoldsNothing(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.HoldFor = 72 * time.Hour
		w.platform.set(func(p *platform) { p.fetch = &connector.Refused{Reason: connector.AttachmentLost} })
		w.run()
		w.accept(withFile(said("a", 1, "see photo")), said("b", 2, "two"))
		w.pass(time.Minute)
		w.is(w.item("a"), connector.Parked, connector.AttachmentLost)
		w.decide(connector.ActRelease, w.items(thread1, connector.ItemFetch)[0], "")
		w.pass(time.Minute)
		w.replay(w.item("a"))
		w.pass(time.Hour)
		w.is(w.item("a"), connector.Parked, connector.AttachmentLost)
	})
}

// The same before the message has had its turn: what comes after it files.
func TestReleasedFetchBlocksNoThread(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.set(func(c *chart) { c.patients = nil })
		w.platform.set(func(p *platform) { p.fetch = &connector.Refused{Reason: connector.AttachmentLost} })
		w.run()
		w.accept(withFile(said("a", 1, "see photo")), said("b", 2, "two"))
		w.pass(time.Minute)
		w.decide(connector.ActRelease, w.items(thread1, connector.ItemFetch)[0], "")
		w.chart.set(func(c *chart) { c.patients = []connector.Patient{ana()} })
		w.pass(time.Hour)
		w.is(w.item("a"), connector.Parked, connector.AttachmentLost)
		w.filed(map[string]string{"b": "two"})
	})
}
