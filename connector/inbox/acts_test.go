package inbox

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// running runs the desk's sending beside a test, until it ends.
func (w *world) running(desks ...*Desk) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{}, len(desks))
	for _, d := range desks {
		go func() {
			d.sendDue(ctx, w.ehr)
			done <- struct{}{}
		}()
	}
	w.t.Cleanup(func() {
		stop()
		for range desks {
			<-done
		}
	})
}

func TestReplyLeavesAfterItsUndo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running(w.desk, w.replica())
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		v := w.opened(s, thread)
		if v.Composer.ReadBy != "to Cho" || v.Composer.As.Name != "Dr. Okafor" || !v.Composer.May || v.Thread.Waits == 0 {
			t.Errorf("composer %+v of %+v", v.Composer, v.Thread)
		}
		sent, err := w.desk.Send(t.Context(), s, answer(v, "patient", "Cool it."))
		if err != nil {
			t.Fatal(err)
		}
		if left := sent.SendAt.Sub(time.Now()); left > UndoFor || left < UndoFor-time.Second {
			t.Errorf("leaves in %v", left)
		}
		if v = w.opened(s, thread); len(v.Entries) != 2 || v.Entries[1].UndoUntil.IsZero() || v.Entries[1].Text != "Cool it." {
			t.Errorf("while it can be undone: %+v", v.Entries)
		}
		time.Sleep(UndoFor - 2*time.Second)
		synctest.Wait()
		if got := w.sent(thread); len(got) != 0 {
			t.Fatalf("sent before its time: %v", got)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := w.sent(thread); !slices.Equal(got, []string{"Cool it."}) {
			t.Fatalf("two replicas sent %v", got)
		}
		v = w.opened(s, thread)
		if v.Thread.Waits != 0 || len(v.Entries) != 2 || v.Entries[1].Delivery.State != "queued" {
			t.Errorf("after it: %+v %+v", v.Thread, v.Entries)
		}
		if _, err := w.desk.Undo(t.Context(), s, sent.ID); !errors.As(err, new(*TooLate)) {
			t.Errorf("undo of what has left: %v", err)
		}
	})
}

func TestUndoTakesAMessageBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running(w.desk)
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		sent, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it."))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(UndoFor - time.Millisecond)
		back, err := w.desk.Undo(t.Context(), s, sent.ID)
		if err != nil || !back.SendAt.IsZero() || back.Text != "Cool it." {
			t.Errorf("undone: %+v %v", back, err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := w.sent(thread); len(got) != 0 {
			t.Errorf("sent all the same: %v", got)
		}
		s2, _ := w.launch(daniel)
		if v := w.opened(s2, thread); v.Composer.Draft.Text != "Cool it." {
			t.Errorf("the draft is %+v", v.Composer.Draft)
		}
	})
}

// A process that dies once it is committed that a message is being sent, before or after it is composed, leaves it to another.
func TestSendingSurvivesACrash(t *testing.T) {
	for name, composed := range map[string]bool{"before it was composed": false, "after it was composed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s, _ := w.launch(daniel)
				thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
				sent, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it."))
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(UndoFor)
				w.update(func(tx connector.Tx) error {
					row, err := tx.Draft(w.ehr.ID, sent.ID)
					if err != nil {
						return err
					}
					row.Sending = true
					return tx.PutDraft(&row)
				})
				if composed {
					var row connector.DraftRow
					w.update(func(tx connector.Tx) (err error) { row, err = tx.Draft(w.ehr.ID, sent.ID); return err })
					b, err := readDraft(row)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := w.desk.o.Ingest.Compose(t.Context(), w.desk.composed(w.ehr, row, b, nil)); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := w.desk.Undo(t.Context(), s, sent.ID); !errors.As(err, new(*TooLate)) {
					t.Errorf("undo of what is being sent: %v", err)
				}
				w.running(w.replica())
				time.Sleep(time.Second)
				synctest.Wait()
				if got := w.sent(thread); !slices.Equal(got, []string{"Cool it."}) {
					t.Errorf("sent %v", got)
				}
			})
		})
	}
}

func TestReplyBoundToAnotherPatientIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running(w.desk)
		ofDaniel := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		ofMaria := w.comes(maria, "t-2", 1, patientSide, "My arm hurts")
		s, _ := w.launch(daniel)
		v := w.opened(s, ofDaniel)
		if _, err := w.desk.Thread(t.Context(), s, ofMaria, ""); !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("a thread of another patient: %v", err)
		}
		if !w.denied("other-patient") {
			t.Error("it was not audited")
		}
		other := answer(v, "patient", "Cool it.")
		other.Thread = ofMaria
		if _, err := w.desk.Send(t.Context(), s, other); !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("a reply to another patient's thread: %v", err)
		}
		s2, _ := w.launch(maria)
		for name, in := range map[string]SendIn{"another session's": answer(v, "patient", "x"), "no": {DraftIn: DraftIn{Thread: ofMaria, To: []string{"patient"}, Text: "x"}}} {
			in.Thread = ofMaria
			if _, err := w.desk.Send(t.Context(), s2, in); !errors.As(err, new(*Unbound)) || !w.denied("unbound") {
				t.Errorf("%s bind: %v", name, err)
			}
		}
		covered, err := w.asItIs(s)
		if err != nil || covered.Covered == "" {
			t.Fatalf("the older page is not covered: %v", err)
		}
		if _, err := w.desk.Send(t.Context(), covered, answer(v, "patient", "Cool it.")); !errors.As(err, new(*Covered)) {
			t.Errorf("a covered page sends: %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := append(w.sent(ofDaniel), w.sent(ofMaria)...); len(got) != 0 {
			t.Errorf("sent %v", got)
		}
	})
}

func TestCollision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running(w.desk)
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		v := w.opened(s, thread)
		time.Sleep(time.Second)
		w.comes(daniel, "t-1", 2, motherSide, "It is swollen")
		kept, err := w.desk.Send(t.Context(), s, answer(v, "patient", "Cool it."))
		var met *Collision
		if !errors.As(err, &met) || met.Who.Name != "Maria Cho" {
			t.Fatalf("collision: %+v %v", met, err)
		}
		v = w.opened(s, thread)
		if v.Composer.Draft.Text != "Cool it." || !v.Composer.Ask || v.Composer.ReadBy != "" {
			t.Errorf("the composer has %+v", v.Composer)
		}
		in := answer(v, "u-mother", "Cool it.")
		in.ID, in.Version = kept.ID, kept.Version
		if kept, err = w.desk.Send(t.Context(), s, in); err != nil || kept.ReadBy != "to Maria Cho (mother), not to Cho" {
			t.Errorf("once it was seen: %q %v", kept.ReadBy, err)
		}
	})
}
