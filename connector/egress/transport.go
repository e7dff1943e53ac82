package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"

	"github.com/chartwire/chartwire/connector/crash"
)

// fenceKey is where WithFence puts its function.
type fenceKey struct{}

// WithFence makes every request under ctx call check when it has its connection,
// just before its first byte. An error of check stops the request with nothing
// written; Do then returns it wrapped, with ErrNotSent and ErrFence. check says
// whether the lease behind the request is still held; it may query the database
// and must be fast, since the lease's time runs.
func WithFence(ctx context.Context, check func() error) context.Context {
	return context.WithValue(ctx, fenceKey{}, check)
}

// CheckFence is the check of WithFence, for a transport that is not a guarded
// client's, such as one of a simulation: it asks when it would write the first
// byte. nil where there is no check.
func CheckFence(ctx context.Context) error {
	if check, ok := ctx.Value(fenceKey{}).(func() error); ok {
		return check()
	}
	return nil
}

// transport is the http.RoundTripper of a guarded client.
type transport struct {
	purpose string
	origins map[string]bool
	limits  Limits
	base    *http.Transport
}

// RoundTrip is http.RoundTripper. Its error is an *Error.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.admit(req); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	call := &call{t: t, req: req}
	call.fence, _ = req.Context().Value(fenceKey{}).(func() error)

	ctx, timeout := context.WithTimeout(req.Context(), t.limits.Total)
	ctx, call.cancel = context.WithCancelCause(ctx)
	release := func() { call.cancel(nil); timeout() }
	out := req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: call.gotConn}))
	out.GetBody = nil // without it nothing with a body is repeated behind our back

	resp, err := t.base.RoundTrip(out)
	if err != nil {
		release()
		return nil, call.explain(err)
	}
	call.answered()
	resp.Request = req
	resp.Body = &body{from: resp.Body, left: t.limits.Body, call: call, release: release}
	return resp, nil
}

// admit checks the request's target before anything is resolved.
func (t *transport) admit(req *http.Request) error {
	refuse := func(text string) error {
		return &Error{Purpose: t.purpose, Method: req.Method, Kind: KindOrigin, text: text,
			causes: []error{ErrOriginRefused, ErrNotSent}}
	}
	if req.URL == nil {
		return refuse("the request has no URL")
	}
	origin, err := originOf(req.URL)
	if err != nil {
		return refuse(err.Error())
	}
	if !t.origins[origin] {
		return refuse("the URL's origin is not configured for this purpose")
	}
	if req.Host != "" {
		if named, err := originOf(&url.URL{Scheme: req.URL.Scheme, Host: req.Host}); err != nil || named != origin {
			return refuse("the request names another host than its URL")
		}
	}
	return nil
}

// call is one request on its way.
type call struct {
	t      *transport
	req    *http.Request
	fence  func() error
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	conn   *conn // the connection it got last
	before int64 // bytes the connection had carried by then
	sent   bool  // an earlier connection carried some of it, or cannot be asked
	fenced error
}

// gotConn runs when the transport has a connection for the request, new or used
// before, and before it writes; for a request without a body possibly again, on
// another connection, where the first was closed with nothing written.
func (c *call) gotConn(info httptrace.GotConnInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && !c.conn.seal(c.before) {
		c.sent = true
	}
	c.conn = connUnder(info.Conn)
	if c.conn == nil { // not a connection of our dialer: cannot happen, so trust nothing
		c.sent = true
		info.Conn.Close()
		return
	}
	c.before = c.conn.carried()
	if c.fence == nil {
		return
	}
	if err := c.fence(); err != nil {
		c.fenced = err
		c.conn.seal(c.before) // whatever the transport does next, no byte leaves
		c.cancel(err)
		return
	}
	crash.At(crash.EgressAfterFence)
}

// notSent says whether it is certain that no byte of the request was written; if
// so, none will be.
func (c *call) notSent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.sent && (c.conn == nil || c.conn.seal(c.before))
}

// answered notes that an answer came: its body's errors are never ErrNotSent, and
// the connection, by then perhaps another request's, is not to be touched.
func (c *call) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = true
}

// connUnder finds our connection under TLS and proxies.
func connUnder(nc net.Conn) *conn {
	for {
		switch c := nc.(type) {
		case *conn:
			return c
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		default:
			return nil
		}
	}
}

// conn is a TCP connection that knows how much it has carried.
type conn struct {
	net.Conn
	mu     sync.Mutex
	wrote  int64 // bytes the system took
	going  int   // writes under way
	sealed bool  // no more may be written
}

var errSealed = errors.New("the request was stopped before its first byte")

func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	if c.sealed {
		c.mu.Unlock()
		return 0, errSealed
	}
	c.going++
	c.mu.Unlock()
	n, err := c.Conn.Write(b)
	c.mu.Lock()
	c.going--
	c.wrote += int64(n)
	c.mu.Unlock()
	return n, err
}

func (c *conn) carried() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrote
}

// seal closes the connection for writing for ever if nothing has been written
// since it had carried so much, and says whether that is so.
func (c *conn) seal(since int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrote != since || c.going > 0 {
		return false
	}
	c.sealed = true
	return true
}

// body is an answer's body, bounded, with errors of this package.
type body struct {
	from    io.ReadCloser
	left    int64
	call    *call
	release func()
	failed  error
}

func (b *body) Read(p []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than allowed tells too long from just long enough
	}
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		n, err = n+int(b.left), ErrTooLarge
		b.left = 0
	}
	if err != nil && err != io.EOF {
		b.failed = b.call.explain(err)
		return n, b.failed
	}
	return n, err
}

// Close frees the connection. The request's time limit ends with it.
func (b *body) Close() error {
	err := b.from.Close()
	b.release()
	if err != nil {
		return b.call.explain(err)
	}
	return nil
}
