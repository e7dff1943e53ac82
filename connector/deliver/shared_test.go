package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Another item's person was released; ours is tried and the EHR is down for a moment: the second try keeps the write's key.
func TestSharedPersonIsTriedTwice(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("son", refused, unavailable)
		w.run()
		by := func(id string, seq int64) connector.Event {
			ev := said(id, seq, "for my mother")
			ev.Message.Sender = connector.Participant{Role: connector.RoleProxy, ID: "son", Name: "Luis", Relationship: "son"}
			return ev
		}
		w.accept(by("a", 1), by("b", 2))
		w.pass(10 * time.Minute)
		w.decide(connector.ActRelease, w.item("a"), "")
		w.pass(100 * time.Hour)
		w.filed(map[string]string{"b": "for my mother"})
		if n := len(w.chart.attempts("son")); n != 3 {
			t.Errorf("the person was tried %d times, want 3", n)
		}
	})
}
