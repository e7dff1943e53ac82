package meditech

import (
	"bytes"
	"context"
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
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	testBase  = "https://connector.clinic.example/sid"
	mrnSystem = "urn:oid:2.16.840.1.113883.19.5"
	granted   = "system/Patient.rs system/Practitioner.rs system/RelatedPerson.rs system/Encounter.rs system/Communication.crs system/Binary.r"
	// declared is what MEDITECH itself serves; it is kept beside the checkout and is no part of it.
	declared = "../../../../shared/fhir/vendors/meditech.capabilitystatement.json"
)

// lab is the sandbox with MEDITECH's rules and an adapter on it.
type lab struct {
	*sandbox.EHR
	adapter *fhir.EHR

	mu      sync.Mutex
	answer  *ehr.Response
	hangUp  bool
	wrong   bool
	rewrite bool
	proven  []string
}

func newLab(t *testing.T, statement []byte, proven ...string) *lab {
	t.Helper()
	l := &lab{proven: proven}
	traits, err := ehr.Profile("meditech")
	if err != nil {
		t.Fatal(err)
	}
	key, err := smart.GenerateKey("ES384")
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := smart.PublicJWKS(key)
	if err != nil {
		t.Fatal(err)
	}
	l.EHR, err = sandbox.StartEHR(t.Context(), sandbox.EHROptions{
		EHR:     ehr.Options{Traits: traits, Now: time.Now, Seed: 1, Before: l.before, After: l.after, Statement: statement},
		Clients: []auth.Client{{ID: "chartwire", JWKS: jwks, Scopes: granted, Backend: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.EHR.Close)
	l.adapter = New(fhir.Options{
		Name: "prairie", BaseURL: l.Base(), Base: testBase, Now: time.Now, HTTP: &http.Client{Transport: l},
		Credentials: &fhir.Credentials{ClientID: "chartwire", Key: key},
		Proven: func(context.Context) ([]string, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.proven, nil
		},
		Policy: filing.Policy{Organization: "Organization/clinic", NoteType: r4.NewCoding(r4.SystemLOINC, "34748-4", ""), DocStatus: r4.DocFinal,
			CreateProxies: true, Internal: true, InlineBytes: 5 << 20},
	})
	for _, resource := range []string{`{"resourceType":"Organization","id":"clinic","name":"Clinic"}`,
		patient("daniel", "MRN123"), patient("other", "MRN999"), patient("twin-1", "MRN-TWIN"), patient("twin-2", "MRN-TWIN")} {
		if _, err := l.Put([]byte(resource)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func patient(id, mrn string) string {
	return `{"resourceType":"Patient","id":"` + id + `","active":true,"identifier":[{"system":"` + mrnSystem + `","value":"` + mrn +
		`"}],"name":[{"family":"Cho","given":["Daniel"]}],"birthDate":"2015-07-04"}`
}

// meditechsOwn is the CapabilityStatement MEDITECH serves.
func meditechsOwn(t *testing.T) []byte {
	b, err := os.ReadFile(declared)
	if os.IsNotExist(err) {
		t.Skip("SKIPPED, NOT RUN: MEDITECH's own CapabilityStatement is not beside this checkout (../shared/fhir/vendors)")
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func isWrite(r *http.Request) bool {
	return r.Method == http.MethodPut || r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Path, "/_search")
}

func (l *lab) before(r *http.Request) *ehr.Response {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !isWrite(r) {
		return nil
	}
	return l.answer
}

func (l *lab) after(r *http.Request, resp *ehr.Response) *ehr.Response {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !isWrite(r):
	case l.hangUp:
		l.hangUp = false
		return &ehr.Response{Reset: true}
	case l.wrong:
		l.wrong = false
		out := *resp
		out.Body = bytes.ReplaceAll(resp.Body, []byte("Patient/daniel"), []byte("Patient/other"))
		return &out
	}
	return resp
}

// RoundTrip may change the dose in the next write under way.
func (l *lab) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	if l.rewrite && isWrite(r) && strings.Contains(r.URL.Path, "/fhir/") {
		l.rewrite = false
		var buf bytes.Buffer
		_, _ = buf.ReadFrom(r.Body)
		changed := bytes.ReplaceAll(buf.Bytes(), []byte("not 50"), []byte("not  5"))
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = body{bytes.NewReader(changed)}, int64(len(changed))
	}
	l.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

func (l *lab) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

func (l *lab) rig() *ehrtest.Rig {
	key := func(mrn string) connector.PatientKey {
		return connector.PatientKey{Identifiers: []connector.Identifier{{System: mrnSystem, Value: mrn}}}
	}
	return &ehrtest.Rig{
		EHR: l.adapter, Base: testBase, Channel: "texting",
		Patient: key("MRN123"), Nobody: key("MRN000"), Twins: key("MRN-TWIN"), Other: "Patient/other",
		Stored: func(kind string) (out [][]byte) {
			for _, s := range l.All(kind) {
				out = append(out, s.Raw)
			}
			return out
		},
		Answer: func(status int, header map[string]string, body string) {
			l.set(func() {
				if l.answer = nil; status == 0 {
					return
				}
				h := http.Header{"Content-Type": {"application/fhir+json"}}
				for k, v := range header {
					h.Set(k, v)
				}
				l.answer = &ehr.Response{Status: status, Header: h, Body: []byte(body)}
			})
		},
		HangUp: func() { l.set(func() { l.hangUp = true }) }, WrongSubject: func() { l.set(func() { l.wrong = true }) },
		Rewrite: func() { l.set(func() { l.rewrite = true }) },
		Secrets: []string{"MRN123", "Bearer ey"},
	}
}
