package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// stub is an EHR that answers as one should and does nothing else: every create is echoed with an id, a version and a
// Location; patients and staff are whoever is asked for. The sandbox EHR, which checks every resource, takes longer than
// the connector and would be what is measured.
type stub struct {
	base     string
	metadata []byte
	latency  atomic.Int64 // of every answer under the FHIR base, in nanoseconds
	last     atomic.Int64 // of the ids given
	server   *http.Server

	mu       sync.Mutex
	calls    map[string]int
	entries  map[string][]byte // by Type/id, where keep is set
	keep     bool
	bodies   map[string][][]byte  // the requests that filed an exchange, by its identifier's value, where record is set
	arrived  map[string]time.Time // when an exchange was taken
	record   bool
	exchange int // how many exchanges were taken
	waiting  map[int]chan struct{}
}

// callKinds of a stub, for its counts.
const (
	callWrite    = "writes"           // creates and transactions
	callUpdate   = "status updates"   // of an entry: its read and its PUT
	callRequest  = "requests"         // everything about a CommunicationRequest
	callPatient  = "patient reads"    // by id: what the freshness rule asks for
	callMatch    = "patient searches" // by identifier
	callPeople   = "people and visits"
	callToken    = "tokens"
	callMetadata = "metadata"
	callOther    = "others"
)

func startStub(ctx context.Context) (*stub, error) {
	metadata, err := capability(ctx)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &stub{base: "http://" + l.Addr().String() + "/fhir", metadata: metadata}
	s.reset()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second}
	go func() { _ = s.server.Serve(l) }() // ends with ErrServerClosed
	return s, nil
}

// capability is what the sandbox EHR declares that can do everything, so that plans are those of a capable EHR.
func capability(ctx context.Context) ([]byte, error) {
	e, err := sandbox.StartEHR(ctx, sandbox.EHROptions{EHR: ehr.Options{Traits: ehr.Full(), Now: now}})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	resp, err := http.Get(e.Base() + "/metadata")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func (s *stub) close() { _ = s.server.Close() }

func (s *stub) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.entries, s.bodies = map[string]int{}, map[string][]byte{}, map[string][][]byte{}
	s.arrived, s.waiting = map[string]time.Time{}, map[int]chan struct{}{}
	s.exchange, s.keep, s.record = 0, false, false
}

// taken closes when so many exchanges have been taken since the last reset.
func (s *stub) taken(n int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.waiting[n]
	if c == nil {
		c = make(chan struct{})
		if s.exchange >= n {
			close(c)
		} else {
			s.waiting[n] = c
		}
	}
	return c
}

func (s *stub) exchanges() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exchange
}

func (s *stub) counted() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for k, n := range s.calls {
		out[k] = n
	}
	return out
}

// ServeHTTP implements http.Handler.
func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if d := time.Duration(s.latency.Load()); d > 0 {
		time.Sleep(d)
	}
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/fhir"), "/")
	kind, rest, _ := strings.Cut(path, "/")
	call, status, answer := callOther, http.StatusOK, []byte(nil)
	switch {
	case path == "metadata":
		call, answer = callMetadata, s.metadata
	case path == ".well-known/smart-configuration":
		call, answer = callToken, s.discovery()
	case path == "token":
		call, answer = callToken, token(body)
	case rest == "_search" || (r.Method == http.MethodGet && rest == ""):
		call, answer = s.search(kind, query(r, body))
	case r.Method == http.MethodGet:
		call, answer = s.read(kind, rest)
	case r.Method == http.MethodPut:
		call, answer = callUpdate, s.put(w, path, body)
	case kind == "":
		call, answer = callWrite, s.transaction(body)
	default:
		call, status, answer = callWrite, http.StatusCreated, s.create(w, kind, body)
	}
	if kind == "CommunicationRequest" {
		call = callRequest
	}
	s.mu.Lock()
	s.calls[call]++
	s.mu.Unlock()
	if answer == nil {
		status, answer = http.StatusNotFound, []byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}`)
	}
	w.Header().Set("Content-Type", "application/fhir+json")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func query(r *http.Request, body []byte) url.Values {
	q := r.URL.Query()
	if form, err := url.ParseQuery(string(body)); err == nil {
		for k, v := range form {
			q[k] = append(q[k], v...)
		}
	}
	return q
}

func (s *stub) discovery() []byte {
	return fmt.Appendf(nil, `{"token_endpoint":"%s/token","grant_types_supported":["client_credentials"],"capabilities":["client-confidential-asymmetric","permission-v2"],"token_endpoint_auth_methods_supported":["private_key_jwt"],"token_endpoint_auth_signing_alg_values_supported":["ES384","RS384"]}`, s.base)
}

// token grants what is asked for.
func token(body []byte) []byte {
	form, _ := url.ParseQuery(string(body))
	raw, _ := json.Marshal(map[string]any{"access_token": "bench", "token_type": "bearer", "expires_in": 300, "scope": form.Get("scope")})
	return raw
}

// search finds whoever is asked for by identifier: a patient, a member of staff. Nothing else is there.
func (s *stub) search(kind string, q url.Values) (string, []byte) {
	call := callPeople
	system, value, _ := strings.Cut(q.Get("identifier"), "|")
	switch kind {
	case "Patient":
		return callMatch, bundleOf(patient(value, system))
	case "Practitioner":
		return call, bundleOf(fmt.Appendf(nil, `{"resourceType":"Practitioner","id":"%s","active":true,"identifier":[{"system":%q,"value":%q}]}`, value, system, value))
	case "RelatedPerson", "Encounter":
	default:
		call = callOther
	}
	return call, bundleOf(nil)
}

func bundleOf(resource []byte) []byte {
	if resource == nil {
		return []byte(`{"resourceType":"Bundle","type":"searchset","total":0}`)
	}
	return fmt.Appendf(nil, `{"resourceType":"Bundle","type":"searchset","total":1,"entry":[{"resource":%s,"search":{"mode":"match"}}]}`, resource)
}

func patient(id, system string) []byte {
	identifiers := ""
	if system != "" {
		identifiers = fmt.Sprintf(`"identifier":[{"system":%q,"value":%q}],`, system, id)
	}
	return fmt.Appendf(nil, `{"resourceType":"Patient","id":%q,"meta":{"versionId":"1"},%s"active":true,"name":[{"family":"Cho","given":["Daniel"]}]}`, id, identifiers)
}

func (s *stub) read(kind, id string) (string, []byte) {
	if kind == "Patient" {
		return callPatient, patient(id, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	call := callOther
	if kind == "Communication" {
		call = callUpdate
	}
	return call, s.entries[kind+"/"+id]
}

func (s *stub) create(w http.ResponseWriter, kind string, body []byte) []byte {
	id := s.id()
	w.Header().Set("Location", s.base+"/"+kind+"/"+id+"/_history/1")
	w.Header().Set("ETag", `W/"1"`)
	out := stored(body, id, "1")
	s.took(kind, body, body)
	s.store(kind+"/"+id, out)
	return out
}

func (s *stub) put(w http.ResponseWriter, path string, body []byte) []byte {
	w.Header().Set("Location", s.base+"/"+path+"/_history/2")
	w.Header().Set("ETag", `W/"2"`)
	_, id, _ := strings.Cut(path, "/")
	out := stored(body, id, "2")
	s.store(path, out)
	return out
}

// transaction creates every entry of a bundle.
func (s *stub) transaction(body []byte) []byte {
	var b struct {
		Entry []struct {
			Resource json.RawMessage `json:"resource"`
			Request  struct {
				URL string `json:"url"`
			} `json:"request"`
		} `json:"entry"`
	}
	if json.Unmarshal(body, &b) != nil {
		return nil
	}
	out := []byte(`{"resourceType":"Bundle","type":"transaction-response","entry":[`)
	for n, e := range b.Entry {
		id := s.id()
		resource := stored(e.Resource, id, "1")
		if n > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, `{"resource":%s,"response":{"status":"201 Created","location":"%s/%s/_history/1","etag":"W/\"1\""}}`, resource, e.Request.URL, id)
		s.took(e.Request.URL, e.Resource, body)
		s.store(e.Request.URL+"/"+id, resource)
	}
	return append(out, `]}`...)
}

func (s *stub) id() string { return "b" + strconv.FormatInt(s.last.Add(1), 10) }

// stored is a resource with the id and version it has got; one it has of before is put in their place.
func stored(body []byte, id, version string) []byte {
	meta := fmt.Sprintf(`"id":%q,"meta":{"versionId":%q,"lastUpdated":%q}`, id, version, now().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	if !bytes.Contains(body, []byte(`"meta":`)) && !bytes.Contains(body, []byte(`"id":`)) {
		return append(append([]byte("{"+meta+","), bytes.TrimSpace(body)[1:]...), '\n')
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return body
	}
	var m map[string]json.RawMessage
	_ = json.Unmarshal(fields["meta"], &m)
	if m == nil {
		m = map[string]json.RawMessage{}
	}
	m["versionId"], _ = json.Marshal(version)
	fields["id"], _ = json.Marshal(id)
	fields["meta"], _ = json.Marshal(m)
	out, _ := json.Marshal(fields)
	return out
}

func (s *stub) store(reference string, resource []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep {
		s.entries[reference] = resource
	}
}

var (
	messageMark = []byte(`/message","value":"`)
	headerMark  = []byte(`/thread","value":"`)
)

// took notes an exchange that was taken: a Communication with a message's identifier. request is the whole request.
func (s *stub) took(kind string, resource, request []byte) {
	if kind != "Communication" {
		return
	}
	value, message := valueAfter(resource, messageMark), true
	if value == "" {
		value, message = valueAfter(resource, headerMark), false
	}
	at := now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record {
		s.bodies[value] = append(s.bodies[value], request)
		s.arrived[value] = at
	}
	if !message {
		return
	}
	s.exchange++
	if c := s.waiting[s.exchange]; c != nil {
		close(c)
		delete(s.waiting, s.exchange)
	}
}

func valueAfter(b, mark []byte) string {
	i := bytes.Index(b, mark)
	if i < 0 {
		return ""
	}
	b = b[i+len(mark):]
	return string(b[:max(bytes.IndexByte(b, '"'), 0)])
}

var errStalled = errors.New("nothing was filed for a minute")

// await waits until so many exchanges were taken; an error where none has come for a minute.
func (s *stub) await(ctx context.Context, n int) error {
	done := s.taken(n)
	for last := -1; ; {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Minute):
			if now := s.exchanges(); now == last {
				return fmt.Errorf("%w: %d of %d", errStalled, now, n)
			} else {
				last = now
			}
		}
	}
}
