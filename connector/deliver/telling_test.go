package deliver_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestThreadIsToldWhenItCloses(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("b", 2, "two"), said("a", 1, "one"))
		w.pass(time.Minute)
		w.all(connector.Held, connector.ThreadOpen, "a", "b")
		w.shows()
		w.accept(said("c", 3, "three"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.all(connector.Filed, "", "a", "b", "c")
		w.shows("t-1/v1 current: a=one, b=two, c=three, closed")
		if n := len(w.writes(w.item("c"))); n != 1 || len(w.writes(w.item("a"))) != 0 {
			t.Errorf("the last message has %d writes, the others should have none", n)
		}
		w.is(w.items(thread1, connector.ItemClose)[0], connector.NotDue, connector.PolicyLeftOut)
	})
}

func TestThreadIsToldAfterSilence(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(idle - time.Minute)
		w.accept(said("b", 2, "two")) // silence begins anew
		w.pass(idle - time.Second)
		w.all(connector.Held, connector.ThreadOpen, "a", "b")
		commits := w.store.count()
		w.pass(500 * time.Millisecond)
		if n := w.store.count() - commits; n != 0 {
			t.Errorf("a thread nobody touches cost %d commits", n)
		}
		w.pass(time.Second)
		w.all(connector.Filed, "", "a", "b")
		w.shows("t-1/v1 current: a=one, b=two")
	})
}

func TestUrgentIsToldAtOnce(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		urgent := said("c", 3, "now")
		urgent.Message.Priority = connector.Urgent
		w.accept(urgent)
		w.pass(time.Second)
		w.shows("t-1/v1 current: a=one, c=now gap")
	})
}

func TestTranscriptWaitsForAGap(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"), said("c", 3, "three"), turned(connector.ThreadClosed))
		w.pass(59 * time.Second)
		w.shows()
		w.pass(2 * time.Second)
		w.shows("t-1/v1 current: a=one, c=three gap, closed")
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		w.shows("t-1/v1 superseded: a=one, c=three gap, closed", "t-1/v2 current: a=one, b=two late, c=three gap, closed; replaces t-1/v1")
	})
}

// TestLaterMessagesMakeANewVersion: one that takes the old one's place, or, where the chart keeps entries as they are, one
// that is added with what is new alone. Nothing is replaced silently, and nothing stands in two current entries.
func TestLaterMessagesMakeANewVersion(t *testing.T) {
	for _, c := range []struct {
		name   string
		traits func(*connector.Traits)
		want   []string
	}{
		{"updates", func(*connector.Traits) {}, []string{"t-1/v1 superseded: a=one", "t-1/v2 superseded: a=one, b=two; replaces t-1/v1", "t-1/v3 current: a=one, b=two, c=three; replaces t-1/v2"}},
		{"replaces", func(tr *connector.Traits) { tr.Update, tr.Replaces = false, true }, []string{"t-1/v1 current: a=one", "t-1/v2 current: a=one, b=two; replaces t-1/v1", "t-1/v3 current: a=one, b=two, c=three; replaces t-1/v2"}},
		{"keeps", func(tr *connector.Traits) { tr.Update = false }, []string{"t-1/v1 current: a=one", "t-1/v2 current: b=two; appends t-1/v1", "t-1/v3 current: c=three; appends t-1/v2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			threads(t, func(w *world) {
				c.traits(&w.chart.traits)
				w.run()
				for n, id := range []string{"a", "b", "c"} {
					w.accept(said(id, int64(n+1), []string{"one", "two", "three"}[n]))
					w.pass(idle + time.Second)
				}
				w.shows(c.want...)
				w.all(connector.Filed, "", "a", "b", "c")
			})
		})
	}
}

func TestWhatHappensInTheWindowIsToldWithIt(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(told("a", 1, "one"), said("b", 2, "two"), said("c", 3, "three"))
		w.accept(corrected("b", 2, "dos"), retracted("c"), status("a", connector.Failed, "no signal"))
		w.pass(time.Minute)
		w.shows()
		w.accept(turned(connector.ThreadClosed))
		w.pass(time.Minute)
		w.shows("t-1/v1 current: a=one failed, b=two r2=dos, c=three retracted, closed")
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Filed, "")
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Filed, "")
		w.all(connector.Filed, "", "a", "b", "c")
		if n := w.items(thread1, connector.ItemNotice); len(n) != 1 || n[0].Reason != connector.NotDelivered {
			t.Errorf("the pool is told %v", n)
		}
	})
}

func TestWhatHappensAfterItMakesANewVersion(t *testing.T) {
	for name, c := range map[string]struct {
		event connector.Event
		kind  connector.ItemKind
		line  string
	}{
		"correction": {corrected("a", 2, "uno"), connector.ItemCorrection, "a=one r2=uno, b=two, closed"},
		"retraction": {retracted("a"), connector.ItemRetraction, "a=one retracted, b=two, closed"},
		"failure":    {status("b", connector.Failed, ""), connector.ItemStatus, "a=one, b=two failed, closed"},
	} {
		t.Run(name, func(t *testing.T) {
			threads(t, func(w *world) {
				w.run()
				w.accept(said("a", 1, "one"), told("b", 2, "two"), turned(connector.ThreadClosed))
				w.pass(time.Second)
				w.accept(status("b", connector.Sent, "")) // changes nothing on the chart
				w.accept(c.event)
				w.pass(time.Second)
				w.shows("t-1/v1 superseded: a=one, b=two, closed", "t-1/v2 current: "+c.line+"; replaces t-1/v1")
				for _, i := range w.items(thread1, c.kind) {
					if i.State != connector.Filed && c.kind != connector.ItemStatus {
						t.Errorf("it is %s", i.State)
					}
				}
			})
		})
	}
}

// lookedAt does something once, when message b is looked at: after its lane was read, before it is told.
type lookedAt struct {
	teller
	then func()
}

func (c *lookedAt) Plan(x connector.Exchange) ([]connector.Write, error) {
	if do := c.then; do != nil && x.Transcript != nil && x.Transcript.Version == 0 && x.Message.ID == "b" {
		c.then = nil
		do()
	}
	return c.teller.Plan(x)
}

// TestWhatComesWhileItIsToldIsToldOnce: news that is committed when the lane was read already is shown and settled with it. It
// was shown alone, and then told a second time or, a retraction where nothing is replaced, parked.
func TestWhatComesWhileItIsToldIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		event connector.Event
		kind  connector.ItemKind
		line  string
	}{
		"correction": {corrected("a", 2, "uno"), connector.ItemCorrection, "a=one r2=uno, b=now"},
		"retraction": {retracted("a"), connector.ItemRetraction, "a=one retracted, b=now"},
		"failure":    {status("a", connector.Failed, ""), connector.ItemStatus, "a=one failed, b=now"},
	} {
		for _, updates := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, updates %v", name, updates), func(t *testing.T) {
				threads(t, func(w *world) {
					w.chart.traits.Update = updates
					w.conn.EHR = &lookedAt{teller{w.chart}, func() { w.accept(c.event) }}
					w.run()
					urgent := told("b", 2, "now")
					urgent.Message.Priority = connector.Urgent
					w.accept(told("a", 1, "one"))
					w.pass(time.Second)
					w.accept(urgent)
					w.pass(time.Minute)
					w.shows("t-1/v1 current: " + c.line)
					w.is(w.items(thread1, c.kind)[0], connector.Filed, "")
				})
			})
		}
	}
}

// Where the chart keeps entries as they are, new words are added to the transcript they belong to, and a retraction is for staff.
func TestWhatHappensAfterItIsAddedWhereNothingIsReplaced(t *testing.T) {
	threads(t, func(w *world) {
		w.chart.traits.Update = false
		w.run()
		w.accept(said("a", 1, "one"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.accept(corrected("a", 2, "uno"), retracted("a"))
		w.pass(time.Second)
		w.shows("t-1/v1 current: a=one, closed", "t-1/a/r2 current: addendum: uno; appends t-1/v1")
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Parked, connector.NotExpressible)
	})
}

// TestTranscriptIsFiledOnce: whatever becomes of the request, and of the worker between its commit and the receipt.
func TestTranscriptIsFiledOnce(t *testing.T) {
	for _, f := range []fault{ambiguousTaken, ambiguousLost, fenced, unavailable, tooMany} {
		t.Run(string(f), func(t *testing.T) {
			threads(t, func(w *world) {
				w.chart.fails("t-1/v1", f)
				w.run()
				w.acceptIn("t-0", said("x", 1, "before"), turned(connector.ThreadClosed)) // by it Find is proven
				w.pass(time.Second)
				w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
				w.pass(time.Millisecond)
				w.accept(said("c", 3, "three")) // not in it: what was committed stays as it is
				w.pass(time.Hour)
				w.shows("t-0/v1 current: x=before, closed", "t-1/v1 superseded: a=one, b=two, closed", "t-1/v2 current: a=one, b=two, c=three, closed; replaces t-1/v1")
				w.all(connector.Filed, "", "a", "b", "c")
			})
		})
	}
}

// Writes that wait to be tried again hold up their lane, as any do.
func TestTranscriptThatWaitsBlocksItsLane(t *testing.T) {
	threads(t, func(w *world) {
		w.chart.fails("t-1/v1", unavailable)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
		w.pass(time.Millisecond)
		w.is(w.item("b"), connector.Waiting, connector.EHRUnavailable)
		w.accept(said("c", 3, "three"))
		w.pass(time.Millisecond)
		w.is(w.item("c"), connector.Waiting, "")
		w.pass(time.Hour)
		w.all(connector.Filed, "", "a", "b", "c")
	})
}

func TestTranscriptOfAnotherProcess(t *testing.T) {
	threads(t, func(w *world) {
		w.chart.fails("t-1/v1", ambiguousTaken)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Unknown, connector.Settling)
		w.is(w.item("a"), connector.Held, connector.EarlierItem)
		w.halt()
		w.run()
		w.pass(time.Hour)
		w.shows("t-1/v1 current: a=one, b=two, closed")
		w.all(connector.Filed, "", "a", "b")
	})
}

func TestInternalNotesAreLeftOutOfATranscript(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		note := said("n", 2, "between us")
		note.Message.Direction = connector.Internal
		w.accept(said("a", 1, "one"), note, said("b", 3, "two"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.shows("t-1/v1 current: a=one, b=two, closed")
		w.all(connector.Filed, "", "a", "b")
		w.is(w.item("n"), connector.NotDue, connector.PolicyLeftOut)
	})
}

// TestInternalNoteAtTheEnd: the last message that is told carries the transcript, and a note alone makes no version.
func TestInternalNoteAtTheEnd(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		internal := func(id string, sequence int64) connector.Event {
			note := said(id, sequence, "between us")
			note.Message.Direction = connector.Internal
			return note
		}
		w.accept(said("a", 1, "one"), internal("n", 2))
		w.pass(idle + time.Minute)
		w.all(connector.Filed, "", "a")
		w.all(connector.NotDue, connector.PolicyLeftOut, "n")
		w.accept(internal("o", 3), internal("p", 4))
		w.pass(idle + time.Minute)
		w.all(connector.NotDue, connector.PolicyLeftOut, "o", "p")
		w.shows("t-1/v1 current: a=one")
		w.accept(said("b", 5, "two"))
		w.pass(idle + time.Minute)
		w.shows("t-1/v1 superseded: a=one", "t-1/v2 current: a=one, b=two; replaces t-1/v1")
	})
}
