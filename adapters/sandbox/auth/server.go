// Package auth is the sandbox's SMART authorization server, a strict one: what SMART App Launch 2.2.0 lets a server refuse
// it refuses, and each refusal names the requirement (REQ# is the row of Inferno's requirement set for 2.2.0) so that a
// failing client reads what to change.
package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/scope"
	"github.com/go-jose/go-jose/v4"
)

// Options configure the server. Issuer, FHIRBase and Now are required.
type Options struct {
	// Issuer is the URL this server is mounted at, without a trailing slash; endpoints hang below it.
	Issuer string
	// FHIRBase is the resource server: the aud an authorize request must name, byte for byte.
	FHIRBase string
	// Now is the clock of every expiry.
	Now func() time.Time
	// TokenTTL is how long access tokens live; 0 means 300 s.
	TokenTTL time.Duration
	// Standalone is the context and user of a launch from outside the EHR.
	Standalone Launch
	// HTTPClient fetches JWKS URLs of clients; nil means http.DefaultClient.
	HTTPClient *http.Client
	// OpenID is the issuer of id_tokens where it is not Issuer, as a path below it such as /realms/clinic. The smart-configuration
	// goes on naming Issuer, as some EHRs' does.
	OpenID string
	// NoKeyID leaves kid out of id_tokens, as the SMART launcher does.
	NoKeyID bool
	// KeepRefresh does not rotate refresh tokens: they work until they are revoked, and a refresh brings no new one.
	KeepRefresh bool
	// OwnScopes: a backend client may be granted words (api:oemr) and scopes of the vendor's own API beside system/ ones.
	OwnScopes bool
	// AsSpelled: what is asked for in another SMART version's spelling than is registered is dropped; see scope.Spelled.
	AsSpelled bool
	// Document is a discovery document to serve instead of this server's own, such as a vendor's; only its URLs are replaced, by
	// this server's. What it says does not change what is done.
	Document []byte
}

// Client is one registered app. It authenticates by exactly one of JWKS, JWKSURL, Secret; with none it is public.
type Client struct {
	ID string
	// JWKS is the client's public key set as JSON (REQ#294, #297).
	JWKS []byte
	// JWKSURL is where it publishes the set: https, or http on loopback (REQ#296, #301).
	JWKSURL string
	// Secret is for client_secret_basic (REQ#345); never for Backend Services (REQ#344).
	Secret string
	// Scopes are all it may ever be granted, space-separated.
	Scopes string
	// RedirectURIs are compared byte for byte; none means no authorization code.
	RedirectURIs []string
	// Backend allows the client_credentials grant.
	Backend bool
	// Registered grants all of Scopes, whatever is asked for, even nothing: as an EHR does where the APIs are chosen when the
	// client is registered.
	Registered bool
}

// Launch is what the EHR knows when a user opens an app: the values of the launch context parameters.
type Launch struct {
	Patient, Encounter string // ids, "" for none
	User               string // fhirUser as Type/id
	UserName           string
	Intent             string
	Tenant             string
	NeedPatientBanner  *bool
	StyleURL           string
	FHIRContext        []map[string]any
}

// TokenCall is one request to the token endpoint.
type TokenCall struct {
	Time     time.Time
	ClientID string // "" where it could not be told
	Grant    string
	Scope    string // granted; "" where refused
	Refusal  string // error_description; "" where granted
}

// Server is the authorization server: an http.Handler for everything under Options.Issuer, and the ehr.Access that checks
// tokens. It is safe for concurrent use.
type Server struct {
	opts     Options
	document map[string]any // Options.Document; nil where there is none
	path     string
	signing  signing
	mu       sync.Mutex
	clients  map[string]*client
	jtis     map[string]time.Time // iss and jti of assertions seen, until they expire
	tokens   map[string]*token
	refresh  map[string]*refreshToken
	codes    map[string]*code
	launches map[string]Launch
	calls    []TokenCall
	denial   string  // OAuth error of every authorization; "" none
	forgery  Forgery // of every id_token
}

type client struct {
	Client
	keys   *jose.JSONWebKeySet
	fresh  time.Time // until when keys fetched from JWKSURL may be used
	scopes scope.Set
}

func (c *client) confidential() bool { return c.asymmetric() || c.Secret != "" }
func (c *client) asymmetric() bool   { return c.JWKS != nil || c.JWKSURL != "" }

var _ ehr.Access = (*Server)(nil)

// New makes a server without clients. An error says which option is missing.
func New(opts Options) (*Server, error) {
	issuer, err := url.Parse(opts.Issuer)
	switch {
	case err != nil || issuer.Host == "" || strings.HasSuffix(opts.Issuer, "/"):
		return nil, errors.New("auth: Options.Issuer must be an absolute URL without a trailing slash")
	case opts.FHIRBase == "":
		return nil, errors.New("auth: Options.FHIRBase is missing")
	case opts.Now == nil:
		return nil, errors.New("auth: Options.Now is missing")
	}
	if opts.TokenTTL == 0 {
		opts.TokenTTL = 300 * time.Second
	}
	if opts.HTTPClient == nil {
		opts.HTTPClient = http.DefaultClient
	}
	var document map[string]any
	if opts.Document != nil && (json.Unmarshal(opts.Document, &document) != nil || document == nil) {
		return nil, errors.New("auth: Options.Document is no JSON object")
	}
	return &Server{
		opts: opts, document: document, path: issuer.Path, clients: map[string]*client{}, jtis: map[string]time.Time{},
		tokens: map[string]*token{}, refresh: map[string]*refreshToken{}, codes: map[string]*code{}, launches: map[string]Launch{},
	}, nil
}

func newIDKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("2048 bits are always allowed: " + err.Error())
	}
	return key
}

// Register adds or replaces a client. It refuses a registration that could never work or is not safe: a key set without
// usable public keys, private members in it, two ways to authenticate, redirect URIs that are not absolute.
func (s *Server) Register(c Client) error {
	reg := &client{Client: c}
	var err error
	if reg.scopes, err = scope.ParseSet(c.Scopes); err != nil {
		return fmt.Errorf("register %s: %w", c.ID, err)
	}
	ways := 0
	for _, has := range []bool{c.JWKS != nil, c.JWKSURL != "", c.Secret != ""} {
		if has {
			ways++
		}
	}
	switch {
	case c.ID == "":
		return errors.New("register: the client has no id")
	case ways > 1:
		return fmt.Errorf("register %s: one way to authenticate, not %d", c.ID, ways)
	case c.Backend && !reg.asymmetric():
		return fmt.Errorf("register %s: REQ#229, #344: Backend Services need a key set", c.ID)
	}
	if c.JWKS != nil {
		if reg.keys, err = readKeys(c.JWKS); err != nil {
			return fmt.Errorf("register %s: %w", c.ID, err)
		}
	}
	if c.JWKSURL != "" && !secureURL(c.JWKSURL) {
		return fmt.Errorf("register %s: REQ#301: the JWKS URL must be https (or http on loopback)", c.ID)
	}
	for _, uri := range c.RedirectURIs {
		if !secureURL(uri) || strings.Contains(uri, "#") {
			return fmt.Errorf("register %s: REQ#21: a redirect_uri must be a full https URL (or http on loopback) without fragment", c.ID)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = reg
	return nil
}

func secureURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1" || host == "::1")
}

// readKeys reads a JWKS and holds it to REQ#313 to #315: kid, public keys only, RSA or EC P-384.
func readKeys(raw []byte) (*jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("REQ#294: the key set is not a JWKS")
	}
	seen := map[string]bool{}
	for _, k := range set.Keys {
		switch {
		case k.KeyID == "":
			return nil, errors.New("REQ#313: a key has no kid")
		case seen[k.KeyID]:
			return nil, errors.New("REQ#322: two keys have the same kid")
		case !k.Valid() || !k.IsPublic():
			return nil, errors.New("REQ#295: a key is not a public key")
		}
		seen[k.KeyID] = true
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("REQ#293: the key set has no key")
	}
	return &set, nil
}

// TokenURL is the token endpoint: the aud of every client assertion, exactly.
func (s *Server) TokenURL() string { return s.opts.Issuer + "/token" }

// Endpoints returns the authorize and token URLs.
func (s *Server) Endpoints() (authorize, tokenURL string) {
	return s.opts.Issuer + "/authorize", s.TokenURL()
}

// TokenCalls returns every request to the token endpoint, in order.
func (s *Server) TokenCalls() []TokenCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]TokenCall(nil), s.calls...)
}

// RevokeTokens ends every access token at once, as an EHR restart does. Refresh tokens live on.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// RevokeRefreshTokens ends every refresh token, as an administrator does who signs everybody out. Access tokens live on.
func (s *Server) RevokeRefreshTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.refresh)
}

// Deny makes every authorization from now on end in an OAuth error such as access_denied, until it is "".
func (s *Server) Deny(oauthError string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denial = oauthError
}

// NewLaunch begins an EHR launch and returns its opaque launch value, good for one authorize request.
func (s *Server) NewLaunch(l Launch) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := secret()
	s.launches[id] = l
	return id
}

// secret makes an unguessable value of 256 bits.
func secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// SMARTConfiguration is the discovery document (REQ#30, SMART conformance §"Metadata").
func (s *Server) SMARTConfiguration() []byte {
	doc := maps.Clone(s.document)
	if doc == nil {
		doc = abilities()
	}
	authorize, tokenURL := s.Endpoints()
	for name, url := range map[string]string{
		"issuer": s.opts.Issuer, "jwks_uri": s.opts.Issuer + "/jwks",
		"authorization_endpoint": authorize, "token_endpoint": tokenURL,
		"introspection_endpoint": s.opts.Issuer + "/introspect", "revocation_endpoint": s.opts.Issuer + "/revoke",
	} {
		if _, named := doc[name]; named || s.document == nil { // what a vendor leaves out, it has not
			doc[name] = url
		}
	}
	return mustJSON(doc)
}

// abilities are the discovery document but for its URLs.
func abilities() map[string]any {
	return map[string]any{
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt", "client_secret_basic"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"ES384", "RS384"},
		"grant_types_supported":                            []string{"authorization_code", "client_credentials"},
		"response_types_supported":                         []string{"code"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"scopes_supported": []string{
			"openid", "fhirUser", "launch", "launch/patient", "launch/encounter", "online_access", "offline_access",
			"system/*.cruds", "user/*.cruds", "patient/*.cruds",
		},
		"capabilities": []string{
			"launch-ehr", "launch-standalone", "authorize-post", "client-public", "client-confidential-symmetric",
			"client-confidential-asymmetric", "sso-openid-connect", "context-banner", "context-style", "context-ehr-patient",
			"context-ehr-encounter", "context-standalone-patient", "permission-offline", "permission-online", "permission-patient",
			"permission-user", "permission-v1", "permission-v2",
		},
	}
}

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("a document of plain values always marshals: " + err.Error())
	}
	return raw
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, s.path) {
	case "/token":
		s.serveToken(w, r)
	case "/authorize":
		s.serveAuthorize(w, r)
	case "/introspect":
		s.serveIntrospect(w, r)
	case "/revoke":
		s.serveRevoke(w, r)
	case "/jwks":
		s.serveKeys(w)
	case s.opts.OpenID + "/.well-known/openid-configuration":
		s.serveOpenID(w)
	default:
		writeJSON(w, http.StatusNotFound, map[string]any{"error": "not_found"})
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // REQ#86
	w.Header().Set("Pragma", "no-cache")        // REQ#87
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(v))
}
