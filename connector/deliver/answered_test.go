package deliver_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestConflictIsSearchedForAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		// The same identity with the same content is there already: somebody restored an old store, say.
		w.chart.fails("t-1/b", conflict)
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Unknown, connector.Settling) // 409, and nothing to be seen yet
		w.pass(settling)
		w.filed(map[string]string{"a": "one", "b": "two"})
	})
}

func TestIdentityCollisionParks(t *testing.T) {
	for _, f := range []fault{taken, conflict} {
		t.Run(string(f), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.run()
				w.accept(said("a", 1, "one"))
				w.pass(time.Second)
				w.chart.set(func(c *chart) {
					e := *c.entries[len(c.entries)-1]
					body := map[string]any{}
					for k, v := range e.body {
						body[k] = v
					}
					body["identifier"] = map[string]any{"system": "urn:b/texting/message", "value": "t-1/b"}
					e.ref, e.body = "Communication/alien", body
					c.entries = append(c.entries, &e)
				})
				w.chart.fails("t-1/b", f)
				w.accept(said("b", 2, "two"), said("c", 3, "three"))
				w.pass(time.Second)
				w.is(w.item("b"), connector.Parked, connector.IdentityCollision)
				w.filed(map[string]string{"a": "one", "c": "three"})
				w.replay(w.item("b")) // nobody has done anything about it
				w.pass(settling)
				w.is(w.item("b"), connector.Parked, connector.IdentityCollision)
				w.chart.set(func(c *chart) { delete(c.byRef("Communication/alien").body, "identifier") })
				w.pass(settling)
				w.replay(w.item("b"))
				w.pass(time.Second)
				w.filed(map[string]string{"b": "two"})
			})
		})
	}
}

func TestConditionalHitWithTheSameContentIsFiled(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", ambiguousTaken, taken)
		w.chart.hiding = true
		w.conn.EHR = listing{w.chart}
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(settling)
		w.filed(map[string]string{"a": "one"})
	})
}

func TestWrongSubjectStopsTheConnectionAndParks(t *testing.T) {
	for _, f := range []fault{wrongSubject, wrongName} {
		t.Run(string(f), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.chart.fails("t-1/a", f)
				w.run()
				w.accept(said("a", 1, "one"), said("b", 2, "two"))
				w.acceptIn("t-2", said("x", 1, "other thread"))
				w.pass(10 * time.Minute)
				w.is(w.item("a"), connector.Parked, connector.WrongSubject)
				if w.ehr().Paused != connector.WrongSubject {
					t.Errorf("the connection is paused for %q", w.ehr().Paused)
				}
				before := len(w.chart.filings)
				w.acceptIn("t-3", said("y", 1, "another"))
				w.pass(10 * time.Minute)
				if len(w.chart.filings) != before {
					t.Error("a stopped connection still writes")
				}
				w.update(func(tx connector.Tx) error {
					row, err := tx.EHR(ehrID)
					if err != nil {
						return err
					}
					row.Paused = ""
					return tx.PutEHR(row)
				})
				w.pass(time.Minute)
				w.filed(map[string]string{"b": "two"})
			})
		})
	}
}

func TestThreeAlteredContentsPauseTheConnection(t *testing.T) {
	bubble(t, func(w *world) {
		for _, id := range []string{"a", "b", "c"} {
			w.chart.fails("t-1/"+id, altered)
		}
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"))
		w.pass(time.Second)
		w.is(w.item("a"), connector.Parked, connector.ContentAltered)
		w.is(w.item("b"), connector.Parked, connector.ContentAltered)
		if w.ehr().Paused != "" {
			t.Error("two altered contents pause already")
		}
		w.accept(said("c", 3, "three"), said("d", 4, "four"))
		w.pass(time.Minute)
		w.is(w.item("c"), connector.Parked, connector.ContentAltered)
		if w.ehr().Paused != connector.ContentAltered {
			t.Errorf("the connection is paused for %q", w.ehr().Paused)
		}
	})
}

func TestChartThatShowsNothingBackLeavesTheReceiptUnverified(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/b", silent)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"))
		w.pass(time.Second)
		w.filed(map[string]string{"a": "one", "b": "two"})
		if a, b := w.writes(w.item("a"))[0].Receipt, w.writes(w.item("b"))[0].Receipt; !a.Verified || b.Verified {
			t.Errorf("verified: a %v, b %v", a.Verified, b.Verified)
		}
	})
}

func TestRefusedParksAndReplayFiles(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", refused)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"))
		w.pass(time.Second)
		w.is(w.item("a"), connector.Parked, connector.EHRRefused)
		w.filed(map[string]string{"b": "two"})
		w.replay(w.item("a"))
		w.pass(time.Second)
		w.filed(map[string]string{"a": "one"})
		if !w.item("a").Late {
			t.Error("a filed after b and is not marked late")
		}
	})
}

func TestGateKeepsInvalidWritesAndReplayPlansAnew(t *testing.T) {
	bubble(t, func(w *world) {
		good := true
		w.chart.gate = func(sent connector.Write) error {
			if !good && sent.Identity.Value == "t-1/a" {
				return &connector.Refused{Reason: connector.GateRefused, Detail: connector.Protect("sent is missing")}
			}
			return nil
		}
		good = false
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.is(w.item("a"), connector.Parked, connector.GateRefused)
		if got := w.item("a").Detail.Text; got != "sent is missing" {
			t.Errorf("the person is told %q", got)
		}
		if len(w.chart.attempts("t-1/a")) != 0 || len(w.writes(w.item("a"))) != 0 {
			t.Error("a write that may not leave was attempted or kept as final")
		}
		good = true
		w.replay(w.item("a"))
		w.pass(time.Second)
		w.filed(map[string]string{"a": "one"})
	})
}

func TestUnauthorizedHoldsAndGoesOnByItself(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", unauthorized)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.is(w.item("a"), connector.Held, connector.Unauthorized)
		opens := w.chart.opens
		w.pass(time.Minute)
		w.filed(map[string]string{"a": "one"})
		if w.chart.opens != opens+1 {
			t.Error("the connection was not opened anew")
		}
	})
}

// Whatever became of an attempt, what the EHR answered is kept with it, for trace.
func TestWhatTheEHRAnsweredIsKept(t *testing.T) {
	for _, f := range []fault{refused, tooMany, ambiguousLost, conflict} {
		t.Run(string(f), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.chart.fails("t-1/a", f)
				w.run()
				w.accept(said("a", 1, "one"))
				w.pass(time.Second)
				var first connector.Attempt
				rows := w.writes(w.item("a"))
				w.view(func(tx connector.Tx) error {
					all, err := tx.Attempts(rows[0].EHR, rows[0].ID)
					if len(all) > 0 {
						first = all[0]
					}
					return err
				})
				if string(first.Answer) != string(f) {
					t.Errorf("the first attempt came to %q and has the answer %q, want %q", first.Outcome, first.Answer, f)
				}
			})
		})
	}
}
