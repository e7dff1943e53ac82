package epic

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/ehr/ehrtest"
	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/stage"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	base = "https://connector.clinic.example/sid"
	mrn  = "urn:oid:2.16.840.1.113883.19.5"
	// registered are the APIs an administrator chooses, in the spelling Epic's token shows them.
	registered = "system/Patient.read system/Encounter.read system/Practitioner.read system/RelatedPerson.read system/DocumentReference.read system/DocumentReference.write system/Binary.read"
	// vendors is where the documents vendors serve are kept beside the checkout; it is not part of it.
	vendors = "../../../../shared/fhir/vendors"
)

// lab is the sandbox EHR with Epic's rules, and an adapter on it.
type lab struct {
	*sandbox.EHR
	adapter *fhir.EHR
	key     *smart.Key
	faults  stage.Stage

	mu     sync.Mutex
	asked  []asked
	shows  func(*ehr.Response) // changes what a read of a Binary shows
	lists  func(*ehr.Response) // changes what a note is shown as
	grants func(string) string // changes what the token's answer says
}

// asked is a request as it left.
type asked struct {
	method, path, query, body string
	header                    http.Header
}

// setting is what differs between labs.
type setting struct {
	options   func(*fhir.Options)
	scopes    string // registered instead
	statement []byte
	discovery []byte
	traits    func(*ehr.Traits)
}

func newLab(t *testing.T, s setting) *lab {
	t.Helper()
	l := &lab{faults: stage.Stage{Show: func(r *http.Request) bool { // a create shows nothing, and is read back
		return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/DocumentReference/")
	}}}
	traits, err := ehr.Profile("epic")
	if err != nil {
		t.Fatal(err)
	}
	if s.traits != nil {
		s.traits(&traits)
	}
	if s.scopes == "" {
		s.scopes = registered
	}
	if l.key, err = smart.GenerateKey(smart.RS384); err != nil {
		t.Fatal(err)
	}
	jwks, err := smart.PublicJWKS(l.key)
	if err != nil {
		t.Fatal(err)
	}
	l.EHR, err = sandbox.StartEHR(t.Context(), sandbox.EHROptions{
		EHR:     ehr.Options{Traits: traits, Now: time.Now, Seed: 1, Before: l.faults.Before, After: l.after, Statement: s.statement},
		Auth:    auth.Options{Document: s.discovery},
		Clients: []auth.Client{{ID: "chartwire", JWKS: jwks, Scopes: s.scopes, Backend: true, Registered: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.EHR.Close)
	o := fhir.Options{Name: "lab", Base: base, BaseURL: l.Base(), Now: time.Now, HTTP: &http.Client{Transport: l}, FilingAs: []string{"note"},
		Encounters: true, Credentials: &fhir.Credentials{ClientID: "chartwire", Key: l.key},
		Policy: filing.Policy{Organization: "Organization/clinic", NoteType: r4.NewCoding(r4.SystemLOINC, "11506-3", ""), DocStatus: r4.DocFinal,
			CreateProxies: true, Internal: true, InlineBytes: 5 << 20}}
	if s.options != nil {
		s.options(&o)
	}
	l.adapter = New(o)
	l.seed(t)
	return l
}

func (l *lab) seed(t *testing.T) {
	t.Helper()
	person := func(id, number string) string {
		return `{"resource":{"resourceType":"Patient","id":"` + id + `","active":true,"identifier":[{"system":"` + mrn + `","value":"` + number +
			`"}],"name":[{"family":"Cho","given":["Daniel"]}],"birthDate":"2015-07-04"}}`
	}
	visit := func(id, patient string) string {
		return `{"resource":{"resourceType":"Encounter","id":"` + id + `","status":"finished","class":{"code":"AMB"},"subject":{"reference":"` + patient + `"}}}`
	}
	bundle := `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Organization","id":"clinic","name":"Clinic"}},
		{"resource":{"resourceType":"Practitioner","id":"ana","name":[{"family":"Rivera"}]}},` + strings.Join([]string{
		person("daniel", "MRN123"), person("other", "MRN999"), person("twin-1", "MRN-TWIN"), person("twin-2", "MRN-TWIN"),
		visit("daniels", "Patient/daniel"), visit("others", "Patient/other")}, ",") + `]}`
	if err := l.Seed([]byte(bundle)); err != nil {
		t.Fatal(err)
	}
}

func (l *lab) after(r *http.Request, resp *ehr.Response) *ehr.Response {
	l.mu.Lock()
	shows, lists := l.shows, l.lists
	l.mu.Unlock()
	switch {
	case shows != nil && strings.Contains(r.URL.Path, "/Binary/"):
		shows(resp)
	case lists != nil && strings.Contains(r.URL.Path, "/DocumentReference/"):
		lists(resp)
	}
	return l.faults.After(r, resp)
}

// RoundTrip keeps what was asked, and may change a token's answer on its way.
func (l *lab) RoundTrip(r *http.Request) (*http.Response, error) {
	var b bytes.Buffer
	if r.Body != nil {
		_, _ = b.ReadFrom(r.Body)
	}
	l.mu.Lock()
	l.asked = append(l.asked, asked{r.Method, r.URL.Path, r.URL.RawQuery, b.String(), r.Header})
	grants := l.grants
	l.mu.Unlock()
	r = r.Clone(r.Context())
	r.Body = body{bytes.NewReader(b.Bytes())}
	if b.Len() == 0 {
		r.Body = http.NoBody
	}
	resp, err := l.faults.RoundTrip(r)
	if err == nil && grants != nil && strings.HasSuffix(r.URL.Path, "/token") {
		var said bytes.Buffer
		_, _ = said.ReadFrom(resp.Body)
		_ = resp.Body.Close()
		changed := grants(said.String())
		resp.Body, resp.ContentLength = body{bytes.NewReader([]byte(changed))}, int64(len(changed))
	}
	return resp, err
}

type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

func (l *lab) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// rig is the lab as the suite wants it.
func (l *lab) rig() *ehrtest.Rig {
	key := func(number string) connector.PatientKey {
		return connector.PatientKey{Identifiers: []connector.Identifier{{System: mrn, Value: number}}}
	}
	private, _ := l.key.PrivateJWK()
	var jwk struct{ D string }
	_ = json.Unmarshal(private, &jwk)
	return &ehrtest.Rig{
		EHR: l.adapter, Base: base, Channel: "texting",
		Patient: key("MRN123"), Nobody: key("MRN000"), Twins: key("MRN-TWIN"), Other: "Patient/other",
		Stored: func(kind string) (out [][]byte) {
			for _, s := range l.All(kind) {
				out = append(out, s.Raw)
			}
			return out
		},
		Answer: l.faults.Answer, HangUp: l.faults.HangUp, WrongSubject: l.faults.WrongSubject, Rewrite: l.faults.Rewrite,
		Encounter: func(patient string, e connector.Encounter) string {
			resource := map[string]any{"resourceType": "Encounter", "status": e.Status, "class": map[string]string{"code": "AMB"},
				"subject": map[string]string{"reference": patient}, "period": map[string]string{"start": e.Start.Format(time.RFC3339)}}
			if len(e.Identifiers) > 0 {
				resource["identifier"] = e.Identifiers
			}
			raw, _ := json.Marshal(resource)
			s, err := l.Put(raw)
			if err != nil {
				panic(err)
			}
			return s.Reference()
		},
		Secrets: []string{"MRN123", "Bearer ", jwk.D}, Presented: l.faults.Presented,
	}
}

// TestConformance runs the suite against the sandbox with Epic's rules, signed notes and drafts.
func TestConformance(t *testing.T) {
	for name, status := range map[string]r4.DocStatus{"final": r4.DocFinal, "preliminary": r4.DocPreliminary} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ehrtest.Run(t, ehrtest.Harness{Strategy: connector.AsNote, Threads: true, Start: func(t *testing.T) *ehrtest.Rig {
				return newLab(t, setting{options: func(o *fhir.Options) { o.Policy.DocStatus = status }}).rig()
			}})
		})
	}
}

func TestTexts(t *testing.T) {
	ehrtest.Texts(t, ehrtest.Harness{Strategy: connector.AsNote, Start: func(t *testing.T) *ehrtest.Rig { return newLab(t, setting{}).rig() }})
}

// served is a document of Epic's own, where it is beside this checkout.
func served(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(vendors + "/epic." + name + ".json")
	if err != nil {
		t.Skip("SKIPPED, NOT RUN: Epic's own documents are not beside this checkout (../shared/fhir/vendors)")
	}
	return raw
}

// TestConformanceAsDeclared runs the suite with what Epic itself declares of FHIR and of its authorization server.
func TestConformanceAsDeclared(t *testing.T) {
	s := setting{statement: served(t, "capabilitystatement"), discovery: served(t, "smart-configuration")}
	ehrtest.Run(t, ehrtest.Harness{Strategy: connector.AsNote, Start: func(t *testing.T) *ehrtest.Rig { return newLab(t, s).rig() }})
}
