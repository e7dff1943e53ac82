package deliver

import (
	"context"
	"sync"

	"github.com/chartwire/chartwire/connector"
)

// making are the people that lanes of this process are about to create in an EHR, by their write's key. A proxy that two
// threads name for the first time at once is created by one of them; without this both would find that nobody has, and the
// second's commit, with the receipts it carries, would fail on the key.
type making struct {
	mu  sync.Mutex
	now map[string]chan struct{} // closed when its attempt is committed, or is not to be
}

// enter waits until nobody else is about to make this write. The function it gives may be called more than once.
func (m *making) enter(ctx context.Context, w *connector.WriteRow) (done func(), err error) {
	if w.Write.Type != "RelatedPerson" || w.Write.Update != nil || w.Attempts > 0 {
		return func() {}, nil
	}
	for {
		m.mu.Lock()
		other := m.now[w.Key]
		if other == nil {
			break
		}
		m.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer m.mu.Unlock()
	mine, key := make(chan struct{}), w.Key
	if m.now == nil {
		m.now = map[string]chan struct{}{}
	}
	m.now[key] = mine
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.now, key)
		close(mine)
	}), nil
}
