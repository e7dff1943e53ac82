package doctor_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/smart"
)

// unknownHere answers as an EHR does that declares what it does not do.
func unknownHere(match func(*http.Request) bool) func(*http.Request) *ehr.Response {
	return func(r *http.Request) *ehr.Response {
		if !match(r) {
			return nil
		}
		return &ehr.Response{Status: http.StatusMethodNotAllowed, Header: http.Header{"Content-Type": {"application/fhir+json"}},
			Body: []byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-supported"}]}`)}
	}
}

// TestMatrixIsTrue: of an EHR that does and grants everything, of one without tokens, and of one that declares notes alone.
func TestMatrixIsTrue(t *testing.T) {
	for name, c := range map[string]struct {
		setting setting
		good    bool
		rows    []string
	}{
		"everything": {setting{traits: ehr.Full(), scopes: allScopes}, true, []string{
			"Patient read: needed yes yes unknown", "Patient search: needed yes yes yes now",
			"Communication create: needed yes yes unknown", "Communication search: - yes yes yes now", "Communication update: - yes yes unknown",
			"DocumentReference create: - yes yes unknown", "Encounter search: - yes yes yes now", "Practitioner search: - yes yes yes now",
			"RelatedPerson create: - yes yes unknown", "CommunicationRequest create: - yes yes unknown", "Subscription create: - yes yes unknown",
			"Provenance create: - yes yes unknown", "Binary create: - yes yes unknown", "Bundle transaction: - yes yes unknown"}},
		"an open server": {setting{traits: ehr.Full()}, true, []string{"Patient search: needed yes yes yes now", "Communication create: needed yes yes unknown"}},
		"notes alone": {setting{traits: ehr.NoteOnly(), scopes: allScopes}, true, []string{
			"Communication create: - no unknown unknown", "DocumentReference create: needed yes yes unknown", "Bundle transaction: - no yes unknown"}},
		"nothing to file by": {setting{traits: ehr.Traits{SearchWrites: true}, scopes: allScopes}, false, []string{
			"Communication create: needed no unknown unknown", "DocumentReference create: needed no unknown unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, c.setting).examine()
			var all []string
			for _, one := range r.Capabilities {
				all = append(all, line(one))
			}
			for _, want := range c.rows {
				if !slices.Contains(all, want) {
					t.Errorf("no row %q in\n%s", want, strings.Join(all, "\n"))
				}
			}
			if r.Good != c.good {
				t.Errorf("good: %v", r.Good)
			}
		})
	}
}

// TestBrokenScope: a scope the EHR trims is named, as is who grants it; where another strategy is left, filing goes on.
func TestBrokenScope(t *testing.T) {
	c := open(t, setting{traits: ehr.Full(), scopes: "system/Patient.rs system/DocumentReference.crus system/Communication.rs"})
	r := c.examine()
	got, gap := row(t, r, "Communication create")
	if got != "Communication create: - yes no unknown" || gap == nil || *gap != (connector.Lack{Who: connector.FixEHR,
		Text: `client "chartwire" asked for system/Communication.c (v1 spelling: system/Communication.write) and was not granted it, so nothing can be filed as communication: the EHR administrator must grant it to the client.`}) {
		t.Errorf("%s %+v", got, gap)
	}
	if got, gap := row(t, r, "DocumentReference create"); got != "DocumentReference create: needed yes yes unknown" || gap != nil || !r.Good {
		t.Errorf("%s %+v, good: %v", got, gap, r.Good)
	}
	if f := fact(t, r, "scopes trimmed"); f.Good != connector.KnownNo || !strings.Contains(f.Value, "system/Communication.cu") || f.Gap.Who != connector.FixEHR {
		t.Errorf("%+v", f)
	}
	c = open(t, setting{traits: ehr.Full(), scopes: "system/Patient.rs system/Communication.rs system/DocumentReference.rs"})
	if r := c.examine(); r.Good {
		t.Error("nothing can be filed, and the report is good")
	}
}

// TestScopesAreComparedAcrossSpellings: a v1 grant covers what is needed in v2.
func TestScopesAreComparedAcrossSpellings(t *testing.T) {
	r := open(t, setting{traits: ehr.Full(), scopes: "system/*.read system/*.write", backend: `, scopes: [system/Patient.read, system/Communication.read, system/Communication.write]`}).examine()
	if got, gap := row(t, r, "Communication create"); got != "Communication create: needed yes yes unknown" || gap != nil {
		t.Errorf("%s %+v", got, gap)
	}
	got, gap := row(t, r, "Encounter search")
	if got != "Encounter search: - yes no unknown" || gap == nil || gap.Who != connector.FixConfig ||
		!strings.HasPrefix(gap.Text, "backend.scopes in the Chartwire configuration does not ask for system/Encounter.s (v1 spelling: system/Encounter.read), so entries name no visit") {
		t.Errorf("%s %+v", got, gap)
	}
	if f := fact(t, r, "scopes trimmed"); f.Value != "none" {
		t.Errorf("%+v", f)
	}
}

// TestBrokenKey: with a key the EHR does not know nothing is granted, and the sentence says who registers which key.
func TestBrokenKey(t *testing.T) {
	c := open(t, setting{traits: ehr.Full(), scopes: allScopes, wrongKey: true})
	r := c.examine()
	want := connector.Lack{Who: connector.FixEHR, Text: `the token endpoint ` + c.ehr.Auth.TokenURL() + ` refused client "chartwire" (invalid_client, HTTP 401): ` +
		`the EHR administrator must register this client id with the public key whose kid is ` + c.key.ID() + `, and enable it.`}
	for _, name := range []string{"Patient read", "Communication create"} {
		got, gap := row(t, r, name)
		if got != name+": needed yes no unknown" || gap == nil || *gap != want {
			t.Errorf("%s %+v\nwant %+v", got, gap, want)
		}
	}
	if f := fact(t, r, "token"); f.Good != connector.KnownNo || r.Good {
		t.Errorf("%+v, good: %v", f, r.Good)
	}
	var said bytes.Buffer
	doctor.Print(&said, []doctor.Report{r})
	if n := strings.Count(said.String(), want.Text); n != 2 { // what is needed, what is not
		t.Errorf("the sentence is there %d times:\n%s", n, said.String())
	}
}

// TestMissingKey: a secret file that is not there is found, not tripped over.
func TestMissingKey(t *testing.T) {
	c := open(t, setting{traits: ehr.Full(), scopes: allScopes})
	if err := os.Remove(c.path("backend.jwk.json")); err != nil {
		t.Fatal(err)
	}
	r := c.examine()
	if f := fact(t, r, "backend.key_file"); f.Good != connector.KnownNo || f.Gap.Who != connector.FixConfig || !strings.Contains(f.Gap.Text, "backend.jwk.json") {
		t.Errorf("%+v", f)
	}
	if got, gap := row(t, r, "Communication create"); got != "Communication create: needed yes unknown unknown" || gap == nil || gap.Who != connector.FixConfig || r.Good {
		t.Errorf("%s %+v, good: %v", got, gap, r.Good)
	}
	if n := len(c.ehr.Auth.TokenCalls()); n != 0 {
		t.Errorf("%d token calls without a key", n)
	}
}

// TestDeclaredAndNotThere: a search that is declared and refused is disproven by asking.
func TestDeclaredAndNotThere(t *testing.T) {
	c := open(t, setting{traits: ehr.Full(), scopes: allScopes, before: unknownHere(func(r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/fhir/Patient") || strings.Contains(r.URL.Path, "/fhir/Encounter")
	})})
	r := c.examine()
	base := c.ehr.Base()
	for name, want := range map[string]struct {
		row, gap string
	}{
		"Patient search":   {"Patient search: needed yes yes no now", base + "/metadata declares search of Patient, but answered it HTTP 405 now, so patients are not found by identifier, and their messages are held: the EHR administrator must enable it, or have its declaration corrected."},
		"Encounter search": {"Encounter search: - yes yes no now", base + "/metadata declares search of Encounter, but answered it HTTP 405 now, so entries name no visit: the EHR administrator must enable it, or have its declaration corrected."},
	} {
		if got, gap := row(t, r, name); got != want.row || gap == nil || gap.Text != want.gap || gap.Who != connector.FixEHR {
			t.Errorf("%s %+v", got, gap)
		}
	}
	if r.Good {
		t.Error("patients cannot be found, and the report is good")
	}
}

// TestNothingAnswers: an EHR that is not there leaves nothing known, and says whose work that is.
func TestNothingAnswers(t *testing.T) {
	c := open(t, setting{traits: ehr.Full(), scopes: allScopes})
	base := c.ehr.Base()
	c.ehr.Close()
	r := c.examine()
	got, gap := row(t, r, "Communication create")
	if got != "Communication create: needed unknown unknown unknown" || gap == nil || gap.Who != connector.FixInterface ||
		!strings.HasPrefix(gap.Text, "GET "+base+"/metadata got no answer: ehr mercy: GET "+strings.TrimSuffix(strings.TrimPrefix(base, "http://"), "/fhir")+": the connection is refused") {
		t.Errorf("%s %+v", got, gap)
	}
}

// TestPublishedKeys: our key set is looked for where EHRs fetch it.
func TestPublishedKeys(t *testing.T) {
	var c *clinic
	for name, want := range map[string]struct {
		serve http.HandlerFunc
		good  connector.Known
		who   connector.Fixer
		says  string
	}{
		"there": {func(w http.ResponseWriter, _ *http.Request) {
			set, _ := smart.PublicJWKS(c.key)
			_, _ = w.Write(set)
		}, connector.KnownYes, "", ""},
		"another key": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[{"kid":"old"}]}`)) },
			connector.KnownNo, connector.FixConfig, "does not have the key id"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
			connector.KnownNo, connector.FixInterface, "a redirect (HTTP 302)"},
		"another site": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
			connector.KnownNo, connector.FixInterface, "no key set"},
		"not there":   {http.NotFound, connector.KnownNo, connector.FixInterface, "HTTP 404"},
		"not reached": {nil, connector.NotKnown, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := setting{traits: ehr.Full(), scopes: allScopes}
			if want.serve != nil {
				mux := http.NewServeMux()
				mux.HandleFunc("/.well-known/jwks.json", want.serve)
				site := httptest.NewServer(mux)
				t.Cleanup(site.Close)
				s.public = site.URL
			}
			c = open(t, s)
			f := fact(t, c.examine(), "JWKS")
			if f.Good != want.good || (f.Gap == nil) != (want.who == "") || f.Gap != nil && (f.Gap.Who != want.who || !strings.Contains(f.Gap.Text, want.says)) {
				t.Errorf("%+v %+v", f, f.Gap)
			}
		})
	}
}
