package inbox

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/chartwire/chartwire/connector"
)

// TestNothingIsShownOfAThreadBoundAnewMeanwhile: between finding out whose record a thread's is, with the user's own token, and reading
// it, it can come to be somebody else's.
func TestNothingIsShownOfAThreadBoundAnewMeanwhile(t *testing.T) {
	for name, show := range map[string]func(w *world, s *Session, thread string) error{
		"thread": func(w *world, s *Session, thread string) error {
			_, err := w.desk.Thread(w.t.Context(), s, thread, "")
			return err
		},
		"filed": func(w *world, s *Session, thread string) error {
			_, err := w.desk.Filed(w.t.Context(), s, thread, w.newest(thread))
			return err
		},
		"list": func(w *world, s *Session, _ string) error {
			v, err := w.desk.Pool(w.t.Context(), s, PoolFilter{})
			if err == nil && len(v.Threads) == 0 && v.Hidden == 1 {
				err = connector.ErrNotFound
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
				s := w.signed(doctor, "", "doctor")
				if err := show(w, s, thread); err != nil {
					t.Fatal(err)
				}
				w.newest(thread)
				w.store.with(func() {
					w.store.views, w.store.between = 0, func(n int) {
						if n == 2 {
							w.rebind(thread, maria)
						}
					}
				})
				if err := show(w, s, thread); !errors.Is(err, connector.ErrNotFound) {
					t.Errorf("shown: %v", err)
				}
			})
		})
	}
}

// newest is the row of a thread's newest message.
func (w *world) newest(thread string) (id string) {
	w.update(func(tx connector.Tx) error {
		all, err := tx.ThreadMessages(w.ehr.ID, thread)
		if err == nil {
			id = all[len(all)-1].ID
		}
		return err
	})
	return id
}

// TestNothingOfAnUncommittedThreadIsKept: what an Update works out may never be committed.
func TestNothingOfAnUncommittedThreadIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		s, _ := w.launch(daniel)
		was := w.opened(s, thread)
		undone := errors.New("undone")
		err := w.store.Store.Update(t.Context(), "x", func(tx connector.Tx) error {
			th, err := tx.Thread(w.ehr.ID, thread)
			if err != nil {
				return err
			}
			th.Info.Subject = "never"
			if err := tx.PutThread(&th); err != nil {
				return err
			}
			if _, err := w.desk.people(tx, w.ehr, target{thread: th}); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		w.comes(daniel, "t-1", 2, patientSide, "Still")
		if v := w.opened(s, thread); len(v.Entries) != len(was.Entries)+1 {
			t.Errorf("%d messages are shown of %d", len(v.Entries), len(was.Entries)+1)
		}
	})
}
