package inbox

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// TestRepliesAreTheirWriters: whoever is signed in is the sender of what they write, and the page says so before. A pool that they are
// in, or that holds the thread, answers nobody.
func TestRepliesAreTheirWriters(t *testing.T) {
	for user, c := range map[string]struct {
		code string
		role connector.Role
	}{doctor: {"doctor", connector.RoleClinician}, "Practitioner/lee": {"administrator", connector.RoleStaff}} {
		t.Run(user, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.running(w.desk)
				s := w.signed(user, daniel, c.code)
				if len(s.Pools) == 0 {
					t.Fatal("they are in no pool, so that this shows nothing")
				}
				thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
				v := w.opened(s, thread)
				if v.Composer.As.Role != c.role {
					t.Errorf("the composer says it goes as %+v", v.Composer.As)
				}
				if _, err := w.desk.Send(t.Context(), s, answer(v, "patient", "Cool it.")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(UndoFor + time.Second)
				synctest.Wait()
				w.update(func(tx connector.Tx) error {
					all, err := tx.ThreadMessages(w.ehr.ID, thread)
					if err != nil || len(all) != 2 || all[1].Message.Sender.Role != c.role || all[1].Message.Sender.ID != user {
						t.Errorf("%d messages, the last from %+v (%v)", len(all), all[len(all)-1].Message.Sender, err)
					}
					return nil
				})
			})
		})
	}
}
