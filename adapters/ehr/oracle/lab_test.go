package oracle

import (
	"bytes"
	"io"
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
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/stage"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	testBase  = "https://connector.clinic.example/sid"
	mrnSystem = "urn:oid:2.16.840.1.113883.19.5"
	granted   = "system/Patient.rs system/Practitioner.rs system/RelatedPerson.rs system/Encounter.rs system/Communication.crs system/DocumentReference.crus system/Binary.r"
)

// lab is the sandbox with Oracle's rules and an adapter on it.
type lab struct {
	*sandbox.EHR
	adapter *EHR

	stage.Stage
	mu    sync.Mutex
	asked []string // scopes, as they were spelled
}

func newLab(t *testing.T, scopes string, keys Keys) *lab {
	t.Helper()
	l := &lab{Stage: stage.Stage{Show: func(r *http.Request) bool { return r.Method == http.MethodGet }}} // a create shows nothing, and is read back
	traits, err := ehr.Profile("oracle")
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
		EHR:     ehr.Options{Traits: traits, Now: time.Now, Seed: 1, Before: l.Before, After: l.After},
		Clients: []auth.Client{{ID: "chartwire", JWKS: jwks, Scopes: scopes, Backend: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.EHR.Close)
	l.adapter = New(fhir.Options{
		Name: "summit", BaseURL: l.Base(), Base: testBase, Now: time.Now, HTTP: &http.Client{Transport: l},
		Credentials: &fhir.Credentials{ClientID: "chartwire", Key: key},
		Policy: filing.Policy{Organization: "Organization/clinic", NoteType: r4.NewCoding(r4.SystemLOINC, "34748-4", ""), DocStatus: r4.DocFinal,
			CreateProxies: true, Internal: true, InlineBytes: 5 << 20, People: map[string]string{"c-1": "Practitioner/ana"}},
	}, keys)
	for _, resource := range []string{
		`{"resourceType":"Organization","id":"clinic","name":"Clinic"}`, `{"resourceType":"Practitioner","id":"ana","name":[{"family":"Rivera"}]}`,
		`{"resourceType":"Group","id":"triage","type":"practitioner","actual":true}`,
		patient("daniel", "MRN123"), patient("other", "MRN999"), patient("twin-1", "MRN-TWIN"), patient("twin-2", "MRN-TWIN"),
	} {
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

// RoundTrip keeps the scopes that are asked for.
func (l *lab) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		form, _ := io.ReadAll(r.Body)
		asked, _ := url.ParseQuery(string(form))
		l.set(func() { l.asked = strings.Fields(asked.Get("scope")) })
		r = r.Clone(r.Context())
		r.Body = body{bytes.NewReader(form)}
	}
	return l.Stage.RoundTrip(r)
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
		Answer: l.Answer, HangUp: l.HangUp, WrongSubject: l.WrongSubject, Rewrite: l.Rewrite,
		Secrets: []string{"MRN123", "Bearer "}, Presented: l.Stage.Presented,
	}
}
