package auth

import (
	"crypto/rsa"
	"fmt"
	"net/http"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// signing is the key of id_tokens, made when the first is needed.
type signing struct {
	sync.Mutex
	key *rsa.PrivateKey
	n   int // how many keys there have been
}

func (s *signing) current() (key *rsa.PrivateKey, kid string) {
	s.Lock()
	defer s.Unlock()
	if s.key == nil {
		s.key = newIDKey()
		s.n++
	}
	return s.key, fmt.Sprintf("sandbox-id-token-%d", s.n)
}

// SwapKeys makes the next id_token be signed with a new key, which alone is published from then on: what a client has
// cached of jwks_uri is of no use any more.
func (s *Server) SwapKeys() {
	s.signing.Lock()
	defer s.signing.Unlock()
	s.signing.key = nil
}

// idToken signs an OpenID Connect id_token with RS256 (REQ#201, #209, #210). The caller holds mu.
func (s *Server) idToken(t token, nonce string) string {
	now := s.opts.Now()
	claims := map[string]any{
		"iss": s.opts.Issuer, "aud": t.client.ID, "sub": t.launch.User, "iat": now.Unix(), "exp": now.Add(s.opts.TokenTTL).Unix(),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if t.scopes.Has("fhirUser") {
		claims["fhirUser"] = s.opts.FHIRBase + "/" + t.launch.User
	}
	if t.launch.UserName != "" {
		claims["name"] = t.launch.UserName
	}
	private, kid := s.signing.current()
	key := jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: kid}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		panic("an RSA key always signs RS256: " + err.Error())
	}
	signed, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic("plain claims always serialize: " + err.Error())
	}
	return signed
}

func (s *Server) serveKeys(w http.ResponseWriter) {
	private, kid := s.signing.current()
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: private.Public(), KeyID: kid, Algorithm: string(jose.RS256), Use: "sig"},
	}})
}

func (s *Server) serveOpenID(w http.ResponseWriter) {
	authorize, tokenURL := s.Endpoints()
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": s.opts.Issuer, "jwks_uri": s.opts.Issuer + "/jwks", "authorization_endpoint": authorize, "token_endpoint": tokenURL,
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

// serveIntrospect answers RFC 7662 to a holder of a valid token of the same client (REQ#270 to #274).
func (s *Server) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	form, ref := readForm(r, "REQ#270")
	if ref != nil {
		ref.write(w)
		return
	}
	caller, err := s.Authenticate(r)
	if err != nil {
		invalidClient("REQ#270: introspection needs a valid Bearer token").write(w)
		return
	}
	t := s.valid(form.Get("token"))
	if t == nil || t.client.ID != caller.ClientID {
		writeJSON(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	answer := map[string]any{"active": true, "scope": t.scopes.String(), "client_id": t.client.ID, "exp": t.expires.Unix()}
	context(t.launch, answer)
	if t.user && t.scopes.Has("openid") {
		answer["iss"], answer["sub"] = s.opts.Issuer, t.launch.User
	}
	writeJSON(w, http.StatusOK, answer)
}

// serveRevoke is RFC 7009: the client authenticates, and 200 comes whether or not there was anything to revoke.
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	form, ref := readForm(r, "RFC 7009 §2.1")
	if ref != nil {
		ref.write(w)
		return
	}
	c, ref := s.authenticateClient(r, form)
	if ref != nil {
		ref.write(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	value := form.Get("token")
	if t := s.tokens[value]; t != nil && t.client == c {
		delete(s.tokens, value)
	}
	if rt := s.refresh[value]; rt != nil && rt.token.client == c {
		s.revokeFamily(rt.token.family)
	}
	w.WriteHeader(http.StatusOK)
}
