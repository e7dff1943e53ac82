package ingest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// act does one act of staff on thread t-1.
func (w *world) act(do ingest.WorkKind, by, to string) connector.Thread {
	w.t.Helper()
	t, err := w.work(do, by, to, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// tasks gives what the EHR's Tasks of t-1 are to say, oldest first; the spells are numbered as they begin.
func (w *world) tasks() (out []connector.Task) {
	w.t.Helper()
	var spells []string
	for _, i := range w.itemsOf("t-1", connector.ItemTask) {
		task := *i.Detail.Task
		begins := !slices.Contains(spells, task.ID)
		if begins {
			spells = append(spells, task.ID)
		}
		if begins != (i.ID == task.ID) || i.Lane != connector.LaneTask || i.State != connector.Waiting || i.Message != "" || i.Channel != "texting" {
			w.t.Errorf("a task item as no other is: %s %s on %s, task %s, begins %v", i.ID, i.State, i.Lane, task.ID, begins)
		}
		if begins && !task.Begun().Equal(i.CommittedAt.Truncate(time.Millisecond)) {
			w.t.Errorf("the spell began at %s, by its id at %s", i.CommittedAt, task.Begun())
		}
		task.ID = string(rune('a' + slices.Index(spells, task.ID)))
		out = append(out, task)
	}
	return out
}

// Each act, and each answer, makes of the spell of work what it does to who has the thread.
func TestSpellOfWork(t *testing.T) {
	claim := func(w *world) { w.act(ingest.Claim, ana, "") }
	claimed := connector.Task{ID: "a", Status: connector.TaskAccepted, Holder: ana, By: ana}
	ended := connector.Task{ID: "a", Status: connector.TaskCompleted, Holder: ana}
	for name, c := range map[string]struct {
		does func(w *world)
		want []connector.Task
		open bool
	}{
		"nobody has done anything": {func(w *world) { w.accept(told("e2", "m-2", 2, "yes")) }, nil, false},
		"claimed":                  {claim, []connector.Task{claimed}, true},
		"claimed twice":            {func(w *world) { claim(w); claim(w) }, []connector.Task{claimed}, true},
		"assigned": {func(w *world) { w.act(ingest.Assign, ana, bo) },
			[]connector.Task{{ID: "a", Status: connector.TaskAccepted, Holder: bo, By: ana}}, true},
		"handed over": {func(w *world) { w.act(ingest.Hand, ana, "billing") },
			[]connector.Task{{ID: "a", Status: connector.TaskRequested, Pool: "billing", By: ana}}, true},
		"claimed, assigned, handed over": {func(w *world) {
			claim(w)
			w.act(ingest.Assign, ana, bo)
			w.act(ingest.Hand, bo, "billing")
		}, []connector.Task{claimed, {ID: "a", Status: connector.TaskAccepted, Holder: bo}, {ID: "a", Status: connector.TaskRequested, Pool: "billing"}}, true},
		"given back": {func(w *world) { claim(w); w.act(ingest.Release, ana, "") },
			[]connector.Task{claimed, {ID: "a", Status: connector.TaskRequested, Pool: "nurse-triage"}}, true},
		"given back by nobody": {func(w *world) { w.act(ingest.Release, ana, "") }, nil, false},
		"resolved":             {func(w *world) { claim(w); w.act(ingest.Resolve, bo, "") }, []connector.Task{claimed, ended}, false},
		"resolved alone":       {func(w *world) { w.act(ingest.Resolve, ana, "") }, nil, false},
		"answered on the platform": {func(w *world) { claim(w); w.accept(told("e2", "m-2", 2, "yes")) },
			[]connector.Task{claimed, ended}, false},
		"answered here": {func(w *world) { claim(w); w.answer() }, []connector.Task{claimed, ended}, false},
		"spoken to by a machine": {func(w *world) {
			claim(w)
			ev := told("e2", "m-2", 2, "we have your message")
			ev.Message.Sender = connector.Participant{Role: connector.RoleSystem}
			w.accept(ev)
		}, []connector.Task{claimed}, true},
		"an older reply that comes late": {func(w *world) {
			claim(w)
			ev := told("e2", "m-2", 2, "yes")
			ev.Message.SentAt = start.Add(-time.Hour)
			w.accept(ev)
		}, []connector.Task{claimed}, true},
		"closed by the platform": {func(w *world) { claim(w); w.accept(turned("e2", connector.ThreadClosed, time.Hour)) },
			[]connector.Task{claimed}, true},
		"claimed again when nobody waits": {func(w *world) {
			claim(w)
			w.accept(told("e2", "m-2", 2, "yes"))
			claim(w)
		}, []connector.Task{claimed, ended}, false},
		"claimed again when more came": {func(w *world) {
			claim(w)
			w.accept(told("e2", "m-2", 2, "yes"))
			w.accept(said("e3", "m-3", 3, "and this?"))
			claim(w)
		}, []connector.Task{claimed, ended, {ID: "b", Status: connector.TaskAccepted, Holder: ana, By: ana}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.accept(said("e1", "m-1", 1, "hello"))
			c.does(w)
			if got := w.tasks(); !slices.Equal(got, c.want) {
				t.Errorf("the tasks are\n%+v, want\n%+v", got, c.want)
			}
			if got := w.thread("t-1").Desk.Task != ""; got != c.open {
				t.Errorf("a spell is open: %v", got)
			}
			if due := slices.Contains(w.due(), connector.LaneTask); due != (len(c.want) > 0) {
				t.Errorf("the lane of tasks is due: %v", due)
			}
		})
	}
}

// answer composes a reply in t-1.
func (w *world) answer() {
	w.t.Helper()
	w.clock.Advance(time.Second)
	_, err := w.in.Compose(context.Background(), ingest.Draft{Channel: w.ch, ThreadID: w.thread("t-1").ID, Agent: "user:s",
		Message: connector.Message{Sender: connector.Participant{Role: connector.RoleClinician, ID: bo}, Text: "yes",
			Recipients: []connector.Participant{{Role: connector.RolePatient, ID: "u-1"}}}})
	if err != nil {
		w.t.Fatal(err)
	}
}

// What is urgent among what waits says how urgent the work is.
func TestSpellIsAsUrgentAsWhatWaits(t *testing.T) {
	w := newWorld(t)
	ev := said("e1", "m-1", 1, "hello")
	ev.Message.Priority = connector.Stat
	w.accept(ev)
	w.act(ingest.Claim, bo, "")
	if i := w.itemsOf("t-1", connector.ItemTask)[0]; i.Priority != connector.Stat {
		t.Errorf("the task is %q", i.Priority)
	}
}

// Once the platform has named a thread of ours, its Task can go. Where it is one the platform has told of already, ours becomes part
// of it, and with it its spell of work. Where both have one, one is left.
func TestSpellsOfThreadsThatBecomeOne(t *testing.T) {
	for name, threads := range map[string]struct{ two, both bool }{"no other": {}, "one spell": {two: true}, "two spells": {true, true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			out, err := w.in.Compose(context.Background(), ingest.Draft{Channel: w.ch, Agent: "user:s", Patient: *mrn("1"),
				Message: connector.Message{Sender: connector.Participant{Role: connector.RoleClinician, ID: bo}, Text: "hello",
					Recipients: []connector.Participant{{Role: connector.RolePatient, ID: "u-1"}}}})
			if err != nil {
				t.Fatal(err)
			}
			w.clock.Advance(time.Second)
			got, err := w.in.Work(context.Background(), ingest.WorkIn{EHR: ehrID, Thread: out.Thread, Agent: "user:s", OnBehalf: bo, Do: ingest.Claim})
			if err != nil {
				t.Fatal(err)
			}
			kept := got.Desk.Task
			if threads.two {
				w.accept(said("e1", "m-1", 1, "hi"))
			}
			if threads.both {
				kept = w.act(ingest.Hand, ana, "billing").Desk.Task // which nobody holds, and bo holds the other
			}
			w.drop(connector.LaneTask)
			ev := told("e2", "m-2", 2, "hello")
			ev.Message.ClientID = out.Client
			w.accept(ev)

			if d := w.thread("t-1").Desk; d.Task != kept || d.Holder != bo {
				t.Errorf("the desk has %s held by %s, want %s held by %s", d.Task, d.Holder, kept, bo)
			}
			var open []connector.Item
			for _, i := range w.itemsOf("t-1", connector.ItemTask) {
				if !i.State.Done() {
					open = append(open, i)
				}
				if i.State.Done() != (i.Detail.Task.ID != kept) {
					t.Errorf("a change of task %s is %s", i.Detail.Task.ID, i.State)
				}
			}
			if last := open[len(open)-1].Detail.Task; last.Holder != bo || last.Status != connector.TaskAccepted {
				t.Errorf("the last word is %+v", last)
			}
			if !slices.Contains(w.due(), connector.LaneTask) {
				t.Error("nothing makes the lane of tasks due")
			}
		})
	}
}

// drop works lanes of one kind as if nothing of them could be done now.
func (w *world) drop(kind connector.LaneKind) {
	w.t.Helper()
	lanes, err := w.store.Claim(context.Background(), ehrID, []connector.LaneKind{kind}, 100, w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range lanes {
		w.update(func(tx connector.Tx) error { return tx.ReleaseLane(l, time.Time{}, w.clock.Now()) })
	}
}
