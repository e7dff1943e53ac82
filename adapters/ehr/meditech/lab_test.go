package meditech

import (
	"context"
	"net/http"
	"os"
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
	granted   = "system/Patient.rs system/Practitioner.rs system/RelatedPerson.rs system/Encounter.rs system/Communication.crs system/Binary.r"
	// served is where what MEDITECH itself serves is kept beside the checkout; it is no part of it.
	served = "../../../../shared/fhir/vendors/meditech."
)

// lab is the sandbox with MEDITECH's rules and an adapter on it.
type lab struct {
	*sandbox.EHR
	adapter *fhir.EHR

	stage.Stage
	mu     sync.Mutex
	proven []string
}

// documents are what a lab's server says of itself in the place of the sandbox's own; nil ones are the sandbox's.
type documents struct{ statement, discovery []byte }

func newLab(t *testing.T, says documents, proven ...string) *lab {
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
		EHR:     ehr.Options{Traits: traits, Now: time.Now, Seed: 1, Before: l.Before, After: l.After, Statement: says.statement},
		Auth:    auth.Options{Document: says.discovery},
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

// meditechsOwn are the CapabilityStatement and the smart-configuration MEDITECH serves.
func meditechsOwn(t *testing.T) documents {
	read := func(name string) []byte {
		b, err := os.ReadFile(served + name + ".json")
		if os.IsNotExist(err) {
			t.Skip("SKIPPED, NOT RUN: MEDITECH's own documents are not beside this checkout (../shared/fhir/vendors)")
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return documents{read("capabilitystatement"), read("smart-configuration")}
}

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
