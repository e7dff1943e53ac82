package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// Transport reaches a sandbox EHR in this process, without a socket and without a goroutine, so that it works in a
// testing/synctest bubble: what hangs, is slow or is cut short passes time on the bubble's clock and ends with the
// request's context. It tells httptrace what net/http would, so that a client knows what was sent.
//
// It answers like one connection for each request. There is no TLS in it. It is safe for concurrent use.
type Transport struct {
	ehr *EHR
	// Latency is how long a request travels before the EHR has it, and its answer after; nil is no time at all. A request
	// whose client gives up while it travels arrives nevertheless, as one that was written does.
	Latency func(*http.Request) (there, back time.Duration)
}

// NewEHR makes an EHR that no socket leads to: it is reached through Transport. origin is what its URLs begin with, such as
// https://ehr.example; "" is https://ehr.sandbox.example. Options.Addr is not used.
func NewEHR(origin string, opts EHROptions) (*EHR, error) {
	if origin == "" {
		origin = "https://ehr.sandbox.example"
	}
	return newEHR(origin, opts)
}

// Transport makes a way to the EHR for an http.Client. It leads to this EHR alone: any other host is a failed dial.
func (e *EHR) Transport() *Transport { return &Transport{ehr: e} }

// Client is an http.Client over Transport.
func (e *EHR) Client() *http.Client { return &http.Client{Transport: e.Transport()} }

// RoundTrip is http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	ctx, trace := r.Context(), httptrace.ContextClientTrace(r.Context())
	if trace == nil {
		trace = &httptrace.ClientTrace{}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if trace.GetConn != nil {
		trace.GetConn(r.URL.Host)
	}
	if err := t.dial(r); err != nil {
		return nil, err
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: noConn{}})
	}
	if err := ctx.Err(); err != nil { // GotConn may have ended it: nothing has been written
		return nil, err
	}
	taken, err := taken(r)
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	if err != nil {
		return nil, err
	}
	return t.answer(r, taken, trace)
}

func (t *Transport) dial(r *http.Request) error {
	failed := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	if at, err := url.Parse(t.ehr.origin); err != nil || at.Scheme != r.URL.Scheme || at.Host != r.URL.Host {
		return failed(&net.DNSError{Err: "no such host in this process", Name: r.URL.Hostname(), IsNotFound: true})
	}
	if t.ehr.closed() || t.ehr.Refusing() {
		return failed(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	return nil
}

// taken is the request as the EHR has it: its own header and body.
func taken(r *http.Request) (*http.Request, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	out := r.Clone(context.WithoutCancel(r.Context())) // what arrived is worked on, whoever waits for it
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	out.RequestURI, out.RemoteAddr = r.URL.RequestURI(), "in-process"
	if out.Host == "" {
		out.Host = r.URL.Host
	}
	return out, nil
}

func (t *Transport) answer(r, taken *http.Request, trace *httptrace.ClientTrace) (*http.Response, error) {
	ctx := r.Context()
	var there, back time.Duration
	if t.Latency != nil {
		there, back = t.Latency(r)
	}
	gone := wait(ctx, there)
	resp := t.ehr.exchange(taken)
	switch {
	case gone != nil:
		return nil, gone
	case resp.Refuse:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case resp.Reset:
		return nil, errReset()
	case resp.Hang:
		if err := t.ehr.Withhold(ctx); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("in-process connection: %w", io.EOF)
	}
	if err := wait(ctx, resp.HeaderDelay+back); err != nil {
		return nil, err
	}
	if trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	h := resp.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Length", strconv.FormatInt(resp.Length(), 10))
	if h.Get("Date") == "" {
		h.Set("Date", t.ehr.now().UTC().Format(http.TimeFormat))
	}
	return &http.Response{
		Status: strconv.Itoa(resp.Status) + " " + http.StatusText(resp.Status), StatusCode: resp.Status, Proto: "HTTP/1.1",
		ProtoMajor: 1, ProtoMinor: 1, Header: h, ContentLength: resp.Length(), Request: r,
		Body: &travelling{ctx: ctx, from: resp.Reader(ctx, wait), left: resp.Length()},
	}, nil
}

func errReset() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// travelling is an answer's body: no longer than announced, and no shorter without an error.
type travelling struct {
	ctx    context.Context
	from   io.Reader
	left   int64
	closed bool
}

func (b *travelling) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.from.Read(p)
	b.left -= int64(n)
	switch {
	case errors.Is(err, ehr.ErrCut):
		return n, errReset()
	case errors.Is(err, io.EOF) && b.left > 0:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *travelling) Close() error {
	b.closed = true
	return nil
}

// wait passes time, on the bubble's clock where there is one.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// noConn stands for the connection in httptrace; nothing can be done with it.
type noConn struct{}

func (noConn) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (noConn) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (noConn) Close() error                     { return nil }
func (noConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (noConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (noConn) SetDeadline(time.Time) error      { return nil }
func (noConn) SetReadDeadline(time.Time) error  { return nil }
func (noConn) SetWriteDeadline(time.Time) error { return nil }

// captured is the answer of the authorization server, an http.Handler, taken without a socket.
type captured struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (c *captured) Header() http.Header { return c.header }

func (c *captured) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

func (c *captured) Write(p []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.body.Write(p)
}

// exchange does without http.ServeMux, whose redirects are HTML: what is not the authorization server's is the EHR's, whose
// every error is an OperationOutcome.
func (e *EHR) exchange(r *http.Request) *ehr.Response {
	if !strings.HasPrefix(r.URL.Path, "/auth/") {
		if e.beside != nil {
			if other := e.beside(r); other != nil {
				return e.Answered(r, other)
			}
		}
		return e.Exchange(r)
	}
	return e.Answered(r, func(r *http.Request) *ehr.Response {
		c := &captured{header: http.Header{}}
		e.Auth.ServeHTTP(c, r)
		return &ehr.Response{Status: c.status, Header: c.header, Body: c.body.Bytes()}
	})
}
