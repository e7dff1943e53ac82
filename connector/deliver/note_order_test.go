package deliver

import (
	"slices"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func ours(key string, with ...func(*connector.Item)) *connector.Item {
	i := message(key, 0, with...)
	i.Direction, i.Detail.Note = connector.Internal, true
	return i
}

// TestOrderOfOurNotes: a note goes by when it was committed among what is there, and waits for nothing that is not.
func TestOrderOfOurNotes(t *testing.T) {
	seen := func(n int64) func(*connector.Thread) { return func(t *connector.Thread) { t.NextSeq = n + 1 } }
	for name, c := range map[string]struct {
		thread func(*connector.Thread)
		now    time.Duration
		items  []*connector.Item
		want   string // "" none
		due    time.Duration
	}{
		"alone it goes at once":                               {items: []*connector.Item{ours("n")}, want: "exchange/n"},
		"it does not wait for a gap":                          {thread: seen(1), items: []*connector.Item{message("c", 3), ours("n", at(time.Second))}, want: "exchange/n"},
		"it does not wait for order_window":                   {items: []*connector.Item{message("a", 0), ours("n", at(time.Second))}, want: "exchange/n"},
		"it ends no gap":                                      {thread: seen(1), items: []*connector.Item{message("c", 3)}, due: time.Minute},
		"after what was there":                                {items: []*connector.Item{ours("n", at(time.Second)), message("a", 1)}, want: "exchange/a"},
		"before what came later, however early that was sent": {items: []*connector.Item{message("a", 1, at(time.Minute), sentAt(-time.Hour)), ours("n")}, want: "exchange/n"},
		"it waits behind what is held":                        {items: []*connector.Item{message("a", 1, in(connector.Held), next(time.Hour)), ours("n", at(time.Second))}, due: time.Hour},
		"a note that is held holds nobody":                    {items: []*connector.Item{ours("n", in(connector.Held), next(time.Hour)), message("a", 1, at(time.Second))}, want: "exchange/a"},
		"in their own order":                                  {items: []*connector.Item{ours("m", at(time.Second)), ours("n")}, want: "exchange/n"},
		"it waits for the platform's id of its thread":        {thread: func(t *connector.Thread) { t.Ext = t.ID }, items: []*connector.Item{ours("n")}, due: -1},
		"closing waits for it":                                {items: []*connector.Item{an(connector.ItemClose, "", at(time.Second)), ours("n", next(time.Hour))}, due: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			thread := placed()
			if c.thread != nil {
				c.thread(&thread)
			}
			back := slices.Clone(c.items)
			slices.Reverse(back)
			for _, order := range [][]*connector.Item{c.items, back} {
				got := nextOnChart(thread, order, noon.Add(c.now), texting)
				switch {
				case c.want == "" && (got.item != nil || c.due == -1 != got.due.IsZero() || c.due > 0 && !got.due.Equal(noon.Add(c.due))):
					t.Errorf("got %+v, want nothing before %v", got, c.due)
				case c.want != "" && (got.item == nil || got.item.ID != c.want || got.late || got.afterGap):
					t.Errorf("got %+v, want %s", got, c.want)
				}
			}
		})
	}
}

// TestANoteMovesNoOrder: what was sent before a note and comes after it is not late.
func TestANoteMovesNoOrder(t *testing.T) {
	thread := placed()
	before := thread
	passed(&thread, ours("n", sentAt(time.Hour)))
	if thread.LastSent != before.LastSent || thread.LastMsg != before.LastMsg || thread.NextSeq != before.NextSeq {
		t.Errorf("the order has come to %v", thread.LastSent)
	}
	if late, gap, wait := inPlace(connector.Thread{LastSent: noon.Add(time.Hour), NextSeq: 5}, ours("n"), texting); late || gap || !wait.IsZero() {
		t.Errorf("a note is late %v, after a gap %v, and waits until %v", late, gap, wait)
	}
}
