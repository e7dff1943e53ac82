package athena

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/ehr/ehrtest"
	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/sandbox"
	sandboxathena "github.com/chartwire/chartwire/adapters/sandbox/athena"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
	"github.com/chartwire/chartwire/adapters/sandbox/stage"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	testBase  = "https://connector.clinic.example/sid"
	mrnSystem = "urn:oid:2.16.840.1.113883.19.5"
	practice  = 195900
)

// lab is a sandbox athenaOne with an adapter on it, and switches for the next write.
type lab struct {
	*sandbox.Athena
	adapter *EHR
	key     *smart.Key
	faults  stage.Stage

	mu     sync.Mutex
	spells bool     // it shows dates and classes its own way
	asked  []string // method and path of requests of the v1 API
}

// setting is what differs between labs.
type setting struct {
	config    func(*Config)
	listsText bool
	scopes    string   // that the client may be granted; "" all it needs
	asks      []string // backend.scopes
	script    string
	// What athenahealth itself serves, where it is to drive the sandbox.
	statement, discovery []byte
}

func newLab(t *testing.T, s setting) *lab {
	t.Helper()
	l := &lab{faults: stage.Stage{Type: "application/json", Words: "not+50", Wrong: "not++5", Daniel: `"patientid":60178`, Other: `"patientid":60179`,
		Write: func(r *http.Request) bool {
			return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/")
		},
		Show: func(r *http.Request) bool { return r.Method == http.MethodGet }}} // what was written is read back
	var err error
	if l.key, err = smart.GenerateKey("ES384"); err != nil {
		t.Fatal(err)
	}
	jwks, err := smart.PublicJWKS(l.key)
	if err != nil {
		t.Fatal(err)
	}
	o := sandbox.EHROptions{
		EHR:     ehr.Options{Traits: ehr.Traits{Auth: true}, Now: time.Now, Seed: 1, Statement: s.statement},
		Auth:    auth.Options{Document: s.discovery},
		Clients: []auth.Client{{ID: "chartwire", JWKS: jwks, Scopes: cmp.Or(s.scopes, strings.Join(Scopes(), " ")), Backend: true}},
	}
	if s.script != "" {
		o.EHR.Script = script.Must[ehr.Script](s.script)
	}
	l.Athena, err = sandbox.StartAthena(t.Context(), o, sandboxathena.Options{Practice: practice, Departments: []int{1}, ListsText: s.listsText, Before: l.before, After: l.after})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("token calls: %+v", l.Auth.TokenCalls())
		}
		l.EHR.Close()
	})
	own := Config{Practice: practice, Department: 1, File: ClinicalDocument, Subclass: "CLINICALDOCUMENT", Inbox: "review", Attachment: "none"}
	if s.config != nil {
		s.config(&own)
	}
	l.adapter = New(Options{Config: &own, FHIR: fhir.Options{Name: "lab", BaseURL: l.Base(), Base: testBase, Policy: filing.Policy{Organization: "Organization/clinic"},
		HTTP: &http.Client{Transport: &l.faults}, Credentials: &fhir.Credentials{ClientID: "chartwire", Key: l.key, Scopes: s.asks}, Now: time.Now}})
	for id, mrn := range map[string]string{"60178": "MRN123", "60179": "MRN999", "60180": "MRN-TWIN", "60181": "MRN-TWIN"} {
		if _, err := l.Put([]byte(`{"resourceType":"Patient","id":"a-195900.E-` + id + `","active":true,"identifier":[{"system":"` + mrnSystem + `","value":"` + mrn +
			`"}],"name":[{"family":"Cho","given":["Daniel"]}],"birthDate":"2015-07-04"}`)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *lab) before(r *http.Request) *ehr.Response {
	l.mu.Lock()
	l.asked = append(l.asked, r.Method+" "+r.URL.Path)
	l.mu.Unlock()
	return l.faults.Before(r)
}

func (l *lab) after(r *http.Request, resp *ehr.Response) *ehr.Response {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Method == http.MethodGet && l.spells {
		resp.Body = bytes.ReplaceAll(resp.Body, []byte(`"11/22/2026"`), []byte(`"2026-11-23"`))
		resp.Body = bytes.ReplaceAll(resp.Body, []byte(`"CLINICALDOCUMENT"`), []byte(`"Clinical document"`))
	}
	return l.faults.After(r, resp)
}

func (l *lab) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// take gives what was asked of the v1 API since the last call.
func (l *lab) take() (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out, l.asked = l.asked, nil
	return out
}

func keyOf(mrn string) connector.PatientKey {
	return connector.PatientKey{Identifiers: []connector.Identifier{{System: mrnSystem, Value: mrn}}}
}

// rig is the lab as the suite wants it.
func (l *lab) rig() *ehrtest.Rig {
	private, _ := l.key.PrivateJWK()
	var jwk struct{ D string }
	_ = json.Unmarshal(private, &jwk)
	return &ehrtest.Rig{
		EHR: l.adapter, Base: testBase, Channel: "texting",
		Patient: keyOf("MRN123"), Nobody: keyOf("MRN000"), Twins: keyOf("MRN-TWIN"), Other: "Patient/a-195900.E-60179",
		Stored: func(string) (out [][]byte) {
			for _, d := range l.API.Documents() {
				out = append(out, []byte(d.Text))
			}
			return out
		},
		Answer: l.faults.Answer, HangUp: l.faults.HangUp, WrongSubject: l.faults.WrongSubject, Rewrite: l.faults.Rewrite,
		Spoil:   spoil,
		Secrets: []string{"MRN123", "Bearer ", jwk.D}, Presented: l.faults.Presented,
	}
}

// form is what was sent of the newest document.
func (l *lab) form(t *testing.T) url.Values {
	t.Helper()
	all := l.API.Documents()
	if len(all) == 0 {
		t.Fatal("no document was taken")
	}
	return all[len(all)-1].Form
}

// spoil gives what the gate must refuse of a form.
func spoil(connector.Write) map[string]func(string) string {
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	return map[string]func(string) string{
		"other words":            replace("private+words", "public+words"),
		"a byte that is no text": replace("private+words", "private%FFwords"),
		"another message":        replace("Message+id%3A+texting+", "Message+id%3A+texting+x"),
		"no message":             replace("Message+id%3A+", "Message+of%3A+"),
		"unknown field":          func(s string) string { return s + "&nobody=1" },
		"a field twice": func(s string) string {
			name, _, _ := strings.Cut(s, "=")
			return s + "&" + name + "=1"
		},
		"a field less": func(s string) string {
			_, rest, _ := strings.Cut(s, "&")
			return rest
		},
		"cut short":         func(s string) string { return s[:len(s)-1] },
		"cut in the middle": func(s string) string { return s[:len(s)/2] },
		"empty":             func(string) string { return "" },
	}
}
