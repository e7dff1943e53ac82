package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// TestOneBadMessageKeepsNobodyElseOff: it is parked when it comes, and the thread is told without it.
func TestOneBadMessageKeepsNobodyElseOff(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "refused"), said("c", 3, "three"))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Parked, connector.GateRefused)
		w.accept(turned(connector.ThreadClosed))
		w.pass(2 * time.Minute)
		w.all(connector.Filed, "", "a", "c")
		w.shows("t-1/v1 current: a=one, c=three gap, closed")
	})
}

// TestParkedTranscript: what it tells waits with it for a person; what comes later is told by itself, so that nothing stands in
// two current entries whatever the person decides.
func TestParkedTranscript(t *testing.T) {
	for name, c := range map[string]struct {
		act   connector.Action
		state connector.ItemState
		after []string
	}{
		"replay":  {connector.ActReplay, connector.Filed, []string{"t-1/v2 current: c=three, closed", "t-1/v1 current: a=one, b=two, closed"}},
		"release": {connector.ActRelease, connector.NotDue, []string{"t-1/v2 current: c=three, closed"}},
	} {
		t.Run(name, func(t *testing.T) {
			threads(t, func(w *world) {
				w.chart.fails("t-1/v1", refused)
				w.run()
				w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
				w.pass(time.Second)
				w.is(w.item("b"), connector.Parked, connector.EHRRefused)
				w.is(w.item("a"), connector.Held, connector.EarlierItem)
				w.accept(said("c", 3, "three"), corrected("a", 2, "uno"))
				w.pass(time.Second)
				w.shows("t-1/v2 current: c=three, closed")
				w.decide(c.act, w.item("b"), "")
				w.pass(time.Second)
				w.is(w.item("a"), c.state, w.item("b").Reason)
				w.is(w.item("b"), c.state, w.item("b").Reason)
				w.pass(time.Hour)
				if c.act == connector.ActReplay { // the correction waited for it, and now tells the whole thread
					w.shows("t-1/v2 superseded: c=three, closed", "t-1/v1 superseded: a=one, b=two, closed",
						"t-1/v3 current: a=one r2=uno late, b=two late, c=three, closed; replaces t-1/v1; replaces t-1/v2")
					return
				}
				w.shows(c.after...)
			})
		})
	}
}

// TestAlreadyThere: a person who has found the transcript settles all it tells.
func TestTranscriptThatIsAlreadyThere(t *testing.T) {
	threads(t, func(w *world) {
		w.conn.EHR = readingTeller{teller{w.chart}}
		w.chart.blind = true
		w.chart.fails("t-1/v1", ambiguousTaken)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
		w.pass(time.Hour)
		w.is(w.item("b"), connector.Parked, connector.NotSearchable)
		w.decide(connector.ActAlreadyThere, w.item("b"), w.chart.on("t-1/v1")[0].ref)
		w.all(connector.Filed, "", "a", "b")
	})
}

// TestReleasedVersion: a person takes a version off the list whose entry is on the chart, or may be. It tells messages that nobody
// decided about, so the next version takes its place where it is known to be there, and tells them nowhere a second time where
// it is not; what cannot be told without that knowledge is for staff.
func TestReleasedVersion(t *testing.T) {
	later := func(w *world) {
		w.decide(connector.ActRelease, w.item("b"), "")
		w.accept(corrected("a", 2, "uno"), said("c", 3, "three"))
		w.pass(time.Hour)
		w.is(w.item("b"), connector.NotDue, w.item("b").Reason)
		w.is(w.item("c"), connector.Filed, "")
	}
	first := func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(idle + time.Second)
		w.accept(said("b", 2, "two"))
		w.pass(time.Hour)
	}
	t.Run("on the chart", func(t *testing.T) {
		threads(t, func(w *world) {
			w.chart.fails("t-1/v1#superseded", refused)
			first(w)
			w.is(w.item("b"), connector.Parked, connector.EHRRefused)
			w.shows("t-1/v1 current: a=one", "t-1/v2 current: a=one, b=two; replaces t-1/v1")
			later(w)
			w.shows("t-1/v1 superseded: a=one", "t-1/v2 superseded: a=one, b=two; replaces t-1/v1",
				"t-1/v3 superseded: a=one r2=uno, b=two; replaces t-1/v1; replaces t-1/v2", "t-1/v4 current: a=one r2=uno, b=two, c=three; replaces t-1/v3")
		})
	})
	t.Run("perhaps", func(t *testing.T) {
		threads(t, func(w *world) {
			w.chart.fails("t-1/v2", ambiguousTaken)
			w.chart.blind = true
			first(w)
			w.is(w.item("b"), connector.Parked, connector.NotSearchable)
			later(w)
			w.shows("t-1/v1 current: a=one", "t-1/v2 current: a=one, b=two; replaces t-1/v1", "t-1/v3 current: c=three; appends t-1/v1")
			w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Parked, connector.NotExpressible)
		})
	})
}

// TestParkedVersion: while a version that would replace another waits for a person, what is new is added to the one on the
// chart, and news of what is told there waits; then one version takes the place of both.
func TestParkedVersion(t *testing.T) {
	threads(t, func(w *world) {
		w.chart.fails("t-1/v2", refused)
		w.run()
		w.accept(said("a", 1, "one"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Parked, connector.EHRRefused)
		w.accept(corrected("a", 2, "uno"), said("c", 3, "three"))
		w.pass(time.Minute)
		w.shows("t-1/v1 current: a=one, closed", "t-1/v3 current: c=three, closed; appends t-1/v1")
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Held, connector.EarlierItem)
		w.replay(w.item("b"))
		w.pass(time.Hour)
		w.shows("t-1/v1 superseded: a=one, closed", "t-1/v3 superseded: c=three, closed; appends t-1/v1",
			"t-1/v2 superseded: a=one, b=two, closed; replaces t-1/v1",
			"t-1/v4 current: a=one r2=uno, b=two late, c=three, closed; replaces t-1/v2; replaces t-1/v3")
		w.all(connector.Filed, "", "a", "b", "c")
	})
}
