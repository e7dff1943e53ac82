package fhir

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// looking is a way to the EHR that remembers what its calls show besides their answers: certificates, the server's clock,
// and why a call failed.
type looking struct {
	base http.RoundTripper
	now  func() time.Time

	mu      sync.Mutex
	secure  bool
	expires time.Time // the first certificate of a chain to expire
	dated   bool
	skew    time.Duration // how far the EHR is ahead
	failed  string        // why the last call got no answer, in words that hold no path and no query; "" where it got one
}

// lookingAt is hc with everything it does looked at. nil stays nil.
func lookingAt(hc *http.Client, now func() time.Time) (*http.Client, *looking) {
	l := &looking{now: now}
	if hc == nil {
		return nil, l
	}
	watched := *hc
	if l.base = hc.Transport; l.base == nil {
		l.base = http.DefaultTransport
	}
	watched.Transport = l
	return &watched, l
}

// RoundTrip is http.RoundTripper.
func (l *looking) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.base.RoundTrip(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed = sayFailure(err); err != nil {
		return resp, err
	}
	if resp.TLS != nil {
		l.secure = true
		if at := connector.FirstExpiry(resp.TLS); l.expires.IsZero() || !at.IsZero() && at.Before(l.expires) {
			l.expires = at
		}
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		l.dated, l.skew = true, at.Sub(l.now().Truncate(time.Second))
	}
	return resp, nil
}

// sayFailure is a failed call in words. Those of the guarded client are made to be shown; another's may hold a URL.
func sayFailure(err error) string {
	var guarded interface {
		error
		NotSent() bool
	}
	switch {
	case err == nil:
		return ""
	case errors.As(err, &guarded):
		return guarded.Error()
	}
	return "the connection failed"
}

// why is why the last call got no answer, "" where it got one.
func (l *looking) why() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}
