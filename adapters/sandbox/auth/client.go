package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// refusal is an OAuth error (RFC 6749 §5.2) whose description begins with the requirement missed.
type refusal struct {
	status int
	code   string // error
	text   string // error_description
}

func (r *refusal) Error() string { return r.text }

func invalidClient(format string, args ...any) *refusal {
	return &refusal{http.StatusUnauthorized, "invalid_client", fmt.Sprintf(format, args...)} // REQ#340
}

func invalidRequest(format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_request", fmt.Sprintf(format, args...)}
}

func (r *refusal) write(w http.ResponseWriter) {
	if r.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
	}
	writeJSON(w, r.status, map[string]any{"error": r.code, "error_description": r.text})
}

// readForm reads a POST of form parameters, each given once (RFC 6749 §3.2).
func readForm(r *http.Request, req string) (url.Values, *refusal) {
	if r.Method != http.MethodPost {
		return nil, &refusal{http.StatusMethodNotAllowed, "invalid_request", req + ": the method must be POST"}
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, invalidRequest("%s: Content-Type must be application/x-www-form-urlencoded", req)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return nil, invalidRequest("the body could not be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest("the body is not a form")
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, invalidRequest("RFC 6749 §3.2: %s is given more than once", name)
		}
	}
	if r.URL.RawQuery != "" {
		return nil, invalidRequest("%s: parameters belong in the body, not in the URL", req)
	}
	return form, nil
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticateClient finds out who calls the token endpoint, by the way that client registered and no other.
func (s *Server) authenticateClient(r *http.Request, form url.Values) (*client, *refusal) {
	basic := r.Header.Get("Authorization")
	switch {
	case form.Has("client_assertion") || form.Has("client_assertion_type"):
		if basic != "" {
			return nil, invalidClient("RFC 6749 §2.3: one way to authenticate per request")
		}
		return s.byAssertion(form)
	case basic != "":
		return s.byBasic(basic, form)
	}
	c := s.client(form.Get("client_id"))
	if form.Get("grant_type") == "refresh_token" && !form.Has("client_id") {
		// A refresh names no client (REQ#105 to #108; RFC 6749 §6): the token says whose it is.
		if c = s.holder(form.Get("refresh_token")); c == nil {
			return nil, invalidGrant("REQ#103, REQ#106: refresh_token is missing, unknown or revoked")
		}
	}
	switch {
	case c == nil && form.Get("grant_type") == "client_credentials":
		return nil, invalidClient("REQ#333, REQ#334: client_assertion_type and client_assertion are required")
	case c == nil:
		return nil, invalidClient("REQ#71: client_id is missing or not registered")
	case c.confidential():
		return nil, invalidClient("REQ#64: this client is confidential and must authenticate")
	}
	return c, nil
}

func (s *Server) client(id string) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[id]
}

// holder is the client a refresh token was given to, nil for none.
func (s *Server) holder(refresh string) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rt := s.refresh[refresh]; rt != nil {
		return rt.token.client
	}
	return nil
}

func (s *Server) byBasic(header string, form url.Values) (*client, *refusal) {
	encoded, ok := strings.CutPrefix(header, "Basic ")
	pair, err := base64.StdEncoding.DecodeString(encoded)
	id, password, found := strings.Cut(string(pair), ":")
	if !ok || err != nil || !found {
		return nil, invalidClient("REQ#345: Authorization is not Basic base64(client_id:client_secret)")
	}
	c := s.client(id)
	switch {
	case c == nil || c.Secret == "" || c.Secret != password:
		return nil, invalidClient("REQ#345: client id or secret is wrong")
	case form.Has("client_id"):
		return nil, invalidRequest("REQ#72: a confidential client does not send client_id")
	}
	return c, nil
}

// assertionAlgorithms are the only ones taken (REQ#310, #320).
var assertionAlgorithms = []jose.SignatureAlgorithm{jose.RS384, jose.ES384}

// byAssertion checks a private_key_jwt in the order a reader of the standard would: form, header, claims, key, signature,
// replay. Only an assertion that is right in all else uses up its jti.
func (s *Server) byAssertion(form url.Values) (*client, *refusal) {
	switch {
	case form.Get("client_assertion_type") != assertionType:
		return nil, invalidClient("REQ#333: client_assertion_type must be %s", assertionType)
	case form.Get("client_assertion") == "":
		return nil, invalidClient("REQ#334: client_assertion is missing")
	case form.Has("client_id"):
		return nil, invalidRequest("REQ#72: a confidential client does not send client_id")
	}
	parsed, err := jwt.ParseSigned(form.Get("client_assertion"), assertionAlgorithms)
	if err != nil {
		return nil, invalidClient("REQ#320, REQ#321: the assertion is not a JWT signed with RS384 or ES384")
	}
	header := parsed.Headers[0]
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != "JWT" {
		return nil, invalidClient("REQ#323: the assertion's typ must be JWT")
	}
	if header.KeyID == "" {
		return nil, invalidClient("REQ#322: the assertion has no kid")
	}
	var claims assertion
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return nil, invalidClient("REQ#327: the assertion's claims cannot be read")
	}
	c := s.client(claims.Issuer)
	if c == nil || !c.asymmetric() {
		return nil, invalidClient("REQ#327, REQ#337: iss is not a client registered with keys")
	}
	if ref := s.checkClaims(c, &claims); ref != nil {
		return nil, ref
	}
	if ref := s.checkSignature(c, parsed, header); ref != nil {
		return nil, ref
	}
	return c, s.useJTI(c, &claims)
}

// assertion holds the claims of an authentication JWT (REQ#327 to #332). Aud is raw: it must be the token URL itself.
type assertion struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	Expiry    json.RawMessage `json:"exp"`
	NotBefore json.RawMessage `json:"nbf"`
	IssuedAt  json.RawMessage `json:"iat"`
	ID        string          `json:"jti"`
	expiry    time.Time
}

// clockSkew is how far ahead of ours a client's clock may be for iat and nbf.
const clockSkew = 10 * time.Second

func (s *Server) checkClaims(c *client, a *assertion) *refusal {
	now := s.opts.Now()
	var ok bool
	if a.expiry, ok = numericDate(a.Expiry); !ok {
		return invalidClient("REQ#330: exp is missing or not a number of seconds")
	}
	issued, hasIssued := numericDate(a.IssuedAt)
	notBefore, hasNotBefore := numericDate(a.NotBefore)
	switch {
	case a.Subject != c.ID:
		return invalidClient("REQ#328: sub must be the client_id, as iss")
	case !s.isTokenURL(a.Audience):
		return invalidClient("REQ#329: aud must be the token URL %s", s.TokenURL())
	case !a.expiry.After(now):
		return invalidClient("REQ#330: the assertion has expired")
	case a.expiry.After(now.Add(5 * time.Minute)):
		return invalidClient("REQ#331: exp is more than five minutes in the future")
	case a.ID == "":
		return invalidClient("REQ#332: jti is missing")
	case hasIssued && issued.After(now.Add(clockSkew)), hasNotBefore && notBefore.After(now.Add(clockSkew)):
		return invalidClient("REQ#335: the assertion is not valid yet")
	}
	return nil
}

// isTokenURL takes the URL as a string, or as the only member of a list (RFC 7519 §4.1.3).
func (s *Server) isTokenURL(raw json.RawMessage) bool {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one == s.TokenURL()
	}
	var list []string
	return json.Unmarshal(raw, &list) == nil && len(list) == 1 && list[0] == s.TokenURL()
}

// numericDate reads a JSON number of seconds (RFC 7519 §2).
func numericDate(raw json.RawMessage) (time.Time, bool) {
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds <= 0 || seconds > 1<<40 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(seconds * 1000)), true
}

func (s *Server) checkSignature(c *client, parsed *jwt.JSONWebToken, header jose.Header) *refusal {
	if jku, present := header.ExtraHeaders["jku"]; present && jku != c.JWKSURL {
		return invalidClient("REQ#325: jku is not the registered JWKS URL")
	}
	keys, err := s.keysOf(c)
	if err != nil {
		return invalidClient("REQ#338: %s", err.Error())
	}
	found := keys.Key(header.KeyID)
	if len(found) != 1 {
		return invalidClient("REQ#322, REQ#338: the registered key set has no such kid")
	}
	key := found[0]
	if key.Algorithm != "" && key.Algorithm != header.Algorithm {
		return invalidClient("REQ#321: alg is not the one this key is for")
	}
	if err := parsed.Claims(key.Key); err != nil {
		return invalidClient("REQ#335: the signature does not verify with the registered key")
	}
	return nil
}

// useJTI spends an assertion: a second use is a replay (REQ#319, #336).
func (s *Server) useJTI(c *client, a *assertion) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	for k, until := range s.jtis {
		if !until.After(now) {
			delete(s.jtis, k)
		}
	}
	key := c.ID + "\x00" + a.ID
	if _, seen := s.jtis[key]; seen {
		return invalidClient("REQ#336: this jti was used before; every token request needs a new assertion")
	}
	s.jtis[key] = a.expiry
	return nil
}

// keysOf returns the client's keys, fetching its JWKS URL when what we have is older than its Cache-Control allows
// (REQ#339, #341).
func (s *Server) keysOf(c *client) (*jose.JSONWebKeySet, error) {
	if c.JWKSURL == "" {
		return c.keys, nil
	}
	s.mu.Lock()
	keys, fresh := c.keys, c.fresh
	s.mu.Unlock()
	if keys != nil && s.opts.Now().Before(fresh) {
		return keys, nil
	}
	resp, err := s.opts.HTTPClient.Get(c.JWKSURL)
	if err != nil {
		return nil, errors.New("the JWKS URL cannot be reached")
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the JWKS URL answers %d", resp.StatusCode)
	}
	if keys, err = readKeys(raw); err != nil {
		return nil, err
	}
	s.mu.Lock()
	c.keys, c.fresh = keys, s.opts.Now().Add(maxAge(resp.Header.Get("Cache-Control")))
	s.mu.Unlock()
	return keys, nil
}

func maxAge(cacheControl string) time.Duration {
	for _, part := range strings.Split(cacheControl, ",") {
		if seconds, ok := strings.CutPrefix(strings.TrimSpace(part), "max-age="); ok {
			if n, err := strconv.Atoi(seconds); err == nil && n > 0 {
				return time.Duration(n) * time.Second
			}
		}
	}
	return 0
}
