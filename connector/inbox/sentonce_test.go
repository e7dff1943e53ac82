package inbox

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// A reply is sent once though its draft does not go away, whether the store says so or not; nothing spins, and its draft goes once
// the store is sound again. Its page shows it once all the while.
func TestReplyIsSentOnceThoughItsDraftStays(t *testing.T) {
	for name, stuck := range map[string]error{"silently": nil, "with an error": errors.New("the disk is full")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s, _ := w.launch(daniel)
				thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
				if _, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it.")); err != nil {
					t.Fatal(err)
				}
				w.store.with(func() { w.store.kept, w.store.stuck = 1000, stuck })
				time.Sleep(UndoFor)
				_, err := w.desk.sendNow(t.Context(), w.ehr)
				if err == nil || stuck == nil && !strings.Contains(err.Error(), "still to be sent") {
					t.Errorf("a draft that stays: %v", err)
				}
				wantNoPHI(t, err)
				before := w.store.n(&w.store.views)
				w.running(w.desk, w.replica())
				time.Sleep(3*dueAgain + dueAgain/2)
				synctest.Wait()
				// Two replicas, four looks each and one more for the message that was given to be sent; each reads what is due twice.
				if looked := w.store.n(&w.store.views) - before; looked > (2*4+1)*3 {
					t.Errorf("%d reads in %v: it spins", looked, 3*dueAgain)
				}
				if n := w.store.n(&w.store.dropped); n > 1+2*4+1 {
					t.Errorf("its removal was tried %d times in %v", n, 3*dueAgain)
				}
				if got := w.sent(thread); !slices.Equal(got, []string{"Cool it."}) {
					t.Fatalf("sent %v", got)
				}
				if v := w.opened(s, thread); len(v.Entries) != 2 || v.Entries[1].Delivery.Text == "Is being sent" {
					t.Errorf("its page shows %s", told(v))
				}
				w.store.with(func() { w.store.kept = 0 })
				time.Sleep(3 * dueAgain)
				synctest.Wait()
				w.update(func(tx connector.Tx) error {
					if left, err := tx.ThreadDrafts(w.ehr.ID, thread); err != nil || len(left) != 0 {
						t.Errorf("%d drafts are left, %v", len(left), err)
					}
					return nil
				})
				if got := w.sent(thread); !slices.Equal(got, []string{"Cool it."}) {
					t.Errorf("sent %v in the end", got)
				}
			})
		})
	}
}

// A message that went, but whose draft is still there, is not given back as one that was not sent, whatever has changed since.
func TestWhatWentIsNotGivenBack(t *testing.T) {
	for name, change := range map[string]func(*world, string){
		"consent is revoked": func(w *world, _ string) { w.consent(daniel, "t-1", connector.Revoked) },
		"the channel is gone": func(w *world, _ string) {
			w.ehr.Channels = nil
			w.desk = w.replica()
			delete(w.desk.o.Channels, "texting")
		},
		"the thread is another's":   func(w *world, thread string) { w.rebind(thread, maria) },
		"another replica was later": func(*world, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s, _ := w.launch(daniel)
				thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
				sent, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it."))
				if err != nil {
					t.Fatal(err)
				}
				w.store.with(func() { w.store.kept = 1 })
				time.Sleep(UndoFor)
				if _, err := w.desk.sendNow(t.Context(), w.ehr); err == nil {
					t.Fatal("the draft that stays is not noticed")
				}
				var row connector.DraftRow
				w.update(func(tx connector.Tx) (err error) { row, err = tx.Draft(w.ehr.ID, sent.ID); return err })
				change(w, thread)
				if name == "another replica was later" {
					if err := w.desk.giveBack(t.Context(), w.ehr, row, 0, "Not sent: too late."); err != nil {
						t.Fatal(err)
					}
				} else if _, err := w.desk.sendNow(t.Context(), w.ehr); err != nil {
					t.Fatal(err)
				}
				w.update(func(tx connector.Tx) error {
					if d, err := tx.Draft(w.ehr.ID, sent.ID); !errors.Is(err, connector.ErrNotFound) {
						b, _ := readDraft(d)
						t.Errorf("it is offered to be sent again: %q", b.Problem)
					}
					return nil
				})
				if got := w.sent(thread); !slices.Equal(got, []string{"Cool it."}) {
					t.Errorf("sent %v", got)
				}
			})
		})
	}
}

// A message that cannot be dealt with holds up none that come after it, however many they are.
func TestStuckMessagesHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		w.update(func(tx connector.Tx) error {
			for range dueLimit + 5 {
				row := connector.DraftRow{ID: connector.NewID(time.Now()), EHR: w.ehr.ID, Patient: daniel, User: doctor, SendAt: time.Now(), UpdatedAt: time.Now(), Body: []byte("torn")}
				if err := tx.PutDraft(&row); err != nil {
					return err
				}
			}
			return nil
		})
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		if _, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it.")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(UndoFor)
		if _, err := w.desk.sendNow(t.Context(), w.ehr); err == nil {
			t.Error("torn drafts are not told of")
		}
		if got := w.sent(thread); !slices.Equal(got, []string{"Cool it."}) {
			t.Errorf("sent %v", got)
		}
	})
}

// rebind binds a thread to somebody else, as a correction in the EHR does.
func (w *world) rebind(thread, patient string) {
	w.t.Helper()
	w.update(func(tx connector.Tx) error {
		th, err := tx.Thread(w.ehr.ID, thread)
		if err != nil {
			return err
		}
		th.Bound = connector.Binding{Reference: patient}
		return tx.PutThread(&th)
	})
}
