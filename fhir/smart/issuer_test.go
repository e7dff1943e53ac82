package smart

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	fhirBase = "https://ehr.example/api/fhir/r4"
	issuerAt = "https://auth.ehr.example"
	callback = "https://cw.example/callback/mercy"
	clientID = "inbox"
)

// The issuer's keys, made once.
var (
	rsaSigner   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherSigner = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256Signer  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Signer  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
)

func fixedClock() time.Time { return fixedNow }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// asked is one request as the EHR saw it.
type asked struct {
	method, at string
	form       url.Values
	header     http.Header
}

// ehrSide is an EHR with its authorization server, in memory. Tests change its fields to make it wrong.
type ehrSide struct {
	t      testing.TB
	now    func() time.Time
	conf   map[string]any // smart-configuration
	open   map[string]any // openid-configuration; nil: 404
	keys   []jose.JSONWebKey
	token  map[string]any // the answer of the token endpoint; id_token is added from claims
	status int            // of the token endpoint
	raw    []byte         // instead of token, where set
	claims map[string]any // of the id_token; nil: none
	sign   func(claims map[string]any) string
	fhir   func(r *http.Request) (int, http.Header, string)
	hold   chan struct{} // if not nil, token answers wait for it to close

	mu    sync.Mutex
	asked []asked
}

func newEHRSide(t testing.TB, now func() time.Time) *ehrSide {
	e := &ehrSide{t: t, now: now, status: 200,
		conf: map[string]any{
			"issuer": issuerAt, "jwks_uri": issuerAt + "/jwks", "authorization_endpoint": issuerAt + "/authorize",
			"token_endpoint": issuerAt + "/token", "revocation_endpoint": issuerAt + "/revoke",
			"grant_types_supported": []string{"authorization_code"}, "code_challenge_methods_supported": []string{"S256"},
			"capabilities": []string{"launch-ehr", "launch-standalone", "context-standalone-patient", "permission-v2", "sso-openid-connect"},
		},
		open: map[string]any{"issuer": issuerAt, "jwks_uri": issuerAt + "/jwks"},
		keys: []jose.JSONWebKey{{Key: rsaSigner().Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}},
		token: map[string]any{
			"access_token": "access-1", "refresh_token": "refresh-1", "token_type": "Bearer", "expires_in": 300, "patient": "daniel",
			"scope": "openid fhirUser launch online_access user/Patient.rs user/Communication.crus",
		},
	}
	e.claims = map[string]any{
		"iss": issuerAt, "aud": clientID, "sub": "u-1", "iat": now().Unix(), "exp": now().Add(5 * time.Minute).Unix(),
		"fhirUser": fhirBase + "/Practitioner/ana", "name": "Ana Rivera",
	}
	e.sign = func(claims map[string]any) string { return signToken(jose.RS256, rsaSigner(), "k1", claims) }
	return e
}

// signToken signs an id_token; kid "" leaves it out.
func signToken(alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	opts := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		opts = opts.WithHeader("kid", kid)
	}
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts))
	return must(must(signer.Sign(must(json.Marshal(claims)))).CompactSerialize())
}

func (e *ehrSide) RoundTrip(r *http.Request) (*http.Response, error) {
	a := asked{method: r.Method, at: r.URL.String(), header: r.Header.Clone()}
	if r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		a.form, _ = url.ParseQuery(string(body))
	}
	e.mu.Lock()
	e.asked = append(e.asked, a)
	e.mu.Unlock()
	status, header, body := e.answer(r)
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (e *ehrSide) answer(r *http.Request) (int, http.Header, string) {
	switch at := r.URL.String(); {
	case at == fhirBase+"/.well-known/smart-configuration":
		return 200, nil, text(e.conf)
	case strings.HasSuffix(at, "/.well-known/openid-configuration"):
		if e.open == nil {
			return 404, nil, ""
		}
		return 200, nil, text(e.open)
	case at == issuerAt+"/jwks":
		return 200, nil, text(jose.JSONWebKeySet{Keys: e.keys})
	case at == issuerAt+"/token":
		return e.tokenAnswer(r)
	case at == issuerAt+"/revoke":
		return 200, nil, ""
	case strings.HasPrefix(at, "https://ehr.example/") && e.fhir != nil:
		return e.fhir(r)
	}
	e.t.Errorf("nobody may be asked for %s", r.URL)
	return 500, nil, ""
}

func (e *ehrSide) tokenAnswer(r *http.Request) (int, http.Header, string) {
	if e.hold != nil {
		select {
		case <-e.hold:
		case <-r.Context().Done():
			return 504, nil, ""
		}
	}
	if e.raw != nil {
		return e.status, nil, string(e.raw)
	}
	out := maps.Clone(e.token)
	if e.claims != nil {
		out["id_token"] = e.sign(e.claims)
	}
	return e.status, nil, text(out)
}

func text(v any) string {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic(err)
	}
	return b.String()
}

// to gives the requests to an address.
func (e *ehrSide) to(at string) []asked {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []asked
	for _, a := range e.asked {
		if a.at == at {
			out = append(out, a)
		}
	}
	return out
}

const needed = "openid fhirUser online_access user/Patient.rs user/Communication.crus"

// app is a public client of a fresh EHR, but for the changes.
func app(t testing.TB, change ...func(*AppConfig)) (*App, *ehrSide, *clock) {
	t.Helper()
	c := &clock{now: fixedNow}
	e := newEHRSide(t, c.Now)
	cfg := AppConfig{Base: fhirBase, ClientID: clientID, RedirectURI: callback, Scopes: ParseScopes(needed), HTTP: &http.Client{Transport: e}, Now: c.Now}
	for _, f := range change {
		f(&cfg)
	}
	a, err := NewApp(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a, e, c
}

// begin starts an EHR launch whose id_token will have the right nonce.
func begin(t testing.TB, a *App, e *ehrSide) Start {
	t.Helper()
	s, err := a.Authorize(t.Context(), "launch-1")
	if err != nil {
		t.Fatal(err)
	}
	if e.claims != nil && e.claims["nonce"] == nil {
		e.claims["nonce"] = s.Nonce
	}
	return s
}

// answers always gives a status.
func answers(status int) func(*http.Request) (int, http.Header, string) {
	return func(*http.Request) (int, http.Header, string) { return status, nil, "" }
}
