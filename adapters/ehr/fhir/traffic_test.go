package fhir

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// A message costs one request where the EHR shows what it stored, and one more where it does not.
func TestRequestsPerMessage(t *testing.T) {
	silent := func(r *http.Request, resp *ehr.Response) *ehr.Response {
		if r.Method != http.MethodPost || resp.Status != http.StatusCreated {
			return resp
		}
		out := *resp
		out.Body = nil
		return &out
	}
	alone := ehr.Full()
	alone.Transaction, alone.Provenance = false, false
	for _, c := range []struct {
		name    string
		setting setting
		want    int
	}{
		{"transaction", setting{traits: ehr.Full()}, 1},
		{"single", setting{traits: alone}, 1},
		{"nothing shown back", setting{traits: alone, after: silent}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := opened(t, c.setting)
			w := l.write(t, message("m-1", "hello"))
			l.wire.urls()
			r := l.file(t, w)
			if urls := l.wire.urls(); len(urls) != c.want {
				t.Errorf("%d requests: %v", len(urls), urls)
			}
			if !r.Echo.Shown || r.Echo.Text != w.Expect.Text || r.Version == "" || r.At.IsZero() {
				t.Errorf("receipt: %+v", r)
			}
		})
	}
}

// One new token after a 401, once (DESIGN §3.3).
func TestOneNewTokenAfter401(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full(), scopes: allScopes, script: "POST Communication #1 401"})
	w := l.write(t, message("m-1", "hello"))
	l.file(t, w)
	if calls := len(l.Auth.TokenCalls()); calls != 2 {
		t.Errorf("%d token calls: one to open and one after the 401 are wanted", calls)
	}
	l = opened(t, setting{traits: ehr.Full(), scopes: allScopes, script: "POST Communication #1+ 401"})
	var refused *connector.Refused
	if _, err := l.adapter.File(t.Context(), w); !errors.As(err, &refused) || refused.Reason != connector.Unauthorized {
		t.Errorf("a 401 that stays: %v", err)
	}
	if n := len(l.All("Communication")); n != 0 {
		t.Errorf("%d entries", n)
	}
}

// Faults as the sandbox scripts them, each of which must be told from the others.
func TestScriptedFaults(t *testing.T) {
	for script, want := range map[string]string{
		"POST Communication * commit-then-reset": "*connector.Ambiguous",
		"POST Communication * 5xx-after-commit":  "*connector.Ambiguous",
		"POST Communication * html-200":          "*connector.Ambiguous",
		"POST Communication * garbage-json":      "*connector.Ambiguous",
		"POST Communication * accepted-202":      "*connector.Ambiguous",
		"POST Communication * 503":               "*connector.Ambiguous",
		"POST Communication * 503 retry-after=3": "*connector.Retry",
		"POST Communication * 429 retry-after=3": "*connector.Retry",
		"POST Communication * 409":               "*connector.Conflicted",
		"POST Communication * 412":               "*connector.Conflicted",
		"POST Communication * 413":               "*connector.Refused",
	} {
		t.Run(script, func(t *testing.T) {
			l := opened(t, setting{traits: ehr.Full(), script: script})
			_, err := l.adapter.File(t.Context(), l.write(t, message("m-1", "hello")))
			if got := fmt.Sprintf("%T", err); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// fenced is a transport that refuses to use its connection: the lease was lost.
type fenced struct{}

func (fenced) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("not sent: %w", connector.ErrFenced)
}

func TestFenceIsTold(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	w := l.write(t, message("m-1", "hello"))
	o := l.opts
	o.HTTP = &http.Client{Transport: fenced{}}
	if _, err := New(o).File(t.Context(), w); !errors.Is(err, connector.ErrFenced) {
		t.Errorf("got %v", err)
	}
}

func TestNothingSentIsRetry(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	w := l.write(t, message("m-1", "hello"))
	l.EHR.Close()
	o := l.opts
	o.HTTP = &http.Client{Transport: &http.Transport{}} // no connection is left over from before
	adapter := New(o)
	var retry *connector.Retry
	if _, err := adapter.File(t.Context(), w); !errors.As(err, &retry) {
		t.Errorf("a connection that cannot be made: %v", err)
	}
	if _, err := adapter.Find(t.Context(), w); !errors.As(err, &retry) {
		t.Errorf("Find: %v", err)
	}
	if _, err := adapter.Match(t.Context(), connector.PatientKey{Reference: "Patient/daniel"}); !errors.As(err, &retry) {
		t.Errorf("Match: %v", err)
	}
}

func TestGivenUpIsAmbiguous(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full(), script: "POST Communication #1 commit-then-timeout"})
	w := l.write(t, message("m-1", "private words"))
	ctx, cancel := context.WithCancel(t.Context())
	l.set(func() { l.committed = cancel })
	var ambiguous *connector.Ambiguous
	_, err := l.adapter.File(ctx, w)
	if !errors.As(err, &ambiguous) || strings.Contains(err.Error(), "private") {
		t.Fatalf("got %v", err)
	}
	if found, err := l.adapter.Find(t.Context(), w); err != nil || !found.Found {
		t.Errorf("it was committed: %v", err)
	}
}

// An EHR that ignores search parameters shows others' entries: nobody may be taken for somebody by that.
func TestIgnoredParametersProveNothing(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	l.file(t, l.write(t, message("m-2", "hello")))
	mother := connector.Participant{Role: connector.RoleProxy, ID: "u-901", Name: "Maria Cho"}
	l.put(t, `{"resourceType":"RelatedPerson","active":true,"patient":{"reference":"Patient/other"},"identifier":[{"system":"`+
		testBase+`/texting/participant","value":"u-901"}]}`)
	related := l.write(t, message("m-3", "hello", func(x *connector.Exchange) {
		x.Message.Sender, x.Missing["u-901"] = mother, true
	}))
	l.wire.ignoreParams = true
	if _, err := l.adapter.Find(t.Context(), l.write(t, message("m-1", "hello"))); !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("Find: %v", err)
	}
	if _, err := l.adapter.Find(t.Context(), related); related.Type != "RelatedPerson" || !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("Find of a proxy: %v", err)
	}
	if ref, err := l.adapter.Resolve(t.Context(), "texting", "Patient/daniel", mother); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("another patient's proxy: %q, %v", ref.Literal, err)
	}
	k := connector.PatientKey{Identifiers: []connector.Identifier{{System: mrnSystem, Value: "MRN000"}}}
	if _, err := l.adapter.Match(t.Context(), k); !errors.Is(err, connector.ErrNoMatch) {
		t.Errorf("Match: %v", err)
	}
}

func TestBlindEHRSaysSo(t *testing.T) {
	l := opened(t, setting{traits: ehr.Blind()})
	w := l.write(t, message("m-1", "hello"))
	if _, err := l.adapter.Find(t.Context(), w); !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("Find: %v", err)
	}
	if _, err := l.adapter.List(t.Context(), w); !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("List: %v", err)
	}
}

func BenchmarkGate(b *testing.B) {
	e := New(Options{Base: testBase, Policy: testPolicy()})
	writes, err := e.Plan(message("m-1", "hello"))
	if err != nil {
		b.Fatal(err)
	}
	w := writes[0]
	w.Body = []byte(strings.ReplaceAll(string(w.Body), `"reference":"{patient}"`, `"reference":"Patient/daniel"`))
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Gate(w); err != nil {
			b.Fatal(err)
		}
	}
}
