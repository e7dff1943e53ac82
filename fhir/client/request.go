package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Request is one call. Path is below the base, "" for the base itself.
type Request struct {
	Method string
	Path   string
	Query  url.Values
	// Link, if set, replaces Path and Query with a link the server gave (paging); it must be
	// below the base.
	Link string
	// Header adds or replaces header fields; Authorization is not allowed here. Accept is MediaFHIR where it is not given.
	Header http.Header
	Body   []byte
	// ContentType of Body; "" is MediaFHIR.
	ContentType string
	// Expect is the resourceType a 2xx must bring, "" where any body or none will do.
	Expect string
	// ID is the X-Request-Id; "" takes the client's next one.
	ID string
}

// Response is an answer. Status is never 0.
type Response struct {
	Status    int
	Header    http.Header
	Body      []byte // decompressed, at most MaxBody
	RequestID string // the X-Request-Id we sent
	// Skew is how far the server's clock (Date) is ahead of ours, within a second or two; 0 where it does not say.
	Skew time.Duration
	// bodyErr is why Body is not whole: too large, packed, cut short, or too slow.
	bodyErr error
}

// TransportError is a call without an answer. It says whether the request can have had an
// effect; the cause is kept for errors.Is and errors.As but not printed with its URL.
type TransportError struct {
	// NotSent is true only where it is known that the server got no complete request header:
	// DNS, connect or TLS failure, or a connection lost before anything was written.
	NotSent   bool
	Timeout   bool
	RequestID string
	cause     error
}

// Error implements error.
func (e *TransportError) Error() string {
	switch {
	case e.NotSent:
		return "fhir client: the request could not be sent"
	case e.Timeout:
		return "fhir client: no answer in time; the request may have been carried out"
	default:
		return "fhir client: the connection failed after sending; the request may have been carried out"
	}
}

// Unwrap gives the cause. Its text may hold a URL: do not print it.
func (e *TransportError) Unwrap() error { return e.cause }

// turnError is a call that had no turn; nothing was sent.
type turnError struct{ cause error }

func (e *turnError) Error() string { return "fhir client: the request may not leave now" }
func (e *turnError) Unwrap() error { return e.cause }

// authError is a failure to get a token; nothing was sent.
type authError struct{ cause error }

func (e *authError) Error() string { return "fhir client: no access token: " + e.cause.Error() }
func (e *authError) Unwrap() error { return e.cause }

// Do sends one request and reads its answer. Any HTTP status is an answer, not an error; give
// both results to [Client.Classify] to learn what they mean. On 401 the token is invalidated and the
// request repeated once with a new one. Errors: [*TransportError], [ErrOutsideBase], or the
// Auth's or Turn's error wrapped; in all but a TransportError nothing was sent.
func (c *Client) Do(ctx context.Context, r Request) (Response, error) {
	u, err := c.target(r)
	if err != nil {
		return Response{}, err
	}
	if r.ID == "" {
		r.ID = c.cfg.RequestID()
	}
	if c.cfg.Turn != nil {
		if err := c.cfg.Turn(ctx); err != nil {
			return Response{}, &turnError{err}
		}
	}
	resp, token, err := c.once(ctx, u, r)
	if err != nil || resp.Status != http.StatusUnauthorized || c.cfg.Auth == nil {
		return resp, err
	}
	c.cfg.Auth.Invalidate(token)
	resp, _, err = c.once(ctx, u, r)
	return resp, err
}

func (c *Client) target(r Request) (*url.URL, error) {
	if r.Link != "" {
		return c.within(r.Link)
	}
	return c.urlFor(r.Path, r.Query)
}

// once sends the request a single time and returns the token it used.
func (c *Client) once(ctx context.Context, u *url.URL, r Request) (Response, string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req := c.build(ctx, u, r)
	if c.cfg.Auth != nil {
		if err := c.cfg.Auth.Authorize(ctx, req); err != nil {
			return Response{}, "", &authError{err}
		}
	}
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	sent := &sentTrace{}
	req = req.WithContext(httptrace.WithClientTrace(ctx, sent.trace()))
	resp, err := c.http.Do(req)
	if err != nil {
		return Response{}, token, sent.transportError(ctx, err, r.ID)
	}
	defer resp.Body.Close()
	out := Response{Status: resp.StatusCode, Header: resp.Header, RequestID: r.ID, Skew: skew(resp.Header, c.cfg.Now())}
	if c.cfg.OnSkew != nil && (out.Skew >= noticeable || out.Skew <= -noticeable) {
		c.cfg.OnSkew(out.Skew)
	}
	out.Body, out.bodyErr = readBody(resp, c.limit(resp.StatusCode))
	return out, token, nil
}

func (c *Client) limit(status int) int64 {
	if status >= 300 {
		return min(c.cfg.MaxBody, maxErrorBody)
	}
	return c.cfg.MaxBody
}

// build makes the http.Request. GetBody stays nil and the body has no type net/http knows, so
// that no transport can send it a second time.
func (c *Client) build(ctx context.Context, u *url.URL, r Request) *http.Request {
	req := (&http.Request{
		Method: r.Method, URL: u, Host: u.Host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	for k, v := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	req.Header.Del("Authorization")
	req.Header.Del("Idempotency-Key") // net/http would take it as leave to repeat the request
	req.Header.Del("X-Idempotency-Key")
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", MediaFHIR)
	}
	req.Header.Set("X-Request-Id", r.ID)
	if r.Body != nil {
		req.Body = io.NopCloser(bytes.NewReader(r.Body))
		req.ContentLength = int64(len(r.Body))
		req.Header.Set("Content-Type", MediaFHIR)
		if r.ContentType != "" {
			req.Header.Set("Content-Type", r.ContentType)
		}
	}
	return req
}

// noticeable is a difference of clocks that Date, in whole seconds, can show for certain.
const noticeable = 2 * time.Second

// skew is how far the server's Date is ahead of now, 0 where it gives none. Date counts whole
// seconds and is written before the answer is, so less than a second behind is no difference.
func skew(h http.Header, now time.Time) time.Duration {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return at.Sub(now.Truncate(time.Second))
}

// errTooLarge marks an answer above the limit, errPacked one in an encoding that nobody asked for.
var (
	errTooLarge = errors.New("fhir client: the answer is larger than allowed")
	errPacked   = errors.New("fhir client: the answer is compressed, and that was not asked for")
)

// readBody reads what an answer brings, within the limit. One that announces more is not read at
// all, and one still packed neither: we ask for no encoding, so where the transport has not
// unpacked it, it is none of ours.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	switch encoding := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))); {
	case encoding != "" && encoding != "identity":
		return nil, errPacked
	case resp.ContentLength > limit:
		return nil, errTooLarge
	}
	return readBounded(resp.Body, limit)
}

// Sizes of the chunks an answer is read in: doubling from the first to the largest.
const (
	firstChunk   = 4 << 10
	largestChunk = 1 << 20
)

// readBounded reads at most limit bytes. The reader is already decompressed, so a small
// compressed body cannot become a large one in memory. It keeps chunks and joins them at the end:
// one growing buffer would hold more than twice the answer while it grows. Of an answer that is
// too large only its beginning is kept.
func readBounded(r io.Reader, limit int64) ([]byte, error) {
	var chunks [][]byte
	size, n := int64(firstChunk), int64(0)
	for {
		b := make([]byte, min(size, limit+1-n))
		got, err := fill(r, b)
		n += int64(got)
		chunks = append(chunks, b[:got])
		switch {
		case n > limit:
			return join(chunks, min(limit, maxErrorBody)), errTooLarge
		case err == io.EOF:
			return join(chunks, n), nil
		case err != nil:
			return join(chunks, n), err
		}
		size = min(2*size, largestChunk)
	}
}

// fill reads until b is full or r ends, whose error it returns as it is.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var got int
		got, err = r.Read(b[n:])
		n += got
	}
	return n, err
}

// join puts the first n bytes of the chunks together.
func join(chunks [][]byte, n int64) []byte {
	if len(chunks) == 1 {
		return chunks[0][:n]
	}
	out := make([]byte, 0, n)
	for _, c := range chunks {
		out = append(out, c[:min(int64(len(c)), n-int64(len(out)))]...)
	}
	return out
}

// sentTrace learns whether anything was written. net/http may call hooks from other goroutines.
type sentTrace struct{ started, wrote atomic.Bool }

func (s *sentTrace) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { s.started.Store(true) },
		WroteHeaders: func() { s.wrote.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				s.wrote.Store(true)
			}
		},
	}
}

// transportError decides NotSent from positive knowledge only: a transport that reports nothing
// (a test double, a proxying RoundTripper) is assumed to have sent.
func (s *sentTrace) transportError(ctx context.Context, err error, id string) *TransportError {
	e := &TransportError{RequestID: id, cause: err, Timeout: isTimeout(ctx, err)}
	e.NotSent = notSent(err) || (s.started.Load() && !s.wrote.Load())
	return e
}
