package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
)

func TestAPausedChannelSendsNothingAndTakesEvents(t *testing.T) {
	bubble(t, func(w *world) {
		w.sequenced(2)
		pause := func(on bool) {
			w.barrier()
			w.update(func(tx connector.Tx) error {
				return deliver.PauseChannel(tx, ehrID, channel, on, "cli:ana", clock.System.Now())
			})
		}
		w.run()
		w.accept(said("a", 1, "question"))
		w.pass(time.Second)
		pause(true)
		w.compose(thread1, "answer")
		w.acceptIn("t-2", said("x", 1, "filed all the same"))
		w.pass(time.Hour)
		if n := w.platform.count(); n != 0 {
			t.Errorf("%d messages went out", n)
		}
		w.is(w.sendItem(thread1), connector.Held, connector.ChannelPaused)
		if n := len(w.chart.on("t-2/x")); n != 1 {
			t.Errorf("the event that came meanwhile has %d entries", n)
		}
		pause(false)
		w.pass(time.Second)
		if n := w.platform.count(); n != 1 {
			t.Errorf("%d messages went out after the channel was resumed", n)
		}
		w.pass(time.Minute)
		w.filed(map[string]string{"a": "question", "p-1": "answer"})
	})
}

// Shadow mode reads what a plan needs and writes nothing, whatever comes.
func TestShadowWritesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		w.sequenced(5)
		w.conn.Mode = "shadow"
		asked := 0
		w.chart.gate = func(connector.Write) error { asked++; return nil }
		w.run()
		w.accept(said("a", 1, "one"), told("b", 2, "two"))
		w.pass(time.Minute)
		w.accept(corrected("a", 2, "one, corrected"), retracted("b"))
		w.compose(thread1, "a reply")
		w.accept(connector.Event{Type: connector.ThreadClosed})
		w.pass(time.Hour)
		if n := len(w.chart.filings); n != 0 {
			t.Errorf("%d writes left in shadow mode", n)
		}
		if len(w.chart.matches) == 0 || asked < 3 {
			t.Errorf("%d patients read and the gate asked %d times: nothing was planned", len(w.chart.matches), asked)
		}
		for _, kind := range []connector.ItemKind{connector.ItemHeader, connector.ItemExchange} {
			for _, i := range w.items(thread1, kind) {
				w.is(i, connector.NotDue, connector.PolicyLeftOut)
			}
		}
	})
}
