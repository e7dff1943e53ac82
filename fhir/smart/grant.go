package smart

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/chartwire/chartwire/fhir/client"
)

// Exchange trades the code of a callback for a Grant, once and at once: codes live about a minute (REQ 62–72). s is the Start
// the callback's state belongs to; that it does, and that the browser is the same, the caller has checked. Any error is a
// [*LaunchError], and leaves nobody signed in: tokens that came all the same are ended at the EHR, as far as it does that.
func (a *App) Exchange(ctx context.Context, code string, s Start) (Grant, error) {
	conf, err := a.Pin(ctx)
	if err != nil {
		return Grant{}, err
	}
	if code == "" {
		return Grant{}, &LaunchError{Code: Denied, Detail: "the EHR came back with neither a code nor an error"}
	}
	token, err := a.call(ctx, conf, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.cfg.RedirectURI}, "code_verifier": {s.Verifier},
	})
	if err != nil {
		return Grant{}, err
	}
	g, err := a.granted(ctx, conf, token, s)
	if err != nil {
		_ = a.Revoke(ctx, Grant{Access: token.AccessToken, Refresh: token.RefreshToken}) // else they end by themselves
		return Grant{}, err
	}
	return g, nil
}

// granted reads what came with the tokens of a launch.
func (a *App) granted(ctx context.Context, conf *Configuration, token *oauth2.Token, s Start) (Grant, error) {
	scopes, told := scopeOf(token)
	if !told {
		return Grant{}, &LaunchError{Code: TokenResponse, Detail: "scope is missing"}
	}
	g := Grant{Access: token.AccessToken, Refresh: token.RefreshToken, Expires: token.Expiry.UTC(), Scopes: scopes}
	if err := g.launched(token, a.cfg.Base); err != nil {
		return Grant{}, err
	}
	if s.Nonce != "" { // openid was asked for
		if err := a.signIn(ctx, conf, token, s.Nonce, &g); err != nil {
			return Grant{}, err
		}
	}
	g.Missing = g.missing(a.cfg.Scopes)
	return g, nil
}

// call makes one token call with the deadline of all.
func (a *App) call(ctx context.Context, conf *Configuration, form url.Values) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	token, err := a.credentials().call(ctx, a.cfg.HTTP, conf.TokenEndpoint, form)
	if err != nil {
		return nil, launchError(err)
	}
	return token, nil
}

func (a *App) credentials() credentials {
	return credentials{clientID: a.cfg.ClientID, key: a.cfg.Key, secret: a.cfg.Secret, now: a.cfg.Now, newID: a.cfg.NewID}
}

// signIn verifies the id_token and takes from it who the user is. An EHR that did not grant openid may leave it out: the
// grant then names nobody.
func (a *App) signIn(ctx context.Context, conf *Configuration, token *oauth2.Token, nonce string, g *Grant) error {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		if Covers(g.Scopes, Scope{Other: "openid"}) {
			return &LaunchError{Code: IDToken, Detail: "openid was granted and there is no id_token"}
		}
		return nil
	}
	who, err := a.verify(ctx, conf, raw, nonce)
	if err != nil {
		return err
	}
	g.Issuer, g.Subject, g.Name, g.User = who.Issuer, who.Subject, who.Name, who.User
	return nil
}

// missing is what was asked for and not granted (REQ 147). A word that shows in what came is granted, whether the server
// repeats it or not.
func (g *Grant) missing(needed Scopes) Scopes {
	return slices.DeleteFunc(Missing(g.Scopes, needed), func(s Scope) bool {
		switch s.Other {
		case "openid":
			return g.Subject != ""
		case "fhirUser":
			return g.User != ""
		case "online_access", "offline_access":
			return g.Refresh != ""
		}
		return false
	})
}

// idPattern is a FHIR id (R4, datatypes).
var idPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

func isID(s string) bool { return idPattern.MatchString(s) && s != "." && s != ".." }

// launched reads the launch context parameters (REQ 168, 169, 191). What decides whose chart is shown has to be right; what is
// for show or for orientation is left out where it is not.
func (g *Grant) launched(token *oauth2.Token, base string) error {
	for name, into := range map[string]*string{"patient": &g.Patient, "encounter": &g.Encounter} {
		value := token.Extra(name)
		id, text := value.(string)
		if value != nil && (!text || id != "" && !isID(id)) {
			return &LaunchError{Code: TokenResponse, Detail: name + " is not the id of a resource"}
		}
		*into = id
	}
	g.Intent, _ = token.Extra("intent").(string)
	g.Tenant, _ = token.Extra("tenant").(string)
	hide, told := token.Extra("need_patient_banner").(bool)
	g.Banner = hide || !told
	if style, _ := token.Extra("smart_style_url").(string); style != "" {
		if u, err := url.Parse(style); err == nil && secure(u) && u.User == nil {
			g.StyleURL = style
		}
	}
	items, _ := token.Extra("fhirContext").([]any)
	for _, each := range items {
		if item, ok := contextItem(each, base); ok {
			g.Context = append(g.Context, item)
		}
	}
	return nil
}

// contextItem cleans one entry of fhirContext: it has a reference below the base, a canonical or an identifier; a role left
// out means launch; and Patient and Encounter with that role have parameters of their own, never this one.
func contextItem(each any, base string) (ContextItem, bool) {
	m, ok := each.(map[string]any)
	if !ok {
		return ContextItem{}, false
	}
	item := ContextItem{Role: "launch"}
	if role, told := m["role"]; told {
		if item.Role, _ = role.(string); item.Role == "" {
			return ContextItem{}, false
		}
	}
	item.Type, _ = m["type"].(string)
	item.Canonical, _ = m["canonical"].(string)
	if id, ok := m["identifier"].(map[string]any); ok {
		item.System, _ = id["system"].(string)
		item.Value, _ = id["value"].(string)
	}
	if ref, _ := m["reference"].(string); ref != "" {
		if item.Reference, ok = relative(ref, base); !ok {
			return ContextItem{}, false
		}
		item.Type, _, _ = strings.Cut(item.Reference, "/")
	}
	own := item.Role == "launch" && (item.Type == "Patient" || item.Type == "Encounter")
	return item, !own && (item.Reference != "" || item.Canonical != "" || item.Value != "")
}

// relative gives a reference as Type/id: one that is so, or an absolute one directly below the base. Anything else is another
// server's, or no reference, and is not ok (REQ 202).
func relative(ref, base string) (string, bool) {
	parts := strings.Split(ref, "/")
	if len(parts) < 2 {
		return "", false
	}
	kind, id := parts[len(parts)-2], parts[len(parts)-1]
	if !resourceName(kind) || kind == "*" || !isID(id) {
		return "", false
	}
	if above := strings.Join(parts[:len(parts)-2], "/"); len(parts) > 2 && !SameIss(above, base) {
		return "", false
	}
	return kind + "/" + id, true
}

// Get reads ref, a FHIR read or search such as Patient/1 or Task?patient=1, or a link of a page, with the user's token. The
// token goes nowhere but below the base, and after no redirect (REQ 93, 97, 98). The error is a [*GetError]; one with status 401
// says that the token is worn out: refresh once and ask again, and ask nothing again after 403.
func (a *App) Get(ctx context.Context, access, ref string) ([]byte, error) {
	if ref == "" {
		return nil, &GetError{Why: "there is nothing to read"}
	}
	c, err := client.New(client.Config{HTTP: a.cfg.HTTP, Base: a.cfg.Base, Auth: &bearer{token: access}, Now: a.cfg.Now})
	if err != nil {
		return nil, &GetError{Why: "the FHIR base is not usable"}
	}
	resp, err := c.Call(ctx, client.Request{Method: http.MethodGet, Link: ref})
	var failed *client.Error
	switch {
	case err == nil:
		return resp.Body, nil
	case errors.Is(err, errWorn):
		return nil, &GetError{Status: http.StatusUnauthorized, Why: "the EHR does not take the token any more"}
	case errors.Is(err, client.ErrOutsideBase):
		return nil, &GetError{Why: "the address is not below the FHIR base, so the token was not sent there"}
	case errors.As(err, &failed):
		return nil, &GetError{Status: failed.Status, Why: failed.Why}
	}
	return nil, &GetError{Why: "no answer"}
}

// bearer is the client's Auth with a token that somebody else renews: once refused, nothing more is sent.
type bearer struct {
	token string
	worn  bool
}

var errWorn = errors.New("smart app: the token was refused")

func (b *bearer) Authorize(_ context.Context, req *http.Request) error {
	if b.worn {
		return errWorn
	}
	req.Header.Set("Authorization", "Bearer "+b.token)
	return nil
}

func (b *bearer) Invalidate(string) { b.worn = true }
