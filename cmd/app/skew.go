package app

import (
	"log/slog"
	"sync"
	"time"
)

// skewAgain is how long an EHR whose clock is off is not spoken of again.
const skewAgain = time.Hour

// skewLog tells people that an EHR's clock and ours differ, once an hour. Nothing depends on the two agreeing, but the
// times on its entries will look wrong beside ours, and token lifetimes are counted by both.
func skewLog(log *slog.Logger, now func() time.Time, name string) func(time.Duration) {
	var mu sync.Mutex
	var told time.Time
	return func(ahead time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if at := now(); told.IsZero() || at.Sub(told) >= skewAgain {
			told = at
			log.Warn("the EHR's clock and this machine's differ; compare both with a time server", "ehr", name, "ehr_ahead", ahead.String())
		}
	}
}
