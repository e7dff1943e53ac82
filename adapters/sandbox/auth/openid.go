package auth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"sync"
	"time"

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

// Forgery is a way for an id_token to be wrong that a client has to see.
type Forgery string

// The forgeries.
const (
	Genuine      Forgery = ""
	AlgNone      Forgery = "alg none"        // not signed at all
	HMAC         Forgery = "HMAC"            // signed with the public key's bytes as a secret
	WrongKey     Forgery = "wrong key"       // signed with a key that is not published, under the key id of one that is
	WrongAud     Forgery = "wrong aud"       // for another client
	WrongNonce   Forgery = "wrong nonce"     // of another launch
	WrongIssuer  Forgery = "wrong issuer"    // by another issuer
	Stale        Forgery = "stale"           // expired two minutes ago
	ForeignUser  Forgery = "foreign user"    // fhirUser is at another server
	WithoutUser  Forgery = "without user"    // no fhirUser
	WithoutToken Forgery = "without a token" // openid granted, no id_token
)

// Forge makes every id_token from now on wrong in one way, or right again.
func (s *Server) Forge(f Forgery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgery = f
}

// idIssuer is the issuer of id_tokens.
func (s *Server) idIssuer() string { return s.opts.Issuer + s.opts.OpenID }

// idClaims are the claims of an id_token (REQ#201, #209, #210), right but for the forgery. The caller holds mu.
func (s *Server) idClaims(t token, nonce string) map[string]any {
	now := s.opts.Now()
	claims := map[string]any{
		"iss": s.idIssuer(), "aud": t.client.ID, "sub": t.launch.User, "iat": now.Unix(), "exp": now.Add(s.opts.TokenTTL).Unix(),
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
	switch s.forgery {
	case WrongAud:
		claims["aud"] = "another client"
	case WrongNonce:
		claims["nonce"] = "another launch"
	case WrongIssuer:
		claims["iss"] = "https://issuer.invalid"
	case Stale:
		claims["iat"], claims["exp"] = now.Add(-time.Hour).Unix(), now.Add(-2*time.Minute).Unix()
	case ForeignUser:
		claims["fhirUser"] = "https://ehr.invalid/fhir/" + t.launch.User
	case WithoutUser:
		delete(claims, "fhirUser")
	}
	return claims
}

// idToken signs an id_token with RS256, or as the forgery has it. The caller holds mu.
func (s *Server) idToken(t token, nonce string) string {
	claims := s.idClaims(t, nonce)
	private, kid := s.signing.current()
	published := private.Public().(*rsa.PublicKey)
	alg, key := jose.RS256, any(private)
	switch s.forgery {
	case AlgNone:
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(mustJSON(claims)) + "."
	case HMAC:
		alg, key = jose.HS256, x509.MarshalPKCS1PublicKey(published)
	case WrongKey:
		key = newIDKey()
	}
	opts := (&jose.SignerOptions{}).WithType("JWT")
	if !s.opts.NoKeyID {
		opts = opts.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		panic("an RSA key always signs RS256, and bytes HS256: " + err.Error())
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
		"issuer": s.idIssuer(), "jwks_uri": s.opts.Issuer + "/jwks", "authorization_endpoint": authorize, "token_endpoint": tokenURL,
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
		answer["iss"], answer["sub"] = s.idIssuer(), t.launch.User
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
