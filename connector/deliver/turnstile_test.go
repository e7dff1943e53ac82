package deliver_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// turnstile is the chart behind a limit, a distance, and an outage. It notes when each request came.
type turnstile struct {
	*chart
	limit float64       // requests a second, with a bucket of a second; beyond it 429
	trip  time.Duration // of every request

	gate   sync.Mutex
	down   string // "" up, refused, hanging or asking
	ask    time.Duration
	tokens float64
	last   time.Time
	until  time.Time // of the Retry-After given
	came   []time.Time
	early  int // requests before it
	many   int // requests refused with 429
	hangs  func(thread string) bool
}

// pass lets one request through, or says what it gets instead.
func (s *turnstile) pass(ctx context.Context) error {
	s.gate.Lock()
	now := s.now()
	s.came = append(s.came, now)
	if now.Before(s.until) {
		s.early++
	}
	down, ask := s.down, s.ask
	over := false
	if down == "" && s.limit > 0 {
		s.tokens = min(s.tokens+now.Sub(s.last).Seconds()*s.limit, s.limit)
		s.last = now
		if over = s.tokens < 1; over {
			s.many++
		} else {
			s.tokens--
		}
	}
	s.gate.Unlock()
	switch {
	case down == "refused":
		return &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("connection refused")}
	case down == "hanging":
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(s.trip)
	switch {
	case down == "asking":
		s.gate.Lock()
		s.until = s.now().Add(ask)
		s.gate.Unlock()
		return &connector.Retry{Reason: connector.EHRUnavailable, Status: 503, After: ask}
	case over:
		return &connector.Retry{Reason: connector.RateLimited, Status: 429}
	}
	return nil
}

func (s *turnstile) becomes(down string) {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.down, s.came, s.last, s.tokens = down, nil, s.now(), s.limit
}

func (s *turnstile) times() []time.Time {
	s.gate.Lock()
	defer s.gate.Unlock()
	return slices.Clone(s.came)
}

// most is how many requests came within a second, of those that came d after the first and later.
func (s *turnstile) most(d time.Duration) int {
	s.gate.Lock()
	defer s.gate.Unlock()
	most := 0
	if len(s.came) == 0 {
		return 0
	}
	came := slices.DeleteFunc(slices.Clone(s.came), func(at time.Time) bool { return at.Before(s.came[0].Add(d)) })
	for n := range came {
		in := 1
		for k := n + 1; k < len(came) && came[k].Sub(came[n]) < time.Second; k++ {
			in++
		}
		most = max(most, in)
	}
	return most
}

func (s *turnstile) Open(ctx context.Context) (connector.Traits, error) {
	if err := s.pass(ctx); err != nil {
		return connector.Traits{}, err
	}
	return s.chart.Open(ctx)
}

func (s *turnstile) Match(ctx context.Context, k connector.PatientKey) (connector.Patient, error) {
	if err := s.pass(ctx); err != nil {
		return connector.Patient{}, err
	}
	return s.chart.Match(ctx, k)
}

func (s *turnstile) Resolve(ctx context.Context, channel, patient string, p connector.Participant) (connector.Reference, error) {
	if err := s.pass(ctx); err != nil {
		return connector.Reference{}, err
	}
	return s.chart.Resolve(ctx, channel, patient, p)
}

func (s *turnstile) Find(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if err := s.pass(ctx); err != nil {
		return connector.Receipt{}, err
	}
	return s.chart.Find(ctx, w)
}

func (s *turnstile) File(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if s.hangs != nil && s.hangs(w.Identity.Value) {
		<-ctx.Done()
		return connector.Receipt{}, &connector.Ambiguous{Cause: ctx.Err()}
	}
	if err := s.pass(ctx); err != nil {
		if ctx.Err() != nil {
			return connector.Receipt{}, &connector.Ambiguous{Cause: err}
		}
		return connector.Receipt{}, err
	}
	return s.chart.File(ctx, w)
}

// filed counts the messages on the chart of threads whose name begins so.
func (s *turnstile) filed(prefix string) (n int) {
	s.chart.mu.Lock()
	defer s.chart.mu.Unlock()
	for _, e := range s.chart.entries {
		if v := e.value(); strings.HasPrefix(v, prefix) && strings.Contains(v, "/") {
			n++
		}
	}
	return n
}
