// Package stage makes a sandbox EHR fail as a test says, one write at a time: what the conformance suite of the EHR adapters asks
// of the other side. It is for tests.
package stage

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// Stage stands between an adapter and a sandbox EHR: Before and After are that EHR's hooks, and RoundTrip is the adapter's way to
// it. The zero Stage is for an EHR that is written to by FHIR, and changes nothing. It is safe for concurrent use.
type Stage struct {
	Write func(*http.Request) bool // which requests change the chart; nil: those of a FHIR client
	Type  string                   // Content-Type of Answer; "" is application/fhir+json
	// Show says which answers may show the patient; nil: those of writes. Daniel is how they show them, and Other how somebody
	// else; "" are the references.
	Show          func(*http.Request) bool
	Daniel, Other string
	Words, Wrong  string            // what Rewrite changes into what, of one length; "" are "not 50" and "not  5"
	Way           http.RoundTripper // to the EHR; nil is http.DefaultTransport

	mu        sync.Mutex
	answer    *ehr.Response
	hangUp    bool
	wrong     bool
	rewrite   bool
	presented []string
}

// Answer makes the EHR answer every write so, and do nothing, until it is called with status 0.
func (s *Stage) Answer(status int, header map[string]string, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer = nil; status == 0 {
		return
	}
	h := http.Header{"Content-Type": {cmp.Or(s.Type, "application/fhir+json")}}
	for k, v := range header {
		h.Set(k, v)
	}
	s.answer = &ehr.Response{Status: status, Header: h, Body: []byte(body)}
}

// HangUp makes the EHR carry out the next write and reset the connection without an answer.
func (s *Stage) HangUp() { s.next(&s.hangUp) }

// WrongSubject makes the EHR show another patient in place of Daniel in the next answer that shows him.
func (s *Stage) WrongSubject() { s.next(&s.wrong) }

// Rewrite changes some words of the next write on its way, in the open or in inline data.
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

func (s *Stage) writes(r *http.Request) bool {
	if s.Write != nil {
		return s.Write(r)
	}
	return Writes(r)
}

func (s *Stage) shows(r *http.Request) bool {
	if s.Show != nil {
		return s.Show(r)
	}
	return s.writes(r)
}

// Before is ehr.Options.Before.
func (s *Stage) Before(r *http.Request) *ehr.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.writes(r) {
		return nil
	}
	return s.answer
}

// After is ehr.Options.After.
func (s *Stage) After(r *http.Request, resp *ehr.Response) *ehr.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	daniel := []byte(cmp.Or(s.Daniel, "Patient/daniel"))
	switch {
	case s.hangUp && s.writes(r):
		s.hangUp = false
		return &ehr.Response{Reset: true}
	case s.wrong && s.shows(r) && bytes.Contains(resp.Body, daniel):
		s.wrong = false
		out := *resp
		out.Body = bytes.ReplaceAll(resp.Body, daniel, []byte(cmp.Or(s.Other, "Patient/other")))
		return &out
	}
	return resp
}

// RoundTrip is http.RoundTripper.
func (s *Stage) RoundTrip(r *http.Request) (*http.Response, error) {
	r, err := s.keep(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	rewrite := s.rewrite && s.writes(r) && !strings.HasSuffix(r.URL.Path, "/token")
	s.rewrite = s.rewrite && !rewrite
	s.mu.Unlock()
	if rewrite {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = s.otherWords(body)
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	if s.Way != nil {
		return s.Way.RoundTrip(r)
	}
	return http.DefaultTransport.RoundTrip(r)
}

var inlineData = regexp.MustCompile(`"data":"[A-Za-z0-9+/=]+"`)

// otherWords keeps the length.
func (s *Stage) otherWords(body []byte) []byte {
	from, to := []byte(cmp.Or(s.Words, "not 50")), []byte(cmp.Or(s.Wrong, "not  5"))
	return inlineData.ReplaceAllFunc(bytes.ReplaceAll(body, from, to), func(member []byte) []byte {
		data, err := base64.StdEncoding.DecodeString(string(member[8 : len(member)-1]))
		if err != nil {
			return member
		}
		return []byte(`"data":"` + base64.StdEncoding.EncodeToString(bytes.ReplaceAll(data, from, to)) + `"`)
	})
}
