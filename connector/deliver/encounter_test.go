package deliver_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
)

// visiting gives an encounter that began so long ago; a negative age is still to come.
func visiting(id, status string, ago time.Duration, places ...string) connector.Encounter {
	return connector.Encounter{Reference: "Encounter/" + id, Status: status, Start: clock.System.Now().Add(-ago), Places: places,
		Identifiers: []connector.Identifier{{System: "urn:visit", Value: id}}}
}

// has gives Ana these encounters and no others.
func (w *world) has(all ...connector.Encounter) {
	w.chart.set(func(c *chart) { c.visits = map[string][]connector.Encounter{"Patient/ana": all} })
}

// today is said with the time it is: a recent encounter is one before it.
func today(id string, seq int64, text string) connector.Event {
	ev := said(id, seq, text)
	ev.Message.SentAt = clock.System.Now()
	return ev
}

// under holds messages of t-1 to being filed once, under an encounter; "" is under none.
func (w *world) under(encounter string, texts map[string]string) {
	w.t.Helper()
	w.filed(texts)
	for id := range texts {
		for _, e := range w.chart.on(thread1 + "/" + id) {
			if got := e.reference("encounter"); got != encounter {
				w.t.Errorf("message %s is under %q, want %q", id, got, encounter)
			}
		}
	}
}

func TestWithoutAnEncounterHeldAndFiledOnceUnderTheOneThatAppears(t *testing.T) {
	for name, policy := range map[string]deliver.Encounters{
		"required": {Policy: "required", Within: 7 * 24 * time.Hour},
		"open":     {Policy: "open"},
		"recent":   {Policy: "recent", Within: 7 * 24 * time.Hour},
		"thread":   {Policy: "thread", Within: 7 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.Encounters, w.chart.traits.NeedsEncounter = policy, name != "required"
				w.horizon = 20 * time.Minute
				w.run()
				w.accept(today("a", 1, "one"), today("b", 2, "two"))
				w.pass(30 * time.Minute)
				w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, connector.NeedsEncounter)
				if len(w.chart.filings) != 0 {
					t.Fatal("something was filed")
				}
				w.has(visiting("e", "in-progress", 0)) // opened to end the wait, after the messages were sent
				w.chart.fails("t-1", unavailable)      // a hiccup right then must not find the horizon used up
				w.pass(20 * time.Minute)
				w.under("Encounter/e", map[string]string{"a": "one", "b": "two"})
			})
		})
	}
}

// TestEHRThatNeedsNoEncounterGetsEntriesWithoutOne: only required makes an exchange wait for what the chart can do without.
func TestEHRThatNeedsNoEncounterGetsEntriesWithoutOne(t *testing.T) {
	for _, policy := range []string{"", "when-known", "open", "recent", "thread", "never"} {
		t.Run(policy, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.Encounters = deliver.Encounters{Policy: policy, Within: time.Hour}
				w.run()
				w.accept(today("a", 1, "one"))
				w.pass(time.Second)
				w.under("", map[string]string{"a": "one"})
			})
		})
	}
}

func TestNeverAsksForNoEncounterAndWaitsForNone(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters, w.chart.traits.NeedsEncounter = deliver.Encounters{Policy: "never"}, true
		w.has(visiting("e", "in-progress", time.Hour))
		w.run()
		w.accept(today("a", 1, "one"))
		w.pass(time.Second)
		w.under("", map[string]string{"a": "one"})
		if len(w.chart.asked) != 0 {
			t.Errorf("asked %d times", len(w.chart.asked))
		}
	})
}

func TestTwoOpenEncountersHoldUntilOneIsLeft(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters, w.chart.traits.NeedsEncounter = deliver.Encounters{Policy: "open"}, true
		one, two := visiting("e1", "in-progress", time.Hour), visiting("e2", "arrived", time.Minute)
		w.has(one, two)
		w.run()
		w.accept(today("a", 1, "one"))
		w.pass(time.Minute)
		header := w.items(thread1, connector.ItemHeader)[0]
		w.is(header, connector.Held, connector.NeedsEncounter)
		if !strings.Contains(header.Detail.Text, "several encounters") || len(w.chart.filings) != 0 {
			t.Errorf("it says %q, %d requests left", header.Detail.Text, len(w.chart.filings))
		}
		two.Status = "finished"
		w.has(one, two)
		w.pass(20 * time.Minute)
		w.under("Encounter/e1", map[string]string{"a": "one"})
	})
}

// TestVisitThePlatformNamedComesFirst: under every policy but never.
func TestVisitThePlatformNamedComesFirst(t *testing.T) {
	for _, policy := range []string{"", "when-known", "open", "recent", "thread", "required"} {
		t.Run(policy, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.Encounters, w.chart.traits.NeedsEncounter = deliver.Encounters{Policy: policy, Within: 24 * time.Hour}, true
				w.has(visiting("e1", "in-progress", time.Hour), visiting("e2", "in-progress", time.Minute), visiting("v", "planned", -time.Hour))
				w.run()
				w.acceptVisit("v", today("a", 1, "one"))
				w.pass(time.Second)
				w.under("Encounter/v", map[string]string{"a": "one"})
			})
		})
	}
}

func TestThreadKeepsItsFirstEncounter(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters = deliver.Encounters{Policy: "thread", Within: 24 * time.Hour}
		w.has(visiting("e1", "in-progress", time.Hour))
		w.run()
		w.accept(today("a", 1, "one"))
		w.pass(time.Second)
		gone := visiting("e1", "finished", time.Hour)
		w.has(gone, visiting("e2", "in-progress", 0))
		w.pass(time.Hour)
		w.halt() // the kept one is on the thread, not in memory
		w.run()
		w.accept(today("b", 2, "two"))
		w.pass(time.Second)
		w.under("Encounter/e1", map[string]string{"a": "one", "b": "two"})
		if kept := w.thread(thread1).Bound.Encounter; kept != "Encounter/e1" {
			t.Errorf("the thread keeps %q", kept)
		}
		ev := today("c", 1, "three")
		w.acceptIn("t-2", ev)
		w.pass(time.Second)
		if e := w.chart.on("t-2/c"); len(e) != 1 || e[0].reference("encounter") != "Encounter/e2" {
			t.Error("another thread took this one's encounter")
		}
	})
}

// TestNewsOfAMessageNeedsNoEncounter: the entry it changes has one.
func TestNewsOfAMessageNeedsNoEncounter(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters, w.chart.traits.NeedsEncounter = deliver.Encounters{Policy: "open"}, true
		w.has(visiting("e", "in-progress", time.Hour))
		w.run()
		w.accept(told("a", 1, "one"))
		w.pass(time.Second)
		w.has()
		w.pass(10 * time.Minute)
		w.accept(status("a", connector.Delivered, ""), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.is(w.items(thread1, connector.ItemStatus)[0], connector.Filed, "")
		w.is(w.items(thread1, connector.ItemClose)[0], connector.Filed, "")
		w.accept(corrected("a", 2, "better"))
		w.pass(time.Second)
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Held, connector.NeedsEncounter)
	})
}

// TestEncountersAreAskedForOncePerPatient: however many threads and messages wait or file.
func TestEncountersAreAskedForOncePerPatient(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters, w.chart.traits.NeedsEncounter = deliver.Encounters{Policy: "open"}, true
		w.conn.Concurrent = 1
		w.run()
		for _, ext := range []string{"t-1", "t-2", "t-3", "t-4"} {
			w.acceptIn(ext, today("a", 1, "one"), today("b", 2, "two"))
		}
		w.pass(time.Second)
		if n := len(w.chart.asked); n != 1 {
			t.Errorf("four held threads asked %d times", n)
		}
		w.has(visiting("e", "in-progress", 0))
		w.pass(time.Minute)
		before := len(w.chart.asked)
		if before > 1+4*4 {
			t.Errorf("a minute of waiting asked %d times", before)
		}
		w.accept(today("c", 3, "three"))
		w.pass(time.Second)
		w.under("Encounter/e", map[string]string{"a": "one", "b": "two", "c": "three"})
		if n := len(w.chart.asked); n != before {
			t.Errorf("a fresh answer was asked for %d times again", n-before)
		}
	})
}

func TestEHRThatCannotBeAskedForEncountersHoldsAndSaysWhy(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters, w.chart.visitErr = deliver.Encounters{Policy: "required"}, connector.ErrNotSearchable
		w.run()
		w.accept(today("a", 1, "one"))
		w.pass(time.Minute)
		header := w.items(thread1, connector.ItemHeader)[0]
		w.is(header, connector.Held, connector.NeedsEncounter)
		if !strings.Contains(header.Detail.Text, "does not let us search") {
			t.Errorf("it says %q", header.Detail.Text)
		}
		w.chart.set(func(c *chart) {
			c.visitErr = &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("timeout")}
		})
		w.pass(10 * time.Minute)
		w.is(w.items(thread1, connector.ItemHeader)[0], connector.Waiting, connector.EHRUnavailable)
		w.chart.set(func(c *chart) { c.visitErr = nil })
		w.has(visiting("e", "in-progress", time.Hour))
		w.pass(20 * time.Minute)
		w.under("Encounter/e", map[string]string{"a": "one"})
	})
}

// engineOnly is a chart that cannot be asked for encounters.
type engineOnly struct {
	connector.EHR
	connector.Preparer
}

// NamesVisit knows one visit.
func (engineOnly) NamesVisit(visit connector.Identifier) bool { return visit.Value == "v" }

// TestEngineThatCannotBeAskedTakesTheVisitNamed: required holds what names none, and nothing else does.
func TestEngineThatCannotBeAskedTakesTheVisitNamed(t *testing.T) {
	for _, c := range []struct {
		policy, visit string
		held          bool
	}{{"required", "", true}, {"required", "v", false}, {"required", "of another system", true}, {"when-known", "", false}, {"when-known", "of another system", false}, {"never", "", false}} {
		t.Run(c.policy+c.visit, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.EHR, w.conn.Encounters = engineOnly{w.chart, w.chart}, deliver.Encounters{Policy: c.policy}
				w.run()
				if c.visit == "" {
					w.accept(today("a", 1, "one"))
				} else {
					w.acceptVisit(c.visit, today("a", 1, "one"))
				}
				w.pass(time.Minute)
				if c.held {
					w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, connector.NeedsEncounter)
					if c.visit != "" {
						return // the first visit named stays the thread's
					}
					w.acceptVisit("v", today("b", 2, "two")) // the platform names it now
					w.pass(time.Second)
					w.under("", map[string]string{"b": "two"})
				}
				w.under("", map[string]string{"a": "one"})
			})
		})
	}
}

// TestRecentEncounterOutOfDays: under recent it is none, whatever else the EHR gives.
func TestRecentEncounterOutOfDays(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters, w.chart.traits.NeedsEncounter = deliver.Encounters{Policy: "recent", Within: 48 * time.Hour, Departments: []string{"Location/a"}}, true
		w.has(visiting("old", "finished", 49*time.Hour, "Location/a"), visiting("elsewhere", "finished", time.Hour, "Location/b"))
		w.run()
		w.accept(today("a", 1, "one"))
		w.pass(time.Minute)
		w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, connector.NeedsEncounter)
		w.has(visiting("in", "finished", 47*time.Hour, "Location/a"))
		w.pass(20 * time.Minute)
		w.under("Encounter/in", map[string]string{"a": "one"})
	})
}

// TestOlderExchangeIsAskedForItsOwnDays: what the EHR said about the last days says nothing about those before.
func TestOlderExchangeIsAskedForItsOwnDays(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters = deliver.Encounters{Policy: "recent", Within: 48 * time.Hour}
		w.has(visiting("old", "finished", 6*24*time.Hour), visiting("new", "finished", time.Hour))
		w.run()
		w.accept(today("a", 1, "one"))
		w.pass(time.Second)
		late := today("b", 1, "two")
		late.Message.SentAt = clock.System.Now().Add(-5 * 24 * time.Hour)
		w.acceptIn("t-2", late)
		w.pass(time.Second)
		w.under("Encounter/new", map[string]string{"a": "one"})
		if e := w.chart.on("t-2/b"); len(e) != 1 || e[0].reference("encounter") != "Encounter/old" {
			t.Errorf("%d entries of the older message, or not under the encounter of its days", len(e))
		}
	})
}

// TestTheNextStrategyAfterHoldFor: filing.as in order. What has waited for its encounter as long as hold_for files as the next,
// without one; the thread goes on so, though an encounter appears.
func TestTheNextStrategyAfterHoldFor(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters, w.conn.HoldFor = deliver.Encounters{Policy: "required", Within: 7 * 24 * time.Hour}, 2*time.Hour
		w.chart.traits.Strategy, w.chart.traits.Fallbacks = connector.AsNote, []connector.Strategy{connector.AsDocument, connector.AsCommunication}
		as := map[string]connector.Strategy{} // by message: the strategy it was last planned as
		w.chart.expressed = func(x connector.Exchange) error { as[x.Message.ID] = x.Strategy; return nil }
		w.run()
		w.accept(today("a", 1, "one"))
		w.pass(4*time.Hour - time.Minute) // the second is waited for as long
		w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, connector.NeedsEncounter)
		if len(w.chart.filings) != 0 {
			t.Fatal("something was filed")
		}
		w.pass(20 * time.Minute)
		w.under("", map[string]string{"a": "one"})
		w.has(visiting("e", "in-progress", 0))
		w.accept(today("b", 2, "two"))
		w.pass(time.Minute)
		w.filed(map[string]string{"a": "one", "b": "two"})
		if as["a"] != connector.AsCommunication || as["b"] != connector.AsCommunication {
			t.Errorf("they are filed as %v", as)
		}
	})
}

// TestAStrategyWithoutANextParks: one that has no other after it waits for a person, as ever.
func TestAStrategyWithoutANextParks(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters, w.conn.HoldFor = deliver.Encounters{Policy: "required", Within: 7 * 24 * time.Hour}, 2*time.Hour
		w.chart.traits.Strategy = connector.AsNote
		w.run()
		w.accept(today("a", 1, "one"))
		w.pass(3 * time.Hour)
		w.is(w.items(thread1, connector.ItemHeader)[0], connector.Parked, connector.NeedsEncounter)
		w.is(w.item("a"), connector.Parked, connector.NeedsEncounter)
	})
}
