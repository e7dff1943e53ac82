// Package crash names the places where a process is most likely to be caught with half of something done, so that the
// proof can end or stop it exactly there. Only a build with the tag crashpoints can: in every other build At is nothing.
//
// In such a build the environment says what happens: CRASHPOINT=name[:n] kills the process with SIGKILL the n-th time it
// comes by (default the first), PAUSEPOINT=name[:n] stops it with SIGSTOP every n-th time until somebody continues it,
// CRASH_SQLITE_SYNCHRONOUS=NORMAL makes a store that loses with the power.
package crash

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The points, in the order an exchange passes them.
const (
	IngestBeforeCommit   = "ingest-before-commit"   // an event is decoded, nothing of it stored
	IngestBeforeAck      = "ingest-before-ack"      // it is durable, and its sender does not know
	StoreMidBatch        = "store-mid-batch"        // some functions of a shared commit have run
	StoreBeforeCommit    = "store-before-commit"    // all have, and the commit has not been asked for
	StoreAfterCommit     = "store-after-commit"     // it is done, and no caller knows
	DeliverAfterClaim    = "deliver-after-claim"    // lanes are leased to a worker that never starts
	DeliverBeforeAttempt = "deliver-before-attempt" // a write is planned, its attempt not committed
	DeliverAfterAttempt  = "deliver-after-attempt"  // the attempt is committed, nothing has left
	DeliverBeforeSend    = "deliver-before-send"    // the request is handed to the adapter
	EgressAfterFence     = "egress-after-fence"     // the lease was held just now; no byte has left
	DeliverAfterSend     = "deliver-after-send"     // the EHR has answered, and nobody wrote it down
	DeliverBeforeReceipt = "deliver-before-receipt" // a receipt waits for its commit
	DeliverAfterReceipt  = "deliver-after-receipt"  // it is durable
	DeliverBeforeRelease = "deliver-before-release" // all is done and the lane still leased
	DeliverAfterFind     = "deliver-after-find"     // an open attempt was looked for on the chart
	SendBefore           = "send-before"            // a reply's attempt is committed, the platform has not heard it
	SendAfter            = "send-after"             // the platform has it, and we have not written so
)

// Points lists every point. TestEveryPointIsInTheCode holds it to the code.
var Points = []string{IngestBeforeCommit, IngestBeforeAck, StoreMidBatch, StoreBeforeCommit, StoreAfterCommit,
	DeliverAfterClaim, DeliverBeforeAttempt, DeliverAfterAttempt, DeliverBeforeSend, EgressAfterFence, DeliverAfterSend,
	DeliverBeforeReceipt, DeliverAfterReceipt, DeliverBeforeRelease, DeliverAfterFind, SendBefore, SendAfter}

// where is a point and which passing of it counts.
type where struct {
	point string
	n     uint64
}

// parse reads name[:n]. The error says what a person who set the variable writes instead.
func parse(variable, text string) (where, error) {
	name, count, counted := strings.Cut(text, ":")
	w := where{point: name, n: 1}
	if !slices.Contains(Points, name) {
		return w, fmt.Errorf("%s=%s: no such point; there are %s", variable, text, strings.Join(Points, ", "))
	}
	if !counted {
		return w, nil
	}
	n, err := strconv.ParseUint(count, 10, 32)
	if err != nil || n == 0 {
		return w, fmt.Errorf("%s=%s: write name or name:n with n from 1", variable, text)
	}
	w.n = n
	return w, nil
}
