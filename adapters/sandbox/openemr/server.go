// Package openemr is the standard REST API of the sandbox's OpenEMR, as far as documents need it, beside the FHIR server that
// shows what it keeps. It is strict to what is recorded of OpenEMR (docs/ehrs/openemr.md): an upload is answered
// with true and no id, a category of one level is not checked, an empty list is a 404, a download fails.
package openemr

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// Where the two APIs of the site "default" are below the origin.
const (
	FHIRPath = "/apis/default/fhir"
	APIPath  = "/apis/default/api"
)

// Options configure the API. FHIR and Now are required.
type Options struct {
	FHIR   *ehr.Server // holds the patients, and shows the documents
	Access ehr.Access  // checks tokens; nil where no token is needed
	Now    func() time.Time
	// Categories are the document categories, with those they are below: "Chartwire", "Medical Record/Letters".
	Categories []string
	// Before sees each request of this API first and may answer it, which then does nothing.
	Before func(r *http.Request) *ehr.Response
	// After sees each request of this API with the answer about to go out, the commit done, and may replace it.
	After func(r *http.Request, resp *ehr.Response) *ehr.Response
}

// Document is one document on a chart, as the ledger has it.
type Document struct {
	ID       int
	UUID     string // of its DocumentReference and its Binary
	Patient  string // Patient/…
	Category string // "" where it was uploaded to a category there is not
	Name     string
	Type     string // as its content shows
	Data     []byte
	Created  time.Time
}

// Server is the API. It is safe for concurrent use.
type Server struct {
	o         Options
	mu        sync.Mutex
	documents []Document
}

// New makes the API with no documents. The error says which option is missing.
func New(o Options) (*Server, error) {
	if o.FHIR == nil || o.Now == nil {
		return nil, errors.New("openemr: Options.FHIR and Now are required")
	}
	return &Server{o: o}, nil
}

// Documents returns every document taken, in the order of their commits.
func (s *Server) Documents() []Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.documents)
}

// Route gives who answers a request that is not for the FHIR server as it is; nil leaves it to that one.
func (s *Server) Route(r *http.Request) func(*http.Request) *ehr.Response {
	if strings.HasPrefix(r.URL.Path, APIPath+"/") {
		return s.answer
	}
	path, ok := strings.CutPrefix(r.URL.Path, FHIRPath+"/")
	switch {
	case !ok:
	case r.Method == http.MethodPost: // no route creates what the CapabilityStatement declares, nor is there POST _search
		return func(*http.Request) *ehr.Response { return answer(http.StatusNotFound, nil) }
	case strings.HasPrefix(path, "Binary/"): // streamed as it is, whatever is asked for
		r.Header.Set("Accept", "*/*")
		fallthrough
	case path != "metadata" && path != ".well-known/smart-configuration":
		if s.o.Access == nil {
			return nil
		}
		if grant, err := s.o.Access.Authenticate(r); err == nil && !grant.Scopes.Has("api:fhir") {
			return func(*http.Request) *ehr.Response {
				return answer(http.StatusForbidden, envelope(nil, "the token has no api:fhir"))
			}
		}
	}
	return nil
}

// answer plays the hooks around the API.
func (s *Server) answer(r *http.Request) *ehr.Response {
	if s.o.Before != nil {
		if resp := s.o.Before(r); resp != nil {
			return resp
		}
	}
	resp := s.api(r)
	if s.o.After != nil {
		if replaced := s.o.After(r, resp); replaced != nil {
			return replaced
		}
	}
	return resp
}

func (s *Server) api(r *http.Request) *ehr.Response {
	steps := strings.Split(strings.TrimPrefix(r.URL.Path, APIPath+"/"), "/")
	switch {
	case len(steps) == 2 && steps[0] == "patient" && r.Method == http.MethodGet:
		return s.granted(r, "patient", 'r', func() *ehr.Response { return s.patient(steps[1]) })
	case len(steps) == 3 && steps[0] == "patient" && steps[2] == "document" && r.Method == http.MethodPost:
		return s.granted(r, "document", 'c', func() *ehr.Response { return s.upload(r, steps[1]) })
	case len(steps) == 3 && steps[0] == "patient" && steps[2] == "document" && r.Method == http.MethodGet:
		return s.granted(r, "document", 's', func() *ehr.Response { return s.list(r, steps[1]) })
	case len(steps) == 4 && steps[0] == "patient" && steps[2] == "document" && r.Method == http.MethodGet:
		return s.granted(r, "document", 'r', func() *ehr.Response {
			return answer(http.StatusInternalServerError, envelope(nil, "CSRF key is empty"))
		})
	}
	return answer(http.StatusNotFound, nil)
}

// granted does work for a token whose scopes cover it: api:oemr, and the resource's letter.
func (s *Server) granted(r *http.Request, resource string, letter rune, work func() *ehr.Response) *ehr.Response {
	if s.o.Access == nil {
		return work()
	}
	grant, err := s.o.Access.Authenticate(r)
	if err != nil {
		return answer(http.StatusUnauthorized, map[string]string{"error": "invalid_token", "error_description": err.Error()})
	}
	covers := func(word string) bool {
		letters, ok := strings.CutPrefix(word, "system/"+resource+".")
		return ok && strings.ContainsRune(letters, letter)
	}
	if !grant.Scopes.Has("api:oemr") || !slices.ContainsFunc(grant.Scopes.Words, covers) {
		return answer(http.StatusForbidden, envelope(nil, "Insufficient scope for requested resource"))
	}
	return work()
}

// firstPid is the pid of the first patient: neither the row's id nor the number the clinic calls the patient by.
const firstPid = 100

// patient answers the row of a patient by the uuid that FHIR calls them by.
func (s *Server) patient(uuid string) *ehr.Response {
	for i, p := range s.o.FHIR.All("Patient") {
		if p.ID == uuid {
			return answer(http.StatusOK, envelope(map[string]any{"id": i + 1, "pid": firstPid + i, "pubpid": fmt.Sprintf("P%06d", 7*i+1), "uuid": uuid}))
		}
	}
	return answer(http.StatusNotFound, envelope(nil, "Resource not found"))
}

var digits = regexp.MustCompile(`^[0-9]{1,9}$`)

// whose is the patient a pid is of; "" for nobody.
func (s *Server) whose(pid string) string {
	n, err := strconv.Atoi(pid)
	all := s.o.FHIR.All("Patient")
	if err != nil || !digits.MatchString(pid) || n < firstPid || n >= firstPid+len(all) {
		return ""
	}
	return all[n-firstPid].Reference()
}

func badPid() *ehr.Response {
	return answer(http.StatusBadRequest, map[string]any{"validationErrors": map[string]string{"pid": "Invalid pid"}, "internalErrors": []any{}, "data": []any{}})
}

// envelope is how the standard API answers most things.
func envelope(data any, internal ...string) map[string]any {
	if data == nil {
		data = []any{}
	}
	return map[string]any{"validationErrors": []any{}, "internalErrors": append([]string{}, internal...), "data": data}
}

func answer(status int, body any) *ehr.Response {
	raw, _ := json.Marshal(body) // of plain values
	return &ehr.Response{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: raw}
}
