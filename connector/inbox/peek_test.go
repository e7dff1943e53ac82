package inbox

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// A page that fetches itself does not keep its session alive, and needs the handle like any other.
func TestPeekKeepsNothingAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, handle := w.launch(daniel)
		before, ends := w.store.n(&w.store.puts), time.Now().Add(Idle)
		for range 14 {
			time.Sleep(time.Minute)
			got, err := w.desk.Peek(t.Context(), s.ID, handle)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Ends.Equal(ends) || got.Patient != daniel {
				t.Errorf("ends %v, want %v", got.Ends, ends)
			}
		}
		if n := w.store.n(&w.store.puts) - before; n != 0 {
			t.Errorf("%d writes", n)
		}
		for _, guess := range []string{"", handle + "x", handle[1:]} {
			if _, err := w.desk.Peek(t.Context(), s.ID, guess); !errors.Is(err, connector.ErrNotFound) {
				t.Errorf("the handle %d characters long gave %v", len(guess), err)
			}
		}
		if _, err := w.desk.Peek(t.Context(), "nobody", handle); !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("no session gave %v", err)
		}
		time.Sleep(time.Minute)
		_, err := w.desk.Peek(t.Context(), s.ID, handle)
		wantEnded(t, err, EndedIdle)
	})
}
