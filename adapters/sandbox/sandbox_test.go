package sandbox_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/testdata/threads"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// world is a sandbox EHR that asks for tokens, seeded with the bundled threads' people, and the key of its clients.
type world struct {
	*sandbox.EHR
	t    *testing.T
	key  *ecdsa.PrivateKey
	refs seed.Refs
	n    int
}

func startEHR(t *testing.T, clients map[string]string, rules ...string) *world {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwks, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k"}}})
	traits, err := ehr.Profile("fhir")
	if err != nil {
		t.Fatal(err)
	}
	opts := sandbox.EHROptions{EHR: ehr.Options{Now: time.Now, Traits: traits}}
	if len(rules) > 0 {
		opts.EHR.Script = script.Must[ehr.Script](strings.Join(rules, "\n"))
	}
	for id, scopes := range clients {
		opts.Clients = append(opts.Clients, auth.Client{ID: id, JWKS: jwks, Scopes: scopes, Backend: true})
	}
	e, err := sandbox.StartEHR(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	people, err := seed.FromEvents(threads.All())
	if err != nil {
		t.Fatal(err)
	}
	bundle, refs := seed.Bundle(people)
	if err := e.Seed(bundle); err != nil {
		t.Fatal(err)
	}
	if err := e.Seed(bundle); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	return &world{EHR: e, t: t, key: key, refs: refs}
}

// token does SMART Backend Services as a client from nothing but the FHIR base.
func (w *world) token(client, scopes string) string {
	w.t.Helper()
	_, doc := w.do("GET", w.Base()+"/.well-known/smart-configuration", "", "")
	endpoint, _ := doc["token_endpoint"].(string)
	w.n++
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES384, Key: jose.JSONWebKey{Key: w.key, KeyID: "k"}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		w.t.Fatal(err)
	}
	assertion, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": client, "sub": client, "aud": endpoint, "exp": time.Now().Add(time.Minute).Unix(), "jti": fmt.Sprint(w.n),
	}).Serialize()
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.PostForm(endpoint, url.Values{
		"grant_type": {"client_credentials"}, "scope": {scopes}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&body)
	token, _ := body["access_token"].(string)
	if token == "" {
		w.t.Fatalf("%d %v", resp.StatusCode, body)
	}
	return token
}

func (w *world) do(method, url, token, body string) (int, map[string]any) {
	w.t.Helper()
	if !strings.HasPrefix(url, "http") {
		url = w.Base() + url
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, _ := io.ReadAll(resp.Body)
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		w.t.Fatalf("%s %s: %d is not JSON: %s", method, url, resp.StatusCode, raw)
	}
	return resp.StatusCode, out
}

func decode(resp *http.Response, into any) { _ = json.NewDecoder(resp.Body).Decode(into) }

func diagnostics(body map[string]any) string {
	issues, _ := body["issue"].([]any)
	if len(issues) == 0 {
		return ""
	}
	text, _ := issues[0].(map[string]any)["diagnostics"].(string)
	return text
}

func TestScopesAreEnforcedPerRequest(t *testing.T) {
	w := startEHR(t, map[string]string{
		"filer": "system/*.cruds", "reader": "system/*.read", "notes": "system/DocumentReference.cr?category=clinical-note system/Patient.r",
	})
	var patient string
	for _, p := range w.refs.Patients {
		patient = p
		break
	}
	message := `{"resourceType":"Communication","status":"completed","subject":{"reference":"` + patient + `"},"payload":[{"contentString":"hi"}]}`
	note := func(category string) string {
		return `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"` + patient + `"},
			"category":[{"coding":[{"system":"http://x.example","code":"` + category + `"}]}],"content":[{"attachment":{"contentType":"text/plain","data":"SGk="}}]}`
	}
	transaction := `{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"urn:uuid:6f1d0c1e-5d0b-4a57-9a55-2f1f0b1f0a01","request":{"method":"POST","url":"Communication"},"resource":` + message + `},
		{"request":{"method":"POST","url":"Provenance"},"resource":{"resourceType":"Provenance","recorded":"2026-11-22T18:00:00Z",
		"target":[{"reference":"urn:uuid:6f1d0c1e-5d0b-4a57-9a55-2f1f0b1f0a01"}],"agent":[{"who":{"reference":"` + w.refs.Organization + `"}}]}}]}`
	all, read := w.token("filer", "system/*.cruds"), w.token("reader", "system/*.read")
	one := w.token("filer", "system/Communication.c")
	notes := w.token("notes", "system/DocumentReference.cr?category=clinical-note system/Patient.r")
	for _, c := range []struct {
		name, method, path, token, body string
		status                          int
		words                           string
	}{
		{"no token", "GET", "/" + patient, "", "", 401, "REQ#264"},
		{"made-up token", "GET", "/" + patient, "x", "", 401, "REQ#265"},
		{"metadata needs none", "GET", "/metadata", "", "", 200, ""},
		{"read", "GET", "/" + patient, read, "", 200, ""},
		{"v1 read allows search", "GET", "/Patient?active=true", read, "", 200, ""},
		{"v1 read does not write", "POST", "/Communication", read, message, 403, "REQ#266"},
		{"create only", "POST", "/Communication", one, message, 201, ""},
		{"create only does not search", "GET", "/Communication?status=completed", one, "", 403, "system"},
		{"create only does not read", "GET", "/Communication/x", one, "", 403, "REQ#266"},
		{"a transaction needs every scope", "POST", "", one, transaction, 403, "create of Provenance"},
		{"and has it", "POST", "", all, transaction, 200, ""},
		{"narrowed create, outside", "POST", "/DocumentReference", notes, note("other"), 403, "REQ#132"},
		{"narrowed create, inside", "POST", "/DocumentReference", notes, note("clinical-note"), 201, ""},
		{"r is not s", "GET", "/Patient?active=true", notes, "", 403, "search of Patient"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := w.do(c.method, c.path, c.token, c.body)
			if status != c.status || c.name != "create only does not search" && !strings.Contains(diagnostics(body), c.words) {
				t.Errorf("%d %v", status, body)
			}
		})
	}
	made := map[string]int{}
	for _, e := range w.Ledger() {
		made[e.ClientID+" "+e.Type]++
	}
	if made["filer Communication"] != 2 || made["filer Provenance"] != 1 || made["notes DocumentReference"] != 1 || len(made) != 3 {
		t.Errorf("%v", made)
	}
	for _, d := range w.All("DocumentReference") {
		if status, _ := w.do("GET", "/"+d.Reference(), notes, ""); status != 200 {
			t.Errorf("its own note: %d", status)
		}
	}
	if w.Auth.TokenCalls()[0].ClientID == "" {
		t.Error("a token call was not counted")
	}
}

func TestServersEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e, err := sandbox.StartEHR(ctx, sandbox.EHROptions{EHR: ehr.Options{Now: time.Now}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := sandbox.StartPlatform(ctx, "", platform.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, origin := range []string{e.URL() + "/nowhere", p.URL() + "/nowhere"} {
		resp, err := http.Get(origin)
		if err != nil || resp.StatusCode != 404 {
			t.Fatalf("%v %v", resp, err)
		}
		_ = resp.Body.Close()
	}
	if !strings.HasPrefix(p.Secret(), "whsec_") || p.SendURL() != p.URL()+"/messages" {
		t.Errorf("%s", p.SendURL())
	}
	cancel()
	e.Close() // waits for what the context began
	p.Close()
	http.DefaultClient.CloseIdleConnections()
	if _, err := http.Get(e.URL()); err == nil {
		t.Error("the EHR still answers")
	}
	if _, err := http.Get(p.URL()); err == nil {
		t.Error("the platform still answers")
	}
	if _, err := sandbox.StartEHR(t.Context(), sandbox.EHROptions{Addr: "256.0.0.1:1", EHR: ehr.Options{Now: time.Now}}); err == nil {
		t.Error("listened on an address that is none")
	}
}
