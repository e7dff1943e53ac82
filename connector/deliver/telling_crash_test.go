package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// A worker dies with a transcript under way. Its messages were looked at before and held until silence; the thread was told earlier,
// because it closed or something was urgent. Whoever comes next looks for the transcript when it has settled, not after that silence.
func TestOpenTranscriptIsSettledBeforeSilence(t *testing.T) {
	for name, ends := range map[string]connector.Event{"closed": turned(connector.ThreadClosed), "urgent": urgent("c", 3, "now")} {
		t.Run(name, func(t *testing.T) {
			threads(t, func(w *world) {
				died := false
				check := w.chart.onFile
				w.chart.onFile = func(sent connector.Write) {
					check(sent)
					if !died {
						died = true
						w.steal(connector.LaneChart) // by a process that does nothing more with it
					}
				}
				w.run()
				w.accept(said("a", 1, "one"), said("b", 2, "two"))
				w.pass(time.Second)
				w.all(connector.Held, connector.ThreadOpen, "a", "b")
				w.accept(ends)
				w.pass(time.Second)
				if !died {
					t.Fatal("nothing was written")
				}
				w.pass(2*lease + settling)
				w.all(connector.Filed, "", "a", "b")
				if n := len(w.chart.entries); n != 1 {
					t.Errorf("%d entries are on the chart", n)
				}
			})
		})
	}
}

func urgent(id string, seq int64, text string) connector.Event {
	ev := said(id, seq, text)
	ev.Message.Priority = connector.Urgent
	return ev
}
