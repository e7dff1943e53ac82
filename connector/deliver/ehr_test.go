package deliver_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// fault is what the chart does with one attempt instead of taking it.
type fault string

const (
	none            fault = ""
	refused         fault = "refused"          // 422
	unavailable     fault = "unavailable"      // connect failure
	tooMany         fault = "too many"         // 429, Retry-After 5 minutes
	ambiguousTaken  fault = "ambiguous, taken" // times out after the commit
	ambiguousLost   fault = "ambiguous, lost"  // times out before it
	conflict        fault = "conflict"         // 409 with nothing to be found
	wrongSubject    fault = "wrong subject"    // takes it, and answers with another patient
	wrongName       fault = "wrong name"       // takes it, and answers under another identifier
	altered         fault = "altered"          // takes it with other words
	unauthorized    fault = "unauthorized"     // 401 also with a new token
	fenced          fault = "fenced"           // the lease ran out before a byte left
	taken           fault = "taken"            // conditional create: an entry is there
	silent          fault = "silent"           // takes it and shows nothing back
	retryAfter            = 5 * time.Minute
	requestDeadline       = 30 * time.Second
	lease                 = 30 * time.Second
)

// entry is one resource on the scripted chart.
type entry struct {
	ref     string
	version int
	body    map[string]any
	at      time.Time
	text    string // by which it was altered, "" for its own
}

// filing is one call of File: what was sent, when, and what came of it.
type filing struct {
	w     connector.Write
	at    time.Time
	fault fault
}

// chart is an EHR in this process. It keeps what it takes, shows it back, and fails as it is told to.
type chart struct {
	now      func() time.Time
	onFile   func(w connector.Write)
	slow     time.Duration // of every Match
	traits   connector.Traits
	patients []connector.Patient

	mu        sync.Mutex
	entries   []*entry
	filings   []filing
	matches   []time.Time
	finds     int
	opens     int
	down      fault              // of every attempt without a script of its own
	blind     bool               // the identifier cannot be searched for
	hiding    bool               // the search by identifier never finds anything, and does not say so
	unindexed string             // beginning of the types of which the search by identifier never finds anything
	findErr   error              // of every Find
	openErr   error              // of every Open
	matchErr  error              // of every Match
	lag       time.Duration      // of the search index
	script    map[string][]fault // by identity value or write key
	persons   map[string]string  // participant key → reference
	requests  map[string]connector.EHRRequest
	people    map[string]connector.Recipient
	gate      func(w connector.Write) error
	expressed func(x connector.Exchange) error
	visits    map[string][]connector.Encounter // by patient
	asked     []connector.EncounterQuery
	visitErr  error // of every Encounters
}

var (
	_ connector.EHR      = (*chart)(nil)
	_ connector.Preparer = (*chart)(nil)
	_ connector.Resolver = (*chart)(nil)
	_ connector.Watcher  = (*chart)(nil)
	_ connector.Lister   = listing{}

	_ connector.EncounterFinder = (*chart)(nil)
)

func newChart(now func() time.Time) *chart {
	return &chart{now: now, traits: connector.Traits{Strategy: connector.AsCommunication, Update: true, Requests: true, RequestPut: true, Tasks: true,
		Watch: true, Echo: connector.EchoExact},
		patients: []connector.Patient{ana()}, script: map[string][]fault{}, persons: map[string]string{},
		requests: map[string]connector.EHRRequest{}, people: map[string]connector.Recipient{}}
}

func ana() connector.Patient {
	return connector.Patient{Reference: "Patient/ana", Version: "1", Active: true, BirthDate: "1980-02-03",
		Names:       []connector.HumanName{{Family: "García", Given: []string{"Ana"}}},
		Identifiers: []connector.Identifier{{System: "urn:mrn", Value: "1"}}, Phones: []string{"+14155550100"}}
}

// fails scripts the next attempts of one identity.
func (c *chart) fails(id string, faults ...fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.script[id] = append(c.script[id], faults...)
}

func (c *chart) set(change func(c *chart)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

func (c *chart) Open(context.Context) (connector.Traits, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opens++
	return c.traits, c.openErr
}

func (c *chart) Match(_ context.Context, k connector.PatientKey) (connector.Patient, error) {
	time.Sleep(c.slow)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.matches = append(c.matches, c.now())
	if c.matchErr != nil {
		return connector.Patient{}, c.matchErr
	}
	var hits []connector.Patient
	for _, p := range c.patients {
		if k.Reference != "" {
			if p.Reference == k.Reference {
				hits = append(hits, p)
			}
			continue
		}
		if slices.ContainsFunc(k.Identifiers, func(id connector.Identifier) bool { return slices.Contains(p.Identifiers, id) }) {
			hits = append(hits, p)
		}
	}
	switch len(hits) {
	case 0:
		return connector.Patient{}, connector.ErrNoMatch
	case 1:
		return hits[0], nil
	}
	return connector.Patient{}, connector.ErrAmbiguous
}

func (c *chart) Gate(w connector.Write) error {
	if strings.Contains(string(w.Body), `"{`) && !strings.Contains(string(w.Body), `"text":"{`) {
		return &connector.Refused{Reason: connector.GateRefused, Detail: connector.Protect("a symbol was left unresolved")}
	}
	if c.gate != nil {
		return c.gate(w)
	}
	return nil
}

// fault takes the next scripted fault of a write.
func (c *chart) fault(w connector.Write) fault {
	for _, id := range []string{w.Identity.Value, w.Key} {
		if s := c.script[id]; id != "" && len(s) > 0 {
			c.script[id] = s[1:]
			return s[0]
		}
	}
	return c.down
}

func (c *chart) File(_ context.Context, w connector.Write) (connector.Receipt, error) {
	if c.onFile != nil {
		c.onFile(w)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fault(w)
	c.filings = append(c.filings, filing{w, c.now(), f})
	switch f {
	case refused:
		return connector.Receipt{}, &connector.Refused{Reason: connector.EHRRefused, Status: 422, Answer: connector.Protect(string(f))}
	case unauthorized:
		return connector.Receipt{}, &connector.Refused{Reason: connector.Unauthorized, Status: 401}
	case unavailable:
		return connector.Receipt{}, &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("connection refused")}
	case tooMany:
		return connector.Receipt{}, &connector.Retry{Reason: connector.RateLimited, Status: 429, After: retryAfter, Answer: connector.Protect(string(f))}
	case ambiguousLost:
		return connector.Receipt{}, &connector.Ambiguous{Cause: errors.New("timeout"), Answer: connector.Protect(string(f))}
	case conflict:
		return connector.Receipt{}, &connector.Conflicted{Status: 409, Answer: connector.Protect(string(f))}
	case fenced:
		return connector.Receipt{}, fmt.Errorf("not sent: %w", connector.ErrFenced)
	case taken:
		if e := c.byIdentity(w.Identity, time.Time{}); e != nil {
			r := c.receipt(w, e)
			r.Status, r.Found = 200, true
			return r, nil
		}
	}
	e, err := c.commit(w)
	if err != nil {
		return connector.Receipt{}, err
	}
	if f == ambiguousTaken {
		return connector.Receipt{}, &connector.Ambiguous{Cause: errors.New("timeout")}
	}
	if f == altered {
		e.text = "other words"
	}
	r := c.receipt(w, e)
	switch f {
	case wrongSubject:
		r.Echo.Subject = "Patient/other"
	case wrongName:
		r.Echo.Identities = []connector.Identifier{{System: "urn:x", Value: "other"}}
	case silent:
		r.Echo = connector.Echo{}
	}
	return r, nil
}

// commit puts a write on the chart.
func (c *chart) commit(w connector.Write) (*entry, error) {
	var body map[string]any
	if err := json.Unmarshal(w.Body, &body); err != nil {
		return nil, &connector.Refused{Reason: connector.EHRRefused, Status: 400}
	}
	if w.Method == "PUT" {
		e := c.byRef(w.URL)
		switch {
		case e == nil:
			return nil, &connector.Refused{Reason: connector.EHRRefused, Status: 404}
		case w.Header["If-Match"] != strconv.Itoa(e.version):
			return nil, &connector.Conflicted{Status: 412}
		}
		e.body, e.version = body, e.version+1
		return e, nil
	}
	e := &entry{ref: fmt.Sprintf("%s/%d", w.Type, len(c.entries)+1), version: 1, body: body, at: c.now()}
	c.entries = append(c.entries, e)
	return e, nil
}

func (c *chart) byRef(ref string) *entry {
	for _, e := range c.entries {
		if e.ref == ref {
			return e
		}
	}
	return nil
}

// byIdentity finds an entry that was there before the given time; zero: any.
func (c *chart) byIdentity(id connector.Identifier, before time.Time) *entry {
	for _, e := range c.entries {
		if slices.Contains(e.identities(), id) && (before.IsZero() || !e.at.After(before)) {
			return e
		}
	}
	return nil
}

func (e *entry) str(name string) string { s, _ := e.body[name].(string); return s }

func (e *entry) reference(name string) string {
	m, _ := e.body[name].(map[string]any)
	s, _ := m["reference"].(string)
	return s
}

func (e *entry) identities() []connector.Identifier {
	m, _ := e.body["identifier"].(map[string]any)
	if m == nil {
		return nil
	}
	return []connector.Identifier{{System: m["system"].(string), Value: m["value"].(string)}}
}

func (e *entry) value() string {
	if ids := e.identities(); len(ids) > 0 {
		return ids[0].Value
	}
	return ""
}

func hash(s string) string {
	if s == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func (c *chart) receipt(w connector.Write, e *entry) connector.Receipt {
	text := e.text
	if text == "" {
		text = e.str("text")
	}
	var files []string
	list, _ := e.body["files"].([]any)
	for _, f := range list {
		files = append(files, hash(f.(string)))
	}
	return connector.Receipt{Reference: e.ref, Version: strconv.Itoa(e.version), At: c.now(), Status: 201,
		Echo: connector.Echo{Shown: true, Subject: e.reference("subject"), Identities: e.identities(), Text: hash(text),
			Attachments: files, Status: e.str("status")}}
}

// on gives the entries whose identifier has this value, oldest first.
func (c *chart) on(value string) []*entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*entry
	for _, e := range c.entries {
		if e.value() == value {
			out = append(out, e)
		}
	}
	return out
}

// order gives the identifier values of the Communications that are messages, as they were created.
func (c *chart) order() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, e := range c.entries {
		if v := e.value(); e.str("resourceType") == "Communication" && strings.Contains(v, "/") {
			out = append(out, v)
		}
	}
	return out
}

// attempts gives the calls of File for one identity or key.
func (c *chart) attempts(value string) []filing {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []filing
	for _, f := range c.filings {
		if f.w.Identity.Value == value || f.w.Key == value {
			out = append(out, f)
		}
	}
	return out
}
