package ingest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

func (w *world) noteDraft(thread string) ingest.NoteDraft {
	return ingest.NoteDraft{Channel: w.ch, ThreadID: thread, Agent: "user:S1", ActAs: ana, Text: "call her back", Encounter: "Encounter/e-1",
		Sender: connector.Participant{Role: connector.RoleClinician, ID: ana}}
}

func (w *world) note(n ingest.NoteDraft) ingest.Composed {
	w.t.Helper()
	w.clock.Advance(time.Second)
	out, err := w.in.Note(context.Background(), n)
	if err != nil {
		w.t.Fatalf("Note: %v", err)
	}
	return out
}

func TestNote(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "one"))
	before := w.thread("t-1")
	w.due()
	n := w.note(w.noteDraft(before.ID))
	m := w.row(n.Message)
	if m.Message.Text != "call her back" || m.Message.Direction != connector.Internal || m.Message.ID != n.Client || m.Client != n.Client || m.Message.Sequence != 0 ||
		m.Message.Encounter != "Encounter/e-1" || m.Delivery != (connector.Delivery{}) || m.Requested || !m.ReceivedAt.Equal(w.clock.Now()) {
		t.Errorf("the note is %+v", m)
	}
	if got, want := w.lines(before.ID), []string{"chart/exchange waiting", "chart/exchange waiting", "chart/header waiting"}; !slices.Equal(got, want) {
		t.Errorf("items %q, want %q", got, want)
	}
	th := w.thread("t-1")
	if th.Version != before.Version+1 || th.Desk != before.Desk {
		t.Errorf("the thread is of version %d, after %d; its desk %+v", th.Version, before.Version, th.Desk)
	}
	a := w.store.audited[len(w.store.audited)-1]
	if a.Kind != "note" || a.Agent != "user:S1" || a.OnBehalf != ana || a.Thread != th.ID || a.Item != n.Item {
		t.Errorf("audited as %+v", a)
	}
}

func TestNoteIsWrittenOnceByItsKey(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "one"))
	d := w.noteDraft(w.thread("t-1").ID)
	d.IdempotencyKey = "note-1"
	first := w.note(d)
	again := w.note(d)
	if first.Repeat = true; again != first {
		t.Errorf("the second call gives %+v, want %+v", again, first)
	}
	d.Text = "other words"
	if _, err := w.in.Note(context.Background(), d); !errors.Is(err, ingest.ErrKeyReused) {
		t.Errorf("the key with other words: %v", err)
	}
	if n := len(w.itemsOf("t-1", connector.ItemExchange)); n != 2 {
		t.Errorf("%d exchanges, want the message and one note", n)
	}
}

// TestNoteInAThreadWithoutAPlace: nothing of it may be looked at before the platform has placed the thread.
func TestNoteInAThreadWithoutAPlace(t *testing.T) {
	w := newWorld(t)
	c := w.compose(w.draft(""))
	w.due()
	n := w.note(w.noteDraft(c.Thread))
	if due := w.due(); slices.Contains(due, connector.LaneChart) {
		t.Error("the chart lane is due")
	}
	echo := told("k1", "m-1", 1, "Please continue.")
	echo.Message.ClientID = c.Client
	w.accept(echo)
	if due := w.due(); !slices.Contains(due, connector.LaneChart) {
		t.Error("the chart lane is not due with the thread's place")
	}
	if m := w.row(n.Message); m.Message.ID != n.Client {
		t.Error("the note was renamed")
	}
}

func TestNoteThatIsNone(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "one"))
	th := w.thread("t-1")
	for pointer, change := range map[string]func(*ingest.NoteDraft){
		"/text":        func(n *ingest.NoteDraft) { n.Text = "" },
		"/text ":       func(n *ingest.NoteDraft) { n.Text = "\xff" },
		"/text  ":      func(n *ingest.NoteDraft) { n.Text = strings.Repeat("x", 20001) },
		"/sender/role": func(n *ingest.NoteDraft) { n.Sender.Role = connector.RolePatient },
		"/encounter":   func(n *ingest.NoteDraft) { n.Encounter = "Patient/1" },
	} {
		d := w.noteDraft(th.ID)
		change(&d)
		var de *connector.DecodeError
		if _, err := w.in.Note(context.Background(), d); !errors.As(err, &de) || de.Pointer != strings.TrimSpace(pointer) {
			t.Errorf("%s: %v", pointer, err)
		}
	}
	if _, err := w.in.Note(context.Background(), w.noteDraft("none")); !errors.Is(err, connector.ErrNotFound) {
		t.Errorf("a thread that is not there: %v", err)
	}
	d := w.draft(th.ID)
	d.Encounter = "Encounter/../Patient"
	var de *connector.DecodeError
	if _, err := w.in.Compose(context.Background(), d); !errors.As(err, &de) || de.Pointer != "/encounter" {
		t.Errorf("a reply in what is no encounter: %v", err)
	}
	if len(w.store.kinds()) != 1 {
		t.Error("something was committed")
	}
}
