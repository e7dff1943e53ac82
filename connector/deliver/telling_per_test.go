package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// untold makes the connection file each exchange from now on; these events come while it is changed.
func (w *world) untold(ehr connector.EHR, meanwhile ...connector.Event) {
	w.halt()
	w.accept(meanwhile...)
	w.conn.PerThread, w.conn.EHR, w.conn.HoldFor = false, ehr, 72*time.Hour
	w.run()
}

// filing.per goes from thread to exchange: what is told of a message changes the transcript it stands in.
func TestNewsOfAToldMessageAfterPerIsChanged(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "uno"), said("b", 2, "dos"))
		w.pass(2 * idle)
		w.untold(teller{w.chart}, corrected("a", 2, "one"), retracted("a")) // both make one version
		w.pass(time.Hour)
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Filed, "")
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Filed, "")
		w.shows("t-1/v1 superseded: a=uno, b=dos", "t-1/v2 current: a=uno r2=one retracted, b=dos; replaces t-1/v1")
	})
}

// A version whose outcome is open when filing.per is changed is brought to its end, with all that it tells.
func TestVersionUnderWayAfterPerIsChanged(t *testing.T) {
	threads(t, func(w *world) {
		w.chart.fails("t-1/v1", unavailable)
		w.run()
		w.accept(said("a", 1, "uno"), said("b", 2, "dos"))
		w.pass(idle + 10*time.Millisecond)
		if n := len(w.chart.attempts("t-1/v1")); n != 1 {
			t.Fatalf("%d attempts so far", n)
		}
		w.untold(teller{w.chart})
		w.pass(time.Hour)
		w.all(connector.Filed, "", "a", "b")
		w.shows("t-1/v1 current: a=uno, b=dos")
	})
}

// News that refers to an entry which is not on the chart, and which nothing brings there, waits for a person.
func TestRetractionOfAToldMessageByAnotherAdapter(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "uno"))
		w.pass(2 * idle)
		w.untold(w.chart) // it knows no transcripts
		w.accept(retracted("a"))
		w.pass(time.Hour)
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Parked, connector.NotExpressible)
	})
}
