package ingest_test

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// echo is the platform's own event about a message of ours.
func echo(key, ext, client, id string, seq int64) connector.Event {
	ev := told(key, id, seq, "Please continue.")
	ev.Message.ClientID = client
	ev.Thread = &connector.ThreadInfo{ID: ext}
	return ev
}

// setSend puts the message's send item, and its delivery, where a send that is under way would have them.
func (w *world) setSend(c ingest.Composed, state connector.ItemState, delivery connector.SendState) {
	w.t.Helper()
	w.update(func(tx connector.Tx) error {
		i, err := tx.Item(ehrID, c.Item)
		if err != nil {
			return err
		}
		i.State = state
		if err := tx.PutItem(&i); err != nil {
			return err
		}
		m, err := tx.Message(ehrID, c.Message)
		if err != nil {
			return err
		}
		m.Delivery = connector.Delivery{State: delivery, At: start}
		return tx.PutMessage(&m)
	})
}

func (w *world) itemOf(c ingest.Composed, kind connector.ItemKind) connector.Item {
	w.t.Helper()
	var out connector.Item
	w.view(func(tx connector.Tx) error {
		items, err := tx.ItemsOf(ehrID, c.Thread, c.Message)
		for _, i := range items {
			if i.Kind == kind {
				out = i
			}
		}
		return err
	})
	return out
}

func TestEchoSuppliesIDAndSequence(t *testing.T) {
	for name, tc := range map[string]struct {
		send     connector.ItemState
		delivery connector.SendState
		want     connector.ItemState
	}{
		"before it was sent": {connector.Waiting, connector.Queued, connector.Waiting},
		"while it is sent":   {connector.Filing, connector.Queued, connector.Filing},
		"outcome unknown":    {connector.Unknown, connector.SendUnsure, connector.Filed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.accept(said("k1", "m-1", 1, "hello"))
			c := w.compose(w.draft(w.thread("t-1").ID))
			w.setSend(c, tc.send, tc.delivery)
			if res := w.accept(echo("k2", "t-1", c.Client, "m-2", 2)); outcome(res) != taken {
				t.Fatal(outcome(res))
			}
			m := w.row(c.Message)
			if m.Message.ID != "m-2" || m.Message.Sequence != 2 || m.Delivery.State != connector.HandedOver || m.Client != c.Client {
				t.Errorf("row %s seq %d %s", m.Message.ID, m.Message.Sequence, m.Delivery.State)
			}
			x := w.itemOf(c, connector.ItemExchange)
			if x.MsgKey != "m-2" || x.Sequence != 2 || x.Reason != "" || x.State != connector.Waiting {
				t.Errorf("exchange %+v", x)
			}
			if got := w.itemOf(c, connector.ItemSend).State; got != tc.want {
				t.Errorf("send item %s, want %s", got, tc.want)
			}
			if n := len(w.itemsOf("t-1", connector.ItemExchange)); n != 2 {
				t.Errorf("%d exchange items, want the patient's and ours", n)
			}
			for _, ev := range []connector.Event{echo("k2", "t-1", c.Client, "m-2", 2), echo("k3", "t-1", c.Client, "m-2", 2)} {
				if res := w.accept(ev); outcome(res) != repeat {
					t.Errorf("echo %s again: %s", ev.Key, outcome(res))
				}
			}
			forgot := echo("k4", "t-1", "", "m-2", 2)
			if res := w.accept(forgot); outcome(res) != repeat {
				t.Errorf("an echo without our id: %s", outcome(res))
			}
		})
	}
}

func TestEchoWithOtherWordsIsAConflict(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "hello"))
	c := w.compose(w.draft(w.thread("t-1").ID))
	ev := echo("k2", "t-1", c.Client, "m-2", 2)
	ev.Message.Text = "Stop at once."
	if res := w.accept(ev); outcome(res) != conflict {
		t.Fatal(outcome(res))
	}
	if m := w.row(c.Message); m.Message.Text != "Please continue." || m.Message.ID != "m-2" {
		t.Error("ours is of record; that the platform has it is known")
	}
	ev.Key = "k3"
	if res := w.accept(ev); outcome(res) != repeat {
		t.Errorf("the same other words again: %s", outcome(res))
	}
}

func TestEchoThatContradicts(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "hello"))
	c := w.compose(w.draft(w.thread("t-1").ID))
	if res := w.accept(echo("k0", "t-1", c.Client, "m-1", 1)); outcome(res) != conflict || w.row(c.Message).Message.ID != c.Client {
		t.Errorf("the id of the patient's own message: %s", outcome(res))
	}
	w.accept(echo("k2", "t-1", c.Client, "m-2", 2))
	if res := w.accept(echo("k3", "t-1", c.Client, "m-9", 9)); outcome(res) != conflict {
		t.Errorf("another id: %s", outcome(res))
	}
	if res := w.accept(echo("k4", "t-other", c.Client, "m-2", 2)); outcome(res) != conflict {
		t.Errorf("another thread: %s", outcome(res))
	}
	if m := w.row(c.Message); m.Message.ID != "m-2" || m.Thread != w.thread("t-1").ID {
		t.Error("nothing of it is written down")
	}
	w.ch.Name = "other"
	if res := w.accept(echo("k5", "t-9", c.Client, "m-9", 9)); outcome(res) != taken || w.message("t-9", "m-9").Client != "" {
		t.Error("our id in another channel's mouth names a message of its own")
	}
}

func TestEchoPlacesAThreadOfOurs(t *testing.T) {
	w := newWorld(t)
	c := w.compose(w.draft(""))
	w.due()
	if res := w.accept(echo("k1", "t-1", c.Client, "m-1", 1)); outcome(res) != taken || res.Thread != c.Thread {
		t.Fatalf("%+v", res)
	}
	th := w.thread("t-1")
	if th.ID != c.Thread || th.Info.ID != "t-1" || !th.Placed() || th.Info.Subject != "Your refill" {
		t.Error("the thread is not placed")
	}
	for _, i := range w.items(th.ID) {
		if i.Lane == connector.LaneChart && i.Reason != "" {
			t.Errorf("%s still waits for %s", i.Kind, i.Reason)
		}
	}
	if got := w.due(); len(got) != 1 || got[0] != connector.LaneChart {
		t.Errorf("lanes due %v", got)
	}
}

func TestThreadOfOursMeetsThePlatforms(t *testing.T) {
	for name, filed := range map[string]bool{"ours moves": false, "theirs moves, where ours is on its way to the chart": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.compose(w.draft(""))
			w.accept(with(said("k1", "m-7", 7, "Thank you"), func(ev *connector.Event) { ev.Patient = mrn("MRN1") }))
			theirs := w.thread("t-1").ID
			if filed {
				w.update(func(tx connector.Tx) error {
					return tx.PutWrite(&connector.WriteRow{ID: connector.NewID(start), EHR: ehrID, Thread: c.Thread,
						Item: w.requestItem(tx, c), Key: "request|" + c.Client, State: connector.WriteAttempted})
				})
			}
			if res := w.accept(echo("k2", "t-1", c.Client, "m-6", 6)); outcome(res) != taken {
				t.Fatal(outcome(res))
			}
			want, gone := theirs, c.Thread
			if filed {
				want, gone = c.Thread, theirs
			}
			th := w.thread("t-1")
			if th.ID != want || th.Info.Subject != "Your refill" || th.Changed {
				t.Errorf("thread %s, want %s; changed %v", th.ID, want, th.Changed)
			}
			if _, err := w.threadByID(gone); err == nil {
				t.Error("the other thread is still there")
			}
			headers, exchanges := 0, 0
			for _, i := range w.items(th.ID) {
				switch {
				case i.Kind == connector.ItemHeader && i.State == connector.Waiting:
					headers++
					if i.ID != th.Header {
						t.Error("the thread names another header")
					}
				case i.Kind == connector.ItemExchange:
					exchanges++
				}
			}
			if headers != 1 || exchanges != 2 {
				t.Errorf("%d headers and %d exchanges, want 1 and 2", headers, exchanges)
			}
			if res := w.accept(said("k3", "m-7", 7, "Thank you")); outcome(res) != repeat {
				t.Errorf("what came before the merger, again: %s", outcome(res))
			}
		})
	}
}

func (w *world) requestItem(tx connector.Tx, c ingest.Composed) string {
	items, err := tx.ItemsOf(ehrID, c.Thread, c.Message)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, i := range items {
		if i.Kind == connector.ItemRequest {
			return i.ID
		}
	}
	w.t.Fatal("no request item")
	return ""
}

func TestThreadsOfTwoPatientsStop(t *testing.T) {
	w := newWorld(t)
	c := w.compose(w.draft(""))
	w.accept(with(said("k1", "m-7", 7, "Thank you"), func(ev *connector.Event) { ev.Patient = mrn("MRN2") }))
	w.accept(echo("k2", "t-1", c.Client, "m-6", 6))
	if !w.thread("t-1").Changed {
		t.Error("two patients in one thread must stop it")
	}
}

func TestNewsByOurOwnIDComesBeforeTheEcho(t *testing.T) {
	w := newWorld(t)
	c := w.compose(w.draft(""))
	w.setSend(c, connector.Unknown, connector.SendUnsure)
	if res := w.accept(news("k1", c.Client, connector.Delivered, time.Hour)); outcome(res) != taken {
		t.Fatal(outcome(res))
	}
	m := w.row(c.Message)
	if m.Delivery.State != connector.Delivered || m.Message.ID != c.Client {
		t.Errorf("row %s", m.Delivery.State)
	}
	if w.thread("t-1").ID != c.Thread || w.itemOf(c, connector.ItemSend).State != connector.Filed {
		t.Error("the platform has the message: its thread is placed and the send is settled")
	}
	w.accept(echo("k2", "t-1", c.Client, "m-1", 1))
	if m = w.row(c.Message); m.Message.ID != "m-1" || m.Delivery.State != connector.Delivered {
		t.Error("the echo gives the id and takes no delivery back")
	}
	if s := w.itemOf(c, connector.ItemStatus); s.MsgKey != "m-1" {
		t.Errorf("the status item is found by %s, want the new id", s.MsgKey)
	}
}

func TestNewsByThePlatformsIDComesBeforeTheEcho(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k0", "m-1", 1, "hello"))
	c := w.compose(w.draft(w.thread("t-1").ID))
	w.accept(news("k1", "m-2", connector.Delivered, time.Hour))
	w.accept(echo("k2", "t-1", c.Client, "m-2", 2))
	if m := w.row(c.Message); m.Delivery.State != connector.Delivered {
		t.Errorf("delivery %s, want what came before the echo", m.Delivery.State)
	}
	if a := w.thread("t-1").Info.Awaits; len(a) != 0 {
		t.Error("the thread still awaits the message")
	}
}

func TestOursIsCorrectedAndTakenBackByOurID(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k0", "m-1", 1, "hello"))
	c := w.compose(w.draft(w.thread("t-1").ID))
	w.accept(echo("k2", "t-1", c.Client, "m-2", 2))
	w.accept(corrected("k3", c.Client, 2, "Please stop."))
	if got := w.itemOf(ingest.Composed{Thread: c.Thread, Message: w.revision("m-2", 2).ID}, connector.ItemCorrection); got.MsgKey != "m-2" {
		t.Error("the correction hangs on the platform's id")
	}
	w.accept(retracted("k4", c.Client))
	if w.row(c.Message).Retracted == nil {
		t.Error("not taken back")
	}
	if res := w.accept(retracted("k5", "m-2")); outcome(res) != repeat {
		t.Errorf("taken back again by the other id: %s", outcome(res))
	}
}

func (w *world) revision(id string, n int) (m connector.MessageRow) {
	w.t.Helper()
	t := w.thread("t-1")
	w.view(func(tx connector.Tx) (err error) {
		m, err = tx.MessageByExt(ehrID, t.ID, id, n)
		return err
	})
	return m
}
