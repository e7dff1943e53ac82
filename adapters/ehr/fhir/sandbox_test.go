package fhir

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/ehr/ehrtest"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
	"github.com/chartwire/chartwire/adapters/sandbox/stage"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	testBase  = "https://connector.clinic.example/sid"
	mrnSystem = "urn:oid:2.16.840.1.113883.19.5"
	allScopes = "system/*.cruds"
)

// lab is a sandbox EHR with an adapter on it, and switches for the next write.
type lab struct {
	*sandbox.EHR
	adapter *EHR
	opts    Options
	wire    *wire

	faults stage.Stage

	mu        sync.Mutex
	committed func() // called when a write was carried out, before the answer goes out
}

// setting is what differs between labs.
type setting struct {
	traits  ehr.Traits
	scopes  string // with authorization: what the client may be granted
	options func(*Options)
	script  string
	user    auth.Launch // of a launch from outside the EHR
	more    []string    // interactions that are declared and not there
	virtual bool        // no socket: for tests in a synctest bubble
	after   func(*http.Request, *ehr.Response) *ehr.Response
}

func newLab(t *testing.T, s setting) *lab {
	t.Helper()
	l := &lab{wire: &wire{}}
	if s.scopes != "" {
		s.traits.Auth = true
	}
	o := sandbox.EHROptions{EHR: ehr.Options{Traits: s.traits, Now: time.Now, Seed: 1, Declared: s.more, Before: l.faults.Before, After: l.after}}
	o.Auth.Standalone = s.user
	if s.after != nil {
		o.EHR.After = s.after
	}
	if s.script != "" {
		o.EHR.Script = script.Must[ehr.Script](s.script)
	}
	opts := Options{Name: "lab", Base: testBase, Now: time.Now,
		HTTP: &http.Client{Transport: l.wire}, Policy: testPolicy()}
	if s.scopes != "" {
		key, err := smart.GenerateKey("ES384")
		if err != nil {
			t.Fatal(err)
		}
		jwks, err := smart.PublicJWKS(key)
		if err != nil {
			t.Fatal(err)
		}
		o.Clients = []auth.Client{{ID: "chartwire", JWKS: jwks, Scopes: s.scopes, Backend: true}}
		opts.Credentials = &Credentials{ClientID: "chartwire", Key: key}
	}
	var err error
	if s.virtual {
		l.EHR, err = sandbox.NewEHR("", o)
	} else {
		l.EHR, err = sandbox.StartEHR(t.Context(), o)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.wire.base = &l.faults
	if s.virtual {
		l.faults.Way = l.EHR.Transport()
	}
	t.Cleanup(func() {
		if t.Failed() && opts.Credentials != nil {
			t.Logf("token calls: %+v", l.Auth.TokenCalls())
		}
		l.EHR.Close()
	})
	opts.BaseURL = l.Base()
	if s.options != nil {
		s.options(&opts)
	}
	l.opts, l.adapter = opts, New(opts)
	l.seed(t)
	return l
}

func testPolicy() filing.Policy {
	return filing.Policy{Organization: "Organization/clinic", NoteType: r4.NewCoding(r4.SystemLOINC, "34748-4", ""),
		DocStatus: r4.DocFinal, CreateProxies: true, Internal: true, InlineBytes: 5 << 20}
}

func (l *lab) put(t *testing.T, resource string) string {
	t.Helper()
	s, err := l.Put([]byte(resource))
	if err != nil {
		t.Fatal(err)
	}
	return s.Reference()
}

func (l *lab) seed(t *testing.T) {
	l.put(t, `{"resourceType":"Organization","id":"clinic","name":"Clinic"}`)
	l.put(t, patientJSON("daniel", "MRN123", "Cho", "Daniel"))
	l.put(t, patientJSON("other", "MRN999", "Cho", "Daniel"))
	l.put(t, patientJSON("twin-1", "MRN-TWIN", "Lee", "Ana"))
	l.put(t, patientJSON("twin-2", "MRN-TWIN", "Lee", "Ana"))
}

func patientJSON(id, mrn, family, given string) string {
	return `{"resourceType":"Patient","id":"` + id + `","active":true,"identifier":[{"system":"` + mrnSystem + `","value":"` + mrn +
		`"}],"name":[{"family":"` + family + `","given":["` + given + `"]}],"birthDate":"2015-07-04","telecom":[{"system":"phone","value":"+15005550006"}]}`
}

func (l *lab) after(r *http.Request, resp *ehr.Response) *ehr.Response {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stage.Writes(r) && l.committed != nil {
		defer l.committed()
	}
	return l.faults.After(r, resp)
}

func (l *lab) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// rig is the lab as the suite wants it.
func (l *lab) rig() *ehrtest.Rig {
	key := func(mrn string) connector.PatientKey {
		return connector.PatientKey{Identifiers: []connector.Identifier{{System: mrnSystem, Value: mrn}}}
	}
	r := &ehrtest.Rig{
		EHR: l.adapter, Base: testBase, Channel: "texting",
		Patient: key("MRN123"), Nobody: key("MRN000"), Twins: key("MRN-TWIN"), Other: "Patient/other",
		Stored: func(kind string) (out [][]byte) {
			for _, s := range l.All(kind) {
				out = append(out, s.Raw)
			}
			return out
		},
		Answer: l.faults.Answer, HangUp: l.faults.HangUp, WrongSubject: l.faults.WrongSubject,
		Rewrite: l.faults.Rewrite,
		Secrets: []string{"MRN123", "Bearer "},
	}
	if l.opts.Encounters {
		r.Encounter = func(patient string, e connector.Encounter) string {
			resource := map[string]any{"resourceType": "Encounter", "id": fmt.Sprint("e", len(l.All("Encounter"))+1), "status": e.Status,
				"class": map[string]string{"code": "VR"}, "subject": map[string]string{"reference": patient},
				"period": map[string]string{"start": e.Start.Format(time.RFC3339)}}
			if len(e.Identifiers) > 0 {
				resource["identifier"] = e.Identifiers
			}
			raw, _ := json.Marshal(resource)
			s, err := l.Put(raw)
			if err != nil {
				panic(err)
			}
			return s.Reference()
		}
	}
	if c := l.opts.Credentials; c != nil {
		private, _ := c.Key.PrivateJWK()
		var jwk struct{ D string }
		_ = json.Unmarshal(private, &jwk)
		r.Secrets, r.Presented = append(r.Secrets, jwk.D), l.faults.Presented
	}
	return r
}

var inlineData = regexp.MustCompile(`"data":"[A-Za-z0-9+/=]+"`)

// wire is the transport: it keeps what was asked.
type wire struct {
	base     http.RoundTripper
	mu       sync.Mutex
	requests []*http.Request

	refusePost   bool // as an EHR that does not know POST _search
	ignoreParams bool // as an EHR that knows no search parameter and shows all it has
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests = append(w.requests, r)
	w.mu.Unlock()
	if w.refusePost && strings.HasSuffix(r.URL.Path, "/_search") {
		return &http.Response{StatusCode: http.StatusMethodNotAllowed, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	if w.ignoreParams && strings.HasSuffix(r.URL.Path, "/_search") {
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = http.NoBody, 0
	}
	return w.base.RoundTrip(r)
}

// urls are the URLs asked for since the last call.
func (w *wire) urls() (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		out = append(out, r.Method+" "+r.URL.String())
	}
	w.requests = nil
	return out
}
