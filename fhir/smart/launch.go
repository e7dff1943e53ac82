package smart

import (
	"context"
	"crypto/rand"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// Pin reads the smart-configuration once. What was read is kept as long as the App lives: endpoints that change later, by
// whoever's hand, are not followed before a restart. A failure is not kept: the next call tries again. The error is a
// [*LaunchError] with Unreachable or Unfit.
func (a *App) Pin(ctx context.Context) (*Configuration, error) {
	if pinned := a.Pinned(); pinned != nil {
		return pinned, nil
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	found, err := Discover(ctx, a.cfg.HTTP, a.cfg.Base)
	if err != nil {
		return nil, undiscovered(err)
	}
	signIn := slices.ContainsFunc(a.cfg.Scopes, func(s Scope) bool { return s.Other == "openid" })
	if lacks := found.LaunchFindings(signIn && a.cfg.Issuer == ""); len(lacks) > 0 {
		return nil, &LaunchError{Code: Unfit, Detail: strings.Join(lacks, "; ")}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pinned == nil {
		a.pinned = found
	}
	return a.pinned, nil
}

// Pinned is what Pin keeps, nil where it has not read it yet. It makes no call.
func (a *App) Pinned() *Configuration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pinned
}

// Differs names the fields that a launch goes by and that two documents of one server say otherwise; the order within a list is
// nothing.
func (c *Configuration) Differs(from *Configuration) []string {
	var out []string
	for _, f := range []struct {
		name        string
		here, there []string
	}{
		{"authorization_endpoint", []string{c.AuthorizationEndpoint}, []string{from.AuthorizationEndpoint}},
		{"token_endpoint", []string{c.TokenEndpoint}, []string{from.TokenEndpoint}},
		{"revocation_endpoint", []string{c.RevocationEndpoint}, []string{from.RevocationEndpoint}},
		{"issuer", []string{c.Issuer}, []string{from.Issuer}},
		{"jwks_uri", []string{c.JWKSURI}, []string{from.JWKSURI}},
		{"grant_types_supported", c.GrantTypes, from.GrantTypes},
		{"capabilities", c.Capabilities, from.Capabilities},
		{"code_challenge_methods_supported", c.ChallengeMethods, from.ChallengeMethods},
	} {
		if !slices.Equal(slices.Compact(slices.Sorted(slices.Values(f.here))), slices.Compact(slices.Sorted(slices.Values(f.there)))) {
			out = append(out, f.name)
		}
	}
	return out
}

// LaunchFindings lists what SMART App Launch 2.2 requires of the document of a server that launches and this one does not say, or
// says otherwise, in plain phrases that begin with the name of the field. Pin refuses a document with one: what is missing is not
// made up for by a guess, and a server that takes plain challenges protects no code on its way. signIn: the issuer of the id_token
// has to come from the document too.
func (c *Configuration) LaunchFindings(signIn bool) []string {
	var out []string
	note := func(bad bool, text string) {
		if bad {
			out = append(out, text)
		}
	}
	note(c.AuthorizationEndpoint == "", "authorization_endpoint is missing")
	note(!slices.Contains(c.GrantTypes, "authorization_code"), "grant_types_supported does not list authorization_code")
	note(len(c.Capabilities) == 0, "capabilities is missing or empty")
	note(!slices.Contains(c.ChallengeMethods, "S256"), "code_challenge_methods_supported does not list S256")
	note(slices.Contains(c.ChallengeMethods, "plain"), "code_challenge_methods_supported lists plain, which it must not")
	note(signIn && c.Issuer == "", "issuer is missing, so no id_token can be verified")
	note(signIn && c.JWKSURI == "", "jwks_uri is missing, which a server that signs users in has to name")
	for _, e := range []struct{ name, at string }{
		{"authorization_endpoint", c.AuthorizationEndpoint}, {"token_endpoint", c.TokenEndpoint},
		{"revocation_endpoint", c.RevocationEndpoint}, {"jwks_uri", c.JWKSURI},
	} {
		u, err := url.Parse(e.at)
		note(e.at != "" && (err != nil || !secure(u)), e.name+" is not https")
	}
	return out
}

// SameIss compares the iss of a launch with a configured base as URLs: scheme and host without case, without a default port,
// dot segments, unneeded escapes or trailing slashes. What is no absolute http or https URL, or has a user, query or
// fragment, equals nothing. It sends nothing: an unknown iss is refused before any packet leaves.
func SameIss(a, b string) bool {
	na, okA := normalised(a)
	nb, okB := normalised(b)
	return okA && okB && na == nb
}

func normalised(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#") {
		return "", false
	}
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	switch {
	case scheme != "https" && scheme != "http":
		return "", false
	case scheme == "https" && port == "443", scheme == "http" && port == "80":
		port = ""
	}
	// An escaped slash is a character of its segment, not a separator: such a path is compared as it is written.
	where := u.EscapedPath()
	if !strings.Contains(strings.ToLower(where), "%2f") {
		where = (&url.URL{Path: path.Clean("/" + u.Path)}).EscapedPath()
	}
	return scheme + "://" + net.JoinHostPort(host, port) + strings.TrimRight(where, "/"), true
}

// longURL is where an authorize URL becomes too long for some servers and proxies on the way, in bytes.
const longURL = 2000

// Authorize begins a launch: an EHR launch with the launch value the EHR gave, byte for byte, or a standalone one with "".
// Errors are those of [App.Pin].
func (a *App) Authorize(ctx context.Context, launch string) (Start, error) {
	conf, err := a.Pin(ctx)
	if err != nil {
		return Start{}, err
	}
	scopes := a.asked(conf, launch)
	s := Start{State: rand.Text(), Verifier: oauth2.GenerateVerifier()} // 128 and 256 bits (REQ 13, 40)
	params := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(s.Verifier), oauth2.SetAuthURLParam("aud", a.cfg.Base)}
	if launch != "" {
		params = append(params, oauth2.SetAuthURLParam("launch", launch))
	}
	if slices.Contains(scopes, "openid") {
		s.Nonce = rand.Text()
		params = append(params, oauth2.SetAuthURLParam("nonce", s.Nonce))
	}
	request := oauth2.Config{
		ClientID: a.cfg.ClientID, RedirectURL: a.cfg.RedirectURI, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: conf.AuthorizationEndpoint},
	}
	s.URL = request.AuthCodeURL(s.State, params...)
	if conf.Has("authorize-post") && len(s.URL) > longURL {
		s.URL, s.Form = posted(conf.AuthorizationEndpoint, s.URL)
	}
	return s, nil
}

// asked are the scopes of an authorize request, spelled as the server wants them. A standalone launch asks for no patient: it is for
// the work of pools, and launch/patient would have the server make its user choose one. A server that gives one all the same is
// taken at its word (REQ 152, 166).
func (a *App) asked(conf *Configuration, launch string) []string {
	all := slices.Clone(a.cfg.Scopes)
	if launch != "" {
		all = append(all, Scope{Other: "launch"})
	}
	return all.Spell(conf.V1Scopes())
}

// posted splits an authorize URL into the form's action, the endpoint with the query of its own, and the fields.
func posted(endpoint, whole string) (string, url.Values) {
	own, fields := query(endpoint), query(whole)
	for name := range own {
		fields.Del(name)
	}
	return endpoint, fields
}

func query(raw string) url.Values {
	u, err := url.Parse(raw)
	if err != nil {
		return url.Values{}
	}
	return u.Query()
}
