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

func TestAPersonThatIsFoundDoesNotProveThatRequestsAre(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.unindexed = "Communication" // and CommunicationRequest
		w.chart.fails("t-1/a", ambiguousTaken)
		w.run()
		ev := said("a", 1, "for my mother")
		ev.Message.Sender = connector.Participant{Role: connector.RoleProxy, ID: "son", Name: "Luis", Relationship: "son"}
		w.accept(ev)
		w.pass(settling) // the newest that is filed is the person
		w.halt()
		reply := w.compose(thread1, "answer")
		w.chart.fails(reply.Client, ambiguousTaken)
		w.run()
		w.pass(settling)
		if n := len(w.chart.attempts(reply.Client)); n != 1 {
			t.Errorf("%d attempts left: the request was posted again without knowing", n)
		}
		w.is(w.items(thread1, connector.ItemRequest)[0], connector.Parked, connector.NotSearchable)
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
