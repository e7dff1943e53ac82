// Package ehr is the sandbox's EHR: a FHIR R4 server over HTTP with an in-memory chart, a ledger of every accepted write
// and a seam for scripted faults. It shares no code with the client it is the counterpart of but the R4 validator, and it
// is not lenient: unknown search parameters, dangling references, missing scopes and loose JSON are refused, always with
// an OperationOutcome.
package ehr

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

// Options configure an EHR. Base, Now and Validate are required; Access is with Traits.Auth.
type Options struct {
	// Base is the FHIR base URL this server is reached at, without a trailing slash.
	Base string
	// Traits say what it can do; the zero value means Full().
	Traits Traits
	// Now is the clock of lastUpdated, index lag and notifications.
	Now func() time.Time
	// Validate is the R4 gate every write passes. Its error text is shown to the client.
	Validate func(raw []byte) error
	// Access checks tokens.
	Access Access
	// Closed says that a user may not open a patient's chart, whatever their token's scopes: it is to them as if it were not
	// there. Both are Type/id. Nil closes none.
	Closed func(user, patient string) bool
	// Statement is a CapabilityStatement to declare instead of what the traits say, such as a vendor's own; its interactions do
	// not change what is done.
	Statement []byte
	// Declared are interactions the CapabilityStatement declares beside what is done, such as "DocumentReference create".
	Declared []string
	// HTTPClient delivers Subscription notifications; nil means http.DefaultClient.
	HTTPClient *http.Client
	// Seed makes ids repeatable; 0 makes them random.
	Seed uint64
	// MaxBody is the largest request body in bytes; 0 means 10 MiB.
	MaxBody int64
	// Script stages faults.
	Script *Script
	// Before sees each request first and may answer it in place of the EHR, which then does nothing.
	Before func(r *http.Request) *Response
	// After sees each request with the answer about to go out, the commit done, and may replace it.
	After func(r *http.Request, resp *Response) *Response
}

// Server is the EHR. It is an http.Handler for everything under Options.Base and safe for concurrent use.
type Server struct {
	store
	opts     Options
	traits   Traits
	basePath string
	started  time.Time
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	subs     map[string]*subscription // by id; guarded by mu
	notified []Notification           // guarded by mu
	pages    struct {
		sync.Mutex
		secret uint64
		n      int
		sets   map[string]*resultSet
		order  []string
	}
	hang struct {
		sync.Mutex
		release chan struct{}
	}
	told told
}

// New makes an EHR with an empty chart. An error says which option is missing or wrong.
func New(opts Options) (*Server, error) {
	if opts.Traits == (Traits{}) {
		opts.Traits = Full()
	}
	base, err := url.Parse(opts.Base)
	switch {
	case err != nil || base.Host == "" || strings.HasSuffix(opts.Base, "/"):
		return nil, errors.New("ehr: Options.Base must be an absolute URL without a trailing slash")
	case opts.Now == nil:
		return nil, errors.New("ehr: Options.Now is missing")
	case opts.Validate == nil:
		return nil, errors.New("ehr: Options.Validate is missing")
	case opts.Traits.Auth && opts.Access == nil:
		return nil, errors.New("ehr: Traits.Auth needs Options.Access")
	}
	if opts.Script == nil {
		opts.Script = &Script{}
	}
	opts.Traits = opts.Script.traits(opts.Traits)
	if opts.HTTPClient == nil {
		opts.HTTPClient = http.DefaultClient
	}
	if opts.MaxBody == 0 {
		opts.MaxBody = 10 << 20
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	if opts.Seed == 0 {
		opts.Seed = binary.LittleEndian.Uint64(random[:8])
	}
	s := &Server{store: newStore(opts.Seed), opts: opts, traits: opts.Traits, basePath: base.Path, started: opts.Now()}
	s.subs = map[string]*subscription{}
	s.pages.sets = map[string]*resultSet{}
	s.pages.secret = binary.LittleEndian.Uint64(random[8:])
	s.hang.release = make(chan struct{})
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Close stops notifications and lets go of hanging requests. It returns when none is running.
func (s *Server) Close() {
	s.mu.Lock() // no subscription begins between the two
	s.cancel()
	s.mu.Unlock()
	s.wg.Wait()
}

// Release answers every request that hangs now by closing its connection; later ones hang again.
func (s *Server) Release() {
	s.hang.Lock()
	defer s.hang.Unlock()
	close(s.hang.release)
	s.hang.release = make(chan struct{})
}

// Stage puts rules before those of the script, while requests go on. Their counts begin now. It takes no traits; the error
// is script.Read's.
func (s *Server) Stage(rules string) error {
	more, err := script.Read[Script](strings.NewReader(rules))
	if err != nil {
		return err
	}
	s.opts.Script.mu.Lock()
	defer s.opts.Script.mu.Unlock()
	s.opts.Script.rules = append(more.rules, s.opts.Script.rules...)
	s.opts.Script.chances = append(more.chances, s.opts.Script.chances...)
	return nil
}

// EndFaults makes the EHR behave from now on: no rule of the script strikes, connections are taken, the search index is up
// to date and every late commit has come. It is for whoever reads the chart when the traffic is over.
func (s *Server) EndFaults() {
	s.opts.Script.stop()
	s.told.Lock()
	s.told.refusing, s.told.ended = time.Time{}, true
	for i := range s.told.late {
		s.told.late[i].due = time.Time{}
	}
	s.told.Unlock()
	s.catchUp()
}

// Traits returns what this EHR can do.
func (s *Server) Traits() Traits { return s.traits }

// Base returns the FHIR base URL.
func (s *Server) Base() string { return s.opts.Base }

func (s *Server) now() time.Time { return s.opts.Now() }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.send(w, r, s.Exchange(r)) }

// Send puts a response on the wire as its fields say.
func (s *Server) Send(w http.ResponseWriter, r *http.Request, resp *Response) { s.send(w, r, resp) }

// Exchange answers one request of a client without putting the answer on a wire: the commit is done, a late one excepted,
// and how the answer travels is for the caller to play (Response's later fields, Withhold). ServeHTTP is Exchange and Send.
func (s *Server) Exchange(r *http.Request) *Response {
	return s.around(r, true, s.answer)
}

// Answered is Exchange for what stands beside the FHIR base, such as the token endpoint: the script's rules apply to it, the
// hooks do not.
func (s *Server) Answered(r *http.Request, by func(*http.Request) *Response) *Response {
	return s.around(r, false, func(r *http.Request, body []byte) *Response {
		r.Body = io.NopCloser(bytes.NewReader(body))
		return by(r)
	})
}

// around plays the hooks and the script around work.
func (s *Server) around(r *http.Request, hooks bool, work func(*http.Request, []byte) *Response) *Response {
	s.catchUp()
	place := s.arrive(r)
	body, f := s.readBody(r)
	if f != nil {
		resp := f.response()
		resp.Header.Set("Connection", "close")
		return resp
	}
	rewind := func() { r.Body = io.NopCloser(bytes.NewReader(body)) }
	rewind()
	if hooks && s.opts.Before != nil {
		if resp := s.opts.Before(r); resp != nil {
			s.leave(place, r, body, "hook", resp)
			return resp
		}
		rewind()
	}
	resp, fault := s.staged(r, body, work)
	defer func() { s.leave(place, r, body, fault, resp) }()
	if hooks && s.opts.After != nil {
		rewind()
		if replaced := s.opts.After(r, resp.clone()); replaced != nil {
			resp = replaced
		}
	}
	return resp
}

// staged has the EHR do its work, or the fault the script has for the request.
func (s *Server) staged(r *http.Request, body []byte, work func(*http.Request, []byte) *Response) (resp *Response, fault string) {
	if s.Refusing() { // over a connection from before
		return &Response{Refuse: true}, "refuse"
	}
	struck := s.opts.Script.stage(r, s.basePath, body, s.now().Sub(s.started))
	if struck == nil {
		return work(r, body), ""
	}
	struck.s, struck.r, struck.body, struck.work, struck.play = s, r, body, work, &play{}
	struck.is, _ = faultNamed(struck.name)
	return struck.is.run(struck), struck.name
}

func (s *Server) readBody(r *http.Request) ([]byte, *failure) {
	body, err := io.ReadAll(io.LimitReader(r.Body, s.opts.MaxBody+1))
	if err != nil {
		return nil, fail(400, "incomplete", "the body could not be read to its end")
	}
	if int64(len(body)) > s.opts.MaxBody {
		return nil, fail(413, "too-long", "the body is larger than %d bytes", s.opts.MaxBody)
	}
	return body, nil
}

// answer is the EHR proper: who is asking, what for, and the handler for it.
func (s *Server) answer(r *http.Request, body []byte) (resp *Response) {
	defer func() {
		if p := recover(); p != nil {
			resp = fail(500, "exception", "the sandbox EHR failed: %v", p).response()
		}
	}()
	path, ok := strings.CutPrefix(r.URL.Path, s.basePath)
	if !ok || path != "" && path[0] != '/' {
		return fail(404, "not-found", "not a FHIR endpoint").response()
	}
	steps := strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
	if f := negotiate(r, steps, len(body)); f != nil {
		return f.response()
	}
	if resp := s.public(r, steps); resp != nil {
		return resp
	}
	c, f := s.authenticate(r)
	if f != nil {
		return f.response()
	}
	return s.route(c, r, steps, body)
}

// public are the two documents anyone may read.
func (s *Server) public(r *http.Request, steps []string) *Response {
	if r.Method != http.MethodGet {
		return nil
	}
	switch strings.Join(steps, "/") {
	case "metadata":
		if s.opts.Statement != nil {
			h := http.Header{}
			h.Set("Content-Type", mediaType)
			return &Response{Status: http.StatusOK, Header: h, Body: s.opts.Statement}
		}
		return jsonResponse(http.StatusOK, s.capabilityStatement())
	case ".well-known/smart-configuration":
		if !s.traits.Auth {
			return fail(404, "not-supported", "this EHR is open: it has no authorization server").response()
		}
		h := http.Header{}
		h.Set("Content-Type", "application/json")
		return &Response{Status: http.StatusOK, Header: h, Body: s.opts.Access.SMARTConfiguration()}
	}
	return nil
}

// negotiate checks Accept and Content-Type (R4 §3.1.0.1.9): JSON only.
func negotiate(r *http.Request, steps []string, bodyLen int) *failure {
	if !accepts(r.Header.Values("Accept")) && !(len(steps) > 0 && steps[0] == "Binary") {
		return fail(406, "not-supported", "this server answers application/fhir+json")
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return nil
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	want := []string{"application/fhir+json", "application/json"}
	if len(steps) > 0 && steps[len(steps)-1] == "_search" {
		want = []string{"application/x-www-form-urlencoded"}
		if bodyLen == 0 && media == "" {
			return nil
		}
	}
	for _, m := range want {
		charset := params["charset"]
		if err == nil && media == m && (charset == "" || strings.EqualFold(charset, "utf-8")) {
			return nil
		}
	}
	return fail(415, "not-supported", "Content-Type must be %s, in UTF-8", want[0])
}

func accepts(headers []string) bool {
	if len(headers) == 0 {
		return true
	}
	for _, part := range strings.Split(strings.Join(headers, ","), ",") {
		media, _, err := mime.ParseMediaType(strings.TrimSpace(part))
		switch {
		case err != nil:
		case media == "*/*", media == "application/*", media == "application/fhir+json", media == "application/json":
			return true
		}
	}
	return false
}
