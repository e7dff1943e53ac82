package auth_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	redirect  = "https://cw.example/callback/mercy"
	appScopes = "openid fhirUser launch launch/patient launch/encounter online_access offline_access user/Patient.rs user/Communication.crus patient/Observation.rs"
	verifier  = "0123456789-0123456789-0123456789-0123456789._~"
)

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorizeParams is a right authorization request for a launch, but for the changes; "" deletes.
func (w *world) authorizeParams(client, launch string, changes ...string) url.Values {
	return change(url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirect}, "aud": {w.web.URL + "/fhir"},
		"scope": {"openid fhirUser launch online_access user/Patient.rs user/Communication.cruds"}, "state": {"0123456789abcdefghijklmn"},
		"code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}, "launch": {launch}, "nonce": {"n-1"},
	}, changes...)
}

// authorize sends the request and returns the parameters of the redirect; the answer when there was none.
func (w *world) authorize(params url.Values) (url.Values, answer) {
	w.t.Helper()
	a := w.do(must(http.NewRequestWithContext(w.t.Context(), "GET", w.web.URL+"/auth/authorize?"+params.Encode(), nil)))
	location := a.header.Get("Location")
	if a.status != 302 {
		return nil, a
	}
	u := must(url.Parse(location))
	if !strings.HasPrefix(location, redirect) {
		w.t.Fatalf("redirected to %s", location)
	}
	return u.Query(), a
}

func (w *world) exchangeForm(client, code string, changes ...string) url.Values {
	f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
	if client == "public" {
		f.Set("client_id", client)
	} else {
		f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		f.Set("client_assertion", w.sign(assertion{}, client))
	}
	return change(f, changes...)
}

func (w *world) launched(client string) string {
	w.t.Helper()
	got, a := w.authorize(w.authorizeParams(client, w.NewLaunch(auth.Launch{Patient: "daniel", Encounter: "visit", User: "Practitioner/ana", UserName: "Ana Rivera", Intent: "inbox"})))
	if got.Get("code") == "" || got.Get("state") != "0123456789abcdefghijklmn" {
		w.t.Fatalf("%v %v", got, a.body)
	}
	return got.Get("code")
}

func TestEHRLaunch(t *testing.T) {
	for _, client := range []string{"inbox", "public", "symmetric"} {
		t.Run(client, func(t *testing.T) {
			w := start(t)
			form := w.exchangeForm(client, w.launched(client))
			var headers []string
			if client == "symmetric" {
				change(form, "client_assertion", "", "client_assertion_type", "")
				headers = []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("symmetric:s3cret"))}
			}
			got := w.post("/token", form, headers...)
			if got.status != 200 || got.str("patient") != "daniel" || got.str("encounter") != "visit" || got.str("intent") != "inbox" {
				t.Fatalf("%d %v", got.status, got.body)
			}
			if want := "openid fhirUser launch online_access user/Patient.rs user/Communication.crus"; got.str("scope") != want {
				t.Errorf("scope %q", got.str("scope"))
			}
			claims := w.verifyIDToken(got.str("id_token"))
			for name, want := range map[string]any{
				"iss": w.web.URL + "/auth", "aud": client, "nonce": "n-1", "fhirUser": w.web.URL + "/fhir/Practitioner/ana", "name": "Ana Rivera",
			} {
				if claims[name] != want {
					t.Errorf("%s %v, want %v", name, claims[name], want)
				}
			}
			r := must(http.NewRequest("GET", "http://x/", nil))
			r.Header.Set("Authorization", "Bearer "+got.str("access_token"))
			if grant, err := w.Authenticate(r); err != nil || grant.Patient != "Patient/daniel" {
				t.Errorf("%+v %v", grant, err)
			}
		})
	}
}

// verifyIDToken does what REQ#218 asks of a client: discovery, key set, signature.
func (w *world) verifyIDToken(raw string) map[string]any {
	w.t.Helper()
	ctx := context.Background()
	discovery := w.do(must(http.NewRequestWithContext(ctx, "GET", w.web.URL+"/auth/.well-known/openid-configuration", nil)))
	keys := w.do(must(http.NewRequestWithContext(ctx, "GET", discovery.str("jwks_uri"), nil)))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(must(json.Marshal(keys.body)), &set); err != nil {
		w.t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		w.t.Fatal(err)
	}
	var claims map[string]any
	if err := parsed.Claims(set.Key(parsed.Headers[0].KeyID)[0].Key, &claims); err != nil {
		w.t.Fatal(err)
	}
	return claims
}

func TestAuthorizeRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		changes []string
		code    string
		req     string
		direct  bool // no redirect
	}{
		{"unknown client", []string{"client_id", "nobody"}, "invalid_request", "REQ#33", true},
		{"redirect with a slash", []string{"redirect_uri", redirect + "/"}, "invalid_request", "REQ#34", true},
		{"no redirect", []string{"redirect_uri", ""}, "invalid_request", "REQ#34", true},
		{"token response", []string{"response_type", "token"}, "unsupported_response_type", "REQ#32", false},
		{"no state", []string{"state", ""}, "invalid_request", "REQ#39", false},
		{"short state", []string{"state", "1"}, "invalid_request", "REQ#40", false},
		{"no aud", []string{"aud", ""}, "invalid_request", "REQ#41", false},
		{"aud with a slash", []string{"aud", "SLASH"}, "invalid_request", "REQ#41", false},
		{"no challenge", []string{"code_challenge", ""}, "invalid_request", "REQ#44", false},
		{"short challenge", []string{"code_challenge", "abc"}, "invalid_request", "REQ#44", false},
		{"plain", []string{"code_challenge_method", "plain"}, "invalid_request", "REQ#45", false},
		{"no method", []string{"code_challenge_method", ""}, "invalid_request", "REQ#45", false},
		{"max_age", []string{"max_age", "60"}, "invalid_request", "REQ#211", false},
		{"no scope", []string{"scope", ""}, "invalid_scope", "REQ#37", false},
		{"bad scope", []string{"scope", "user/Patient.sr"}, "invalid_scope", "REQ#135", false},
		{"system scope", []string{"scope", "launch system/Patient.r"}, "invalid_scope", "REQ#143", false},
		{"nothing registered", []string{"scope", "user/Task.c"}, "invalid_scope", "REQ#250", false},
		{"unknown launch", []string{"launch", "guess"}, "invalid_request", "REQ#35", false},
		{"no launch", []string{"launch", ""}, "invalid_request", "REQ#35", false},
		{"launch without its scope", []string{"scope", "openid"}, "invalid_request", "REQ#36", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t)
			if c.changes[1] == "SLASH" {
				c.changes = []string{"aud", w.web.URL + "/fhir/"}
			}
			got, a := w.authorize(w.authorizeParams("inbox", w.NewLaunch(auth.Launch{Patient: "daniel"}), c.changes...))
			if c.direct {
				w.refused(a, 400, c.code, c.req)
				return
			}
			if got.Get("error") != c.code || !strings.Contains(got.Get("error_description"), c.req) || got.Has("code") {
				t.Errorf("%v", got)
			}
		})
	}
	w := start(t)
	launch := w.NewLaunch(auth.Launch{})
	if got, _ := w.authorize(w.authorizeParams("inbox", launch)); got.Get("code") == "" {
		t.Errorf("%v", got)
	}
	if got, _ := w.authorize(w.authorizeParams("inbox", launch)); !strings.Contains(got.Get("error_description"), "REQ#35") {
		t.Errorf("a launch value worked twice: %v", got)
	}
	form := w.authorizeParams("inbox", w.NewLaunch(auth.Launch{}))
	if a := w.post("/authorize", form); a.status != 302 || !strings.Contains(a.header.Get("Location"), "code=") {
		t.Errorf("REQ#49: POST gave %d %v", a.status, a.header)
	}
}

func TestStandaloneLaunchGivesTheContextAskedFor(t *testing.T) {
	w := start(t)
	got, _ := w.authorize(w.authorizeParams("public", "", "scope", "launch/patient openid", "redirect_uri", redirect+"?tenant=1"))
	if got.Get("tenant") != "1" {
		t.Errorf("the redirect lost its own query: %v", got)
	}
	a := w.post("/token", w.exchangeForm("public", got.Get("code"), "redirect_uri", redirect+"?tenant=1"))
	if a.str("patient") != "daniel" || a.body["encounter"] != nil || a.body["refresh_token"] != nil {
		t.Errorf("%v", a.body)
	}
}

func TestCodeExchangeRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		client  string
		changes []string
		status  int
		code    string
		req     string
	}{
		{"no code", "inbox", []string{"code", ""}, 400, "invalid_grant", "REQ#68"},
		{"unknown code", "inbox", []string{"code", "x"}, 400, "invalid_grant", "REQ#68"},
		{"another redirect", "inbox", []string{"redirect_uri", redirect + "/"}, 400, "invalid_grant", "REQ#69"},
		{"no redirect", "inbox", []string{"redirect_uri", ""}, 400, "invalid_grant", "REQ#69"},
		{"no verifier", "inbox", []string{"code_verifier", ""}, 400, "invalid_grant", "REQ#70"},
		{"short verifier", "inbox", []string{"code_verifier", "short"}, 400, "invalid_grant", "REQ#70"},
		{"another verifier", "inbox", []string{"code_verifier", strings.Repeat("x", 43)}, 400, "invalid_grant", "REQ#31"},
		{"confidential without authentication", "inbox", []string{"client_assertion", "", "client_assertion_type", "", "client_id", "inbox"}, 401, "invalid_client", "REQ#64"},
		{"public without client_id", "public", []string{"client_id", ""}, 401, "invalid_client", "REQ#71"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t)
			form := w.exchangeForm(c.client, w.launched(c.client))
			w.refused(w.post("/token", change(form, c.changes...)), c.status, c.code, c.req)
		})
	}
	t.Run("another client's code", func(t *testing.T) {
		w := start(t)
		w.refused(w.post("/token", w.exchangeForm("inbox", w.launched("public"))), 400, "invalid_grant", "REQ#68")
	})
	t.Run("after 60 s", func(t *testing.T) {
		w := start(t)
		code := w.launched("inbox")
		w.clock.Add(60 * time.Second)
		w.refused(w.post("/token", w.exchangeForm("inbox", code)), 400, "invalid_grant", "REQ#58")
	})
	t.Run("twice ends the first token too", func(t *testing.T) {
		w := start(t)
		code := w.launched("inbox")
		token := w.post("/token", w.exchangeForm("inbox", code)).str("access_token")
		w.refused(w.post("/token", w.exchangeForm("inbox", code)), 400, "invalid_grant", "revoked")
		r := must(http.NewRequest("GET", "http://x/", nil))
		r.Header.Set("Authorization", "Bearer "+token)
		if _, err := w.Authenticate(r); err == nil {
			t.Error("the token of a replayed code still works")
		}
	})
	t.Run("wrong secret", func(t *testing.T) {
		w := start(t)
		form := change(w.exchangeForm("symmetric", w.launched("symmetric")), "client_assertion", "", "client_assertion_type", "")
		w.refused(w.post("/token", form, "Authorization", "Basic c3ltbWV0cmljOndyb25n"), 401, "invalid_client", "REQ#345")
		w.refused(w.post("/token", form, "Authorization", "Basic !!"), 401, "invalid_client", "REQ#345")
		form.Set("client_id", "symmetric")
		w.refused(w.post("/token", form, "Authorization", "Basic c3ltbWV0cmljOnMzY3JldA=="), 400, "invalid_request", "REQ#72")
	})
}

func TestRefreshRotates(t *testing.T) {
	w := start(t)
	first := w.post("/token", w.exchangeForm("inbox", w.launched("inbox")))
	refresh := func(token string, changes ...string) answer {
		return w.post("/token", w.exchangeForm("inbox", "", append([]string{
			"grant_type", "refresh_token", "refresh_token", token, "redirect_uri", "", "code_verifier", "",
		}, changes...)...))
	}
	second := refresh(first.str("refresh_token"))
	if second.status != 200 || second.str("refresh_token") == first.str("refresh_token") || second.str("scope") != first.str("scope") || second.str("patient") != "daniel" {
		t.Fatalf("%v", second.body)
	}
	w.refused(refresh(second.str("refresh_token"), "scope", "user/Patient.cruds"), 400, "invalid_scope", "REQ#108")
	narrowed := refresh(second.str("refresh_token"), "scope", "online_access user/Patient.r")
	if narrowed.status != 200 || narrowed.str("scope") != "online_access user/Patient.r" {
		t.Fatalf("%v", narrowed.body)
	}
	public := w.post("/token", w.exchangeForm("public", "", "grant_type", "refresh_token", "refresh_token", narrowed.str("refresh_token")))
	w.refused(public, 400, "invalid_grant", "REQ#103")
	w.refused(refresh(first.str("refresh_token")), 400, "invalid_grant", "family is revoked")
	w.refused(refresh(narrowed.str("refresh_token")), 400, "invalid_grant", "REQ#106")
}

// TestRefreshNamesNoClient: a refresh has no client_id in SMART App Launch 2.2; the token says whose it is. Who has to authenticate
// still has to.
func TestRefreshNamesNoClient(t *testing.T) {
	w := start(t)
	refresh := func(token string) answer {
		return w.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	first := w.post("/token", w.exchangeForm("public", w.launched("public")))
	if second := refresh(first.str("refresh_token")); second.status != 200 || second.str("refresh_token") == "" || second.str("patient") != "daniel" {
		t.Errorf("%d %v", second.status, second.body)
	}
	confidential := w.post("/token", w.exchangeForm("inbox", w.launched("inbox")))
	w.refused(refresh(confidential.str("refresh_token")), 401, "invalid_client", "REQ#64")
	w.refused(refresh("x"), 400, "invalid_grant", "REQ#103")
}

func TestIntrospectionAndRevocation(t *testing.T) {
	w := start(t)
	got := w.post("/token", w.exchangeForm("inbox", w.launched("inbox")))
	token := got.str("access_token")
	ask := func() answer {
		return w.post("/introspect", url.Values{"token": {token}}, "Authorization", "Bearer "+token)
	}
	if a := ask(); a.body["active"] != true || a.str("scope") != got.str("scope") || a.str("client_id") != "inbox" || a.str("patient") != "daniel" || a.str("sub") != "Practitioner/ana" {
		t.Errorf("%v", a.body)
	}
	if a := w.post("/introspect", url.Values{"token": {"x"}}, "Authorization", "Bearer "+token); a.body["active"] != false {
		t.Errorf("%v", a.body)
	}
	w.refused(w.post("/introspect", url.Values{"token": {token}}), 401, "invalid_client", "REQ#270")
	form := w.exchangeForm("inbox", "", "grant_type", "", "token", token)
	if a := w.post("/revoke", form); a.status != 200 {
		t.Errorf("%d %v", a.status, a.body)
	}
	w.refused(ask(), 401, "invalid_client", "REQ#270")
}

func TestDiscoveryDocument(t *testing.T) {
	w := start(t)
	var doc map[string]any
	if err := json.Unmarshal(w.SMARTConfiguration(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "grant_types_supported", "capabilities"} {
		if doc[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	methods := doc["code_challenge_methods_supported"].([]any)
	if len(methods) != 1 || methods[0] != "S256" || doc["token_endpoint"] != w.TokenURL() {
		t.Errorf("%v", doc)
	}
	if a := w.do(must(http.NewRequest("GET", w.web.URL+"/auth/other", nil))); a.status != 404 {
		t.Errorf("%d", a.status)
	}
}

// TestDocumentOfAVendor: a vendor's discovery document is served as it is, but for the addresses, which are this server's.
func TestDocumentOfAVendor(t *testing.T) {
	const issuer = "https://sandbox.example/auth"
	options := auth.Options{Issuer: issuer, FHIRBase: "https://sandbox.example/fhir", Now: time.Now,
		Document: []byte(`{"issuer":"https://vendor.example","token_endpoint":"https://vendor.example/token","capabilities":["permission-v1"],"more":[1]}`)}
	server, err := auth.New(options)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(server.SMARTConfiguration()), `{"capabilities":["permission-v1"],"issuer":"`+issuer+`","more":[1],"token_endpoint":"`+issuer+`/token"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	options.Document = []byte("null")
	if _, err := auth.New(options); err == nil {
		t.Error("what is no document is taken")
	}
}
