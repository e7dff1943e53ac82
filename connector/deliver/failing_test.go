package deliver_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
)

// ringing keeps what is open.
type ringing struct {
	mu   sync.Mutex
	open []alert.Alert
}

func (r *ringing) Raise(a alert.Alert) {
	r.Clear(a.Key)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, a)
}

func (r *ringing) Clear(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = slices.DeleteFunc(r.open, func(a alert.Alert) bool { return a.Key == key })
}

func (r *ringing) now() []alert.Alert {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.open)
}

// TestALaneThatCannotGoOnIsTold: a thread whose commits fail is nobody's and has no reason of its own; people hear of it after a
// quarter of an hour, once, and that it has gone on.
func TestALaneThatCannotGoOnIsTold(t *testing.T) {
	bubble(t, func(w *world) {
		heard := &ringing{}
		w.alert = heard
		w.accept(said("a", 1, "one"))
		thread := w.item("a").Thread
		refuse := func(shard string) {
			w.store.mu.Lock()
			w.store.refused = shard
			w.store.mu.Unlock()
		}
		refuse(connector.Shard(ehrID, channel, thread1))
		w.run()
		w.pass(10 * time.Minute)
		if got := heard.now(); len(got) != 0 {
			t.Errorf("told after ten minutes: %+v", got)
		}
		w.pass(10 * time.Minute)
		got := heard.now()
		if len(got) != 1 || got[0].Kind != alert.Stalled || !strings.Contains(got[0].Next, thread) {
			t.Errorf("told %+v", got)
		}
		refuse("")
		w.pass(5 * time.Minute)
		if got := heard.now(); len(got) != 0 {
			t.Errorf("still open: %+v", got)
		}
		w.filed(map[string]string{"a": "one"})
	})
}
