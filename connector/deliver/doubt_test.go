package deliver_test

import (
	"context"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// What waits to be sent while its thread comes to name another patient goes to nobody: it is known as not sent, and on the chart as
// that.
func TestNothingIsSentInAThreadThatCameToNameAnotherPatient(t *testing.T) {
	bubble(t, func(w *world) {
		w.accept(said("a", 1, "question"))
		w.run()
		w.pass(time.Second)
		w.halt()
		reply := w.compose(thread1, "answer")
		other := said("b", 2, "I am somebody else")
		other.Patient = &connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:mrn", Value: "2"}}}
		w.accept(other)
		w.run()
		w.pass(5 * time.Minute)
		if w.platform.count() != 0 {
			t.Error("it was sent although nobody knows whose the thread is")
		}
		w.is(w.sendItem(thread1), connector.Parked, connector.PatientChanged)
		var m connector.MessageRow
		w.view(func(tx connector.Tx) (err error) { m, err = tx.Message(w.ch.EHR, reply.Message); return err })
		if m.Delivery.State != connector.Failed {
			t.Errorf("its delivery is told as %s", m.Delivery.State)
		}
		refused, err := w.in.Compose(context.Background(), w.draft(thread1, "one more"))
		if err != nil || refused.Refused != connector.PatientChanged {
			t.Errorf("one more: %+v, %v", refused, err)
		}
	})
}
