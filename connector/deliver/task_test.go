package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/ingest"
)

const staffAna, staffBo = "Practitioner/ana", "Practitioner/bo"

// work does one act of staff on thread t-1 and gives the open spell of work.
func (w *world) work(do ingest.WorkKind, by, to string) string {
	w.t.Helper()
	return w.workOn(w.thread(thread1).ID, do, by, to)
}

func (w *world) workOn(thread string, do ingest.WorkKind, by, to string) string {
	w.t.Helper()
	w.barrier()
	time.Sleep(time.Millisecond) // of virtual time, so that acts are in order
	t, err := w.in.Work(context.Background(), ingest.WorkIn{EHR: ehrID, Thread: thread, Agent: "user:s", OnBehalf: by, Do: do, To: to})
	if err != nil {
		w.t.Fatal(err)
	}
	return t.Desk.Task
}

// tasks holds the task items of t-1, oldest first, to these states, "state reason" each.
func (w *world) tasks(want ...string) []connector.Item {
	w.t.Helper()
	var got []string
	items := w.items(thread1, connector.ItemTask)
	for _, i := range items {
		got = append(got, string(i.State)+" "+string(i.Reason))
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("the task items are %q, want %q", got, want)
	}
	return items
}

const (
	taskFiled   = "filed "
	taskLeftOut = "not_due policy"
	taskWaits   = "held earlier-item"
)

// isTask holds the chart to one Task of a spell, in this state and of this owner.
func (w *world) isTask(spell, status, owner string) {
	w.t.Helper()
	on := w.chart.on(spell)
	if len(on) != 1 || on[0].str("resourceType") != "Task" {
		w.t.Errorf("the spell has %d entries on the chart", len(on))
		return
	}
	if on[0].str("status") != status || on[0].str("owner") != owner || on[0].reference("subject") != "Patient/ana" {
		w.t.Errorf("the Task is %s of %s about %s, want %s of %s", on[0].str("status"), on[0].str("owner"), on[0].reference("subject"), status, owner)
	}
}

// tried counts the requests for Tasks that left.
func (w *world) tried() (n int) {
	w.chart.set(func(c *chart) {
		for _, f := range c.filings {
			if f.w.Type == "Task" {
				n++
			}
		}
	})
	return n
}

// onHand is a thread with one message on the chart.
func (w *world) onHand() {
	w.run()
	w.accept(said("a", 1, "one"))
	w.pass(time.Second)
}

func TestTaskOfASpellOfWork(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.persons["billing"] = "HealthcareService/billing"
		w.onHand()
		spell := w.work(ingest.Claim, staffAna, "")
		w.pass(time.Second)
		w.isTask(spell, "accepted", staffAna)
		if got, want := w.chart.on(spell)[0].str("focus"), w.chart.on(thread1)[0].ref; got != want {
			t.Errorf("the Task points at %q, the thread's header is %s", got, want)
		}
		w.work(ingest.Assign, staffAna, staffBo)
		w.pass(time.Second)
		w.isTask(spell, "accepted", staffBo)
		w.work(ingest.Hand, staffBo, "billing")
		w.pass(time.Second)
		w.isTask(spell, "requested", "HealthcareService/billing")
		w.accept(turned(connector.ThreadClosed)) // which ends no work
		w.pass(time.Second)
		w.isTask(spell, "requested", "HealthcareService/billing")
		w.accept(told("b", 2, "two"))
		w.pass(time.Second)
		w.isTask(spell, "completed", "HealthcareService/billing")
		w.tasks(taskFiled, taskFiled, taskFiled, taskFiled)
		if n := w.tried(); n != 4 {
			t.Errorf("%d requests left for four states", n)
		}
		w.accept(said("c", 3, "three"))
		next := w.work(ingest.Claim, staffAna, "")
		w.pass(time.Second)
		w.isTask(spell, "completed", "HealthcareService/billing")
		w.isTask(next, "accepted", staffAna)
	})
}

// Of what came while the EHR was away only the newest is written, after what began the spell.
func TestOvertakenChangesOfATaskAreLeftOut(t *testing.T) {
	bubble(t, func(w *world) {
		w.onHand()
		w.chart.set(func(c *chart) { c.down = unavailable })
		spell := w.work(ingest.Claim, staffAna, "")
		w.pass(time.Second)
		w.work(ingest.Assign, staffAna, staffBo)
		w.work(ingest.Hand, staffBo, "billing")
		w.work(ingest.Claim, staffBo, "")
		w.pass(time.Minute)
		before := w.tried()
		w.chart.set(func(c *chart) { c.down = none })
		w.pass(5 * time.Minute)
		w.isTask(spell, "accepted", staffBo)
		w.tasks(taskFiled, taskLeftOut, taskLeftOut, taskFiled)
		if n := w.tried() - before; n != 2 {
			t.Errorf("%d requests left once the EHR was back, want the beginning and the newest", n)
		}
	})
}

func TestAmbiguousTaskIsFoundAndNeverDoubled(t *testing.T) {
	for f, requests := range map[fault]int{ambiguousTaken: 1, ambiguousLost: 2} {
		t.Run(string(f), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.onHand()
				w.halt()
				spell := w.work(ingest.Claim, staffAna, "")
				w.chart.fails(spell, f)
				w.run()
				w.pass(time.Second)
				w.tasks("unknown settling")
				w.work(ingest.Assign, staffAna, staffBo)
				w.pass(time.Second)
				w.tasks("unknown settling", "waiting ")
				w.pass(settling)
				w.tasks(taskFiled, taskFiled)
				w.isTask(spell, "accepted", staffBo)
				if n := len(w.chart.attempts(spell)); n != requests {
					t.Errorf("the Task was asked for %d times", n)
				}
			})
		})
	}
}

// A change whose outcome is not known is settled before anything else is said of its Task; then the newest word counts.
func TestAmbiguousChangeOfATask(t *testing.T) {
	for f, state := range map[fault]string{ambiguousTaken: taskFiled, ambiguousLost: taskLeftOut} {
		t.Run(string(f), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.onHand()
				spell := w.work(ingest.Claim, staffAna, "")
				w.pass(time.Second)
				w.chart.fails(spell+"#requested", f)
				w.work(ingest.Hand, staffAna, "billing")
				w.pass(time.Second)
				w.work(ingest.Claim, staffBo, "")
				w.pass(time.Second)
				w.tasks(taskFiled, "unknown settling", "waiting ")
				w.pass(settling)
				items := w.tasks(taskFiled, state, taskFiled)
				w.isTask(spell, "accepted", staffBo)
				for _, row := range w.writes(items[1]) {
					if row.State == connector.WriteReady || row.State == connector.WriteAttempted {
						t.Errorf("the write of a change that is done with is %s", row.State)
					}
				}
			})
		})
	}
}

// An EHR that takes no Tasks is asked nothing for one, not even for the patient.
func TestNoTaskWhereTheEHRTakesNone(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.traits.Tasks = false
		w.onHand()
		w.chart.set(func(c *chart) { c.patients, c.matches = nil, nil })
		w.pass(time.Hour)
		w.work(ingest.Claim, staffAna, "")
		w.work(ingest.Assign, staffAna, staffBo)
		w.pass(time.Second)
		w.tasks(taskLeftOut, taskLeftOut)
		if w.tried() != 0 || len(w.chart.matches) != 0 {
			t.Errorf("%d requests left, and the patient was asked for %d times", w.tried(), len(w.chart.matches))
		}
		w.chart.set(func(c *chart) { c.traits.Tasks, c.patients = true, []connector.Patient{ana()} })
		w.pass(2 * time.Hour) // by then it has been opened anew
		w.work(ingest.Hand, staffBo, "billing")
		w.pass(time.Second)
		w.tasks(taskLeftOut, taskLeftOut, taskLeftOut) // there is none to change
		w.work(ingest.Resolve, staffBo, "")
		next := w.work(ingest.Claim, staffAna, "")
		w.pass(time.Second)
		w.isTask(next, "accepted", staffAna)
	})
}

// A Task that cannot be filed keeps nothing else waiting: no exchange, no request of a reply, no later spell.
func TestAFailingTaskBlocksNothingElse(t *testing.T) {
	for _, f := range []fault{refused, unavailable, ambiguousLost} {
		t.Run(string(f), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.onHand()
				w.halt()
				spell := w.work(ingest.Claim, staffAna, "")
				w.chart.fails(spell, slices.Repeat([]fault{f}, 50)...)
				w.run()
				w.pass(time.Second)
				w.accept(said("b", 2, "two"))
				out := w.compose(thread1, "answer")
				w.pass(30 * time.Second)
				w.filed(map[string]string{"a": "one", "b": "two"})
				if on := w.chart.on(out.Client); len(on) != 1 {
					t.Errorf("the reply has %d requests on the chart", len(on))
				}
				if w.chart.on(spell) != nil {
					t.Error("the Task is there after all")
				}
			})
		})
	}
}

// What changes a Task that a person has to see to first waits for that, and no other spell of work does.
func TestChangesOfAParkedTask(t *testing.T) {
	for _, act := range []connector.Action{connector.ActReplay, connector.ActRelease} {
		t.Run(string(act), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.onHand()
				w.halt()
				spell := w.work(ingest.Claim, staffAna, "")
				w.chart.fails(spell, refused)
				w.run()
				w.work(ingest.Assign, staffAna, staffBo)
				w.pass(time.Second)
				w.tasks("parked refused", taskWaits)
				w.work(ingest.Resolve, staffBo, "")
				w.accept(said("b", 2, "two"))
				next := w.work(ingest.Claim, staffBo, "")
				w.pass(time.Second)
				items := w.tasks("parked refused", taskLeftOut, taskWaits, taskFiled)
				w.isTask(next, "accepted", staffBo)
				if got := deliver.Actions(items[0]); !slices.Contains(got, act) || !slices.Contains(got, connector.ActAlreadyThere) {
					t.Errorf("a person can %v", got)
				}
				w.decide(act, items[0], "")
				w.pass(time.Second)
				if act == connector.ActRelease {
					w.tasks("not_due refused", taskLeftOut, taskLeftOut, taskFiled)
					return
				}
				w.tasks(taskFiled, taskLeftOut, taskFiled, taskFiled)
				w.isTask(spell, "completed", staffBo)
			})
		})
	}
}

// A change that a person replays once a later one is on the chart would undo that.
func TestReplayedChangeOfATaskUndoesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		w.onHand()
		spell := w.work(ingest.Claim, staffAna, "")
		w.pass(time.Second)
		w.chart.fails(spell+"#requested", refused)
		w.work(ingest.Hand, staffAna, "billing")
		w.pass(time.Second)
		w.work(ingest.Claim, staffBo, "")
		w.pass(time.Second)
		items := w.tasks(taskFiled, "parked refused", taskFiled)
		w.replay(items[1])
		w.pass(time.Second)
		w.tasks(taskFiled, taskLeftOut, taskFiled)
		w.isTask(spell, "accepted", staffBo)
	})
}

// Until the platform has named a thread of ours it may still become part of another one: nothing of it goes to the chart.
func TestTaskWaitsForItsThread(t *testing.T) {
	bubble(t, func(w *world) {
		w.platform.answer = func(n int, m connector.Outgoing) (connector.Handover, error) {
			if n == 1 {
				return connector.Handover{}, &connector.Retry{Cause: errors.New("not now")}
			}
			return w.platform.taken(m), nil
		}
		out := w.compose("", "hello")
		spell := w.workOn(out.Thread, ingest.Claim, staffAna, "")
		w.run()
		w.pass(100 * time.Millisecond)
		if n := w.tried(); n != 0 {
			t.Errorf("%d requests left for a thread without a name", n)
		}
		w.pass(5 * time.Minute)
		w.isTask(spell, "accepted", staffAna)
	})
}

// A spell that began after a restore cannot be on the chart: its Task is not looked for first, and does not wait for that.
func TestTaskAfterARestore(t *testing.T) {
	bubble(t, func(w *world) {
		w.onHand()
		w.engine.Restored(time.Now())
		time.Sleep(time.Millisecond)
		spell := w.work(ingest.Claim, staffAna, "")
		w.pass(time.Second)
		w.isTask(spell, "accepted", staffAna)
		if w.chart.finds != 0 {
			t.Errorf("it was searched for %d times", w.chart.finds)
		}
	})
}

// Before it goes live a connection writes no Task either.
func TestShadowedTask(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Mode = "shadow"
		w.onHand()
		w.work(ingest.Claim, staffAna, "")
		w.work(ingest.Assign, staffAna, staffBo)
		w.pass(time.Second)
		w.tasks(taskLeftOut, taskLeftOut)
		if w.tried() != 0 {
			t.Error("something was written")
		}
	})
}

// A trace tells of a Task as of anything else on the chart.
func TestTraceOfATask(t *testing.T) {
	bubble(t, func(w *world) {
		w.onHand()
		spell := w.work(ingest.Claim, staffAna, "")
		w.pass(time.Second)
		on := w.chart.on(spell)[0].ref
		w.update(func(tx connector.Tx) error {
			traced, err := deliver.Trace(tx, on, "cli:ana", false, time.Now())
			if len(traced) != 1 {
				return fmt.Errorf("%d threads are traced by %s: %w", len(traced), on, err)
			}
			for _, i := range traced[0].Items {
				if i.Asked != (i.ID == spell) || (i.Asked && (i.Kind != connector.ItemTask || i.Writes[0].Receipt != on)) {
					t.Errorf("%+v", i)
				}
			}
			return err
		})
	})
}
