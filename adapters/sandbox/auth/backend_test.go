package auth_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/go-jose/go-jose/v4"
)

func TestBackendServicesGrants(t *testing.T) {
	for name, a := range map[string]assertion{
		"ES384 (REQ#309)":            {},
		"RS384 (REQ#308)":            {key: rsaKey(), alg: jose.RS384, kid: "rsa-1"},
		"aud as a list of one":       {claims: map[string]any{"aud": []string{"TOKEN"}}},
		"exp five minutes (REQ#331)": {claims: map[string]any{"exp": time.Date(2026, 11, 22, 18, 5, 0, 0, time.UTC).Unix()}},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			if a.claims["aud"] != nil {
				a.claims = map[string]any{"aud": []string{w.TokenURL()}}
			}
			got := w.post("/token", w.backendForm(a, "scope", "system/Communication.cu system/Patient.read system/Task.c"))
			if got.status != 200 || got.str("access_token") == "" || !strings.EqualFold(got.str("token_type"), "bearer") || got.body["expires_in"] != 300.0 {
				t.Fatalf("%d %v", got.status, got.body)
			}
			if got.str("scope") != "system/Communication.cu system/Patient.read" {
				t.Errorf("granted %q", got.str("scope"))
			}
			if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Pragma") != "no-cache" || got.body["refresh_token"] != nil {
				t.Errorf("%v %v", got.header, got.body)
			}
			calls := w.TokenCalls()
			if len(calls) != 1 || calls[0].ClientID != "backend" || calls[0].Scope != got.str("scope") || calls[0].Refusal != "" {
				t.Errorf("%+v", calls)
			}
		})
	}
}

func TestBackendServicesRefuses(t *testing.T) {
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	claim := func(name string, value any) assertion { return assertion{claims: map[string]any{name: value}} }
	cases := []struct {
		name    string
		a       assertion
		changes []string
		status  int
		code    string
		req     string
	}{
		{"no grant_type", assertion{}, []string{"grant_type", ""}, 400, "invalid_request", "REQ#236"},
		{"another grant_type", assertion{}, []string{"grant_type", "password"}, 400, "unsupported_grant_type", "REQ#236"},
		{"no assertion at all", assertion{}, []string{"client_assertion", "", "client_assertion_type", ""}, 401, "invalid_client", "REQ#334"},
		{"no assertion type", assertion{}, []string{"client_assertion_type", ""}, 401, "invalid_client", "REQ#333"},
		{"another assertion type", assertion{}, []string{"client_assertion_type", "jwt"}, 401, "invalid_client", "REQ#333"},
		{"no assertion", assertion{}, []string{"client_assertion", ""}, 401, "invalid_client", "REQ#334"},
		{"garbage", assertion{}, []string{"client_assertion", "a.b.c"}, 401, "invalid_client", "REQ#321"},
		{"client_id of a confidential client", assertion{}, []string{"client_id", "backend"}, 400, "invalid_request", "REQ#72"},
		{"ES384 key, HS256", assertion{key: []byte(strings.Repeat("k", 48)), alg: jose.HS384, kid: "ec-1"}, nil, 401, "invalid_client", "REQ#320"},
		{"RS256", assertion{key: rsaKey(), alg: jose.RS256, kid: "rsa-1"}, nil, 401, "invalid_client", "REQ#320"},
		{"no kid", assertion{key: ecKey(), alg: jose.ES384, kid: "none"}, nil, 401, "invalid_client", "REQ#322"},
		{"unknown kid", assertion{key: ecKey(), alg: jose.ES384, kid: "ec-9"}, nil, 401, "invalid_client", "REQ#338"},
		{"typ not JWT", assertion{typ: "at+jwt"}, nil, 401, "invalid_client", "REQ#323"},
		{"foreign jku", assertion{headers: map[jose.HeaderKey]any{"jku": "https://evil.example/jwks"}}, nil, 401, "invalid_client", "REQ#325"},
		{"no iss", claim("iss", nil), nil, 401, "invalid_client", "REQ#327"},
		{"unknown iss", claim("iss", "nobody"), nil, 401, "invalid_client", "REQ#337"},
		{"iss of a client without keys", claim("iss", "symmetric"), nil, 401, "invalid_client", "REQ#337"},
		{"no sub", claim("sub", nil), nil, 401, "invalid_client", "REQ#328"},
		{"sub another", claim("sub", "inbox"), nil, 401, "invalid_client", "REQ#328"},
		{"no aud", claim("aud", nil), nil, 401, "invalid_client", "REQ#329"},
		{"aud the issuer", claim("aud", "http://127.0.0.1/auth"), nil, 401, "invalid_client", "REQ#329"},
		{"aud with a slash", claim("aud", "SLASH"), nil, 401, "invalid_client", "REQ#329"},
		{"aud two", claim("aud", []string{"TOKEN", "x"}), nil, 401, "invalid_client", "REQ#329"},
		{"no exp", claim("exp", nil), nil, 401, "invalid_client", "REQ#330"},
		{"exp past", claim("exp", now.Unix()), nil, 401, "invalid_client", "REQ#330"},
		{"exp beyond five minutes", claim("exp", now.Unix()+301), nil, 401, "invalid_client", "REQ#331"},
		{"no jti", claim("jti", nil), nil, 401, "invalid_client", "REQ#332"},
		{"iat in the future", claim("iat", now.Unix()+60), nil, 401, "invalid_client", "REQ#335"},
		{"nbf in the future", claim("nbf", now.Unix()+60), nil, 401, "invalid_client", "REQ#335"},
		{"signed by another key", assertion{key: otherKey(), alg: jose.ES384, kid: "ec-1"}, nil, 401, "invalid_client", "REQ#335"},
		{"right key, wrong alg for it", assertion{key: rsaKey(), alg: jose.RS384, kid: "ec-1"}, nil, 401, "invalid_client", "REQ#321"},
		{"no scope", assertion{}, []string{"scope", ""}, 400, "invalid_scope", "REQ#235"},
		{"user scope", assertion{}, []string{"scope", "user/Patient.rs"}, 400, "invalid_scope", "REQ#239"},
		{"openid", assertion{}, []string{"scope", "openid system/Patient.rs"}, 400, "invalid_scope", "REQ#239"},
		{"scope nobody registered", assertion{}, []string{"scope", "system/Task.c"}, 400, "invalid_scope", "REQ#250"},
		{"letters out of order", assertion{}, []string{"scope", "system/Patient.sr"}, 400, "invalid_scope", "REQ#135"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := start(t)
			switch aud := c.a.claims["aud"].(type) {
			case string:
				if aud == "SLASH" {
					c.a = claim("aud", w.TokenURL()+"/")
				}
			case []string:
				c.a = claim("aud", []string{w.TokenURL(), "x"})
			}
			got := w.post("/token", w.backendForm(c.a, c.changes...))
			w.refused(got, c.status, c.code, c.req)
			if calls := w.TokenCalls(); len(calls) != 1 || !strings.Contains(calls[0].Refusal, c.req) {
				t.Errorf("calls %+v", calls)
			}
		})
	}
}

func TestTokenRequestForm(t *testing.T) {
	w := start(t)
	form := w.backendForm(assertion{})
	w.refused(w.post("/token", form, "Content-Type", "application/json"), 400, "invalid_request", "REQ#234")
	form.Add("scope", "twice")
	w.refused(w.post("/token", form), 400, "invalid_request", "scope is given more than once")
	w.refused(w.post("/token?grant_type=client_credentials", w.backendForm(assertion{})), 400, "invalid_request", "in the body")
	get := must(http.NewRequest("GET", w.TokenURL(), nil))
	w.refused(w.do(get), 405, "invalid_request", "REQ#234")
	both := w.post("/token", w.backendForm(assertion{}), "Authorization", "Basic Og==")
	w.refused(both, 401, "invalid_client", "one way to authenticate")
	inbox := w.backendForm(assertion{claims: map[string]any{"iss": "inbox", "sub": "inbox"}})
	w.refused(w.post("/token", inbox), 400, "unauthorized_client", "REQ#240")
	symmetric := change(w.backendForm(assertion{}), "client_assertion", "", "client_assertion_type", "")
	w.refused(w.post("/token", symmetric, "Authorization", "Basic c3ltbWV0cmljOnMzY3JldA=="), 400, "unauthorized_client", "REQ#240")
}

func TestAnAssertionWorksOnce(t *testing.T) {
	w := start(t)
	form := w.backendForm(assertion{})
	if got := w.post("/token", form); got.status != 200 {
		t.Fatalf("%v", got.body)
	}
	w.refused(w.post("/token", form), 401, "invalid_client", "REQ#336")
	same := w.backendForm(assertion{claims: map[string]any{"jti": "chosen"}})
	wrong := w.backendForm(assertion{key: otherKey(), alg: jose.ES384, kid: "ec-1", claims: map[string]any{"jti": "chosen"}})
	w.refused(w.post("/token", wrong), 401, "invalid_client", "REQ#335")
	if got := w.post("/token", same); got.status != 200 {
		t.Errorf("a forged assertion used up the jti of a real one: %v", got.body)
	}
}

func TestTokensExpireAndAreRevoked(t *testing.T) {
	w := start(t)
	token := w.post("/token", w.backendForm(assertion{})).str("access_token")
	use := func(header string) error {
		r := must(http.NewRequest("GET", "http://x/fhir/Patient", nil))
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		grant, err := w.Authenticate(r)
		if err == nil && (grant.ClientID != "backend" || grant.Scopes.String() != "system/Communication.c system/Patient.rs") {
			t.Errorf("%+v", grant)
		}
		return err
	}
	if err := use("Bearer " + token); err != nil {
		t.Error(err)
	}
	if err := use("bearer " + token); err != nil {
		t.Error(err)
	}
	for header, req := range map[string]string{"": "REQ#264", "Basic " + token: "REQ#264", "Bearer x": "REQ#265"} {
		if err := use(header); err == nil || !strings.Contains(err.Error(), req) {
			t.Errorf("%q: %v", header, err)
		}
	}
	w.clock.Add(299 * time.Second)
	if err := use("Bearer " + token); err != nil {
		t.Error(err)
	}
	w.clock.Add(time.Second)
	if err := use("Bearer " + token); err == nil {
		t.Error("an expired token was taken")
	}
	token = w.post("/token", w.backendForm(assertion{})).str("access_token")
	w.RevokeTokens()
	if err := use("Bearer " + token); err == nil {
		t.Error("a revoked token was taken")
	}
}

func TestKeysFromAURLAreCachedAsLongAsAllowed(t *testing.T) {
	w := start(t)
	fetched := 0
	served := jwks()
	server := w.serve
	w.serve = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/client/jwks.json" {
			server.ServeHTTP(rw, r)
			return
		}
		fetched++
		if served == nil {
			http.Error(rw, "gone", http.StatusNotFound)
			return
		}
		rw.Header().Set("Cache-Control", "public, max-age=60")
		_, _ = rw.Write(served)
	})
	ask := func() answer {
		claims := map[string]any{"iss": "published", "sub": "published"}
		return w.post("/token", w.backendForm(assertion{claims: claims, headers: map[jose.HeaderKey]any{"jku": w.web.URL + "/client/jwks.json"}}))
	}
	for range 3 {
		if got := ask(); got.status != 200 {
			t.Fatalf("%v", got.body)
		}
	}
	if fetched != 1 {
		t.Errorf("fetched %d times within max-age", fetched)
	}
	served = must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: otherKey().Public(), KeyID: "new"}}}))
	w.clock.Add(61 * time.Second)
	w.refused(ask(), 401, "invalid_client", "REQ#338")
	served = nil
	w.clock.Add(61 * time.Second)
	w.refused(ask(), 401, "invalid_client", "REQ#338")
}

func TestRegistrationRefuses(t *testing.T) {
	w := start(t)
	private := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ecKey(), KeyID: "a"}}}))
	nameless := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ecKey().Public()}}}))
	twice := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ecKey().Public(), KeyID: "a"}, {Key: rsaKey().Public(), KeyID: "a"}}}))
	for req, c := range map[string]auth.Client{
		"no id":            {},
		"one way":          {ID: "x", JWKS: jwks(), Secret: "y"},
		"REQ#229":          {ID: "x", Secret: "y", Backend: true},
		"REQ#294":          {ID: "x", JWKS: []byte("{")},
		"REQ#293":          {ID: "x", JWKS: []byte(`{"keys":[]}`)},
		"REQ#295":          {ID: "x", JWKS: private},
		"REQ#313":          {ID: "x", JWKS: nameless},
		"REQ#322":          {ID: "x", JWKS: twice},
		"REQ#301":          {ID: "x", JWKSURL: "http://keys.example/jwks"},
		"REQ#21":           {ID: "x", RedirectURIs: []string{"http://app.example/cb"}},
		"without fragment": {ID: "x", RedirectURIs: []string{"https://app.example/cb#x"}},
		"REQ#135":          {ID: "x", Scopes: "system/Nonsense"},
	} {
		if err := w.Register(c); err == nil || !strings.Contains(err.Error(), req) {
			t.Errorf("%s: %v", req, err)
		}
	}
}

// TestRegisteredScopes: a client whose APIs were chosen at registration is granted those, whatever it asks for.
func TestRegisteredScopes(t *testing.T) {
	w := start(t)
	if err := w.Register(auth.Client{ID: "backend", JWKS: jwks(), Scopes: "system/Patient.read", Backend: true, Registered: true}); err != nil {
		t.Fatal(err)
	}
	for _, asked := range []string{"", "system/Task.c", "nonsense"} {
		if got := w.post("/token", w.backendForm(assertion{}, "scope", asked)); got.status != 200 || got.body["scope"] != "system/Patient.read" {
			t.Errorf("asked for %q: %d %v", asked, got.status, got.body["scope"])
		}
	}
}
