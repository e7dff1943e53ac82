package connector

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
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

// ControlID is what an HL7 v2 message carries in MSH-10 and TXA-12 for an identity: 20 characters (DESIGN §5), the first
// 100 bits of the SHA-256 of its system and value in base32. The same identity always gives the same id, so a message that is
// sent again is known as the same. The system is in it because a value is unique within its channel alone: the messages of two
// channels toward one engine must not pass for repeats of each other.
func ControlID(id Identifier) string {
	sum := sha256.Sum256([]byte(id.Token()))
	return base32.StdEncoding.EncodeToString(sum[:])[:20]
}
