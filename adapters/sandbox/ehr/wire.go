package ehr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strconv"
	"time"
)

// Response is an answer of the EHR before it is put on the wire: what a handler made, and what a Before or After hook or a
// fault may replace. Its later fields say how it travels; the zero ones let it arrive whole and at once.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	// Hang keeps the request open, unanswered, until Server.Release, the client's giving up, or Close.
	Hang bool
	// Reset closes the connection with RST instead of answering.
	Reset bool
	// Refuse is Reset where the request came over a socket, and a refused connection where it came in process.
	Refuse bool
	// HeaderDelay passes before the status line goes out.
	HeaderDelay time.Duration
	// ByteEvery passes before each byte of the body; 0 sends it at once.
	ByteEvery time.Duration
	// Pad is how many bytes of white space follow the body, made as they are sent.
	Pad int64
	// Cut resets the connection when that many bytes of the body have gone out; 0 does not.
	Cut int
	// Claim is the Content-Length announced instead of the true one; 0 tells the truth.
	Claim int64
}

func (r *Response) clone() *Response {
	c := *r
	c.Header = r.Header.Clone()
	return &c
}

// Length is the Content-Length the response announces.
func (r *Response) Length() int64 {
	if r.Claim != 0 {
		return r.Claim
	}
	return int64(len(r.Body)) + r.Pad
}

// ErrCut ends a body that the EHR resets half-way.
var ErrCut = errors.New("the EHR reset the connection")

// Reader is the body as it travels: paced, padded, and ending in ErrCut where the connection is reset. wait passes time.
func (r *Response) Reader(ctx context.Context, wait func(context.Context, time.Duration) error) io.Reader {
	body := io.Reader(bytes.NewReader(r.Body))
	if r.Pad > 0 {
		body = io.MultiReader(body, io.LimitReader(blanks{}, r.Pad))
	}
	if r.Cut > 0 {
		body = io.MultiReader(io.LimitReader(body, int64(r.Cut)), broken{})
	}
	if r.ByteEvery > 0 {
		body = &paced{from: body, every: r.ByteEvery, wait: func(d time.Duration) error { return wait(ctx, d) }}
	}
	return body
}

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, ErrCut }

type paced struct {
	from  io.Reader
	every time.Duration
	wait  func(time.Duration) error
}

func (p *paced) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := p.wait(p.every); err != nil {
		return 0, err
	}
	return p.from.Read(b[:1])
}

// pass waits for d or the end of ctx, whose error it returns.
func pass(ctx context.Context, d time.Duration) error {
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

// Withhold waits as a request does that gets no answer: until Release or Close (nil) or the end of ctx (its error).
func (s *Server) Withhold(ctx context.Context) error {
	s.hang.Lock()
	release := s.hang.release
	s.hang.Unlock()
	select {
	case <-release:
		return nil
	case <-s.ctx.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send puts a response on the wire, or withholds it.
func (s *Server) send(w http.ResponseWriter, r *http.Request, resp *Response) {
	if resp.Hang {
		_ = s.Withhold(r.Context())
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	if resp.Reset || resp.Refuse {
		reset(w)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if resp.HeaderDelay > 0 && pass(ctx, resp.HeaderDelay) != nil {
		panic(http.ErrAbortHandler)
	}
	if resp.Claim != 0 {
		s.sendRaw(ctx, w, resp)
		return
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.FormatInt(resp.Length(), 10))
	w.WriteHeader(resp.Status)
	out := io.Writer(w)
	if resp.ByteEvery > 0 {
		out = flushing{w, http.NewResponseController(w)}
	}
	if _, err := io.Copy(out, resp.Reader(ctx, pass)); errors.Is(err, ErrCut) {
		_ = http.NewResponseController(w).Flush()
		reset(w)
	} // else the client may be gone
}

// sendRaw writes a response whose Content-Length is a lie, which net/http would correct, and closes the connection.
func (s *Server) sendRaw(ctx context.Context, w http.ResponseWriter, resp *Response) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	h := resp.Header.Clone()
	h.Set("Content-Length", strconv.FormatInt(resp.Length(), 10))
	h.Set("Connection", "close")
	var head bytes.Buffer
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", resp.Status, http.StatusText(resp.Status))
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, value := range h[name] {
			fmt.Fprintf(&head, "%s: %s\r\n", name, value)
		}
	}
	head.WriteString("\r\n")
	if _, err := conn.Write(head.Bytes()); err == nil {
		_, _ = io.Copy(conn, resp.Reader(ctx, pass))
	}
}

// flushing sends each write at once.
type flushing struct {
	http.ResponseWriter
	controller *http.ResponseController
}

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if err == nil {
		err = f.controller.Flush()
	}
	return n, err
}

// reset ends the connection with RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
