package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/egress"
)

const (
	ehrBase      = "http://ehr.sim/fhir"
	platformBase = "http://platform.sim"
	ehrID        = "EHR"
	secret       = "whsec_c2ltdWxhdGlvbnNlY3JldHNpbXVsYXRpb25zZWNyZXQh"
)

// errRefused is a connection that could not be made: nothing was sent.
func errRefused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

// stopped is a request that its fence stopped.
type stopped struct{ cause error }

func (s stopped) Error() string { return "stopped before the first byte: " + s.cause.Error() }
func (s stopped) Unwrap() error { return s.cause }
func (s stopped) NotSent() bool { return true }

var errReset = errors.New("connection reset by peer")

// answer is what comes back of a request.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// far is one request on its way to the other side, and what happens to it there.
type far struct {
	p      *process
	req    *http.Request
	body   []byte
	fault  fault
	serve  func(*http.Request) answer // the other side's work
	leaves func()                     // told when the first byte leaves
}

// trip carries a request over: connection, fence, first byte, the other side's work, and the answer, each as the fault has
// it. What the other side does is not undone by our going away.
func (f *far) trip() (*http.Response, error) {
	ctx := f.req.Context()
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(f.req.URL.Host)
	}
	if err := f.sleep(ctx, f.fault.connect); err != nil {
		return nil, stopped{err}
	}
	if f.fault.what == "refuse" {
		return nil, errRefused()
	}
	if err := f.p.pass(); err != nil {
		return nil, stopped{err}
	}
	if err := egress.CheckFence(ctx); err != nil {
		return nil, stopped{err}
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	f.leaves()
	back := make(chan answer, 1)
	w := f.p.w
	w.ghosts.Go(func() { back <- f.there() })
	var got answer
	select {
	case got = <-back:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-f.p.dead:
		return nil, errDead
	}
	if err := f.p.pass(); err != nil {
		return nil, err
	}
	if got.err != nil {
		return nil, got.err
	}
	return &http.Response{StatusCode: got.status, Status: http.StatusText(got.status), Header: got.header, Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1, Body: io.NopCloser(bytes.NewReader(got.body)), ContentLength: int64(len(got.body)), Request: f.req}, nil
}

// there is what happens on the other side.
func (f *far) there() answer {
	w := f.p.w
	_ = clock.Sleep(context.Background(), clock.System, f.fault.transit)
	if f.fault.cutByDeath && f.p.killed.Load() {
		return answer{err: errReset} // the bytes were still with us
	}
	got := answer{}
	if f.fault.works {
		got = f.serve(f.req)
	}
	if f.fault.works && got.status >= 400 && f.fault.what != "" {
		return got // a refusal stays what it is
	}
	_ = clock.Sleep(context.Background(), clock.System, f.fault.reply)
	return w.distort(f, got)
}

func (f *far) sleep(ctx context.Context, d time.Duration) error {
	t := clock.System.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-f.p.dead:
		return errDead
	}
}

func readAll(req *http.Request) []byte {
	if req.Body == nil {
		return nil
	}
	defer req.Body.Close()
	body, _ := io.ReadAll(req.Body)
	return body
}

// ehrWire is the way of one process to the EHR.
type ehrWire struct{ p *process }

func (e *ehrWire) RoundTrip(req *http.Request) (*http.Response, error) {
	body := readAll(req)
	w := e.p.w
	if err := e.p.pass(); err != nil {
		return nil, stopped{err}
	}
	write := isWrite(req)
	name := w.judge.nameOf(req, body)
	f := &far{p: e.p, req: req, body: body, fault: w.ehrFault(write, name)}
	if write {
		w.ambush(e.p, "before", name)
	}
	var sent *sending
	begun := clock.System.Now()
	f.serve = func(r *http.Request) answer {
		if w.script.deaf && deafTo(r, body) {
			return answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/fhir+json"}}, body: nothing}
		}
		got := handle(w.ehr, r, body)
		if write {
			w.judge.chartChanged()
		}
		return got
	}
	f.leaves = func() {
		sent = w.judge.leaves(e.p, req, body, write, name, f.fault, begun)
		if write {
			w.ambush(e.p, "left", name)
		}
	}
	resp, err := f.trip()
	w.judge.answered(e.p, sent, req, &f.fault, resp, err)
	return resp, err
}

var nothing = []byte(`{"resourceType":"Bundle","type":"searchset","total":0}`)

// deafTo says whether a search asks for what we wrote by identifier.
func deafTo(r *http.Request, body []byte) bool {
	asked := bytes.Contains(body, []byte("identifier=")) || strings.Contains(r.URL.RawQuery, "identifier=")
	return asked && (strings.Contains(r.URL.Path, "/Communication") || strings.Contains(r.URL.Path, "/DocumentReference"))
}

// isWrite says whether a request toward the EHR may change the chart.
func isWrite(r *http.Request) bool {
	return (r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Path, "/_search")) || r.Method == http.MethodPut
}

// platformWire is the way of one process to the platform.
type platformWire struct{ p *process }

func (e *platformWire) RoundTrip(req *http.Request) (*http.Response, error) {
	body := readAll(req)
	w := e.p.w
	if err := e.p.pass(); err != nil {
		return nil, stopped{err}
	}
	name := "send " + req.Header.Get("Webhook-Id")
	f := &far{p: e.p, req: req, body: body, fault: w.sendFault(name)}
	f.serve = func(r *http.Request) answer { return handle(w.platform, r, body) }
	f.leaves = func() { w.judge.sends(req.Header.Get("Webhook-Id"), body) }
	resp, err := f.trip()
	w.judge.sendAnswered(req.Header.Get("Webhook-Id"), resp, err)
	return resp, err
}

// page is a response writer into memory.
type page struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (p *page) Header() http.Header { return p.header }
func (p *page) WriteHeader(s int) {
	if p.status == 0 {
		p.status = s
	}
}
func (p *page) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.body.Write(b)
}

// handle runs a handler on a request. A handler that aborts gives no answer.
func handle(h http.Handler, r *http.Request, body []byte) (got answer) {
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
				panic(v)
			}
			got = answer{err: errReset}
		}
	}()
	in := r.Clone(context.Background())
	in.Body, in.ContentLength, in.RequestURI, in.RemoteAddr = io.NopCloser(bytes.NewReader(body)), int64(len(body)), r.URL.RequestURI(), "10.0.0.1:1"
	out := &page{header: http.Header{}}
	h.ServeHTTP(out, in)
	return answer{status: out.status, header: out.header, body: out.body.Bytes()}
}

// door is where the platform knocks: whichever process is up takes the event, as a load balancer would have it.
type door struct{ w *world }

func (d door) RoundTrip(req *http.Request) (*http.Response, error) {
	body := readAll(req)
	p := d.w.someone("event", req.Header.Get("Webhook-Id"))
	if p == nil || p.pass() != nil {
		return nil, errRefused()
	}
	status := p.takeEvent(req, body)
	if p.pass() != nil {
		return nil, errReset
	}
	if d.w.script.dice.chance(d.w.weatherNow().send/2, "ack lost", req.Header.Get("Webhook-Id"), d.w.nth("ack "+req.Header.Get("Webhook-Id"))) {
		return nil, errReset
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// takeEvent does what connector/web does with a delivery.
func (p *process) takeEvent(req *http.Request, body []byte) int {
	ev, err := p.wire.Decode(connector.Inbound{Header: req.Header, Body: body, At: clock.System.Now()})
	var bad *connector.DecodeError
	switch {
	case errors.As(err, &bad):
		p.w.judge.fail("an event could not be decoded: %v", err)
		return http.StatusBadRequest
	case err != nil:
		p.w.judge.fail("an event was refused: %v", err)
		return http.StatusUnauthorized
	}
	status := http.StatusOK
	for i := range ev {
		res, err := p.in.Accept(context.Background(), p.ch, ev[i])
		if err != nil {
			return http.StatusServiceUnavailable
		}
		if p.killed.Load() {
			return http.StatusServiceUnavailable
		}
		p.w.judge.acked(p, ev[i], res.Repeat, res.Conflict)
		if !res.Repeat {
			status = http.StatusAccepted
		}
	}
	return status
}
