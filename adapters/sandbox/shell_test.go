package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/testdata/threads"
)

// clinic is a sandbox EHR with its pages open and a public app registered, to which one chart is closed.
func clinic(t *testing.T, app string) (*sandbox.EHR, seed.Refs, http.Handler) {
	t.Helper()
	traits, err := ehr.Profile("fhir")
	if err != nil {
		t.Fatal(err)
	}
	people, err := seed.FromEvents(threads.All())
	if err != nil {
		t.Fatal(err)
	}
	bundle, refs := seed.Bundle(people)
	e, err := sandbox.StartEHR(t.Context(), sandbox.EHROptions{
		EHR:      ehr.Options{Now: time.Now, Traits: traits, Closed: func(_, patient string) bool { return patient == refs.Twins[0] }},
		Clients:  []auth.Client{{ID: "inbox", RedirectURIs: []string{app + "/callback"}, Scopes: "launch openid fhirUser user/Patient.rs"}},
		Browsers: []string{app},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	if err := e.Seed(bundle); err != nil {
		t.Fatal(err)
	}
	pages, err := e.OpenShell(app + "/launch/sandbox")
	if err != nil {
		t.Fatal(err)
	}
	return e, refs, pages
}

func page(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

// TestShellLaunches: the EHR's page of a patient holds a frame that begins an EHR launch of that patient and their open
// encounter, as the user who is signed in.
func TestShellLaunches(t *testing.T) {
	const app = "https://app.example"
	e, refs, pages := clinic(t, app)
	patient, user := "", ""
	for _, ref := range refs.Patients {
		patient = ref
	}
	for _, ref := range refs.People {
		user = ref
	}
	shown := page(t, pages, "/shell/patient/"+strings.TrimPrefix(patient, "Patient/")+"?as="+user)
	want := `src="/shell/launch?as=` + strings.ReplaceAll(user, "/", "%2F") + `&amp;patient=` + strings.ReplaceAll(patient, "/", "%2F")
	if shown.Code != 200 || !strings.Contains(shown.Body.String(), want) {
		t.Fatalf("%d, no frame %s in\n%s", shown.Code, want, shown.Body)
	}
	if csp := shown.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "frame-src 'self' "+app) {
		t.Errorf("the app may not be framed: %s", csp)
	}
	gone := page(t, pages, "/shell/launch?"+url.Values{"as": {user}, "patient": {patient}}.Encode())
	to, err := url.Parse(gone.Header().Get("Location"))
	if err != nil || gone.Code != http.StatusFound || to.Host != "app.example" || to.Path != "/launch/sandbox" || to.Query().Get("iss") != e.Base() {
		t.Fatalf("%d to %s", gone.Code, to)
	}
	answer := signIn(t, e, app, to.Query().Get("launch"))
	if "Patient/"+answer.Patient != patient || answer.Encounter == "" || answer.Banner == nil || *answer.Banner {
		t.Errorf("launched with %+v", answer)
	}
	if got := get(t, e, answer.Token, patient); got != 200 {
		t.Errorf("the launched patient: HTTP %d", got)
	}
	if got := get(t, e, answer.Token, refs.Twins[0]); got != 404 {
		t.Errorf("a chart that is closed to the user: HTTP %d, want 404", got)
	}
}

func TestShellOfNobody(t *testing.T) {
	_, _, pages := clinic(t, "https://app.example")
	for path, want := range map[string]int{"/shell/": 200, "/shell/inbox": 200, "/shell/patient/nobody": 404, "/shell/shell.js": 200, "/shell/style.json": 200, "/shell/other": 404} {
		if got := page(t, pages, path); got.Code != want {
			t.Errorf("%s: %d, want %d", path, got.Code, want)
		}
	}
}

type granted struct {
	Token     string `json:"access_token"`
	Patient   string `json:"patient"`
	Encounter string `json:"encounter"`
	Banner    *bool  `json:"need_patient_banner"`
}

// signIn goes through the authorization with a launch value, as a public app in a browser does: the token is asked for from
// the app's origin.
func signIn(t *testing.T, e *sandbox.EHR, app, launch string) granted {
	t.Helper()
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
	authorize, token := e.Auth.Endpoints()
	ask := url.Values{"response_type": {"code"}, "client_id": {"inbox"}, "redirect_uri": {app + "/callback"}, "scope": {"launch openid fhirUser user/Patient.rs"},
		"state": {"0123456789abcdef0123456789"}, "aud": {e.Base()}, "launch": {launch}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	back := do(t, c, http.MethodGet, authorize+"?"+ask.Encode(), "", nil)
	to, err := url.Parse(back.Header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		t.Fatalf("no code: %s", to)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {app + "/callback"}, "code_verifier": {verifier}, "client_id": {"inbox"}}
	r := do(t, c, http.MethodPost, token, app, form)
	if r.StatusCode != 200 || r.Header.Get("Access-Control-Allow-Origin") != app {
		t.Fatalf("token: HTTP %d, %v", r.StatusCode, r.Header)
	}
	var out granted
	if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func do(t *testing.T, c *http.Client, method, to, origin string, form url.Values) *http.Response {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, to, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func get(t *testing.T, e *sandbox.EHR, token, reference string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.Base()+"/"+reference, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestBrowsersOfOthers: who is not a known app gets no permission to read, and no preflight.
func TestBrowsersOfOthers(t *testing.T) {
	e, _, _ := clinic(t, "https://app.example")
	for origin, want := range map[string]bool{"https://app.example": true, "https://other.example": false} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions, e.Base()+"/Patient", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "GET")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Access-Control-Allow-Origin") == origin && resp.StatusCode == 204; got != want {
			t.Errorf("%s: HTTP %d, %v", origin, resp.StatusCode, resp.Header)
		}
	}
}
