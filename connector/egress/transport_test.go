package egress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counted is a listener that knows how many bytes its connections brought.
type counted struct {
	net.Listener
	bytes atomic.Int64
	conns atomic.Int64
}

func (l *counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.conns.Add(1)
	return &countedConn{c, l}, nil
}

type countedConn struct {
	net.Conn
	l *counted
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.l.bytes.Add(int64(n))
	return n, err
}

func countedServer(t *testing.T, useTLS bool, h http.HandlerFunc) (*httptest.Server, *counted) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	l := &counted{Listener: srv.Listener}
	srv.Listener = l
	if useTLS {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv, l
}

var errLeaseLost = errors.New("lease 7 was taken over")

// The heart of the fence: when it fails, the server receives no byte of the
// request, on a connection new or used, in the clear or under TLS.
func TestFenceStopsBeforeTheFirstByte(t *testing.T) {
	for _, useTLS := range []bool{false, true} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, reused := range []bool{false, true} {
				t.Run(fmt.Sprintf("tls=%v/%s/reused=%v", useTLS, method, reused), func(t *testing.T) {
					fenceCase(t, useTLS, method, reused)
				})
			}
		}
	}
}

func fenceCase(t *testing.T, useTLS bool, method string, reused bool) {
	var requests atomic.Int32
	srv, l := countedServer(t, useTLS, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	o := Options{}
	if useTLS {
		o.CAFile = caFile(t, srv)
	}
	c := client(t, guard(t, o), Limits{}, srv.URL)
	if reused {
		ok(t, c, request(t, t.Context(), method, srv.URL, "first"))
	}
	served, arrived := requests.Load(), l.bytes.Load()

	checks := 0
	var got httptrace.GotConnInfo
	var carried int64
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		got, carried = i, connUnder(i.Conn).carried()
	}})
	ctx = WithFence(ctx, func() error {
		checks++
		return errLeaseLost
	})
	e := fail(t, c, request(t, ctx, method, srv.URL, strings.Repeat("body", 1<<16)))
	if !errors.Is(e, ErrFence) || !errors.Is(e, errLeaseLost) || !e.NotSent() || e.Kind != KindFence {
		t.Errorf("error %v, want ErrFence, its cause and ErrNotSent", e)
	}
	if checks == 0 {
		t.Fatal("the fence was not asked")
	}
	if got.Reused != reused {
		t.Fatalf("the connection was reused: %v, want %v: this case tests something else", got.Reused, reused)
	}
	srv.Close() // waits for the connection to end, so that every byte sent has arrived
	if n := requests.Load(); n != served {
		t.Errorf("%d requests arrived", n-served)
	}
	if n := connUnder(got.Conn).carried() - carried; n != 0 {
		t.Errorf("%d bytes were written, want none", n)
	}
	if n := l.bytes.Load() - arrived; n != 0 && (reused || !useTLS) { // a new TLS connection brings its handshake
		t.Errorf("%d bytes arrived, want none", n)
	}
}

func TestFenceThatHoldsLetsThrough(t *testing.T) {
	srv, _ := countedServer(t, false, func(w http.ResponseWriter, r *http.Request) {})
	c := client(t, guard(t, Options{}), Limits{}, srv.URL)
	for range 3 {
		checks := 0
		ctx := WithFence(t.Context(), func() error { checks++; return nil })
		ok(t, c, request(t, ctx, http.MethodPost, srv.URL, "body"))
		if checks != 1 {
			t.Errorf("the fence was asked %d times", checks)
		}
	}
}

// script is a server on bare TCP, one handler call a connection.
func script(t *testing.T, handle func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				handle(c, bufio.NewReader(c))
			})
		}
	})
	return "http://" + l.Addr().String()
}

func readRequest(r *bufio.Reader) {
	if req, err := http.ReadRequest(r); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

// hang keeps a connection until its client closes it.
func hang(r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }

func answer(s string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		readRequest(r)
		_, _ = io.WriteString(c, s)
	}
}

// What may have been sent must never be called not sent.
func TestFailuresAfterTheFirstByte(t *testing.T) {
	for name, c := range map[string]struct {
		handle func(net.Conn, *bufio.Reader)
		limits Limits
		kind   Kind
	}{
		"closed after the request": {handle: answer(""), kind: KindClosed},
		"reset after the request": {handle: func(c net.Conn, r *bufio.Reader) {
			readRequest(r)
			_ = c.(*net.TCPConn).SetLinger(0)
		}, kind: KindClosed},
		"closed within the request": {handle: func(c net.Conn, r *bufio.Reader) { _, _ = r.ReadByte() }, kind: KindClosed},
		"no HTTP":                   {handle: answer("secret secret\r\n\r\n"), kind: KindAnswer},
		"bad header":                {handle: answer("HTTP/1.1 200 OK\r\nsecret\r\n\r\n"), kind: KindAnswer},
		"header cut":                {handle: answer("HTTP/1.1 200 OK\r\nA: secret"), kind: KindClosed},
		"body cut":                  {handle: answer("HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\nsecret"), kind: KindClosed},
		"chunks cut":                {handle: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsec"), kind: KindClosed},
		"body too large": {handle: answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789"),
			limits: Limits{Body: 8}, kind: KindTooLarge},
		"no header in time": {handle: func(c net.Conn, r *bufio.Reader) { readRequest(r); hang(r) },
			limits: Limits{Header: 20 * time.Millisecond}, kind: KindTimeout},
		"no body in time": {handle: func(c net.Conn, r *bufio.Reader) {
			answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow")(c, r)
			hang(r)
		}, limits: Limits{Total: time.Second}, kind: KindTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			base := script(t, c.handle)
			cl := client(t, guard(t, Options{}), c.limits, base)
			e := fail(t, cl, request(t, t.Context(), http.MethodPost, base+"/path?secret", strings.Repeat("x", 1<<16)))
			if e.NotSent() || e.Kind != c.kind && !(c.kind == KindAnswer && e.Kind == KindClosed) {
				t.Errorf("%v, kind %s, want %s and not ErrNotSent", e, e.Kind, c.kind)
			}
			if e.Timeout() != (c.kind == KindTimeout) {
				t.Errorf("Timeout = %v", e.Timeout())
			}
			if u, _ := url.Parse(base); e.Host != u.Host || e.Purpose != "test" {
				t.Errorf("host %q, purpose %q", e.Host, e.Purpose)
			}
		})
	}
}

func TestFailuresBeforeTheFirstByte(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()
	c := client(t, guard(t, Options{}), Limits{}, nobody)
	e := fail(t, c, request(t, t.Context(), http.MethodPost, nobody, "x"))
	if e.Kind != KindConnect || !e.NotSent() || !strings.Contains(e.Error(), "the connection is refused (nothing was sent)") {
		t.Errorf("nobody listens: %v", e)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("shutting down")
	cancel(gone)
	if e := fail(t, c, request(t, ctx, http.MethodPost, nobody, "x")); e.Kind != KindCancelled || !e.NotSent() ||
		!errors.Is(e, context.Canceled) || !errors.Is(e, gone) {
		t.Errorf("cancelled before: %v", e)
	}
}

// Waiting for a connection in use is part of the request's time, and not sending.
func TestWaitingForAConnection(t *testing.T) {
	busy := make(chan struct{}, 1)
	base := script(t, func(c net.Conn, r *bufio.Reader) {
		readRequest(r)
		busy <- struct{}{}
		hang(r)
	})
	c := client(t, guard(t, Options{}), Limits{Conns: 1}, base)
	holding, letGo := context.WithCancel(t.Context())
	defer letGo()
	held, first := request(t, holding, http.MethodPost, base, "first"), make(chan error, 1)
	go func() {
		_, err := c.Do(held)
		first <- err
	}()
	<-busy
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if e := fail(t, c, request(t, ctx, http.MethodPost, base, "second")); !e.NotSent() || !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("the one that waited: %v", e)
	}
	letGo()
	if err := <-first; errors.Is(err, ErrNotSent) || !errors.Is(err, context.Canceled) {
		t.Errorf("the one that was sent: %v", err)
	}
}

func TestCancelledWhileAnswering(t *testing.T) {
	got := make(chan struct{}, 1)
	base := script(t, func(c net.Conn, r *bufio.Reader) {
		readRequest(r)
		got <- struct{}{}
		hang(r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-got; cancel() }()
	c := client(t, guard(t, Options{}), Limits{}, base)
	if e := fail(t, c, request(t, ctx, http.MethodPost, base, "x")); e.NotSent() || e.Kind != KindCancelled {
		t.Errorf("cancelled after it was sent: %v", e)
	}
}

// A server that closes a kept connection just as it is used again: net/http
// would repeat a request that can be rewound. Nothing with a body may be.
func TestNoTransparentRepeat(t *testing.T) {
	var requests atomic.Int32
	base := script(t, func(c net.Conn, r *bufio.Reader) {
		readRequest(r)
		if requests.Add(1) == 1 {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			readRequest(r) // the second one, taken and not answered
			requests.Add(1)
		}
	})
	c := client(t, guard(t, Options{}), Limits{}, base)
	req := request(t, t.Context(), http.MethodPost, base, "one")
	ok(t, c, req)
	req = request(t, t.Context(), http.MethodPost, base, "two")
	req.Header.Set("Idempotency-Key", "k") // net/http takes this for leave to repeat
	if req.GetBody == nil {
		t.Fatal("the request could not be repeated anyway: this tests nothing")
	}
	if e := fail(t, c, req); e.NotSent() {
		t.Errorf("taken and not answered: %v", e)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests arrived, want 2: it was repeated", n)
	}
	if req.GetBody == nil {
		t.Error("the caller's request was changed")
	}
}

func TestKeepsConnections(t *testing.T) {
	srv, l := countedServer(t, false, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "answer") })
	c := client(t, guard(t, Options{}), Limits{}, srv.URL)
	for range 20 {
		ok(t, c, request(t, t.Context(), http.MethodPost, srv.URL, "body"))
	}
	if n := l.conns.Load(); n != 1 {
		t.Errorf("%d connections for 20 requests", n)
	}
}

// The limit counts: exactly so much is taken, a byte more is not, and what did
// fit is given.
func TestBodyLimit(t *testing.T) {
	srv, _ := countedServer(t, false, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", len(r.URL.RawQuery)))
	})
	c := client(t, guard(t, Options{}), Limits{Body: 1000}, srv.URL)
	for size, fits := range map[int]bool{0: true, 999: true, 1000: true, 1001: false, 5000: false} {
		resp, err := c.Do(get(t, srv.URL+"/?"+strings.Repeat("q", size)))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if (err == nil) != fits || err != nil && !errors.Is(err, ErrTooLarge) || len(b) != min(size, 1000) {
			t.Errorf("%d bytes: read %d, %v", size, len(b), err)
		}
	}
}

func TestCleanOfOtherErrors(t *testing.T) {
	if Clean(nil) != nil {
		t.Error("Clean(nil) is not nil")
	}
	plain := errors.New("plain")
	if Clean(plain) != plain {
		t.Error("an error without a URL was changed")
	}
	wrapped := &url.Error{Op: "Get", URL: "https://x/?secret", Err: fmt.Errorf("secret: %w", context.Canceled)}
	if got := Clean(wrapped); strings.Contains(got.Error(), "secret") || !errors.Is(got, context.Canceled) {
		t.Errorf("Clean = %v", got)
	}
	if got := Clean(&url.Error{Op: "Get", URL: "https://x/?secret", Err: errors.New("secret")}); strings.Contains(got.Error(), "secret") {
		t.Errorf("Clean = %v", got)
	}
}

func BenchmarkPost(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	bodyText := strings.Repeat("x", 1024)
	run := func(c *http.Client) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ok(b, c, request(b, b.Context(), http.MethodPost, srv.URL, bodyText))
			}
		}
	}
	b.Run("guarded", run(client(b, guard(b, Options{}), Limits{}, srv.URL)))
	b.Run("bare", run(&http.Client{Transport: &http.Transport{}}))
}
