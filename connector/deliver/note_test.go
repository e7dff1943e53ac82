package deliver_test

import (
	"context"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/ingest"
)

// note commits an internal note in a thread of ours.
func (w *world) note(thread, text, encounter string) ingest.Composed {
	w.t.Helper()
	w.barrier()
	w.mu.Lock()
	w.events++
	w.mu.Unlock()
	out, err := w.in.Note(context.Background(), ingest.NoteDraft{Channel: w.ch, ThreadID: thread, Agent: "user:S1", ActAs: "Practitioner/dr", Text: text,
		Sender: connector.Participant{Role: connector.RoleClinician, ID: "Practitioner/dr"}, Encounter: encounter})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// TestNoteIsFiledWithoutAPlaceAmongTheMessages: beside a gap, and what closes the gap is not late.
func TestNoteIsFiledWithoutAPlaceAmongTheMessages(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.accept(said("c", 3, "three")) // b is missing
		n := w.note(w.thread(thread1).ID, "call her back", "")
		w.pass(10 * time.Second)
		w.filed(map[string]string{"a": "one", n.Client: "call her back"})
		w.is(w.item("c"), connector.Waiting, "")
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		w.filed(map[string]string{"b": "two", "c": "three"})
		if w.item("b").Late || w.item("c").Late || w.item(n.Client).Late {
			t.Error("something is marked late")
		}
		if sent := w.items(thread1, connector.ItemSend); len(sent) != 0 {
			t.Error("a note was to be sent")
		}
		w.conserved(true)
	})
}

// TestNoteWaitsForItsThread: what is written before the platform has given the thread an id files with it.
func TestNoteWaitsForItsThread(t *testing.T) {
	bubble(t, func(w *world) {
		c := w.compose("", "hello")
		n := w.note(c.Thread, "she may not answer", "")
		w.run()
		w.pass(time.Minute)
		var th connector.Thread
		w.view(func(tx connector.Tx) (err error) {
			m, err := tx.MessageByClient(ehrID, n.Client)
			if err == nil {
				th, err = tx.Thread(ehrID, m.Thread)
			}
			return err
		})
		if !th.Placed() {
			t.Fatal("the thread has no id of the platform's")
		}
		for _, id := range []string{n.Client} {
			if on := w.chart.on(th.Ext + "/" + id); len(on) != 1 || on[0].str("text") != "she may not answer" {
				t.Errorf("the note has %d entries", len(on))
			}
		}
		w.conserved(true)
	})
}

// TestNoteIsNotDueWhereThereIsNoForm: it stays with us.
func TestNoteIsNotDueWhereThereIsNoForm(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.EHR = leavingOut{w.chart}
		w.run()
		w.accept(said("a", 1, "one"))
		n := w.note(w.thread(thread1).ID, "between us", "")
		w.pass(time.Second)
		w.is(w.item(n.Client), connector.NotDue, connector.PolicyLeftOut)
		w.filed(map[string]string{"a": "one"})
	})
}

// TestNoteOfAThreadThatNeverBegan: nothing of it waits for ever.
func TestNoteOfAThreadThatNeverBegan(t *testing.T) {
	bubble(t, func(w *world) {
		w.platform.answer = func(int, connector.Outgoing) (connector.Handover, error) {
			return connector.Handover{}, &connector.Refused{Reason: connector.SendRefused}
		}
		c := w.compose("", "hello")
		n := w.note(c.Thread, "she may not answer", "")
		w.run()
		w.pass(time.Minute)
		w.view(func(tx connector.Tx) error {
			i, err := tx.Item(ehrID, n.Item)
			w.is(i, connector.NotDue, connector.SendRefused)
			return err
		})
		w.conserved(true)
	})
}

// TestEncounterOfTheLaunch: what was written in an encounter is filed under it, under every policy but never, where it is this
// patient's; and nothing else is.
func TestEncounterOfTheLaunch(t *testing.T) {
	for _, c := range []struct {
		name, policy, launch, want string
	}{
		{"", "", "Encounter/v", "Encounter/v"}, {"", "open", "Encounter/v", "Encounter/v"}, {"", "recent", "Encounter/v", "Encounter/v"},
		{"", "required", "Encounter/v", "Encounter/v"}, {"", "thread", "Encounter/v", "Encounter/v"}, {"", "never", "Encounter/v", ""},
		{"another patient's", "open", "Encounter/other", "Encounter/e"}, {"a mistake's", "open", "Encounter/wrong", "Encounter/e"},
		{"another patient's, and nothing else", "when-known", "Encounter/other", ""},
		{"none", "open", "", "Encounter/e"},
	} {
		t.Run(c.policy+c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.Encounters = deliver.Encounters{Policy: c.policy, Within: 24 * time.Hour}
				w.has(visiting("e", "in-progress", time.Minute), visiting("v", "planned", -time.Hour), visiting("wrong", "entered-in-error", time.Minute))
				w.chart.set(func(ch *chart) { ch.visits["Patient/bea"] = []connector.Encounter{visiting("other", "in-progress", 0)} })
				d := w.draft("", "please come")
				d.Encounter = c.launch
				w.mu.Lock()
				w.events++
				w.mu.Unlock()
				out, err := w.in.Compose(context.Background(), d)
				if err != nil {
					t.Fatal(err)
				}
				w.run()
				w.pass(time.Minute)
				var m connector.MessageRow
				var th connector.Thread
				w.view(func(tx connector.Tx) (err error) {
					if m, err = tx.MessageByClient(ehrID, out.Client); err == nil {
						th, err = tx.Thread(ehrID, m.Thread)
					}
					return err
				})
				for what, value := range map[string]string{"message": th.Ext + "/" + m.Message.ID, "header": th.Ext} {
					on := w.chart.on(value)
					if len(on) != 1 {
						t.Fatalf("the %s has %d entries", what, len(on))
					}
					if got := on[0].reference("encounter"); got != c.want {
						t.Errorf("the %s is under %q, want %q", what, got, c.want)
					}
				}
			})
		})
	}
}

// TestLivePagesAreTold: whatever a page shows of a thread, its Version has grown.
func TestLivePagesAreTold(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.Encounters, w.chart.traits.NeedsEncounter = deliver.Encounters{Policy: "open"}, true
		version := func(what string, before int64) int64 {
			t.Helper()
			v := w.thread(thread1).Version
			if v <= before {
				t.Errorf("%s: the version is still %d", what, v)
			}
			return v
		}
		comes := func(what string, ev connector.Event, before int64) int64 { // with nobody at work who might grow it at once
			w.halt()
			w.accept(ev)
			v := version(what, before)
			w.run()
			return v
		}
		w.accept(today("a", 1, "one"))
		v := version("a message", 0)
		w.run()
		w.pass(time.Second)
		w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, connector.NeedsEncounter)
		v = version("held", v)
		w.has(visiting("e", "in-progress", 0))
		w.pass(time.Minute)
		w.filed(map[string]string{"a": "one"})
		version("filed", v)
		w.accept(told("m-7", 2, "answer"))
		w.pass(time.Minute)
		v = comes("news of its delivery", status("m-7", connector.Delivered, ""), w.thread(thread1).Version)
		w.pass(time.Minute)
		if news := w.items(thread1, connector.ItemStatus); len(news) != 1 || !news[0].State.Done() {
			t.Errorf("the news is %+v", news)
		}
		v = version("the news on the chart", v)
		w.chart.expressed = func(x connector.Exchange) error {
			return &connector.Refused{Reason: connector.NotExpressible, Detail: connector.Protect("mark it by hand")}
		}
		v = comes("retracted", retracted("a"), v)
		w.pass(time.Second)
		i := w.items(thread1, connector.ItemRetraction)[0]
		w.is(i, connector.Parked, connector.NotExpressible)
		v = version("parked", v)
		w.decide(connector.ActRelease, i, "")
		version("released", v)
	})
}

// TestNoteOfAThreadThatIsToldAsOne: a note is not part of what is told, whenever that is, and does not put it off.
func TestNoteOfAThreadThatIsToldAsOne(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		n := w.note(w.thread(thread1).ID, "between us", "")
		w.pass(time.Second)
		w.is(w.item(n.Client), connector.NotDue, connector.PolicyLeftOut)
		w.is(w.item("a"), connector.Held, connector.ThreadOpen)
	})
}
