package deliver_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// settling is longer than any settle of these tests: lease + deadline + search lag, and the circuit's backoff.
const settling = 2 * time.Minute

// Every File of every test here is also held to this: its attempt, with these bytes, is committed (world.attemptIsCommitted).
func TestAttemptIsCommittedBeforeItsRequestLeaves(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), corrected("a", 2, "uno"), retracted("b"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.filed(map[string]string{"a": "one", "b": "two"})
		if got := len(w.chart.filings); got != 6 {
			t.Errorf("%d requests left, want 6: header, a, b, a's correction, b's retraction, the header's end", got)
		}
	})
}

func TestAmbiguousAfterCommitIsUnknownUntilSettledThenFound(t *testing.T) {
	for _, proven := range []bool{true, false} {
		t.Run(fmt.Sprint("proven=", proven), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.SearchLag, w.chart.lag = 20*time.Second, 20*time.Second
				w.chart.hiding = !proven
				w.chart.fails("t-1/a", ambiguousTaken)
				if !proven {
					w.conn.EHR = listing{w.chart}
				}
				w.run()
				w.accept(said("a", 1, "one"), said("b", 2, "two"))
				w.pass(lease + requestDeadline + w.conn.SearchLag - time.Second)
				w.is(w.item("a"), connector.Unknown, connector.Settling)
				w.is(w.item("b"), connector.Waiting, "")
				if w.chart.finds != 0 {
					t.Error("it was searched for before anything could be concluded")
				}
				w.pass(settling)
				w.filed(map[string]string{"a": "one", "b": "two"})
				if n := len(w.chart.attempts("t-1/a")); n != 1 {
					t.Errorf("%d attempts left", n)
				}
			})
		})
	}
}

func TestAmbiguousBeforeCommitIsAttemptedOnceMoreWhereFindIsProven(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", ambiguousLost)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(settling)
		w.filed(map[string]string{"a": "one"})
		if n := len(w.chart.attempts("t-1/a")); n != 2 {
			t.Errorf("%d attempts left, want 2", n)
		}
		if !w.ehr().FindProven {
			t.Error("that Find sees our writes is not remembered")
		}
		rows := w.writes(w.item("a"))
		w.view(func(tx connector.Tx) error {
			attempts, err := tx.Attempts(ehrID, rows[0].ID)
			if len(attempts) != 2 || attempts[0].Outcome != "ambiguous" || attempts[1].Outcome != "filed" {
				t.Errorf("the attempts are told as %+v", attempts)
			}
			return err
		})
	})
}

func TestAmbiguousParksWhereItCannotBeKnown(t *testing.T) {
	for name, hide := range map[string]func(c *chart){
		"the search finds nothing of ours": func(c *chart) { c.hiding = true },
		"there is no search":               func(c *chart) { c.blind = true },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				hide(w.chart)
				w.chart.fails("t-1/a", ambiguousTaken)
				w.run()
				w.accept(said("a", 1, "one"), said("b", 2, "two"))
				w.pass(settling)
				w.is(w.item("a"), connector.Parked, connector.NotSearchable)
				w.filed(map[string]string{"b": "two"})
				if n := len(w.chart.attempts("t-1/a")); n != 1 {
					t.Errorf("%d attempts left: it was posted again without knowing", n)
				}
			})
		})
	}
}

// TestAmbiguousIsSentAgainWhereRepeatsAreKnown: the same bytes, each time only once the attempt before is over, and in order.
func TestAmbiguousIsSentAgainWhereRepeatsAreKnown(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.blind, w.chart.traits.Resends = true, true
		w.chart.fails("t-1/a", ambiguousTaken, ambiguousLost, taken)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"))
		w.pass(2*settling + time.Second)
		w.filed(map[string]string{"a": "one", "b": "two"})
		made := w.chart.attempts("t-1/a")
		if len(made) != 3 || len(w.chart.on("t-1/a")) != 1 {
			t.Fatalf("%d attempts, %d entries", len(made), len(w.chart.on("t-1/a")))
		}
		for n, f := range made[1:] {
			if !bytes.Equal(f.w.Body, made[0].w.Body) || f.at.Sub(made[n].at) < requestDeadline+lease {
				t.Errorf("attempt %d left %s after the one before, or with other bytes", n+2, f.at.Sub(made[n].at))
			}
		}
		if first := w.chart.attempts("t-1/b"); len(first) != 1 || first[0].at.Before(made[2].at) {
			t.Error("what came after went first")
		}
	})
}

func TestAPersonThatIsFoundDoesNotProveThatMessagesAre(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.unindexed = "Communication"
		w.chart.fails("t-1/a", ambiguousTaken)
		w.run()
		ev := said("a", 1, "for my mother")
		ev.Message.Sender = connector.Participant{Role: connector.RoleProxy, ID: "son", Name: "Luis", Relationship: "son"}
		w.accept(ev)
		w.pass(settling)
		w.is(w.item("a"), connector.Parked, connector.NotSearchable)
		if n := len(w.chart.attempts("t-1/a")); n != 1 {
			t.Errorf("%d attempts left: it was posted again without knowing", n)
		}
	})
}

func TestListingDecidesWhereFindIsNotProven(t *testing.T) {
	for _, f := range []fault{ambiguousTaken, ambiguousLost} {
		t.Run(string(f), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.EHR = listing{w.chart}
				w.chart.blind = true
				w.chart.fails("t-1/a", f)
				w.run()
				w.accept(said("a", 1, "one"))
				w.pass(settling)
				w.filed(map[string]string{"a": "one"})
			})
		})
	}
}

func TestUnknownStaysUnknownWhileItCannotBeSearchedFor(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", ambiguousTaken)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		for _, err := range []error{
			&connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("connection refused")},
			&connector.Refused{Reason: connector.Unauthorized, Status: 401},
		} {
			w.chart.set(func(c *chart) { c.findErr = err })
			w.pass(10 * time.Minute)
			w.is(w.item("a"), connector.Unknown, connector.Settling)
		}
		w.chart.set(func(c *chart) { c.findErr = nil })
		w.pass(5 * time.Minute)
		w.filed(map[string]string{"a": "one"})
	})
}

func TestRefusedSearchNeverLeadsToASecondPost(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", ambiguousTaken)
		w.chart.findErr = &connector.Refused{Reason: connector.ScopeMissing, Status: 403}
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(settling)
		w.is(w.item("a"), connector.Parked, connector.ScopeMissing)
		w.chart.set(func(c *chart) { c.findErr = nil })
		w.replay(w.item("a"))
		w.pass(time.Second)
		w.filed(map[string]string{"a": "one"})
	})
}

func TestUnknownStaysUnknownThoughThePatientChanged(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.SearchLag = 10 * time.Minute // so that the patient is read anew before it settles
		w.chart.fails("t-1/a", ambiguousTaken)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.chart.set(func(c *chart) { c.patients[0].Active = false })
		w.pass(10 * time.Minute)
		w.is(w.item("a"), connector.Unknown, connector.Settling)
		w.pass(settling)
		w.filed(map[string]string{"a": "one"}) // what is on the chart is on the chart
	})
}

func TestTakenOverAttemptIsSettledNotPostedAgain(t *testing.T) {
	for _, f := range []fault{none, ambiguousLost} {
		t.Run("the dead worker's request: "+string(f), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.accept(said("a", 1, "one"))
				// A worker that dies with its request on the way: it never tells how it went, and its lease runs out.
				w.chart.fails("t-1/a", fenced)
				w.run()
				w.pass(time.Millisecond)
				if f == none {
					w.chart.set(func(c *chart) {
						if _, err := c.commit(c.filings[len(c.filings)-1].w); err != nil {
							t.Fatal(err)
						}
					})
				}
				w.pass(5 * time.Second)
				w.is(w.item("a"), connector.Unknown, connector.Settling)
				w.pass(lease + requestDeadline - 6*time.Second)
				w.is(w.item("a"), connector.Unknown, connector.Settling)
				w.pass(settling)
				w.filed(map[string]string{"a": "one"})
				if f == none && len(w.chart.attempts("t-1/a")) != 1 {
					t.Error("it was posted again")
				}
				row := w.writes(w.item("a"))[0]
				w.view(func(tx connector.Tx) error {
					attempts, err := tx.Attempts(ehrID, row.ID)
					for _, a := range attempts {
						if a.EndedAt.IsZero() {
							t.Error("an attempt is left without an end")
						}
					}
					return err
				})
			})
		})
	}
}

// TestTakenOverAttemptIsSentAgainWhereRepeatsAreKnown: the worker that left no word of its attempt gets an end for it.
func TestTakenOverAttemptIsSentAgainWhereRepeatsAreKnown(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.blind, w.chart.traits.Resends = true, true
		w.accept(said("a", 1, "one"))
		w.chart.fails("t-1/a", fenced)
		w.run()
		w.pass(lease + requestDeadline + settling)
		w.filed(map[string]string{"a": "one"})
		row := w.writes(w.item("a"))[0]
		w.view(func(tx connector.Tx) error {
			attempts, err := tx.Attempts(ehrID, row.ID)
			if len(attempts) != 2 || attempts[0].Outcome != "resend" || attempts[0].EndedAt.IsZero() {
				t.Errorf("%d attempts, the first ended with %q", len(attempts), attempts[0].Outcome)
			}
			return err
		})
	})
}

// steal takes a lane from its holder, as another process does whose clock shows the lease's end.
func (w *world) steal(kind connector.LaneKind) connector.Lane {
	w.t.Helper()
	lanes, err := w.store.Claim(w.t.Context(), ehrID, []connector.LaneKind{kind}, 1, time.Now().Add(lease))
	if err != nil || len(lanes) != 1 {
		w.t.Fatalf("the lane could not be taken: %v, %v", lanes, err)
	}
	return lanes[0]
}

func TestWorkerThatLostItsLaneWritesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		w.accept(said("a", 1, "one"), said("b", 2, "two"))
		var stolen connector.Lane
		check := w.chart.onFile
		w.chart.onFile = func(sent connector.Write) {
			check(sent)
			if sent.Identity.Value == "t-1/a" && stolen.Thread == "" {
				stolen = w.steal(connector.LaneChart)
			}
		}
		w.run()
		w.pass(time.Second)
		// The old holder's request for a was under way and is on the chart; it may write nothing down, and post nothing more.
		w.is(w.item("a"), connector.Filing, "")
		w.is(w.item("b"), connector.Waiting, "")
		if got := w.chart.order(); len(got) != 1 {
			t.Errorf("the chart has %v", got)
		}
		w.pass(lease + settling)
		w.filed(map[string]string{"a": "one", "b": "two"})
	})
}

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

// A lane stopped by an orderly end of the process goes on with the next one, and nothing is there twice.
func TestOrderlyEndLosesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.PerSecond = 2
		w.run()
		for n := range 6 {
			w.accept(said(fmt.Sprint("m", n), int64(n+1), fmt.Sprint("text ", n)))
		}
		w.pass(1500 * time.Millisecond)
		w.halt()
		before := len(w.chart.filings)
		if before == 0 || before > 6 {
			t.Fatalf("%d requests left before the end: the test shows nothing", before)
		}
		w.run()
		w.pass(time.Minute)
		for n := range 6 {
			w.filed(map[string]string{fmt.Sprint("m", n): fmt.Sprint("text ", n)})
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
