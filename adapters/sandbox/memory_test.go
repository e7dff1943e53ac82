package sandbox_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

const aMessage = `{"resourceType":"Communication","status":"completed","identifier":[{"system":"https://cw.example/m","value":"t/1"}],
 "subject":{"reference":"Patient/daniel"},"payload":[{"contentString":"hi"}]}`

// inProcess makes an EHR without a socket, with one patient, and posts a message to it.
type inProcess struct {
	*sandbox.EHR
	t   *testing.T
	way *sandbox.Transport
}

func within(t *testing.T, o ehr.Options) *inProcess {
	t.Helper()
	o.Now = time.Now
	e, err := sandbox.NewEHR("", sandbox.EHROptions{EHR: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	if _, err := e.Put([]byte(`{"resourceType":"Patient","id":"daniel","active":true}`)); err != nil {
		t.Fatal(err)
	}
	return &inProcess{EHR: e, t: t, way: e.Transport()}
}

// post gives the answer's status and body, and its own error or that of its body.
func (e *inProcess) post(ctx context.Context) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Base()+"/Communication", strings.NewReader(aMessage))
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := (&http.Client{Transport: e.way}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func (e *inProcess) stored() int { return len(e.All("Communication")) }

// inMemory runs f in a bubble whose clock is virtual.
func inMemory(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	began := time.Now()
	synctest.Test(t, f)
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("virtual time took %s of real time", d)
	}
}

// replaced makes every answer to a create travel so.
func replaced(change func(*ehr.Response)) ehr.Options {
	return ehr.Options{After: func(r *http.Request, resp *ehr.Response) *ehr.Response {
		if r.Method == http.MethodPost {
			change(resp)
		}
		return resp
	}}
}

func TestInProcessAnswers(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		e := within(t, ehr.Options{})
		e.way.Latency = func(*http.Request) (time.Duration, time.Duration) { return time.Second, 2 * time.Second }
		began := time.Now()
		status, body, err := e.post(t.Context())
		if status != 201 || !strings.Contains(body, `"hi"`) || err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("%d %s %v after %s", status, body, err, time.Since(began))
		}
		if at := e.Ledger()[1].Time.Sub(began); at != time.Second {
			t.Errorf("committed after %s", at)
		}
	})
}

// What never comes, comes late or breaks off passes virtual time and ends with the caller's context.
func TestInProcessTimePasses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ehr.Response)
		within time.Duration
		took   time.Duration
		err    error
		status int
	}{
		"hang":                 {func(r *ehr.Response) { r.Hang = true }, time.Hour, time.Hour, context.DeadlineExceeded, 0},
		"reset":                {func(r *ehr.Response) { r.Reset = true }, time.Hour, 0, syscall.ECONNRESET, 0},
		"slow headers":         {func(r *ehr.Response) { r.HeaderDelay = time.Minute }, time.Hour, time.Minute, nil, 201},
		"slow headers, cut":    {func(r *ehr.Response) { r.HeaderDelay = time.Minute }, time.Second, time.Second, context.DeadlineExceeded, 0},
		"slow body, given up":  {func(r *ehr.Response) { r.ByteEvery = time.Second }, 10 * time.Second, 10 * time.Second, context.DeadlineExceeded, 201},
		"cut":                  {func(r *ehr.Response) { r.Cut = 7 }, time.Hour, 0, syscall.ECONNRESET, 201},
		"announces too much":   {func(r *ehr.Response) { r.Claim = 9999 }, time.Hour, 0, io.ErrUnexpectedEOF, 201},
		"announces too little": {func(r *ehr.Response) { r.Claim = 7 }, time.Hour, 0, nil, 201},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T) {
				e := within(t, replaced(c.change))
				ctx, cancel := context.WithTimeout(t.Context(), c.within)
				defer cancel()
				began := time.Now()
				status, _, err := e.post(ctx)
				if status != c.status || time.Since(began) != c.took || !errors.Is(err, c.err) {
					t.Errorf("%d %v after %s", status, err, time.Since(began))
				}
				if e.stored() != 1 {
					t.Errorf("%d on the chart", e.stored())
				}
			})
		})
	}
}

func TestInProcessGivenUpUnderWayArrives(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		e := within(t, ehr.Options{})
		e.way.Latency = func(*http.Request) (time.Duration, time.Duration) { return time.Minute, 0 }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := e.post(ctx); !errors.Is(err, context.DeadlineExceeded) || e.stored() != 1 {
			t.Errorf("%v, %d on the chart", err, e.stored())
		}
		if _, _, err := e.post(ctx); !errors.Is(err, context.DeadlineExceeded) || e.stored() != 1 {
			t.Errorf("given up before it was sent: %v, %d on the chart", err, e.stored())
		}
	})
}

func TestInProcessReleaseAndClose(t *testing.T) {
	inMemory(t, func(t *testing.T) {
		e := within(t, replaced(func(r *ehr.Response) { r.Hang = true }))
		ended := make(chan error)
		for _, let := range []func(){e.Release, e.Close} {
			go func() {
				_, _, err := e.post(t.Context())
				ended <- err
			}()
			synctest.Wait()
			let()
			if err := <-ended; !errors.Is(err, io.EOF) {
				t.Errorf("let go: %v", err)
			}
		}
		if _, _, err := e.post(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A client tells from httptrace and the error's type whether anything was sent.
func TestInProcessTellsWhatWasSent(t *testing.T) {
	e := within(t, ehr.Options{})
	var told []string
	trace := &httptrace.ClientTrace{
		GetConn: func(at string) { told = append(told, at) }, GotConn: func(httptrace.GotConnInfo) { told = append(told, "got") },
		WroteHeaders: func() { told = append(told, "headers") }, WroteRequest: func(httptrace.WroteRequestInfo) { told = append(told, "all") },
		GotFirstResponseByte: func() { told = append(told, "answer") },
	}
	ctx := httptrace.WithClientTrace(t.Context(), trace)
	if _, _, err := e.post(ctx); err != nil || strings.Join(told, " ") != "ehr.sandbox.example got headers all answer" {
		t.Errorf("%v %v", err, told)
	}
	told = nil
	ctx, cancel := context.WithCancel(ctx)
	trace.GotConn = func(httptrace.GotConnInfo) { cancel() } // as a lease that is over
	if _, _, err := e.post(ctx); !errors.Is(err, context.Canceled) || len(told) != 1 || e.stored() != 1 {
		t.Errorf("%v %v, %d on the chart", err, told, e.stored())
	}
	var dial *net.OpError
	resp, err := e.way.RoundTrip(must(http.NewRequest(http.MethodGet, "https://other.example/fhir/metadata", nil)))
	if resp != nil || !errors.As(err, &dial) || dial.Op != "dial" {
		t.Errorf("another host: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
