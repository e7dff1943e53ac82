package ehr

import (
	"net/http"
	"slices"
	"sort"
	"sync"
	"time"
)

// Arrival is one request that reached the EHR or its authorization server, whatever became of it.
type Arrival struct {
	Seq        int       // from 1, in order of arrival
	Time       time.Time // on the EHR's clock
	Method     string
	Kind       string       // resource type, Bundle, metadata, token, …
	Search     bool         // it asks for a searchset
	Identities []Identifier // what a write carried that was refused or met a fault; the ledger has the others'
	Status     int          // of the answer; 0 where none went out
	Fault      string       // what it met, "" for nothing
	// Told and Until are the newest word about waiting before this request: when it was answered, and until when clients
	// were to wait. Zero where there was none.
	Told, Until time.Time
}

// Early says whether the request came while the EHR had told clients to wait.
func (a Arrival) Early() bool {
	return !a.Until.IsZero() && a.Time.After(a.Told) && a.Time.Before(a.Until)
}

// maxArrivals bounds what is kept of requests; later ones are counted only.
const maxArrivals = 1 << 20

// told is what the EHR remembers about requests, apart from the chart.
type told struct {
	sync.Mutex
	refusing    time.Time // no connections before
	said, until time.Time
	arrivals    []Arrival
	all         int
	late        []lateWork
	ended       bool // the faults are over
}

// lateWork is a commit that comes after its request.
type lateWork struct {
	due  time.Time
	work func()
}

// Arrivals returns every request so far, in order; at most the first million.
func (s *Server) Arrivals() []Arrival {
	s.told.Lock()
	defer s.told.Unlock()
	return slices.Clone(s.told.arrivals)
}

// Requests is how many requests arrived.
func (s *Server) Requests() int {
	s.told.Lock()
	defer s.told.Unlock()
	return s.told.all
}

// arrive notes a request and returns its place.
func (s *Server) arrive(r *http.Request) int {
	a := Arrival{Time: s.now(), Method: r.Method, Kind: requestKinds(r, s.basePath, nil)[0], Search: isSearch(r, s.basePath)}
	s.told.Lock()
	defer s.told.Unlock()
	s.told.all++
	if len(s.told.arrivals) >= maxArrivals {
		return -1
	}
	a.Seq, a.Told, a.Until = s.told.all, s.told.said, s.told.until
	s.told.arrivals = append(s.told.arrivals, a)
	return len(s.told.arrivals) - 1
}

// leave notes what became of a request.
func (s *Server) leave(place int, r *http.Request, body []byte, fault string, resp *Response) {
	status := resp.Status
	if resp.Hang || resp.Reset || resp.Refuse {
		status = 0
	}
	var carried []Identifier
	if (fault != "" || status >= 400) && r.Method != http.MethodGet {
		carried = identitiesIn(body)
	}
	now := s.now()
	s.told.Lock()
	defer s.told.Unlock()
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		if until, ok := readRetryAfter(resp.Header, now); ok {
			s.told.said, s.told.until = now, until
		}
	}
	if place >= 0 {
		a := &s.told.arrivals[place]
		a.Status, a.Fault, a.Identities = status, fault, carried
	}
}

// pend keeps work until it is due.
func (s *Server) pend(due time.Time, work func()) {
	s.told.Lock()
	defer s.told.Unlock()
	s.told.late = append(s.told.late, lateWork{due, work})
	sort.SliceStable(s.told.late, func(i, j int) bool { return s.told.late[i].due.Before(s.told.late[j].due) })
}

// catchUp does what is due. It runs before each request and before each look at the chart, so that a late commit is there
// from its moment on without anything having to wait for it.
func (s *Server) catchUp() {
	for {
		s.told.Lock()
		if len(s.told.late) == 0 || s.told.late[0].due.After(s.now()) {
			s.told.Unlock()
			return
		}
		next := s.told.late[0]
		s.told.late = s.told.late[1:]
		s.told.Unlock()
		next.work()
	}
}

// Pending is how many commits have yet to come.
func (s *Server) Pending() int {
	s.told.Lock()
	defer s.told.Unlock()
	return len(s.told.late)
}
