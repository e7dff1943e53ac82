package client

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// server starts an EHR stand-in and a client for it.
func server(t *testing.T, cfg Config, h http.HandlerFunc) (*Client, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	cfg.Base = s.URL + "/fhir"
	return newClient(t, cfg), s
}

func create(c *Client) (Response, *Error) {
	resp, err := c.Create(context.Background(), []byte(`{"resourceType":"Communication","status":"completed"}`), "")
	var e *Error
	errors.As(err, &e)
	return resp, e
}

func expectClass(t *testing.T, e *Error, want Class) {
	t.Helper()
	switch {
	case e == nil && want != OK:
		t.Errorf("OK, want %v", want)
	case e != nil && e.Class != want:
		t.Errorf("%v, want %v", e, want)
	}
}

// reset closes the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// The server commits and the connection dies: once committed, asked once, and told as ambiguous.
// A fresh and a reused connection differ in net/http, so both are tried.
func TestCommitThenResetIsAmbiguousAndNotRepeated(t *testing.T) {
	var commits atomic.Int32
	c, _ := server(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, communicationBody)
			return
		}
		commits.Add(1)
		reset(w)
	})
	_, e := create(c)
	expectClass(t, e, Ambiguous)
	if _, err := c.Read(context.Background(), "Communication/c1", "Communication"); err != nil {
		t.Fatal(err)
	}
	_, e = create(c) // on the connection the read left open
	expectClass(t, e, Ambiguous)
	if n := commits.Load(); n != 2 {
		t.Errorf("two creates were sent %d times", n)
	}
}

// fallsSilent is the way to an EHR that takes a request, says this and nothing after it. In synctest: then the request's time
// passes only when everybody waits for it.
func fallsSilent(says string) *http.Client {
	dial := func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer func() { _ = theirs.Close() }()
			if req, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
			}
			_, _ = io.WriteString(theirs, says)
			_, _ = theirs.Read(make([]byte, 1)) // until the client goes
		}()
		return ours, nil
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial}}
}

func TestNoAnswerInTimeIsAmbiguous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, e := create(newClient(t, Config{Base: "http://127.0.0.1/fhir", Timeout: time.Minute, HTTP: fallsSilent("")}))
		expectClass(t, e, Ambiguous)
		var transport *TransportError
		if !errors.As(e, &transport) || !transport.Timeout || transport.NotSent {
			t.Errorf("%+v", transport)
		}
	})
}

func TestSlowBodyIsAmbiguous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := fallsSilent("HTTP/1.1 201 Created\r\nContent-Length: 87\r\n\r\n" + communicationBody[:20])
		resp, e := create(newClient(t, Config{Base: "http://127.0.0.1/fhir", Timeout: time.Minute, HTTP: slow}))
		expectClass(t, e, Ambiguous)
		if len(resp.Body) != 20 {
			t.Errorf("%d bytes of it came", len(resp.Body))
		}
	})
}

func TestLyingContentLengthIsAmbiguous(t *testing.T) {
	c, _ := server(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5000") // and 87 bytes follow
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, communicationBody)
	})
	_, e := create(c)
	expectClass(t, e, Ambiguous)
}

func TestGzipBombIsBounded(t *testing.T) {
	c, _ := server(t, Config{MaxBody: 1 << 20}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		if r.URL.Query().Get("small") == "" {
			w.WriteHeader(http.StatusCreated)
		}
		z := gzip.NewWriter(w)
		block := make([]byte, 1<<20)
		for range 256 {
			if _, err := z.Write(block); err != nil {
				return
			}
		}
		_ = z.Close()
	})
	resp, e := create(c)
	expectClass(t, e, Ambiguous)
	if len(resp.Body) != 1<<20 {
		t.Errorf("kept %d bytes", len(resp.Body))
	}
}

func TestHTMLWithStatus200IsAmbiguous(t *testing.T) {
	c, _ := server(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>Please log in</html>")
	})
	_, e := create(c)
	expectClass(t, e, Ambiguous)
}

// REQ 97, 98: a redirect is not followed, so that neither body nor token reach another place.
func TestREQ97And98_RedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var elsewhere atomic.Int32
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
		c, _ := server(t, Config{Auth: &tokens{}}, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/fhir/Communication", status)
		})
		_, e := create(c)
		expectClass(t, e, Ambiguous)
		if n := elsewhere.Load(); n != 0 {
			t.Errorf("%d: followed %d times", status, n)
		}
		other.Close()
	}
}

// Nothing written: the same request may go again.
func TestNotSentIsRetry(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	untrusted.Config.ErrorLog = nil
	dns := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "ehr.example", IsNotFound: true}
	}}
	stuck := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	for name, cfg := range map[string]Config{
		"connection refused": {Base: "http://" + closed.Addr().String() + "/fhir"},
		"no such host":       {HTTP: &http.Client{Transport: dns}},
		"connect timeout":    {HTTP: &http.Client{Transport: stuck}, Timeout: 30 * time.Millisecond},
		"no TLS there":       {Base: "https" + plain.URL[len("http"):] + "/fhir"},
		"untrusted":          {Base: untrusted.URL + "/fhir"},
		"refused by lease":   {HTTP: &http.Client{Transport: failing{notSentError{}}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, e := create(newClient(t, cfg))
			expectClass(t, e, Retry)
		})
	}
}

// A transport that says nothing about what it wrote is taken to have written.
func TestUnknownTransportErrorIsAmbiguous(t *testing.T) {
	for _, err := range []error{io.ErrUnexpectedEOF, errors.New("boom"), context.DeadlineExceeded, &net.OpError{Op: "read", Err: errors.New("reset")}} {
		_, e := create(newClient(t, Config{HTTP: &http.Client{Transport: failing{err}}}))
		expectClass(t, e, Ambiguous)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

type notSentError struct{}

func (notSentError) Error() string { return "the lease is over" }
func (notSentError) NotSent() bool { return true }

// tokens is an Auth that hands out t1, t2, …
type tokens struct{ n, invalidated atomic.Int32 }

func (a *tokens) Authorize(_ context.Context, req *http.Request) error {
	req.Header.Set("Authorization", "Bearer "+a.current())
	return nil
}

func (a *tokens) current() string { return "t" + string(rune('1'+a.n.Load())) }

func (a *tokens) Invalidate(token string) {
	if token == a.current() {
		a.n.Add(1)
	}
	a.invalidated.Add(1)
}

// REQ 93: the bearer token is on each request. 401 makes one new token and one repetition, with the whole body.
func TestREQ93_OneNewTokenOn401(t *testing.T) {
	var bodies []string
	var seen []string
	c, _ := server(t, Config{Auth: &tokens{}}, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies, seen = append(bodies, string(b)), append(seen, r.Header.Get("Authorization"))
		if r.Header.Get("Authorization") == "Bearer t1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, communicationBody)
	})
	_, e := create(c)
	expectClass(t, e, OK)
	if len(bodies) != 2 || bodies[0] != bodies[1] || bodies[0] == "" || seen[1] != "Bearer t2" {
		t.Errorf("%q %q", bodies, seen)
	}
}

func TestASecond401IsUnauthorized(t *testing.T) {
	calls, auth := 0, &tokens{}
	c, _ := server(t, Config{Auth: auth}, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.WriteHeader(http.StatusUnauthorized)
	})
	_, e := create(c)
	expectClass(t, e, Unauthorized)
	if calls != 2 || auth.invalidated.Load() != 1 {
		t.Errorf("%d calls, %d invalidations; want 2 and 1", calls, auth.invalidated.Load())
	}
}

func Test403And404AreNotRepeated(t *testing.T) {
	for _, status := range []int{400, 403, 404, 422, 429, 500, 503} {
		calls := 0
		c, _ := server(t, Config{Auth: &tokens{}}, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.WriteHeader(status)
		})
		if _, e := create(c); e == nil || e.Status != status || calls != 1 {
			t.Errorf("%d: %d calls, %v", status, calls, e)
		}
	}
}
