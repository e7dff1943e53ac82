package fhir

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/egress"
)

// weighing looks at the heap while an answer's body is read.
type weighing struct {
	http.RoundTripper
	peak uint64
}

func (w *weighing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(r)
	if resp != nil {
		resp.Body = &weighed{resp.Body, w, 0}
	}
	return resp, err
}

type weighed struct {
	io.ReadCloser
	on *weighing
	n  int
}

func (b *weighed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.n += n; b.n >= 4<<20 || err != nil {
		b.n = 0
		b.on.weigh()
	}
	return n, err
}

func (w *weighing) weigh() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.peak = max(w.peak, m.HeapAlloc)
}

// An answer larger than any memory, packed or not, announced or not, costs at most 64 MiB and no time to unpack.
func TestHugeAnswersAreBounded(t *testing.T) {
	for _, fault := range []string{"huge-body mb=2048", "huge-body mb=31", "gzip-bomb mb=2048"} {
		for _, rule := range []string{"POST Communication #1 ", "SEARCH Communication #1 "} {
			t.Run(rule+fault, func(t *testing.T) {
				guard, err := egress.New(egress.Options{})
				if err != nil {
					t.Fatal(err)
				}
				var w *weighing
				l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) {
					guarded, err := guard.Client("fhir", []string{o.BaseURL}, egress.Limits{})
					if err != nil {
						t.Fatal(err)
					}
					w = &weighing{RoundTripper: guarded.Transport}
					o.HTTP = &http.Client{Transport: w}
				}})
				sent := l.write(t, message("m-1", "hello"))
				if err := l.Stage(rule + fault); err != nil {
					t.Fatal(err)
				}
				runtime.GC()
				w.peak = 0
				w.weigh()
				before, began := w.peak, time.Now()
				_, err = l.adapter.File(t.Context(), sent)
				_, found := l.adapter.Find(t.Context(), sent)
				var maybe *connector.Ambiguous
				var retry *connector.Retry
				if fault != "huge-body mb=31" && !errors.As(err, &maybe) && !errors.As(found, &retry) {
					t.Errorf("File: %v, Find: %v", err, found)
				}
				if grown := w.peak - before; grown > 64<<20 {
					t.Errorf("the heap grew by %d MiB", grown>>20)
				}
				if took := time.Since(began); took > 20*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
}

// The EHR's clock is looked at, and nothing depends on it.
func TestClockOfTheEHRIsTold(t *testing.T) {
	var told []time.Duration
	l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) { o.OnSkew = func(d time.Duration) { told = append(told, d) } }})
	l.file(t, l.write(t, message("m-1", "hello")))
	if len(told) != 0 {
		t.Errorf("one clock differs from itself by %v", told)
	}
	if err := l.Stage("POST Communication #1 clock-off by=-2h"); err != nil {
		t.Fatal(err)
	}
	w := l.write(t, message("m-2", "hello"))
	if r := l.file(t, w); !same(w, r) {
		t.Errorf("%+v", r.Echo)
	}
	if len(told) != 1 || told[0] > -2*time.Hour+3*time.Second || told[0] < -2*time.Hour-3*time.Second {
		t.Errorf("told %v", told)
	}
}
