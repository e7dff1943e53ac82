package deliver_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// paging is a chart whose answers come in pages.
type paging struct {
	*chart
	pages int
	took  time.Duration // each
	seen  *int          // pages asked for
}

func (c paging) Find(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	for range c.pages {
		if err := connector.Turn(ctx); err != nil {
			return connector.Receipt{}, connector.ErrAbsent // it forgets to say so
		}
		select {
		case <-ctx.Done():
			return connector.Receipt{}, &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("no answer in time")}
		case <-time.After(c.took):
		}
		*c.seen++
	}
	return c.chart.Find(ctx, w)
}

// searching accepts a message whose write is on the chart and unknown, and gives what is known of it after each time; pages is how many
// were asked for until it was found.
func searching(t *testing.T, pages int, took time.Duration, change func(w *world), after ...time.Duration) (states []connector.ItemState, asked int) {
	t.Helper()
	bubble(t, func(w *world) {
		w.conn.EHR = paging{w.chart, pages, took, &asked}
		change(w)
		w.chart.fails("t-1/a", ambiguousTaken)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(lease + requestDeadline + time.Second)
		for _, d := range after {
			w.pass(d)
			states = append(states, w.item("a").State)
		}
		w.filed(map[string]string{"a": "one"})
		if n := len(w.chart.attempts("t-1/a")); n != 1 {
			t.Errorf("%d attempts left", n)
		}
	})
	return states, asked
}

// A search of many requests comes to its end, however long each takes that is answered in time: the outcome is open meanwhile.
func TestSearchOfManyRequestsComesToItsEnd(t *testing.T) {
	states, asked := searching(t, 40, 20*time.Second, func(*world) {}, 12*time.Minute, 2*time.Minute)
	if states[0] != connector.Unknown || asked != 40 {
		t.Errorf("%s after 12 minutes; %d pages were asked for", states[0], asked)
	}
}

// Each request of a search is one to the pace.
func TestSearchOfManyRequestsKeepsThePace(t *testing.T) {
	states, asked := searching(t, 30, 0, func(w *world) { w.conn.PerSecond = 1 }, 20*time.Second, time.Minute)
	if states[0] != connector.Unknown || asked != 30 {
		t.Errorf("%s after 20 seconds; %d pages were asked for", states[0], asked)
	}
}

// One request that is not answered ends the search, which is begun again.
func TestSearchThatHangs(t *testing.T) {
	bubble(t, func(w *world) {
		asked := 0
		w.conn.EHR = paging{w.chart, 2, time.Hour, &asked}
		w.chart.fails("t-1/a", ambiguousTaken)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(30 * time.Minute)
		w.is(w.item("a"), connector.Unknown, connector.Settling)
		if n := len(w.chart.attempts("t-1/a")); n != 1 || asked != 0 {
			t.Errorf("%d attempts left, %d pages came", n, asked)
		}
	})
}

// A search that may not go on, since the EHR asked for patience meanwhile, concludes nothing whatever its adapter says.
func TestSearchThatMayNotGoOnConcludesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		asked := 0
		w.conn.EHR = paging{w.chart, 4, 10 * time.Second, &asked}
		w.chart.fails("t-1/a", ambiguousTaken)
		w.chart.fails("t-2/b", tooMany)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(lease + requestDeadline + 15*time.Second)
		w.acceptIn("t-2", said("b", 1, "two"))
		w.pass(20 * time.Second)
		w.is(w.item("a"), connector.Unknown, connector.Settling)
		w.pass(10 * time.Minute)
		w.filed(map[string]string{"a": "one"})
		if n := len(w.chart.attempts("t-1/a")); n != 1 || asked < 5 || asked > 7 {
			t.Errorf("%d attempts left, %d pages came: the search was not broken off", n, asked)
		}
	})
}
