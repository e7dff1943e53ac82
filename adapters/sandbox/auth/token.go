package auth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/scope"
)

// token is an access token's meaning.
type token struct {
	client  *client
	scopes  scope.Set
	launch  Launch
	user    bool   // a user stands behind it: an authorization code was exchanged
	family  string // all tokens of one authorization; revoked together
	expires time.Time
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	call := TokenCall{Time: s.opts.Now()}
	answer, ref := s.token(r, &call)
	if ref != nil {
		call.Refusal = ref.text
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if ref != nil {
		ref.write(w)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) token(r *http.Request, call *TokenCall) (map[string]any, *refusal) {
	form, ref := readForm(r, "REQ#62, REQ#234")
	if ref != nil {
		return nil, ref
	}
	call.Grant = form.Get("grant_type")
	switch call.Grant {
	case "client_credentials", "authorization_code", "refresh_token":
	case "":
		return nil, invalidRequest("REQ#67, REQ#236: grant_type is missing")
	default:
		return nil, &refusal{http.StatusBadRequest, "unsupported_grant_type", "REQ#67, REQ#236: grant_type is not supported"}
	}
	c, ref := s.authenticateClient(r, form)
	if ref != nil {
		return nil, ref
	}
	call.ClientID = c.ID
	var answer map[string]any
	switch call.Grant {
	case "client_credentials":
		answer, ref = s.grantBackend(c, form)
	case "authorization_code":
		answer, ref = s.grantCode(c, form)
	case "refresh_token":
		answer, ref = s.grantRefresh(c, form)
	}
	if ref == nil {
		call.Scope, _ = answer["scope"].(string)
	}
	return answer, ref
}

// grantBackend is SMART Backend Services: scopes are system/ ones, what is granted is requested ∩ registered, and no
// refresh token comes (REQ#239, #241, #248, #250).
func (s *Server) grantBackend(c *client, form url.Values) (map[string]any, *refusal) {
	if !c.Backend {
		return nil, &refusal{http.StatusBadRequest, "unauthorized_client", "REQ#240: this client is not registered for client_credentials"}
	}
	if c.Registered {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.issue(&token{client: c, scopes: c.scopes, family: secret()}), nil
	}
	if strings.TrimSpace(form.Get("scope")) == "" {
		return nil, &refusal{http.StatusBadRequest, "invalid_scope", "REQ#235: scope is missing"}
	}
	requested, err := scope.ParseSet(form.Get("scope"))
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "invalid_scope", err.Error()}
	}
	notSystem := func(sc scope.Scope) bool { return sc.Level != "system" }
	if len(requested.Words) > 0 && !s.opts.OwnScopes || slices.ContainsFunc(requested.Scopes, notSystem) {
		return nil, &refusal{http.StatusBadRequest, "invalid_scope", "REQ#239: Backend Services ask for system/ scopes only"}
	}
	granted := s.grantable(requested, c)
	if len(granted.Scopes) == 0 {
		return nil, &refusal{http.StatusBadRequest, "invalid_scope", "REQ#250: none of the requested scopes is registered for this client"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(&token{client: c, scopes: granted, family: secret()}), nil
}

// grantable is what of requested a client may have.
func (s *Server) grantable(requested scope.Set, c *client) scope.Set {
	if s.opts.AsSpelled {
		requested = scope.Spelled(requested, c.scopes)
	}
	return scope.Intersect(requested, c.scopes)
}

// issue makes the access token and its answer (REQ#74 to #78, #254 to #258). The caller holds mu.
func (s *Server) issue(t *token) map[string]any {
	now := s.opts.Now()
	for k, old := range s.tokens {
		if !old.expires.After(now) {
			delete(s.tokens, k)
		}
	}
	t.expires = now.Add(s.opts.TokenTTL)
	value := secret()
	s.tokens[value] = t
	return map[string]any{
		"access_token": value, "token_type": "Bearer", "expires_in": int(s.opts.TokenTTL / time.Second), "scope": t.scopes.String(),
	}
}

// Authenticate checks the Bearer token of a FHIR request (RFC 6750; REQ#93, #94, #264, #265).
func (s *Server) Authenticate(r *http.Request) (ehr.Grant, error) {
	header := r.Header.Get("Authorization")
	scheme, value, _ := strings.Cut(header, " ")
	if header == "" || !strings.EqualFold(scheme, "Bearer") {
		return ehr.Grant{}, &ehr.Denied{Text: "REQ#264: the request carries no Bearer token", Challenge: "Bearer"}
	}
	if r.URL.Query().Has("access_token") {
		return ehr.Grant{}, &ehr.Denied{Text: "RFC 6750 §2: the token does not belong in the URL", Challenge: `Bearer error="invalid_request"`}
	}
	t := s.valid(value)
	if t == nil {
		return ehr.Grant{}, &ehr.Denied{Text: "REQ#265: the token is unknown, revoked or expired", Challenge: `Bearer error="invalid_token"`}
	}
	g := ehr.Grant{ClientID: t.client.ID, Scopes: t.scopes, User: t.launch.User}
	if t.launch.Patient != "" {
		g.Patient = "Patient/" + t.launch.Patient
	}
	return g, nil
}

func (s *Server) valid(value string) *token {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[value]
	if t == nil || !t.expires.After(s.opts.Now()) {
		return nil
	}
	return t
}
