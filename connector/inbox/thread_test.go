package inbox

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// told puts into words what a page shows of a thread, an entry a line.
func told(v ThreadView) string {
	var out strings.Builder
	for _, e := range v.Entries {
		fmt.Fprintf(&out, "%s %s: %q", e.Direction, e.Sender.Key, e.Text)
		for _, r := range e.Edited {
			fmt.Fprintf(&out, ", was %q", r.Text)
		}
		if e.Retracted != nil {
			fmt.Fprintf(&out, ", taken back: %s", e.Retracted.Reason)
		}
		if e.Delivery != nil {
			fmt.Fprintf(&out, " | %s %s: %s", e.Delivery.Tone, e.Delivery.State, e.Delivery.Text)
		}
		fmt.Fprintf(&out, " | %s %s: %s", e.Chart.Tone, e.Chart.State, strings.TrimSpace(e.Chart.Text+" "+e.Chart.Ref))
		if e.Filed {
			out.WriteString(" (shown)")
		}
		if !e.UndoUntil.IsZero() {
			out.WriteString(" (can be undone)")
		}
		out.WriteString("\n")
	}
	fmt.Fprintf(&out, "%d unfinished, %d stuck, snippet %q, goes %s", v.Thread.Unfinished, v.Thread.Stuck, v.Thread.Snippet, v.Composer.ReadBy)
	return out.String()
}

// TestThreadIsToldHonestly holds a whole page to its words: a message that was corrected, one taken back, one held, one parked, one
// on the chart, a note, and a reply that has not left.
func TestThreadIsToldHonestly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.signed(doctor, daniel, "doctor")
		thread := ""
		var exchange []connector.Item
		for n, text := range []string{"My knee hurts", "It is swolen", "Wrong chat", "Can I walk?", "Hello?"} {
			thread = w.comes(daniel, "t-1", int64(n+1), patientSide, text)
			exchange = append(exchange, w.items(thread)[connector.ItemExchange])
			time.Sleep(time.Second)
		}
		w.event(daniel, "t-1", connector.MessageCorrected, func(e *connector.Event) {
			e.MessageID, e.Correction = "m-2", &connector.Correction{Version: 2, Text: "It is swollen", At: e.Timestamp}
		})
		w.event(daniel, "t-1", connector.MessageRetracted, func(e *connector.Event) {
			e.MessageID, e.Retraction = "m-3", &connector.Retraction{At: e.Timestamp, Reason: "meant for Ana"}
		})
		entry := func(n int) (connector.Write, connector.Receipt) {
			id := fmt.Sprint("c", n)
			return connector.Write{Key: id, Method: "POST", URL: "Communication", Type: "Communication", Body: []byte("{}"), Identity: connector.Identifier{System: "urn:m", Value: id}},
				connector.Receipt{Reference: "Communication/" + id, Version: "1", Verified: true, At: time.Now().UTC()}
		}
		for n := range 3 {
			write, receipt := entry(n + 1)
			w.files(exchange[n], write, receipt)
		}
		w.update(func(tx connector.Tx) error {
			held, parked := exchange[3], exchange[4]
			held.State, held.Reason = connector.Held, connector.Gap
			parked.State, parked.Reason = connector.Parked, connector.EHRRefused
			if err := tx.PutItem(&held); err != nil {
				return err
			}
			if err := tx.PutItem(&parked); err != nil {
				return err
			}
			return tx.BumpThread(w.ehr.ID, thread)
		})
		v := w.opened(s, thread)
		if err := w.desk.Note(t.Context(), s, thread, "I call him", v.Composer.Bind); err != nil {
			t.Fatal(err)
		}
		if _, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Rest it.")); err != nil {
			t.Fatal(err)
		}
		want := `from_patient patient: "My knee hurts" | good filed: On the chart Communication/c1 (shown)
from_patient patient: "It is swollen", was "It is swolen" | busy waiting: The first version is on the chart, the correction is not: goes to the chart when its turn comes Communication/c2 (shown)
from_patient patient: "Wrong chat", taken back: meant for Ana | busy waiting: The message is on the chart and not yet marked as taken back: goes to the chart when its turn comes Communication/c3 (shown)
from_patient patient: "Can I walk?" | busy held: Held: an earlier message of the thread has not come yet. Nothing to do: it goes on when the message comes or gap_wait has passed.
from_patient patient: "Hello?" | bad parked: Needs a person: the EHR refused the request. With the interface team: read the EHR's answer in chartwire trace; correct the cause, then replay.
internal Practitioner/okafor: "I call him" | busy waiting: Goes to the chart when its turn comes
to_patient Practitioner/okafor: "Rest it." | busy queued: Goes out in a moment, unless you undo it | busy waiting: Not on the chart: it has not been sent yet (can be undone)
4 unfinished, 1 stuck, snippet "I call him", goes to Cho`
		if got := told(w.opened(s, thread)); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}
