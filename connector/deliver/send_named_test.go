package deliver_test

import (
	"errors"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

func TestThreadOfOursFilesUnderThePlatformsID(t *testing.T) {
	bubble(t, func(w *world) {
		w.platform.answer = func(n int, m connector.Outgoing) (connector.Handover, error) {
			if n == 1 {
				return connector.Handover{}, &connector.Retry{Cause: errors.New("connection refused")}
			}
			return connector.Handover{MessageID: "m-1", ThreadID: "t-9", Sequence: 1}, nil
		}
		w.run()
		out := w.compose("", "hello")
		w.pass(10 * time.Millisecond)
		if got := len(w.chart.order()); got != 0 {
			t.Errorf("%d messages are on the chart under a name of ours", got)
		}
		w.pass(2 * time.Minute)
		if m := w.platform.sent[0]; m.ThreadID != "" || m.Patient == nil {
			t.Error("the platform is not told who the new thread is about")
		}
		if e := w.chart.on("t-9/m-1"); len(e) != 1 || e[0].reference("partOf") != w.chart.on("t-9")[0].ref {
			t.Errorf("the chart has %v", e)
		}
		if r := w.request(out.Client); r.str("status") != "active" {
			t.Errorf("the request is %v", r.body)
		}
	})
}

func TestRefusedFirstMessageFilesNothingUnderANameOfOurs(t *testing.T) {
	bubble(t, func(w *world) {
		w.platform.answer = func(int, connector.Outgoing) (connector.Handover, error) {
			return connector.Handover{}, &connector.Refused{Reason: connector.SendRefused, Detail: connector.Protect("blocked")}
		}
		w.run()
		out := w.compose("", "hello")
		w.pass(5 * time.Minute)
		if got := w.chart.order(); len(got) != 0 {
			t.Errorf("the chart has %v", got)
		}
		if r := w.request(out.Client); r.str("status") != "on-hold" || r.str("statusReason") != "blocked" {
			t.Errorf("the request is %v", r.body)
		}
		for kind, s := range map[connector.ItemKind]connector.ItemState{connector.ItemHeader: connector.NotDue,
			connector.ItemExchange: connector.NotDue, connector.ItemSend: connector.Parked, connector.ItemNotice: connector.Parked} {
			if i := w.items(out.Thread, kind); len(i) != 1 || i[0].State != s {
				t.Errorf("%s: %+v, want %s", kind, i, s)
			}
		}
		// The next message of that thread is taken, and files under the platform's id, without a header that never was.
		w.platform.set(func(p *platform) {
			p.answer = func(int, connector.Outgoing) (connector.Handover, error) {
				return connector.Handover{MessageID: "m-2", ThreadID: "t-9", Sequence: 1}, nil
			}
		})
		w.compose(out.Thread, "hello again")
		w.pass(time.Minute)
		if e := w.chart.on("t-9/m-2"); len(e) != 1 || e[0].reference("partOf") != "" {
			t.Errorf("the chart has %v", e)
		}
	})
}

// A person who releases a message that the platform may or may not have lets its exchange go: it is on the chart as just
// that, and what the platform says of it later makes no second entry.
func TestReleasedSendIsFiledAsUnknown(t *testing.T) {
	bubble(t, func(w *world) {
		w.platform.answer = func(int, connector.Outgoing) (connector.Handover, error) {
			return connector.Handover{}, &connector.Ambiguous{Cause: errors.New("timeout")}
		}
		w.run()
		w.accept(said("a", 1, "question"))
		w.pass(time.Second)
		reply := w.compose(thread1, "answer")
		w.pass(15 * time.Minute)
		send := w.sendItem(thread1)
		w.is(send, connector.Parked, connector.SendUnknown)
		w.is(w.item(reply.Client), connector.Waiting, connector.NeedsHandover)
		w.ask(deliver.Ask{Act: connector.ActRelease, Select: deliver.Selection{IDs: []string{send.ID}}, Agent: "cli:ana", Yes: true})
		w.pass(time.Minute)
		m := w.chart.on("t-1/" + reply.Client)
		if len(m) != 1 || m[0].str("status") != "unknown" {
			t.Fatalf("the chart has %v", m)
		}
		w.is(w.sendItem(thread1), connector.NotDue, connector.SendUnknown)
		w.accept(said("b", 2, "thanks"))
		echo := told("m-7", 3, "answer")
		echo.Message.ClientID = reply.Client
		w.accept(echo, status("m-7", connector.Delivered, ""))
		w.pass(30 * time.Minute)
		w.filed(map[string]string{"b": "thanks"})
		m = w.chart.on("t-1/" + reply.Client)
		if len(w.chart.order()) != 3 || len(m) != 1 || m[0].str("status") != "completed" {
			t.Errorf("the chart has %v, the message %v", w.chart.order(), m)
		}
	})
}

// Where Chartwire began the thread, its name comes with the platform's word, and until then there is nothing to file.
func TestReleasedSendOfAThreadWithoutANameIsLeftOutUntilItHasOne(t *testing.T) {
	bubble(t, func(w *world) {
		w.platform.answer = func(int, connector.Outgoing) (connector.Handover, error) {
			return connector.Handover{}, &connector.Ambiguous{Cause: errors.New("timeout")}
		}
		w.run()
		out := w.compose("", "hello")
		w.pass(15 * time.Minute)
		send := w.items(out.Thread, connector.ItemSend)[0]
		w.ask(deliver.Ask{Act: connector.ActRelease, Select: deliver.Selection{IDs: []string{send.ID}}, Agent: "cli:ana", Yes: true})
		w.pass(time.Minute)
		for _, kind := range []connector.ItemKind{connector.ItemHeader, connector.ItemExchange} {
			w.is(w.items(out.Thread, kind)[0], connector.NotDue, connector.SendUnknown)
		}
		echo := told("m-7", 1, "hello")
		echo.Message.ClientID = out.Client
		w.acceptIn("t-9", echo)
		w.pass(time.Minute)
		if e := w.chart.on("t-9/m-7"); len(e) != 1 || len(w.chart.on("t-9")) != 1 || len(w.chart.order()) != 1 {
			t.Errorf("the chart has %v", w.chart.order())
		}
	})
}
