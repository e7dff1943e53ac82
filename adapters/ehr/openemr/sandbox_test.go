package openemr

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
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
	"github.com/chartwire/chartwire/adapters/sandbox/openemr"
	"github.com/chartwire/chartwire/adapters/sandbox/stage"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	testBase  = "https://connector.clinic.example/sid"
	mrnSystem = "urn:oid:2.16.840.1.113883.19.5"
)

// lab is a sandbox OpenEMR with an adapter on it, and switches for the next upload.
type lab struct {
	*sandbox.OpenEMR
	adapter *EHR
	opts    fhir.Options
	faults  stage.Stage

	mu      sync.Mutex
	patient *ehr.Response // to the question for a patient's number
	said    string        // instead of true, the upload being done
}

// setting is what differs between labs.
type setting struct {
	open     bool          // without authorization
	scopes   string        // what the client was registered with; "" all it needs
	category string        // of the connection; "" /chartwire
	lag      time.Duration // of the FHIR search
}

func newLab(t *testing.T, s setting) *lab {
	t.Helper()
	l := &lab{faults: stage.Stage{Type: "application/json", Write: isUpload,
		Show: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/DocumentReference") }}} // an upload shows nothing, and is searched for
	opts := fhir.Options{Name: "lab", Base: testBase, Now: time.Now, HTTP: &http.Client{Transport: &l.faults},
		Policy: filing.Policy{Organization: "Organization/clinic", InlineBytes: 1 << 20}}
	o := sandbox.EHROptions{EHR: ehr.Options{Now: time.Now, Seed: 1, After: l.faults.After, Traits: ehr.Traits{SearchLag: s.lag, Auth: !s.open}}}
	if s.scopes == "" {
		s.scopes = strings.Join(Scopes(), " ")
	}
	if !s.open {
		key, err := smart.GenerateKey("ES384")
		if err != nil {
			t.Fatal(err)
		}
		jwks, err := smart.PublicJWKS(key)
		if err != nil {
			t.Fatal(err)
		}
		o.Clients = []auth.Client{{ID: "chartwire", JWKS: jwks, Scopes: s.scopes, Backend: true}}
		opts.Credentials = &fhir.Credentials{ClientID: "chartwire", Key: key}
	}
	var err error
	l.OpenEMR, err = sandbox.StartOpenEMR(t.Context(), o, openemr.Options{Before: l.before, After: l.after,
		Categories: []string{"Chartwire", "Medical Record/Letters to Patients"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if s.category == "" {
		s.category = "/chartwire"
	}
	opts.BaseURL = l.Base()
	l.opts = opts
	l.adapter = New(Options{FHIR: opts, Category: s.category})
	for _, p := range [][2]string{{"daniel", "MRN123"}, {"other", "MRN999"}, {"twin-1", "MRN-TWIN"}, {"twin-2", "MRN-TWIN"}} {
		if _, err := l.Put([]byte(`{"resourceType":"Patient","id":"` + p[0] + `","active":true,"identifier":[{"system":"` + mrnSystem + `","value":"` + p[1] +
			`"}],"name":[{"family":"Cho","given":["Daniel"]}],"birthDate":"2015-07-04"}`)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func isUpload(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/document")
}

func (l *lab) before(r *http.Request) *ehr.Response {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/document") {
		return l.faults.Before(r)
	}
	return l.patient
}

func (l *lab) after(r *http.Request, resp *ehr.Response) *ehr.Response {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isUpload(r) && l.said != "" {
		return &ehr.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(l.said)}
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
		Stored: func(string) (out [][]byte) {
			for _, d := range l.API.Documents() {
				out = append(out, d.Data)
			}
			return out
		},
		Answer: l.faults.Answer, HangUp: l.faults.HangUp, WrongSubject: l.faults.WrongSubject, Rewrite: l.faults.Rewrite,
		Spoil:   spoil,
		Secrets: []string{"MRN123", "Bearer "},
	}
	if l.opts.Credentials != nil {
		r.Presented = l.faults.Presented
	}
	return r
}

// spoil gives what the gate must refuse of a form.
func spoil(connector.Write) map[string]func(string) string {
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	return map[string]func(string) string{
		"other words":     replace("private words", "private  word"),
		"fewer words":     replace("Text: 13 bytes", "Text: 12 bytes"),
		"no note":         replace("Text: 13 bytes", "Text"),
		"another's name":  replace(`filename="chartwire_`, `filename="chartwire_A`),
		"another field":   replace(`name="document"`, `name="file"`),
		"another type":    replace("text/plain", "text/html"),
		"a second part":   func(s string) string { return s + s },
		"cut short":       func(s string) string { return s[:len(s)-1] },
		"cut in the text": func(s string) string { return s[:len(s)/2] },
	}
}

// TestConformance runs the suite with and without authorization, in a category of one level and of two.
func TestConformance(t *testing.T) {
	for name, s := range map[string]setting{
		"authorized": {}, "open": {open: true}, "deep category": {open: true, category: "/medical_record/letters_to_patients"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ehrtest.Run(t, ehrtest.Harness{Strategy: connector.AsVendorCall, Start: func(t *testing.T) *ehrtest.Rig { return newLab(t, s).rig() }})
		})
	}
}

// TestTexts: the form that would leave carries 10,000 random texts as they are; TestConformance files some of them. The form is
// read by the library's reader of forms, not by what wrote it.
func TestTexts(t *testing.T) {
	ehrtest.Texts(t, ehrtest.Harness{Strategy: connector.AsVendorCall, Start: func(t *testing.T) *ehrtest.Rig {
		r := newLab(t, setting{open: true}).rig()
		r.Carried = func(w connector.Write) string {
			_, params, err := mime.ParseMediaType(w.Header["Content-Type"])
			if err != nil {
				t.Fatal(err)
			}
			form, err := multipart.NewReader(bytes.NewReader(w.Body), params["boundary"]).ReadForm(1 << 20)
			if err != nil {
				t.Fatal(err)
			}
			defer form.RemoveAll()
			if len(form.File["document"]) != 1 {
				t.Fatalf("%d documents in a form", len(form.File["document"]))
			}
			file, err := form.File["document"][0].Open()
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			note, err := io.ReadAll(file)
			if err != nil {
				t.Fatal(err)
			}
			words, _ := filing.Words(note)
			return string(words)
		}
		return r
	}})
}
