package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

const (
	taken    = "taken"
	repeat   = "repeat"
	conflict = "conflict"
)

func outcome(r ingest.Result) string {
	switch {
	case r.Repeat:
		return repeat
	case r.Conflict:
		return conflict
	default:
		return taken
	}
}

type given struct {
	ev   connector.Event
	want string
}

// with changes an event before it is given.
func with(ev connector.Event, change func(*connector.Event)) connector.Event {
	change(&ev)
	return ev
}

var photo = connector.Attachment{ID: "a-1", ContentType: "image/png", Size: 3, SHA256: strings.Repeat("a", 64), Data: []byte("png")}

func files(as ...connector.Attachment) func(*connector.Event) {
	return func(ev *connector.Event) { ev.Message.Attachments = as }
}

// TestAccept is the specification of what a thread becomes by what is said about it. Every state is the whole state.
func TestAccept(t *testing.T) {
	t0 := `thread t-1 subject="" topic="" closed=false changed=false header=true awaits=[] patient=,,` + "\n"
	header := "item chart/header waiting  key= r0 \n"
	for name, tc := range map[string]struct {
		events []given
		want   string
	}{
		"a message makes header, exchange and row": {
			[]given{{said("k1", "m-1", 1, "hello"), taken}},
			t0 + "item chart/exchange waiting  key=m-1 r1 \n" + header +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"hello\" files=0 blobs=0 delivery= retracted=false corrected=false\n",
		},
		"the same key again changes nothing": {
			[]given{{said("k1", "m-1", 1, "hello"), taken}, {said("k1", "m-9", 2, "anything"), repeat}},
			t0 + "item chart/exchange waiting  key=m-1 r1 \n" + header +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"hello\" files=0 blobs=0 delivery= retracted=false corrected=false\n",
		},
		"the same message under another key changes nothing": {
			[]given{{said("k1", "m-1", 1, "hello"), taken}, {said("k2", "m-1", 1, "hello"), repeat}, {with(said("k3", "m-1", 1, "hello"),
				func(ev *connector.Event) { ev.Message.SentAt = ev.Message.SentAt.UTC() }), repeat}},
			t0 + "item chart/exchange waiting  key=m-1 r1 \n" + header +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"hello\" files=0 blobs=0 delivery= retracted=false corrected=false\n",
		},
		"the same id with other words is a conflict, reported once": {
			[]given{{said("k1", "m-1", 1, "hello"), taken}, {said("k2", "m-1", 1, "bye"), conflict}, {said("k3", "m-1", 1, "bye"), repeat}},
			t0 + "item chart/conflict parked conflict key=m-1 r1 \n" + "item chart/exchange waiting  key=m-1 r1 \n" + header +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"hello\" files=0 blobs=0 delivery= retracted=false corrected=false\n",
		},
		"files given inline are kept beside the row": {
			[]given{{with(said("k1", "m-1", 1, "see"), files(photo)), taken}, {with(said("k2", "m-1", 1, "see"), files(photo)), repeat}},
			t0 + "item chart/exchange waiting  key=m-1 r1 \n" + header +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"see\" files=1 blobs=1 delivery= retracted=false corrected=false\n",
		},
		"a file by url is fetched": {
			[]given{{with(said("k1", "m-1", 1, "see"), files(connector.Attachment{ID: "a-1", ContentType: "image/png", URL: "https://m.example/1"})), taken}},
			t0 + "item chart/exchange waiting  key=m-1 r1 \n" + header + "item media/fetch waiting  key=m-1 r1 \n" +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"see\" files=1 blobs=0 delivery= retracted=false corrected=false\n",
		},
		"a message of the platform to the patient has been handed over": {
			[]given{{told("k1", "m-1", 1, "hi"), taken}, {news("k2", "m-1", connector.Delivered, time.Hour), taken}, {news("k3", "m-1", connector.Sent, time.Hour), taken}},
			t0 + "item chart/exchange waiting  key=m-1 r1 \n" + header + "item chart/status waiting  key=m-1 r1 delivered\n" +
				"message m-1 r1 seq=1 to_patient by=prac-ana at=2026-11-22T13:01:00-05:00 text=\"hi\" files=0 blobs=0 delivery=delivered retracted=false corrected=false\n",
		},
		"news about what the patient sent is no news": {
			[]given{{said("k1", "m-1", 1, "hello"), taken}, {news("k2", "m-1", connector.Read, time.Hour), taken}},
			t0 + "item chart/exchange waiting  key=m-1 r1 \n" + header +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"hello\" files=0 blobs=0 delivery= retracted=false corrected=false\n",
		},
		"news of a message that has not come waits": {
			[]given{{news("k1", "m-1", connector.Sent, time.Hour), taken}, {news("k2", "m-1", connector.Sent, time.Hour), taken}},
			`thread t-1 subject="" topic="" closed=false changed=false header=false awaits=[m-1] patient=,,` + "\n" +
				"item chart/status waiting message key=m-1 r0 sent\n",
		},
		"and is taken up when the message comes": {
			[]given{{news("k1", "m-1", connector.Failed, time.Hour), taken}, {told("k2", "m-1", 1, "hi"), taken}},
			t0 + "item chart/exchange waiting  key=m-1 r1 \n" + header + "item chart/status waiting message key=m-1 r0 failed\n" +
				"message m-1 r1 seq=1 to_patient by=prac-ana at=2026-11-22T13:01:00-05:00 text=\"hi\" files=0 blobs=0 delivery=failed retracted=false corrected=false\n",
		},
		"a correction is a revision": {
			[]given{{said("k1", "m-1", 1, "120 mg"), taken}, {corrected("k2", "m-1", 2, "12 mg"), taken}, {corrected("k3", "m-1", 2, "12 mg"), repeat}, {corrected("k4", "m-1", 2, "1.2 mg"), conflict}},
			t0 + "item chart/conflict parked conflict key=m-1 r2 \n" + "item chart/correction waiting  key=m-1 r2 \n" + "item chart/exchange waiting  key=m-1 r1 \n" + header +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"120 mg\" files=0 blobs=0 delivery= retracted=false corrected=false\n" +
				"message m-1 r2 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"12 mg\" files=0 blobs=0 delivery= retracted=false corrected=true\n",
		},
		"a correction that comes first is completed by its message": {
			[]given{{corrected("k2", "m-1", 2, "12 mg"), taken}, {said("k1", "m-1", 1, "120 mg"), taken}},
			t0 + "item chart/correction waiting message key=m-1 r2 \n" + "item chart/exchange waiting  key=m-1 r1 \n" + header +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"120 mg\" files=0 blobs=0 delivery= retracted=false corrected=false\n" +
				"message m-1 r2 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"12 mg\" files=0 blobs=0 delivery= retracted=false corrected=true\n",
		},
		"a correction brings its own files": {
			[]given{{with(said("k1", "m-1", 1, "see"), files(photo)), taken}, {with(corrected("k2", "m-1", 2, "see"), func(ev *connector.Event) {
				ev.Correction.Attachments = []connector.Attachment{{ID: "a-2", ContentType: "image/png", URL: "https://m.example/2"}}
			}), taken}},
			t0 + "item chart/correction waiting  key=m-1 r2 \n" + "item chart/exchange waiting  key=m-1 r1 \n" + header + "item media/fetch waiting  key=m-1 r2 \n" +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"see\" files=1 blobs=1 delivery= retracted=false corrected=false\n" +
				"message m-1 r2 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"see\" files=1 blobs=0 delivery= retracted=false corrected=true\n",
		},
		"a message is taken back once": {
			[]given{{said("k1", "m-1", 1, "oops"), taken}, {retracted("k2", "m-1"), taken}, {retracted("k3", "m-1"), repeat}},
			t0 + "item chart/exchange waiting  key=m-1 r1 \n" + header + "item chart/retraction waiting  key=m-1 r1 \n" +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"oops\" files=0 blobs=0 delivery= retracted=true corrected=false\n",
		},
		"taken back before it came": {
			[]given{{retracted("k2", "m-1"), taken}, {retracted("k3", "m-1"), repeat}, {said("k1", "m-1", 1, "oops"), taken}, {retracted("k4", "m-1"), repeat}},
			t0 + "item chart/exchange waiting  key=m-1 r1 \n" + header + "item chart/retraction waiting message key=m-1 r0 \n" +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"oops\" files=0 blobs=0 delivery= retracted=true corrected=false\n",
		},
		"closing and reopening": {
			[]given{
				{said("k1", "m-1", 1, "x"), taken}, {turned("k2", connector.ThreadClosed, time.Hour), taken}, {turned("k3", connector.ThreadClosed, 2*time.Hour), taken},
				{turned("k4", connector.ThreadReopened, 3*time.Hour), taken}, {turned("k5", connector.ThreadClosed, time.Hour), taken},
			},
			t0 + "item chart/close waiting  key= r0 \n" + "item chart/exchange waiting  key=m-1 r1 \n" + header + "item chart/reopen waiting  key= r0 \n" +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"x\" files=0 blobs=0 delivery= retracted=false corrected=false\n",
		},
		"closed before anything came, then closed after its first message": {
			[]given{{turned("k2", connector.ThreadClosed, time.Hour), taken}, {said("k1", "m-1", 1, "x"), taken}},
			strings.Replace(t0, "closed=false", "closed=true", 1) + "item chart/close waiting  key= r0 \n" + "item chart/exchange waiting  key=m-1 r1 \n" + header +
				"message m-1 r1 seq=1 from_patient by=patient at=2026-11-22T13:01:00-05:00 text=\"x\" files=0 blobs=0 delivery= retracted=false corrected=false\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			accepted := 0
			for i, g := range tc.events {
				res := w.accept(g.ev)
				if got := outcome(res); got != g.want {
					t.Errorf("event %d: %s, want %s", i+1, got, g.want)
				}
				if !res.Repeat {
					accepted++
				}
			}
			if got := w.picture("t-1"); got != tc.want {
				t.Errorf("state:\n%s\nwant:\n%s", got, tc.want)
			}
			n := 0
			for _, k := range w.store.kinds() {
				if k == "event-accepted" {
					n++
				}
			}
			if n != accepted {
				t.Errorf("%d accepted events have %d audit rows", accepted, n)
			}
		})
	}
}

func TestContentOfAMessage(t *testing.T) {
	base := with(said("k1", "m-1", 1, "hello"), files(photo))
	for name, tc := range map[string]struct {
		change func(*connector.Event)
		want   string
	}{
		"another name of the sender": {func(ev *connector.Event) { ev.Message.Sender.Name = "Maria" }, repeat},
		"another recipient":          {func(ev *connector.Event) { ev.Message.Recipients = nil }, repeat},
		"another file name":          {func(ev *connector.Event) { ev.Message.Attachments[0].Filename = "b.png" }, repeat},
		"a hash that is not known":   {func(ev *connector.Event) { ev.Message.Attachments[0].SHA256 = "" }, repeat},
		"another text":               {func(ev *connector.Event) { ev.Message.Text = "hello " }, conflict},
		"another instant":            {func(ev *connector.Event) { ev.Message.SentAt = ev.Message.SentAt.Add(time.Second) }, conflict},
		"another direction":          {func(ev *connector.Event) { ev.Message.Direction = connector.Internal }, conflict},
		"another sender": {func(ev *connector.Event) {
			ev.Message.Sender = connector.Participant{Role: connector.RoleProxy, ID: "u-2"}
		}, conflict},
		"another file":    {func(ev *connector.Event) { ev.Message.Attachments[0].SHA256 = strings.Repeat("b", 64) }, conflict},
		"another file id": {func(ev *connector.Event) { ev.Message.Attachments[0].ID = "a-2" }, conflict},
		"no file":         {func(ev *connector.Event) { ev.Message.Attachments = nil }, conflict},
		"two files where there was one": {func(ev *connector.Event) {
			ev.Message.Attachments = append(ev.Message.Attachments, connector.Attachment{ID: "a-2"})
		}, conflict},
		"the same instant in other zone": {func(ev *connector.Event) { ev.Message.SentAt = ev.Message.SentAt.UTC() }, repeat},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.accept(base)
			second := base
			m := *base.Message
			m.Attachments = slices.Clone(m.Attachments)
			second.Message, second.Key = &m, "k2"
			tc.change(&second)
			res := w.accept(second)
			if got := outcome(res); got != tc.want {
				t.Fatalf("%s, want %s", got, tc.want)
			}
			if tc.want == conflict {
				i := w.itemsOf("t-1", connector.ItemConflict)[0]
				w.view(func(tx connector.Tx) error {
					kept, err := tx.KeptEvent(ehrID, i.Detail.Event)
					if err == nil && !bytes.Equal(kept.Body, second.Raw) {
						t.Error("the conflicting event was not kept as it came")
					}
					return err
				})
				if i.ID != res.Item || !slices.Contains(w.store.kinds(), "conflict") {
					t.Error("the conflict is not named in the result and in the audit")
				}
			}
		})
	}
}

func TestBlobsAreTheBytesGiven(t *testing.T) {
	w := newWorld(t)
	empty := connector.Attachment{ID: "a-2", ContentType: "text/plain", Data: []byte{}}
	w.accept(with(said("k1", "m-1", 1, "see"), files(photo, empty)))
	m := w.message("t-1", "m-1")
	w.view(func(tx connector.Tx) error {
		blobs, err := tx.Blobs(ehrID, m.Thread, m.ID)
		if string(blobs["a-1"]) != "png" || blobs["a-2"] == nil || len(blobs["a-2"]) != 0 {
			t.Errorf("blobs: %d, want the two files' bytes", len(blobs))
		}
		return err
	})
	if m.Message.Attachments[0].SHA256 != photo.SHA256 || m.Message.Attachments[0].Data != nil {
		t.Error("the row keeps what is said of the file, not its bytes")
	}
}

func TestExchangeItemCarriesWhatOrdersIt(t *testing.T) {
	w := newWorld(t)
	ev := said("k1", "m-1", 7, "x")
	ev.Thread.Priority = connector.Urgent
	w.accept(ev)
	i := w.itemsOf("t-1", connector.ItemExchange)[0]
	if i.Sequence != 7 || !i.SentAt.Equal(ev.Message.SentAt) || i.Priority != connector.Urgent || i.Channel != "texting" ||
		i.Direction != connector.FromPatient || !i.CommittedAt.Equal(w.clock.Now()) || i.Message != w.message("t-1", "m-1").ID {
		t.Errorf("item: %+v", i)
	}
	due, ok, err := w.store.NextDue(context.Background(), ehrID, []connector.LaneKind{connector.LaneChart})
	if err != nil || !ok || due.After(w.clock.Now()) {
		t.Errorf("the lane is not due: %v %v %v", due, ok, err)
	}
	ev = said("k2", "m-2", 8, "y")
	ev.Message.Priority = connector.Stat
	w.accept(ev)
	if got := w.itemsOf("t-1", connector.ItemExchange)[1].Priority; got != connector.Stat {
		t.Errorf("a message's own priority counts before its thread's, got %s", got)
	}
	if v := w.thread("t-1").Version; v != 2 {
		t.Errorf("the thread's version is %d after two messages", v)
	}
}

func TestThreadFactsFillIn(t *testing.T) {
	w := newWorld(t)
	ev := said("k1", "m-1", 1, "x")
	ev.Thread.Subject = "Home readings"
	w.accept(ev)
	ev = said("k2", "m-2", 2, "y")
	ev.Thread.Subject, ev.Thread.Topic, ev.Thread.About = "Another", "clinical", []string{"Appointment/1"}
	ev.Thread.Encounter, ev.Thread.Priority = &connector.Identifier{System: "urn:v", Value: "v1"}, connector.Urgent
	w.accept(ev)
	i := w.thread("t-1").Info
	if i.Subject != "Home readings" || i.Topic != "clinical" || i.Encounter == nil || i.Priority != connector.Urgent || len(i.About) != 1 {
		t.Error("the first given stays and the missing is filled in")
	}
}

func TestChannelsDoNotMeet(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "hello"))
	w.ch.Name = "other"
	if res := w.accept(said("k1", "m-1", 1, "bye")); outcome(res) != taken {
		t.Errorf("the same key and ids on another channel: %s", outcome(res))
	}
}

func TestUndecodable(t *testing.T) {
	w := newWorld(t)
	de := &connector.DecodeError{Pointer: "/data/message", Text: "want text or attachments"}
	for range 2 {
		if err := w.in.Undecodable(context.Background(), w.ch, "k1", []byte("{}"), de); err != nil {
			t.Fatal(err)
		}
	}
	w.view(func(tx connector.Tx) error {
		items, err := tx.OpenItems(ehrID, []connector.ItemState{connector.Parked}, 0)
		if err != nil {
			return err
		}
		if len(items) != 1 || items[0].Kind != connector.ItemEvent || items[0].Reason != connector.Undecodable ||
			items[0].Lane != "" || !strings.Contains(items[0].Detail.Text, "/data/message") {
			t.Errorf("items: %+v", items)
		}
		ev, err := tx.KeptEvent(ehrID, items[0].Detail.Event)
		if string(ev.Body) != "{}" {
			t.Error("the body was not kept")
		}
		return err
	})
	if got := w.store.kinds(); !slices.Equal(got, []string{"event-undecodable"}) {
		t.Errorf("audit %v", got)
	}
	if err := w.in.Undecodable(context.Background(), w.ch, "k2", nil, de); err != nil {
		t.Errorf("an empty body: %v", err)
	}
}

func TestRefusedIsCounted(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		if err := w.in.Refused(context.Background(), "texting", "10.0.0.1", "signature"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStoreFailureIsReturned(t *testing.T) {
	w := newWorld(t)
	w.store.fail = connector.ErrStore
	if _, err := w.in.Accept(context.Background(), w.ch, said("k1", "m-1", 1, "x")); !errors.Is(err, connector.ErrStore) {
		t.Errorf("Accept: %v", err)
	}
	if err := w.in.Undecodable(context.Background(), w.ch, "k", nil, &connector.DecodeError{}); !errors.Is(err, connector.ErrStore) {
		t.Errorf("Undecodable: %v", err)
	}
	w.store.fail = nil
	if res := w.accept(said("k1", "m-1", 1, "x")); outcome(res) != taken {
		t.Error("what failed can be given again")
	}
}
