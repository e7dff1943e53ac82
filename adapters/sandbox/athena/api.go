package athena

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// Scope is what a token must have been granted for the v1 API.
const Scope = "athena/service/Athenanet.MDP.*"

// Options configure the API. Practice, Departments and Now are required; the rest is filled in by whoever starts the sandbox.
type Options struct {
	Practice    int
	Departments []int
	Now         func() time.Time
	// FHIRBase is the path of the FHIR server.
	FHIRBase string
	// Chart has a resource.
	Chart func(typ, id string) bool
	// Access checks tokens; nil takes everyone.
	Access ehr.Access
	// ListsText has lists show the text of documents; without, only a document asked for by its number does.
	ListsText bool
	// Before sees each request first and may answer it in place of the API, which then does nothing.
	Before func(r *http.Request) *ehr.Response
	// After sees each request with the answer about to go out, the work done, and may replace it.
	After func(r *http.Request, resp *ehr.Response) *ehr.Response
}

// API is the server. It is safe for concurrent use.
type API struct {
	o Options

	mu        sync.Mutex
	documents []*Document
}

// New makes an API with no documents.
func New(o Options) *API { return &API{o: o} }

// Route gives who answers a request that is not for the FHIR server as it is; nil leaves it to that one.
func (a *API) Route(r *http.Request) func(*http.Request) *ehr.Response {
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		return a.Answer
	}
	if no := a.FHIR(r); no != nil {
		return func(*http.Request) *ehr.Response { return no }
	}
	return nil
}

// failure is an answer that says no, as the API says it.
type failure struct {
	status int
	err    string
	more   string
	fields []string
}

func (f *failure) response() *ehr.Response {
	body := map[string]any{"error": f.err}
	if f.more != "" {
		body["detailedmessage"] = f.more
	}
	if f.fields != nil {
		body["missingfields"] = f.fields
	}
	return answer(f.status, body)
}

func answer(status int, body any) *ehr.Response {
	raw, _ := json.Marshal(body) // plain values always marshal
	return &ehr.Response{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: raw}
}

// Answer is one request of the v1 API.
func (a *API) Answer(r *http.Request) *ehr.Response {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return (&failure{status: 400, err: "The request could not be read to its end."}).response()
	}
	if a.o.Before != nil {
		if resp := a.o.Before(r); resp != nil {
			return resp
		}
	}
	resp := a.answer(r, body)
	if a.o.After != nil {
		return a.o.After(r, resp)
	}
	return resp
}

func (a *API) answer(r *http.Request, body []byte) *ehr.Response {
	if f := a.authenticate(r); f != nil {
		return f.response()
	}
	at, f := a.route(r.URL.Path)
	if f != nil {
		return f.response()
	}
	switch {
	case r.Method == http.MethodPost && at.id == "":
		return a.create(at, r, body)
	case r.Method == http.MethodGet && at.id == "":
		return a.list(at, r.URL.Query())
	case r.Method == http.MethodGet:
		return a.show(at)
	}
	return (&failure{status: 405, err: "Method Not Allowed"}).response()
}

func (a *API) authenticate(r *http.Request) *failure {
	if a.o.Access == nil {
		return nil
	}
	grant, err := a.o.Access.Authenticate(r)
	switch {
	case err != nil:
		return &failure{status: 401, err: "Unauthorized", more: err.Error()}
	case !grant.Scopes.Has(Scope):
		return &failure{status: 403, err: "Forbidden", more: "The token's scope does not cover this API; it needs " + Scope + "."}
	}
	return nil
}

// place is what a path is about.
type place struct {
	kind    kind
	patient string // number
	id      string // of a document, "" for all
}

func (a *API) route(path string) (place, *failure) {
	steps := strings.Split(strings.Trim(path, "/"), "/")
	if len(steps) < 6 || len(steps) > 7 || steps[2] != "patients" || steps[4] != "documents" {
		return place{}, &failure{status: 404, err: "Invalid URL."}
	}
	if steps[1] != strconv.Itoa(a.o.Practice) {
		return place{}, &failure{status: 404, err: "The practice does not exist."}
	}
	k, ok := kinds[steps[5]]
	if !ok {
		return place{}, &failure{status: 404, err: "Invalid URL."}
	}
	at := place{kind: k, patient: steps[3]}
	if len(steps) == 7 {
		at.id = steps[6]
	}
	if n, err := strconv.Atoi(at.patient); err != nil || n < 1 || !a.o.Chart("Patient", fhirID(a.o.Practice, at.patient)) {
		return place{}, &failure{status: 404, err: "The patient does not exist."}
	}
	return at, nil
}

// fhirID is how the FHIR server names a patient.
func fhirID(practice int, number string) string { return fmt.Sprintf("a-%d.E-%s", practice, number) }

// PatientIDs gives the patients of a bundle the ids the FHIR server would: a number of the practice each, in order.
func PatientIDs(practice int) func(typ, id string) string {
	next := 60177
	return func(typ, id string) string {
		if typ != "Patient" {
			return id
		}
		next++
		return fhirID(practice, strconv.Itoa(next))
	}
}

// searches say whether a request of the FHIR server is one for a searchset.
func (a *API) searches(r *http.Request) bool {
	path, ok := strings.CutPrefix(r.URL.Path, a.o.FHIRBase+"/")
	typ, rest, _ := strings.Cut(path, "/")
	return ok && typ != "" && typ[0] >= 'A' && typ[0] <= 'Z' &&
		(r.Method == http.MethodGet && rest == "" || r.Method == http.MethodPost && rest == "_search")
}

// FHIR looks at a request for the FHIR server: a search must name the practice, which the server behind it knows nothing of.
// An answer is given in its place.
func (a *API) FHIR(r *http.Request) *ehr.Response {
	if !a.searches(r) {
		return nil
	}
	query := r.URL.Query()
	form := url.Values{}
	if r.Method == http.MethodPost {
		raw, err := io.ReadAll(r.Body)
		if form, _ = url.ParseQuery(string(raw)); err != nil || form == nil {
			form = url.Values{}
		}
	}
	practice := query.Get("ah-practice") + form.Get("ah-practice")
	query.Del("ah-practice")
	form.Del("ah-practice")
	r.URL.RawQuery = query.Encode()
	body := form.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	if practice == fmt.Sprintf("Organization/a-1.Practice-%d", a.o.Practice) {
		return nil
	}
	return answer(http.StatusForbidden, map[string]any{"resourceType": "OperationOutcome", "issue": []any{map[string]any{
		"severity": "error", "code": "forbidden", "diagnostics": "ah-practice must name a practice of this client"}}})
}
