package deliver

import (
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// TestOneMessageHoldsUpItsThread: where a thread is one entry, the messages that were looked at wait for the one that was not placed.
func TestOneMessageHoldsUpItsThread(t *testing.T) {
	held := func(r connector.Reason) func(*connector.Item) {
		return func(i *connector.Item) {
			i.Lane, i.State, i.Reason = connector.LaneChart, connector.Held, r
		}
	}
	looked, unplaced, fetched := message("a", 1, held(connector.ThreadOpen)), message("b", 2, held(connector.NeedsEncounter)), message("c", 3, held(connector.NeedsAttachment))
	if got := dealtWith(looked, []*connector.Item{looked, fetched, unplaced}); got != unplaced {
		t.Errorf("it stands behind %+v", got)
	}
	if got := dealtWith(looked, []*connector.Item{looked, fetched}); got != nil {
		t.Errorf("it stands behind %+v, about which nobody has to do anything", got)
	}
}
