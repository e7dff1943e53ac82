package connector

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

var (
	idLock    sync.Mutex
	idEntropy = ulid.Monotonic(rand.Reader, 0)
)

// NewID mints a ULID of the given time. Ids minted in one process within one millisecond grow, so that they sort in the
// order they were minted. Safe for concurrent use.
func NewID(now time.Time) string {
	idLock.Lock()
	defer idLock.Unlock()
	ms := ulid.Timestamp(now)
	id, err := ulid.New(ms, idEntropy)
	if err != nil { // the monotonic part overflowed within one millisecond: begin anew
		idEntropy = ulid.Monotonic(rand.Reader, 0)
		id = ulid.MustNew(ms, idEntropy)
	}
	return id.String()
}
