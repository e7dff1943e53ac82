package smart

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/chartwire/chartwire/fhir/client"
)

// The FHIR client takes a Backend as its Auth.
var _ client.Auth = (*Backend)(nil)

var fixedNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// clock is a time that moves only when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var testKeys = sync.OnceValues(func() (map[Algorithm]*Key, error) {
	out := map[Algorithm]*Key{}
	for _, alg := range []Algorithm{ES384, RS384} {
		k, err := GenerateKey(alg)
		if err != nil {
			return nil, err
		}
		out[alg] = k
	}
	return out, nil
})

func testKey(t testing.TB, alg Algorithm) *Key {
	t.Helper()
	keys, err := testKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys[alg]
}

// call is one token request as the endpoint saw it.
type call struct {
	form   url.Values
	header http.Header
	claims map[string]any
	jose   map[string]any
}

// endpoint is a token endpoint in memory. It verifies the signature of every assertion and
// refuses a jti it has seen, whatever the rest says.
type endpoint struct {
	t     *testing.T
	key   *Key
	hold  chan struct{} // if not nil, answers wait for it to close
	reply func(n int) (status int, header http.Header, body string)

	mu    sync.Mutex
	calls []call
	jtis  map[string]bool
}

const tokenURL = "https://auth.ehr.example/token"

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	c := call{form: form, header: r.Header, claims: map[string]any{}, jose: map[string]any{}}
	signed, err := jose.ParseSigned(form.Get("client_assertion"), []jose.SignatureAlgorithm{ES384, RS384})
	if err != nil {
		e.t.Errorf("the assertion cannot be read: %v", err)
	} else if payload, err := signed.Verify(e.key.jwk.Public()); err != nil {
		e.t.Errorf("the assertion's signature: %v", err)
	} else {
		_ = json.Unmarshal(payload, &c.claims)
		h := signed.Signatures[0].Protected
		c.jose["alg"], c.jose["kid"], c.jose["typ"] = h.Algorithm, h.KeyID, h.ExtraHeaders["typ"]
	}
	e.mu.Lock()
	e.calls = append(e.calls, c)
	n := len(e.calls)
	if e.jtis == nil {
		e.jtis = map[string]bool{}
	}
	jti, _ := c.claims["jti"].(string)
	if jti == "" || e.jtis[jti] {
		e.t.Errorf("jti %q is empty or was used before", jti)
	}
	e.jtis[jti] = true
	e.mu.Unlock()
	if e.hold != nil {
		select {
		case <-e.hold:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	status, header, answer := 200, http.Header{}, fmt.Sprintf(`{"access_token":"token-%d","token_type":"bearer","expires_in":300,"scope":"system/Communication.crs"}`, n)
	if e.reply != nil {
		status, header, answer = e.reply(n)
	}
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/json")
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: header, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func (e *endpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.calls)
}

func backend(t *testing.T, alg Algorithm) (*Backend, *endpoint, *clock) {
	t.Helper()
	e, c := &endpoint{t: t, key: testKey(t, alg)}, &clock{now: fixedNow}
	b, err := NewBackend(BackendConfig{
		HTTP: &http.Client{Transport: e}, TokenURL: tokenURL, ClientID: "chartwire-backend", Key: e.key,
		Scopes: []string{"system/Communication.crs", "system/Patient.rs"}, Now: c.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, e, c
}

func TestREQ308And309_BothAlgorithmsSign(t *testing.T) {
	for _, alg := range []Algorithm{ES384, RS384} {
		b, e, _ := backend(t, alg)
		if _, err := b.Token(); err != nil {
			t.Fatal(err)
		}
		if got := e.calls[0].jose["alg"]; got != string(alg) {
			t.Errorf("signed with %v, want %v", got, alg)
		}
	}
}

func TestREQ321To325_AssertionHeader(t *testing.T) {
	b, e, _ := backend(t, ES384)
	if _, err := b.Token(); err != nil {
		t.Fatal(err)
	}
	h := e.calls[0].jose
	if h["kid"] != e.key.ID() || fmt.Sprint(h["typ"]) != "JWT" {
		t.Errorf("%v", h)
	}
}

func TestREQ327To332_AssertionClaims(t *testing.T) {
	b, e, c := backend(t, ES384)
	if _, err := b.Token(); err != nil {
		t.Fatal(err)
	}
	claims, now := e.calls[0].claims, float64(c.Now().Unix())
	exp, _ := claims["exp"].(float64)
	iat, _ := claims["iat"].(float64)
	if claims["iss"] != "chartwire-backend" || claims["sub"] != "chartwire-backend" || claims["aud"] != tokenURL {
		t.Errorf("%v", claims)
	}
	if exp <= now || exp > now+300 || iat != now-60 || exp-iat > 300 {
		t.Errorf("exp %v iat %v now %v", exp, iat, now)
	}
}

func TestREQ319_FreshAssertionForEveryCall(t *testing.T) {
	b, e, c := backend(t, ES384)
	for range 5 {
		if _, err := b.Token(); err != nil {
			t.Fatal(err)
		}
		c.forward(time.Hour)
	}
	if e.count() != 5 || len(e.jtis) != 5 {
		t.Errorf("%d calls with %d ids", e.count(), len(e.jtis))
	}
}

func TestREQ235To239_333_334_TokenRequest(t *testing.T) {
	b, e, _ := backend(t, ES384)
	if _, err := b.Token(); err != nil {
		t.Fatal(err)
	}
	f := e.calls[0].form
	for name, want := range map[string]string{
		"grant_type": "client_credentials", "scope": "system/Communication.crs system/Patient.rs",
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
	} {
		if f.Get(name) != want {
			t.Errorf("%s is %q", name, f.Get(name))
		}
	}
	// A confidential client names itself in the assertion only.
	if f.Has("client_id") || f.Has("client_secret") || e.calls[0].header.Get("Authorization") != "" {
		t.Errorf("the client id is there twice: %v", f)
	}
}

func TestREQ230_318_TokenURLIsTLS(t *testing.T) {
	key := testKey(t, ES384)
	for u, ok := range map[string]bool{
		"https://auth.example/token": true, "http://127.0.0.1:9/token": true, "http://localhost/token": true, "http://[::1]/token": true,
		"http://auth.example/token": false, "": false, "auth.example": false, "https://": false, "http://127.0.0.1.evil.example/": false,
	} {
		_, err := NewBackend(BackendConfig{HTTP: http.DefaultClient, TokenURL: u, ClientID: "c", Key: key, Scopes: []string{"s"}, Now: time.Now})
		if (err == nil) != ok {
			t.Errorf("%q: %v", u, err)
		}
	}
}
