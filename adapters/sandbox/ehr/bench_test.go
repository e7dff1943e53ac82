package ehr_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// The sandbox is measured so that a benchmark of the connector knows what its counterpart costs.

func benchServer(b *testing.B, messages int) *ehr.Server {
	b.Helper()
	s, err := ehr.New(ehr.Options{Base: "http://127.0.0.1/fhir", Now: time.Now, Validate: gate.Base})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	if err := s.Seed([]byte(people)); err != nil {
		b.Fatal(err)
	}
	for i := range messages {
		serve(b, s, "POST", "/fhir/Communication", communication(fmt.Sprintf("seed/%d", i), "hi"), http.StatusCreated)
	}
	return s
}

func serve(b *testing.B, s *ehr.Server, method, target, body string, want int) {
	b.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/fhir+json")
	r.Header.Set("If-None-Exist", "identifier=nothing")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != want {
		b.Fatalf("%d %s", w.Code, w.Body)
	}
}

func BenchmarkConditionalCreate(b *testing.B) {
	s := benchServer(b, 0)
	var n atomic.Int64
	for b.Loop() {
		serve(b, s, "POST", "/fhir/Communication", communication(fmt.Sprintf("t/%d", n.Add(1)), "hi"), http.StatusCreated)
	}
}

func BenchmarkSearchByIdentifierAmong10000(b *testing.B) {
	s := benchServer(b, 10_000)
	for b.Loop() {
		serve(b, s, "GET", "/fhir/Communication?identifier=https://cw.example/sid/texting/message|seed/777", "", http.StatusOK)
	}
}
