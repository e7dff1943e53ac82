package browser

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// Asked is one request an origin got, and how large its answer was on the wire.
type Asked struct {
	Method string
	URL    string // whole
	Header http.Header
	Status int
	Type   string // of the answer
	Head   int64  // bytes of the answer's header, as HTTP/1.1 would write it
	Body   int64  // bytes of its body as sent, compressed where it was
	Ended  bool   // the answer is whole
}

// Record stands before an origin and notes every request from the first on. It is safe for concurrent use.
type Record struct {
	next http.Handler
	mu   sync.Mutex
	all  []*Asked
	gate func(http.ResponseWriter, *http.Request) bool
}

// Before records what a handler is asked.
func Before(h http.Handler) *Record { return &Record{next: h} }

// Proxy records what a server at an http address is asked, and passes it on unchanged, as a proxy that ends TLS does.
func Proxy(address string) (*Record, error) {
	to, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return Before(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
		ErrorLog:  log.New(io.Discard, "", 0), // a browser that goes away in the middle is no news
	}), nil
}

// Gate has fn see each request before the origin does: fn may hold it up, or answer it and say so by true. nil opens the gate.
func (r *Record) Gate(fn func(w http.ResponseWriter, q *http.Request) bool) {
	r.mu.Lock()
	r.gate = fn
	r.mu.Unlock()
}

// Mark is the number of requests until now, for Since.
func (r *Record) Mark() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// Since copies the requests after a mark, in the order they came.
func (r *Record) Since(mark int) []Asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Asked
	for _, a := range r.all[mark:] {
		out = append(out, *a)
	}
	return out
}

// ServeHTTP is http.Handler.
func (r *Record) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	a := &Asked{Method: q.Method, URL: "https://" + q.Host + q.URL.RequestURI(), Header: q.Header.Clone()}
	r.mu.Lock()
	r.all = append(r.all, a)
	gate := r.gate
	r.mu.Unlock()
	if c := (&counting{ResponseWriter: w, record: r, asked: a}); gate == nil || !gate(c, q) {
		r.next.ServeHTTP(c, q)
	}
	r.mu.Lock()
	a.Ended = true
	r.mu.Unlock()
}

// counting notes the answer as it is written.
type counting struct {
	http.ResponseWriter
	record *Record
	asked  *Asked
}

func (c *counting) WriteHeader(status int) {
	c.record.mu.Lock()
	c.head(status)
	c.record.mu.Unlock()
	c.ResponseWriter.WriteHeader(status)
}

// head notes the first header. The caller holds the record's lock.
func (c *counting) head(status int) {
	if c.asked.Status != 0 || status < 200 {
		return
	}
	c.asked.Status, c.asked.Type = status, c.Header().Get("Content-Type")
	for name, values := range c.Header() {
		for _, v := range values {
			c.asked.Head += int64(len(name) + len(": ") + len(v) + len("\r\n"))
		}
	}
	c.asked.Head += int64(len("HTTP/1.1 200 OK\r\n\r\n"))
}

func (c *counting) Write(b []byte) (int, error) {
	c.record.mu.Lock()
	c.head(http.StatusOK)
	c.record.mu.Unlock()
	n, err := c.ResponseWriter.Write(b)
	c.record.mu.Lock()
	c.asked.Body += int64(n)
	c.record.mu.Unlock()
	return n, err
}

// Unwrap lets a stream be flushed.
func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Weight is the bytes that requests were answered with, headers and bodies as they went over the wire, streams left out.
func Weight(asked []Asked) int64 {
	var sum int64
	for _, a := range asked {
		if a.Type != "text/event-stream" {
			sum += a.Head + a.Body
		}
	}
	return sum
}

// Serve answers by h on a listener of its own, over HTTP/2 and HTTP/1.1 with TLS, and gives its address. It ends with ctx.
func (a *Authority) Serve(ctx context.Context, h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: patience, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{a.leaf}, MinVersion: tls.VersionTLS12}}
	go func() { _ = s.ServeTLS(l, "", "") }() // ends with ErrServerClosed
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return l.Addr().String(), nil
}
