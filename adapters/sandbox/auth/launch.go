package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/scope"
)

// codeTTL is how long an authorization code lives (REQ#58: it expires shortly).
const codeTTL = 60 * time.Second

// code is an authorization code's meaning; used stays so that a second use can be told from an unknown code.
type code struct {
	client    *client
	redirect  string
	challenge string
	scopes    scope.Set
	launch    Launch
	nonce     string
	family    string
	expires   time.Time
	used      bool
}

type refreshToken struct {
	token token
	nonce string
	used  bool
}

// serveAuthorize takes an authorization request by GET or POST (REQ#48, #49) and, the sandbox's user always agreeing,
// answers with a redirect. Until client and redirect_uri are known to belong together nothing is sent anywhere.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		form, ref := readForm(r, "REQ#52")
		if ref != nil {
			ref.write(w)
			return
		}
		params = form
	} else if r.Method != http.MethodGet {
		(&refusal{http.StatusMethodNotAllowed, "invalid_request", "REQ#50: the method must be GET or POST"}).write(w)
		return
	}
	c := s.client(params.Get("client_id"))
	redirect := params.Get("redirect_uri")
	switch {
	case c == nil:
		invalidRequest("REQ#33: client_id is missing or not registered").write(w)
		return
	case !slices.Contains(c.RedirectURIs, redirect):
		invalidRequest("REQ#34: redirect_uri is not, byte for byte, one that was registered").write(w)
		return
	}
	answer := url.Values{}
	if state := params.Get("state"); state != "" {
		answer.Set("state", state) // REQ#59
	}
	value, ref := s.authorize(c, redirect, params)
	if denial := s.denied(); denial != "" {
		ref = &refusal{0, denial, "the user, or a rule of the EHR, did not allow it"}
	}
	if ref != nil {
		answer.Set("error", ref.code)
		answer.Set("error_description", ref.text)
	} else {
		answer.Set("code", value)
	}
	separator := "?"
	if strings.Contains(redirect, "?") {
		separator = "&"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", redirect+separator+answer.Encode())
	w.WriteHeader(http.StatusFound)
}

func (s *Server) denied() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.denial
}

var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

func (s *Server) authorize(c *client, redirect string, params url.Values) (string, *refusal) {
	for name, values := range params {
		if len(values) > 1 {
			return "", invalidRequest("RFC 6749 §3.1: %s is given more than once", name)
		}
	}
	switch {
	case params.Get("response_type") != "code":
		return "", &refusal{0, "unsupported_response_type", "REQ#32: response_type must be code"}
	case len(params.Get("state")) < 20:
		return "", invalidRequest("REQ#39, REQ#40: state is missing or too short for 122 bits")
	case params.Get("aud") != s.opts.FHIRBase:
		return "", invalidRequest("REQ#41: aud must be the FHIR base, byte for byte")
	case params.Get("code_challenge_method") != "S256":
		return "", invalidRequest("REQ#45: code_challenge_method must be S256")
	case !challengeForm.MatchString(params.Get("code_challenge")):
		return "", invalidRequest("REQ#44: code_challenge is missing or not the base64url of a SHA-256")
	case params.Has("max_age"):
		return "", invalidRequest("REQ#211: max_age is not supported")
	case strings.TrimSpace(params.Get("scope")) == "":
		return "", &refusal{0, "invalid_scope", "REQ#37: scope is missing"}
	}
	requested, err := scope.ParseSet(params.Get("scope"))
	if err != nil {
		return "", &refusal{0, "invalid_scope", err.Error()}
	}
	if slices.ContainsFunc(requested.Scopes, func(sc scope.Scope) bool { return sc.Level == "system" }) {
		return "", &refusal{0, "invalid_scope", "REQ#143: system/ scopes are for Backend Services"}
	}
	granted := s.grantable(requested, c)
	if len(granted.Scopes)+len(granted.Words) == 0 {
		return "", &refusal{0, "invalid_scope", "REQ#250: none of the requested scopes is registered for this client"}
	}
	launch, ref := s.takeLaunch(params, requested)
	if ref != nil {
		return "", ref
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	value := secret()
	s.codes[value] = &code{
		client: c, redirect: redirect, challenge: params.Get("code_challenge"), scopes: granted, launch: launch,
		nonce: params.Get("nonce"), family: secret(), expires: s.opts.Now().Add(codeTTL),
	}
	return value, nil
}

// takeLaunch resolves the context: an EHR launch spends its launch value; a standalone one gets what it asks for.
func (s *Server) takeLaunch(params url.Values, requested scope.Set) (Launch, *refusal) {
	id := params.Get("launch")
	if !requested.Has("launch") {
		if id != "" {
			return Launch{}, invalidRequest("REQ#36: launch is given, but the scope launch is not requested")
		}
		l := s.opts.Standalone
		if !requested.Has("launch/patient") {
			l.Patient = ""
		}
		if !requested.Has("launch/encounter") {
			l.Encounter = ""
		}
		return l, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.launches[id]
	if !ok {
		return Launch{}, invalidRequest("REQ#35: launch is not a value this EHR issued, or it was used before")
	}
	delete(s.launches, id)
	return l, nil
}

func invalidGrant(text string) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_grant", text}
}

// grantCode exchanges an authorization code once. A second try ends every token the first one gave (RFC 6749 §4.1.2).
func (s *Server) grantCode(c *client, form url.Values) (map[string]any, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cd := s.codes[form.Get("code")]
	switch {
	case cd == nil || cd.client != c:
		return nil, invalidGrant("REQ#68: code is missing, unknown or another client's")
	case cd.used:
		s.revokeFamily(cd.family)
		return nil, invalidGrant("REQ#68: code was used before; its tokens are revoked")
	case !cd.expires.After(s.opts.Now()):
		return nil, invalidGrant("REQ#58: code has expired")
	}
	cd.used = true
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case form.Get("redirect_uri") != cd.redirect:
		return nil, invalidGrant("REQ#69: redirect_uri is not the one of the authorization request")
	case !verifierForm.MatchString(form.Get("code_verifier")):
		return nil, invalidGrant("REQ#70: code_verifier is missing or not 43 to 128 unreserved characters")
	case base64.RawURLEncoding.EncodeToString(sum[:]) != cd.challenge:
		return nil, invalidGrant("REQ#31, REQ#70: code_verifier does not match code_challenge")
	}
	t := token{client: c, scopes: cd.scopes, launch: cd.launch, user: true, family: cd.family}
	return s.issueForUser(t, cd.nonce), nil
}

var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// grantRefresh rotates: each refresh token works once, and the use of a spent one ends the whole family.
func (s *Server) grantRefresh(c *client, form url.Values) (map[string]any, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rt := s.refresh[form.Get("refresh_token")]
	switch {
	case rt == nil || rt.token.client != c:
		return nil, invalidGrant("REQ#103, REQ#106: refresh_token is missing, unknown, revoked or another client's")
	case rt.used:
		s.revokeFamily(rt.token.family)
		return nil, invalidGrant("REQ#117: refresh_token was used before; its family is revoked")
	}
	t := rt.token
	if want := form.Get("scope"); want != "" {
		requested, err := scope.ParseSet(want)
		if err != nil {
			return nil, &refusal{http.StatusBadRequest, "invalid_scope", err.Error()}
		}
		subset := scope.Intersect(requested, t.scopes)
		if subset.String() != requested.String() {
			return nil, &refusal{http.StatusBadRequest, "invalid_scope", "REQ#108: scope asks for more than was granted"}
		}
		t.scopes = subset
	}
	if s.opts.KeepRefresh {
		answer := s.issueForUser(t, rt.nonce)
		if unwanted, ok := answer["refresh_token"].(string); ok {
			delete(s.refresh, unwanted)
			delete(answer, "refresh_token")
		}
		return answer, nil
	}
	rt.used = true
	return s.issueForUser(t, rt.nonce), nil
}

// issueForUser adds what a user's token comes with: context, id_token, refresh token. The caller holds mu.
func (s *Server) issueForUser(t token, nonce string) map[string]any {
	answer := s.issue(&t)
	context(t.launch, answer)
	if t.scopes.Has("openid") && t.launch.User != "" && s.forgery != WithoutToken {
		answer["id_token"] = s.idToken(t, nonce)
	}
	if t.scopes.Has("offline_access") || t.scopes.Has("online_access") {
		value := secret()
		s.refresh[value] = &refreshToken{token: t, nonce: nonce}
		answer["refresh_token"] = value
	}
	return answer
}

// context adds the launch context parameters (REQ#168, #169).
func context(l Launch, answer map[string]any) {
	for name, value := range map[string]string{
		"patient": l.Patient, "encounter": l.Encounter, "intent": l.Intent, "tenant": l.Tenant, "smart_style_url": l.StyleURL,
	} {
		if value != "" {
			answer[name] = value
		}
	}
	if l.NeedPatientBanner != nil {
		answer["need_patient_banner"] = *l.NeedPatientBanner
	}
	if l.FHIRContext != nil {
		answer["fhirContext"] = l.FHIRContext
	}
}

// revokeFamily ends every token that goes back to one authorization. The caller holds mu.
func (s *Server) revokeFamily(family string) {
	for k, t := range s.tokens {
		if t.family == family {
			delete(s.tokens, k)
		}
	}
	for k, rt := range s.refresh {
		if rt.token.family == family {
			delete(s.refresh, k)
		}
	}
}
