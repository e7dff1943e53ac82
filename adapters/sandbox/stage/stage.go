// Package stage makes a sandbox EHR fail as a test says, one write at a time: what the conformance suite of the EHR adapters asks
// of the other side. It is for tests.
package stage

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// Stage stands between an adapter and a sandbox EHR: Before and After are that EHR's hooks, and RoundTrip is the adapter's way to
// it. The zero Stage changes nothing. It is safe for concurrent use.
type Stage struct {
	mu      sync.Mutex
	answer  *ehr.Response
	hangUp  bool
	wrong   bool
	rewrite bool
}

// Answer makes the EHR answer every write so, and do nothing, until it is called with status 0.
func (s *Stage) Answer(status int, header map[string]string, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer = nil; status == 0 {
		return
	}
	h := http.Header{"Content-Type": {"application/fhir+json"}}
	for k, v := range header {
		h.Set(k, v)
	}
	s.answer = &ehr.Response{Status: status, Header: h, Body: []byte(body)}
}

// HangUp makes the EHR carry out the next write and reset the connection without an answer.
func (s *Stage) HangUp() { s.next(&s.hangUp) }

// WrongSubject makes the EHR carry out the next write and show Patient/other for Patient/daniel in its answer.
func (s *Stage) WrongSubject() { s.next(&s.wrong) }

// Rewrite changes the words "not 50" of the next write on its way, in a string or in inline data.
func (s *Stage) Rewrite() { s.next(&s.rewrite) }

func (s *Stage) next(what *bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*what = true
}

// Writes says whether a request of a FHIR client changes the chart.
func Writes(r *http.Request) bool {
	return r.Method == http.MethodPut || r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Path, "/_search")
}

// Before is ehr.Options.Before.
func (s *Stage) Before(r *http.Request) *ehr.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !Writes(r) {
		return nil
	}
	return s.answer
}

// After is ehr.Options.After.
func (s *Stage) After(r *http.Request, resp *ehr.Response) *ehr.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !Writes(r):
	case s.hangUp:
		s.hangUp = false
		return &ehr.Response{Reset: true}
	case s.wrong:
		s.wrong = false
		out := *resp
		out.Body = bytes.ReplaceAll(resp.Body, []byte("Patient/daniel"), []byte("Patient/other"))
		return &out
	}
	return resp
}

// RoundTrip is http.RoundTripper.
func (s *Stage) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	rewrite := s.rewrite && Writes(r) && strings.Contains(r.URL.Path, "/fhir/")
	s.rewrite = s.rewrite && !rewrite
	s.mu.Unlock()
	if rewrite {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = otherWords(body)
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	return http.DefaultTransport.RoundTrip(r)
}

var inlineData = regexp.MustCompile(`"data":"[A-Za-z0-9+/=]+"`)

// otherWords changes a dose, and keeps the length.
func otherWords(body []byte) []byte {
	other := func(text []byte) []byte { return bytes.ReplaceAll(text, []byte("not 50"), []byte("not  5")) }
	return inlineData.ReplaceAllFunc(other(body), func(member []byte) []byte {
		data, err := base64.StdEncoding.DecodeString(string(member[8 : len(member)-1]))
		if err != nil {
			return member
		}
		return []byte(`"data":"` + base64.StdEncoding.EncodeToString(other(data)) + `"`)
	})
}
