package deliver

import (
	"errors"
	"net/http"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// answer is what one outcome says about the EHR.
type answer struct {
	made   bool          // a request left, and we know what it came to
	left   bool          // a request left, and nobody waited for it
	good   bool          // it was answered: whatever the answer says, the EHR is there
	busy   bool          // 429 or 503: the EHR has too much to do
	many   bool          // 429: and it is well otherwise
	after  time.Duration // it asked for so much patience
	denied bool          // our credentials were not accepted: it is there, and no use
	apart  bool          // no connection was made, which has nothing to do with what was asked
}

// judge reads the error of a call of connector.EHR.
func judge(err error) answer {
	var refused *connector.Refused
	var conflict *connector.Conflicted
	var retry *connector.Retry
	var ambiguous *connector.Ambiguous
	busy := func(status int) bool {
		return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
	}
	switch {
	case errors.Is(err, connector.ErrFenced):
		return answer{}
	case errors.Is(err, errLeft):
		return answer{left: true}
	case errors.As(err, &refused):
		return answer{made: true, good: true, denied: refused.Reason == connector.Unauthorized}
	case err == nil, errors.As(err, &conflict), errors.Is(err, connector.ErrAbsent), errors.Is(err, connector.ErrNoMatch),
		errors.Is(err, connector.ErrAmbiguous), errors.Is(err, connector.ErrNotSearchable):
		return answer{made: true, good: true}
	case errors.As(err, &retry):
		return answer{made: true, busy: busy(retry.Status) || retry.After > 0, many: retry.Status == http.StatusTooManyRequests, after: retry.After, apart: retry.Status == 0}
	case errors.As(err, &ambiguous):
		return answer{made: true, busy: busy(ambiguous.Status), many: ambiguous.Status == http.StatusTooManyRequests}
	}
	return answer{made: true}
}
