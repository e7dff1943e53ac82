package deliver

import (
	"testing"
	"testing/synctest"

	"github.com/chartwire/chartwire/connector"
)

// A proxy that two lanes name at once is made by one of them; the other looks once the first's attempt is committed.
func TestOneLaneMakesAPersonAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m making
		w := &connector.WriteRow{Key: "k", Write: connector.Write{Type: "RelatedPerson"}}
		first, err := m.enter(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		in := false
		go func() {
			second, err := m.enter(t.Context(), w)
			in = err == nil
			second()
		}()
		synctest.Wait()
		if in {
			t.Error("two lanes make one person")
		}
		if other, err := m.enter(t.Context(), &connector.WriteRow{Key: "k2", Write: w.Write}); err != nil {
			t.Error(err)
		} else {
			other()
		}
		first()
		first()
		synctest.Wait()
		if !in || len(m.now) != 0 {
			t.Errorf("the second got in: %v; %d are still about to be made", in, len(m.now))
		}
	})
}
