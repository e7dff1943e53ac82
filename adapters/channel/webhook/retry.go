package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAfter bounds what a platform may ask us to wait, so that a wrong header does not park a thread for a year.
const maxAfter = time.Hour

// retryAfter reads Retry-After in either form, seconds or date (RFC 9110 §10.2.3): never negative, at most an hour; 0 where
// there is none or it cannot be read.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		secs, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return maxAfter // all digits and too many of them
		}
		return min(time.Duration(secs)*time.Second, maxAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxAfter)
}
