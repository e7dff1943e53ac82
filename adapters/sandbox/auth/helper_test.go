package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// The clients' keys, made once.
var (
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherKey = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func jwks() []byte {
	return must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: ecKey().Public(), KeyID: "ec-1", Algorithm: "ES384", Use: "sig"}, {Key: rsaKey().Public(), KeyID: "rsa-1", Use: "sig"},
	}}))
}

const backendScopes = "system/Communication.cruds system/Patient.rs system/DocumentReference.c"

type world struct {
	*auth.Server
	t     *testing.T
	clock *clock
	web   *httptest.Server
	serve http.Handler
	jti   int
}

func start(t *testing.T, change ...func(*auth.Options)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{t: time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)}}
	w.web = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.serve.ServeHTTP(rw, r) }))
	t.Cleanup(w.web.Close)
	opts := auth.Options{
		Issuer: w.web.URL + "/auth", FHIRBase: w.web.URL + "/fhir", Now: w.clock.Now, HTTPClient: w.web.Client(),
		Standalone: auth.Launch{Patient: "daniel", Encounter: "visit", User: "Practitioner/ana"},
	}
	for _, f := range change {
		f(&opts)
	}
	var err error
	w.Server, err = auth.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	w.serve = w.Server
	for _, c := range []auth.Client{
		{ID: "backend", JWKS: jwks(), Scopes: backendScopes, Backend: true},
		{ID: "published", JWKSURL: w.web.URL + "/client/jwks.json", Scopes: backendScopes, Backend: true},
		{ID: "inbox", JWKS: jwks(), Scopes: appScopes, RedirectURIs: []string{redirect}},
		{ID: "symmetric", Secret: "s3cret", Scopes: appScopes, RedirectURIs: []string{redirect}},
		{ID: "public", Scopes: appScopes, RedirectURIs: []string{redirect, redirect + "?tenant=1"}},
	} {
		if err := w.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// assertion describes a client assertion; the zero fields are filled in rightly by sign.
type assertion struct {
	key     any
	alg     jose.SignatureAlgorithm
	kid     string
	typ     string
	headers map[jose.HeaderKey]any
	claims  map[string]any // nil value deletes
}

func (w *world) sign(a assertion, client string) string {
	w.t.Helper()
	if a.key == nil {
		a.key, a.alg, a.kid = ecKey(), jose.ES384, "ec-1"
	}
	if a.typ == "" {
		a.typ = "JWT"
	}
	w.jti++
	claims := map[string]any{
		"iss": client, "sub": client, "aud": w.TokenURL(), "exp": w.clock.Now().Add(4 * time.Minute).Unix(), "jti": fmt.Sprint("jti-", w.jti),
	}
	for k, v := range a.claims {
		if v == nil {
			delete(claims, k)
		} else {
			claims[k] = v
		}
	}
	opts := (&jose.SignerOptions{}).WithType(jose.ContentType(a.typ))
	for k, v := range a.headers {
		opts = opts.WithHeader(k, v)
	}
	var key any = a.key
	if a.kid != "none" {
		key = jose.JSONWebKey{Key: a.key, KeyID: a.kid}
	}
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: a.alg, Key: key}, opts))
	return must(jwt.Signed(signer).Claims(claims).Serialize())
}

// backendForm is a right Backend Services token request but for the changes; "" deletes.
func (w *world) backendForm(a assertion, changes ...string) url.Values {
	f := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"system/Communication.c system/Patient.rs"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {w.sign(a, "backend")},
	}
	return change(f, changes...)
}

func change(f url.Values, changes ...string) url.Values {
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "" {
			f.Del(changes[i])
		} else {
			f.Set(changes[i], changes[i+1])
		}
	}
	return f
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) str(name string) string {
	s, _ := a.body[name].(string)
	return s
}

func (w *world) post(path string, form url.Values, headers ...string) answer {
	w.t.Helper()
	req := must(http.NewRequestWithContext(w.t.Context(), "POST", w.web.URL+"/auth"+path, strings.NewReader(form.Encode())))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return w.do(req)
}

func (w *world) do(req *http.Request) answer {
	w.t.Helper()
	client := *w.web.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	raw, _ := io.ReadAll(resp.Body)
	_ = json.Unmarshal(raw, &a.body)
	return a
}

func (w *world) refused(a answer, status int, code, req string) {
	w.t.Helper()
	if a.status != status || a.str("error") != code || !strings.Contains(a.str("error_description"), req) {
		w.t.Errorf("%d %v, want %d %s %s", a.status, a.body, status, code, req)
	}
	if a.str("access_token") != "" {
		w.t.Error("a refusal came with a token")
	}
}
