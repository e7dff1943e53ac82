package deliver_test

import (
	"errors"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

// sendItem gives the newest send item of a thread.
func (w *world) sendItem(ext string) connector.Item {
	w.t.Helper()
	items := w.items(ext, connector.ItemSend)
	if len(items) == 0 {
		w.t.Fatal("there is no send item")
	}
	return items[len(items)-1]
}

// sequenced makes the platform give sequence numbers from n on.
func (w *world) sequenced(n int64) {
	w.platform.answer = func(k int, m connector.Outgoing) (connector.Handover, error) {
		h := w.platform.taken(m)
		h.Sequence = n + int64(k) - 1
		return h, nil
	}
}

// request gives the CommunicationRequest of the only reply.
func (w *world) request(client string) *entry {
	w.t.Helper()
	on := w.chart.on(client)
	if len(on) != 1 {
		w.t.Fatalf("%d CommunicationRequests", len(on))
	}
	return on[0]
}

func TestReplyIsSentAtOnceAndFiledAfterItsHandOver(t *testing.T) {
	bubble(t, func(w *world) {
		w.sequenced(2)
		w.run()
		w.accept(said("a", 1, "question"))
		w.pass(time.Second)
		w.chart.set(func(c *chart) { c.down = unavailable }) // sending never waits for the chart
		start := time.Now()
		reply := w.compose(thread1, "answer")
		w.pass(time.Second)
		if w.platform.count() != 1 || w.platform.at[0].After(start.Add(100*time.Millisecond)) {
			t.Fatalf("sent %d times, %v", w.platform.count(), w.platform.at)
		}
		if m := w.platform.sent[0]; m.Text != "answer" || m.ThreadID != thread1 || m.ClientID != reply.Client || m.Patient != nil {
			t.Errorf("the platform got %+v", m.ClientID)
		}
		w.is(w.sendItem(thread1), connector.Filed, "")
		w.chart.set(func(c *chart) { c.down = none })
		w.pass(2 * time.Minute)
		w.filed(map[string]string{"a": "question", "p-1": "answer"})
		r, m := w.request(reply.Client), w.chart.on("t-1/p-1")[0]
		if r.str("status") != "active" || m.str("status") != "in-progress" || m.reference("basedOn") != r.ref || m.reference("sender") != "Practitioner/dr" {
			t.Errorf("request %v, message %v", r.body, m.body)
		}
		w.accept(status("p-1", connector.Delivered, ""))
		w.pass(time.Second)
		if r.str("status") != "completed" || m.str("status") != "completed" {
			t.Errorf("delivered: the request is %s, the message %s", r.str("status"), m.str("status"))
		}
	})
}

func TestRequestIsCompletedNotBeforeItsCommunication(t *testing.T) {
	bubble(t, func(w *world) {
		w.sequenced(2)
		w.run()
		w.accept(said("a", 1, "question"))
		w.pass(time.Second)
		w.chart.fails("t-1/p-1", unavailable, unavailable, unavailable, unavailable)
		reply := w.compose(thread1, "answer")
		w.pass(time.Millisecond)
		w.accept(status("p-1", connector.Delivered, ""))
		for range 600 {
			w.pass(100 * time.Millisecond)
			if r := w.chart.on(reply.Client); len(r) > 0 && r[0].str("status") == "completed" && len(w.chart.on("t-1/p-1")) == 0 {
				t.Fatal("the request is completed and its Communication is not on the chart")
			}
		}
		w.filed(map[string]string{"p-1": "answer"})
		if got := w.request(reply.Client).str("status"); got != "completed" {
			t.Errorf("the request is %s", got)
		}
	})
}

func TestReplyWaitsInTheChartForItsHandOverAndBlocksNobody(t *testing.T) {
	bubble(t, func(w *world) {
		w.platform.answer = func(int, connector.Outgoing) (connector.Handover, error) {
			return connector.Handover{}, &connector.Retry{Cause: errors.New("connection refused")}
		}
		w.run()
		w.accept(said("a", 1, "question"))
		w.pass(time.Second)
		reply := w.compose(thread1, "answer")
		w.pass(time.Minute)
		w.accept(said("b", 2, "hello?"))
		w.pass(time.Minute)
		w.filed(map[string]string{"a": "question", "b": "hello?"})
		w.is(w.item(reply.Client), connector.Waiting, connector.NeedsHandover)
		w.platform.set(func(*platform) { w.sequenced(3) })
		w.pass(2 * time.Minute)
		if got := w.chart.order(); len(got) != 3 || w.chart.on(got[2])[0].str("text") != "answer" {
			t.Errorf("the chart has %v", got)
		}
	})
}

func TestRefusedSendIsFiledAsNotDoneAndThePoolIsTold(t *testing.T) {
	bubble(t, func(w *world) {
		w.platform.answer = func(int, connector.Outgoing) (connector.Handover, error) {
			return connector.Handover{}, &connector.Refused{Reason: connector.SendRefused, Status: 400, Detail: connector.Protect("number is a landline")}
		}
		w.run()
		w.accept(said("a", 1, "question"))
		w.pass(time.Second)
		reply := w.compose(thread1, "answer")
		w.pass(5 * time.Minute)
		send := w.sendItem(thread1)
		w.is(send, connector.Parked, connector.SendRefused)
		if send.Owner != "nurses" {
			t.Errorf("it is owned by %q", send.Owner)
		}
		m := w.chart.on("t-1/" + reply.Client)
		if len(m) != 1 || m[0].str("status") != "not-done" {
			t.Fatalf("the chart has %v", m)
		}
		if r := w.request(reply.Client); r.str("status") != "on-hold" || r.str("statusReason") != "number is a landline" {
			t.Errorf("the request is %v", r.body)
		}
		if n := w.items(thread1, connector.ItemNotice); len(n) != 1 || n[0].Reason != connector.NotDelivered {
			t.Errorf("the pool has %+v", n)
		}
	})
}

func TestAmbiguousSendIsRepeatedOnlyWhereThePlatformTakesItOnce(t *testing.T) {
	for _, idempotent := range []bool{true, false} {
		t.Run(map[bool]string{true: "idempotent", false: "not idempotent"}[idempotent], func(t *testing.T) {
			bubble(t, func(w *world) {
				w.line.SendIdempotent = idempotent
				w.platform.answer = func(n int, m connector.Outgoing) (connector.Handover, error) {
					if n == 1 {
						return connector.Handover{}, &connector.Ambiguous{Cause: errors.New("timeout")}
					}
					return w.platform.taken(m), nil
				}
				w.run()
				w.accept(said("a", 1, "question"))
				w.pass(time.Second)
				w.compose(thread1, "answer")
				w.pass(9 * time.Minute)
				if idempotent {
					if w.platform.count() != 2 || w.platform.sent[0].ClientID != w.platform.sent[1].ClientID {
						t.Errorf("sent %d times", w.platform.count())
					}
					w.is(w.sendItem(thread1), connector.Filed, "")
					return
				}
				w.is(w.sendItem(thread1), connector.Unknown, connector.Settling)
				w.pass(2 * time.Minute)
				w.is(w.sendItem(thread1), connector.Parked, connector.SendUnknown)
				if w.platform.count() != 1 {
					t.Errorf("sent %d times", w.platform.count())
				}
			})
		})
	}
}

func TestEchoSettlesAnAmbiguousSend(t *testing.T) {
	bubble(t, func(w *world) {
		w.platform.answer = func(int, connector.Outgoing) (connector.Handover, error) {
			return connector.Handover{}, &connector.Ambiguous{Cause: errors.New("timeout")}
		}
		w.run()
		w.accept(said("a", 1, "question"))
		w.pass(time.Second)
		reply := w.compose(thread1, "answer")
		w.pass(time.Minute)
		echo := told("m-7", 2, "answer")
		echo.Message.ClientID = reply.Client
		w.accept(echo)
		w.pass(time.Minute)
		w.is(w.sendItem(thread1), connector.Filed, "")
		w.filed(map[string]string{"m-7": "answer"})
		if w.platform.count() != 1 {
			t.Errorf("sent %d times", w.platform.count())
		}
	})
}

func TestSendTakenOverIsNotRepeatedWhereThePlatformMayTakeItTwice(t *testing.T) {
	bubble(t, func(w *world) {
		w.accept(said("a", 1, "question"))
		w.compose(thread1, "answer")
		stolen := false
		w.platform.onSend = func(connector.Outgoing) {
			if !stolen { // its worker is stopped for longer than its lease, and another one takes the lane
				stolen = true
				w.steal(connector.LaneSend)
			}
		}
		w.run()
		w.pass(15 * time.Minute)
		w.is(w.sendItem(thread1), connector.Parked, connector.SendUnknown)
		if w.platform.count() != 1 {
			t.Errorf("sent %d times", w.platform.count())
		}
	})
}

func TestConsentIsAskedJustBeforeTheSend(t *testing.T) {
	bubble(t, func(w *world) {
		w.accept(said("a", 1, "question"))
		w.run()
		w.pass(time.Second)
		w.halt()
		reply := w.compose(thread1, "answer")
		w.accept(connector.Event{Type: connector.ConsentUpdated, Patient: anasKey(),
			Consent: &connector.Consent{State: connector.Revoked, At: time.Now()}})
		w.run()
		w.pass(5 * time.Minute)
		if w.platform.count() != 0 {
			t.Error("it was sent after the patient had said no")
		}
		send := w.sendItem(thread1)
		w.is(send, connector.Parked, connector.ConsentRevoked)
		if send.Owner != "nurses" {
			t.Errorf("it is owned by %q", send.Owner)
		}
		if m := w.chart.on("t-1/" + reply.Client); len(m) != 1 || m[0].str("status") != "not-done" {
			t.Errorf("the chart has %v", m)
		}
		w.accept(said("b", 2, "inbound still files"))
		w.pass(2 * time.Minute)
		w.filed(map[string]string{"b": "inbound still files"})
	})
}

func TestConsentRevokedAfterAnAmbiguousSendIsNoFailure(t *testing.T) {
	bubble(t, func(w *world) {
		w.line.SendIdempotent = true
		w.platform.answer = func(int, connector.Outgoing) (connector.Handover, error) {
			w.update(func(tx connector.Tx) error { // meanwhile
				th, err := tx.ThreadByExt(ehrID, channel, thread1)
				for _, p := range th.ConsentPersons(connector.Participant{Role: connector.RolePatient}, "") {
					if err == nil {
						err = tx.PutConsent(connector.ConsentRow{EHR: ehrID, Channel: channel, Person: p,
							Consent: connector.Consent{State: connector.Revoked, At: time.Now()}})
					}
				}
				return err
			})
			return connector.Handover{}, &connector.Ambiguous{Cause: errors.New("timeout")}
		}
		w.run()
		w.accept(said("a", 1, "question"))
		w.pass(time.Second)
		w.compose(thread1, "answer")
		w.pass(time.Minute)
		w.is(w.sendItem(thread1), connector.Parked, connector.SendUnknown)
		if w.platform.count() != 1 || len(w.chart.order()) != 1 {
			t.Errorf("sent %d times, and the chart has %v", w.platform.count(), w.chart.order())
		}
	})
}

func TestReplayOfAMessageThatWasToldAsNotDeliveredIsNotSaidToBeSent(t *testing.T) {
	bubble(t, func(w *world) {
		w.platform.answer = func(int, connector.Outgoing) (connector.Handover, error) {
			return connector.Handover{}, &connector.Refused{Reason: connector.SendRefused}
		}
		w.run()
		w.accept(said("a", 1, "question"))
		w.compose(thread1, "answer")
		w.pass(5 * time.Minute)
		if f := w.decide(connector.ActReplay, w.sendItem(thread1), ""); f.Will != deliver.Refused {
			t.Errorf("the replay will %s", f.Will)
		}
		i := w.sendItem(thread1)
		w.update(func(tx connector.Tx) error { // and if it goes on all the same, by an older version, say
			i.State = connector.Waiting
			return errors.Join(tx.PutItem(&i), tx.TouchLane(i.EHR, i.Thread, i.Lane, time.Now(), connector.Routine))
		})
		w.pass(time.Minute)
		w.is(w.sendItem(thread1), connector.Parked, connector.SendRefused)
		if w.platform.count() != 1 {
			t.Errorf("sent %d times", w.platform.count())
		}
	})
}
