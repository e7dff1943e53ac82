package deliver_test

import (
	"maps"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// What is told of a message is planned with what its entries are on the chart: its thread may go on as something else since.
func TestFollowUpKnowsItsMessagesEntries(t *testing.T) {
	bubble(t, func(w *world) {
		seen := map[connector.ItemKind]map[int]string{}
		w.chart.expressed = func(x connector.Exchange) error { seen[x.Kind] = x.Entries; return nil }
		w.run()
		w.accept(said("a", 1, "uno"), corrected("a", 2, "dos"), retracted("a"))
		w.pass(time.Second)
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Filed, "")
		for kind, want := range map[connector.ItemKind]map[int]string{
			connector.ItemExchange: nil, connector.ItemCorrection: {1: "Communication"}, connector.ItemRetraction: {1: "Communication", 2: "Communication"},
		} {
			if !maps.Equal(seen[kind], want) {
				t.Errorf("the %s was planned with %v, want %v", kind, seen[kind], want)
			}
		}
	})
}

// An answer is planned with what the entry it answers is, once that is committed.
func TestAnAnswerKnowsItsParentsEntry(t *testing.T) {
	bubble(t, func(w *world) {
		seen := map[string]string{}
		w.chart.expressed = func(x connector.Exchange) error {
			if x.Parent != "" {
				seen[x.Parent] = x.ParentAs
			}
			return nil
		}
		w.run()
		w.accept(said("a", 1, "question"))
		w.pass(time.Second)
		reply := told("b", 2, "answer")
		reply.Message.InReplyTo = "a"
		w.accept(reply)
		w.pass(time.Second)
		if want := map[string]string{"a": "Communication"}; !maps.Equal(seen, want) {
			t.Errorf("planned with %v, want %v", seen, want)
		}
	})
}
