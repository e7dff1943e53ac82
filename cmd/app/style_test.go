package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
	webapp "github.com/chartwire/chartwire/connector/web/app"
)

// styleServer is an EHR's server of style documents: what it is asked, and how it answers.
type styleServer struct {
	asked  int
	answer func(r *http.Request) (*http.Response, error)
}

func (s *styleServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked++
	return s.answer(r)
}

// silent never answers.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func saysStyle(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

// TestStyleIsNotWaitedFor: an EHR that does not answer, or answers with no style, holds a page up for two seconds at most, and the pages
// of the next minute not at all; then it is asked again. A style that was read is not asked for again.
func TestStyleIsNotWaitedFor(t *testing.T) {
	const url = "https://ehr.example.org/style.json"
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"silent": silent, "error": saysStyle(503, ""), "no style": saysStyle(200, "<html>"),
		"away": func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &styleServer{answer: answer}
				c := clock.NewFake(time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC))
				s := newStyles(&http.Client{Transport: server}, c)
				for n := range 3 {
					from := time.Now()
					if _, err := s.of(t.Context(), url); err == nil {
						t.Error("it gave a style")
					}
					if took := time.Since(from); took > 2*time.Second || n > 0 && took > 0 {
						t.Errorf("page %d waited %v", n, took)
					}
				}
				if server.asked != 1 {
					t.Errorf("the EHR was asked %d times within a minute", server.asked)
				}
				c.Advance(time.Minute)
				server.answer = saysStyle(200, `{"color_text":"#222222"}`)
				for range 2 {
					if style, err := s.of(t.Context(), url); err != nil || style != (webapp.Style{Text: "#222222"}) {
						t.Errorf("%+v, %v", style, err)
					}
				}
				if server.asked != 2 {
					t.Errorf("the EHR was asked %d times", server.asked)
				}
			})
		})
	}
}

// TestStyleOfWhoLeaves: a browser that goes away in the middle says nothing of the EHR, which the next page asks again.
func TestStyleOfWhoLeaves(t *testing.T) {
	server := &styleServer{answer: silent}
	s := newStyles(&http.Client{Transport: server}, clock.NewFake(time.Now()))
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := s.of(gone, "https://ehr.example.org/style.json"); err == nil {
		t.Error("it gave a style")
	}
	server.answer = saysStyle(200, "{}")
	if _, err := s.of(t.Context(), "https://ehr.example.org/style.json"); err != nil || server.asked != 2 {
		t.Errorf("asked %d times: %v", server.asked, err)
	}
}
