package smart

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// exchange runs a whole launch and gives its grant.
func exchange(t *testing.T, a *App, e *ehrSide) (Grant, error) {
	t.Helper()
	return a.Exchange(t.Context(), "code-1", begin(t, a, e))
}

func granted(t *testing.T, a *App, e *ehrSide) Grant {
	t.Helper()
	g, err := exchange(t, a, e)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestREQ062_067To070_CodeExchange(t *testing.T) {
	a, e, _ := app(t)
	s := begin(t, a, e)
	g, err := a.Exchange(t.Context(), "code-1", s)
	if err != nil {
		t.Fatal(err)
	}
	calls := e.to(issuerAt + "/token")
	if len(calls) != 1 || calls[0].method != "POST" || calls[0].header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Fatalf("%+v", calls)
	}
	for name, want := range map[string]string{
		"grant_type": "authorization_code", "code": "code-1", "redirect_uri": callback, "code_verifier": s.Verifier, "client_id": clientID,
	} {
		if calls[0].form.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, calls[0].form.Get(name), want)
		}
	}
	want := Grant{
		Access: "access-1", Refresh: "refresh-1", Expires: fixedNow.Add(300 * time.Second), Patient: "daniel", Banner: true,
		Scopes: ParseScopes("openid fhirUser launch online_access user/Patient.rs user/Communication.crus"),
		User:   "Practitioner/ana", Subject: "u-1", Issuer: issuerAt, Name: "Ana Rivera",
	}
	if !reflect.DeepEqual(g, want) {
		t.Errorf("%s, want %s", text(g), text(want))
	}
}

func TestREQ071_072_345_OnlyAPublicClientNamesItself(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*AppConfig)
		names  bool
		basic  string
	}{
		"public":     {func(*AppConfig) {}, true, ""},
		"symmetric":  {func(c *AppConfig) { c.Secret = "s+c/r=t:%" }, false, "Basic " + base64.StdEncoding.EncodeToString([]byte("inbox:s+c/r=t:%"))},
		"asymmetric": {func(c *AppConfig) { c.Key = testKey(t, ES384) }, false, ""},
	} {
		a, e, _ := app(t, x.change)
		granted(t, a, e)
		call := e.to(issuerAt + "/token")[0]
		if call.form.Has("client_id") != x.names || call.header.Get("Authorization") != x.basic || call.form.Has("client_secret") {
			t.Errorf("%s (REQ 345): %v %v", name, call.form, call.header)
		}
	}
}

func TestREQ319_EveryCallOfAnAppHasAFreshAssertion(t *testing.T) {
	for _, alg := range []Algorithm{ES384, RS384} {
		a, e, _ := app(t, func(c *AppConfig) { c.Key = testKey(t, alg) })
		g := granted(t, a, e)
		if _, err := a.Refresh(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if err := a.Revoke(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		calls, seen := append(e.to(issuerAt+"/token"), e.to(issuerAt+"/revoke")...), map[string]bool{}
		if len(calls) != 4 {
			t.Fatalf("%d calls", len(calls))
		}
		for _, c := range calls {
			signed, err := jose.ParseSigned(c.form.Get("client_assertion"), []jose.SignatureAlgorithm{alg})
			if err != nil {
				t.Fatal(err)
			}
			payload, err := signed.Verify(testKey(t, alg).jwk.Public())
			if err != nil || seen[string(payload)] || !strings.Contains(string(payload), issuerAt+"/token") || c.form.Get("client_assertion_type") != AssertionType {
				t.Errorf("%v %s %v", err, payload, c.form)
			}
			seen[string(payload)] = true
		}
	}
}

func TestREQ074To078_TokenResponse(t *testing.T) {
	for name, x := range map[string]struct {
		change map[string]any
		status int
		code   string
		lives  time.Duration
	}{
		"bearer in small letters": {map[string]any{"token_type": "bearer"}, 200, "", 300 * time.Second},
		"no expires_in":           {map[string]any{"expires_in": nil}, 200, "", 300 * time.Second},
		"an hour":                 {map[string]any{"expires_in": 3600}, 200, "", time.Hour},
		"no access_token":         {map[string]any{"access_token": nil}, 200, TokenResponse, 0},
		"no token_type":           {map[string]any{"token_type": nil}, 200, TokenResponse, 0},
		"another token_type":      {map[string]any{"token_type": "mac"}, 200, TokenResponse, 0},
		"no scope":                {map[string]any{"scope": nil}, 200, TokenResponse, 0},
		"blank scope":             {map[string]any{"scope": " "}, 200, TokenResponse, 0},
		"expired code":            {map[string]any{"error": "invalid_grant"}, 400, Expired, 0},
		"bad client":              {map[string]any{"error": "invalid_client"}, 401, TokenRefused, 0},
		"an error with 200":       {map[string]any{"error": "invalid_client"}, 200, TokenRefused, 0},
		"down":                    {nil, 503, Unreachable, 0},
		"a redirect":              {nil, 302, TokenRefused, 0},
	} {
		a, e, _ := app(t)
		for k, v := range x.change {
			if e.token[k] = v; v == nil {
				delete(e.token, k)
			}
		}
		e.token["error_description"], e.status = "Zebra", x.status
		g, err := exchange(t, a, e)
		switch {
		case x.code == "" && (err != nil || g.Expires != fixedNow.Add(x.lives)):
			t.Errorf("%s: %v %v", name, g.Expires, err)
		case x.code != "" && (codeOf(t, err) != x.code || strings.Contains(err.Error(), "Zebra")):
			t.Errorf("%s: %v", name, err)
		case x.code != "" && g.Access != "":
			t.Errorf("%s: a token came with the error", name)
		}
		if n := len(e.to(issuerAt + "/token")); n != 1 {
			t.Errorf("%s: a code was sent %d times", name, n)
		}
	}
}

func TestDuty19_ACallbackWithoutCodeSendsNothing(t *testing.T) {
	a, e, _ := app(t)
	if _, err := a.Exchange(t.Context(), "", begin(t, a, e)); codeOf(t, err) != Denied || len(e.to(issuerAt+"/token")) != 0 {
		t.Error(err)
	}
}

func TestREQ147_MissingScopesAreNamed(t *testing.T) {
	for name, x := range map[string]struct{ scope, missing string }{
		"all":                        {needed, ""},
		"no creating":                {"openid fhirUser online_access user/Patient.rs user/Communication.rs", "user/Communication.cu"},
		"v1 back":                    {"openid fhirUser online_access user/Patient.read user/Communication.*", ""},
		"words not repeated":         {"user/Patient.rs user/Communication.crus", ""},
		"another level":              {"patient/Patient.rs user/Communication.crus", "user/Patient.rs"},
		"only for one category":      {"user/Patient.rs user/Communication.crus?category=x", "user/Communication.crus"},
		"more than was asked for":    {"user/*.cruds", ""},
		"a spelling without meaning": {"user/Patient.sr user/Communication.crus", "user/Patient.rs"},
	} {
		a, e, _ := app(t)
		e.token["scope"] = x.scope
		if g := granted(t, a, e); g.Missing.String() != x.missing {
			t.Errorf("%s: missing %q, want %q", name, g.Missing, x.missing)
		}
	}
	a, e, _ := app(t)
	e.claims = nil
	delete(e.token, "refresh_token")
	e.token["scope"] = "user/Patient.rs user/Communication.crus"
	if g := granted(t, a, e); g.Missing.String() != "openid fhirUser online_access" || g.User != "" {
		t.Errorf("missing %q", g.Missing)
	}
}

func TestREQ168_169_193_LaunchContext(t *testing.T) {
	for name, x := range map[string]struct {
		change map[string]any
		want   Grant // its context
		fails  bool
	}{
		"all": {map[string]any{"encounter": "visit-1", "intent": "reply", "tenant": "t/7", "need_patient_banner": false, "smart_style_url": "https://ehr.example/style.json"},
			Grant{Patient: "daniel", Encounter: "visit-1", Intent: "reply", Tenant: "t/7", StyleURL: "https://ehr.example/style.json"}, false},
		"banner not told (duty 26)": {nil, Grant{Patient: "daniel", Banner: true}, false},
		"banner wanted":             {map[string]any{"need_patient_banner": true}, Grant{Patient: "daniel", Banner: true}, false},
		"banner as text":            {map[string]any{"need_patient_banner": "false"}, Grant{Patient: "daniel", Banner: true}, false},
		"style in the clear":        {map[string]any{"smart_style_url": "http://ehr.example/style.json"}, Grant{Patient: "daniel", Banner: true}, false},
		"style relative":            {map[string]any{"smart_style_url": "/style.json"}, Grant{Patient: "daniel", Banner: true}, false},
		"style a script":            {map[string]any{"smart_style_url": "javascript:x"}, Grant{Patient: "daniel", Banner: true}, false},
		"intent unknown (REQ 193)":  {map[string]any{"intent": "no-such-view"}, Grant{Patient: "daniel", Banner: true, Intent: "no-such-view"}, false},
		"intent no text (REQ 193)":  {map[string]any{"intent": 7, "tenant": []string{"x"}}, Grant{Patient: "daniel", Banner: true}, false},
		"patient empty":             {map[string]any{"patient": ""}, Grant{Banner: true}, false},
		"patient null":              {map[string]any{"patient": nil}, Grant{Banner: true}, false},
		"patient a reference":       {map[string]any{"patient": "Patient/daniel"}, Grant{}, true},
		"patient a number":          {map[string]any{"patient": 17}, Grant{}, true},
		"patient a path":            {map[string]any{"patient": ".."}, Grant{}, true},
		"patient a query":           {map[string]any{"patient": "a?b=c"}, Grant{}, true},
		"encounter a list":          {map[string]any{"encounter": []string{"a"}}, Grant{}, true},
		"something unknown":         {map[string]any{"imagingStudy": "i-1", "practitioner": 4}, Grant{Patient: "daniel", Banner: true}, false},
	} {
		a, e, _ := app(t)
		for k, v := range x.change {
			e.token[k] = v
		}
		g, err := exchange(t, a, e)
		if x.fails {
			if codeOf(t, err) != TokenResponse {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		got := Grant{Patient: g.Patient, Encounter: g.Encounter, Intent: g.Intent, Tenant: g.Tenant, StyleURL: g.StyleURL, Banner: g.Banner, Context: g.Context}
		if err != nil || !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s: %s %v", name, text(got), err)
		}
	}
}

func TestDuty27_NoPatientIsNeverGuessed(t *testing.T) {
	a, e, _ := app(t)
	delete(e.token, "patient")
	e.token["fhirContext"] = []any{map[string]any{"reference": "Patient/other"}, map[string]any{"reference": "Patient/mother", "role": "https://x.example/relative"}}
	g := granted(t, a, e)
	if g.Patient != "" || len(g.Context) != 1 || g.Context[0].Reference != "Patient/mother" {
		t.Errorf("%s", text(g))
	}
}

func TestREQ191_FHIRContextIsCleaned(t *testing.T) {
	type m = map[string]any
	for name, x := range map[string]struct {
		item any
		want string // "" dropped; else reference|canonical|system|value|type|role
	}{
		"reference":                    {m{"reference": "ImagingStudy/1"}, "ImagingStudy/1||||ImagingStudy|launch"},
		"absolute, ours":               {m{"reference": fhirBase + "/Task/2", "role": "https://x.example/r"}, "Task/2||||Task|https://x.example/r"},
		"absolute, another's":          {m{"reference": "https://evil.example/Task/2"}, ""},
		"absolute, another's and more": {m{"reference": "https://evil.example/Task/2", "canonical": "http://x.example/q"}, ""},
		"canonical":                    {m{"canonical": "http://x.example/q|1", "type": "Questionnaire"}, "|http://x.example/q|1|||Questionnaire|launch"},
		"identifier":                   {m{"identifier": m{"system": "urn:x", "value": "7"}, "type": "Task"}, "||urn:x|7|Task|launch"},
		"unknown members":              {m{"reference": "Task/2", "x": 1}, "Task/2||||Task|launch"},
		"patient as launch":            {m{"reference": "Patient/1"}, ""},
		"encounter as launch":          {m{"reference": "Encounter/1", "role": "launch"}, ""},
		"patient by identifier":        {m{"identifier": m{"value": "7"}, "type": "Patient"}, ""},
		"patient of another role":      {m{"reference": "Patient/1", "role": "https://x.example/r"}, "Patient/1||||Patient|https://x.example/r"},
		"patient under a false type":   {m{"reference": "Patient/1", "type": "Task"}, ""},
		"nothing":                      {m{"role": "launch"}, ""},
		"empty role":                   {m{"reference": "Task/1", "role": ""}, ""},
		"role no text":                 {m{"reference": "Task/1", "role": 1}, ""},
		"no object":                    {"Task/1", ""},
		"a path":                       {m{"reference": "../Task/1"}, ""},
	} {
		a, e, _ := app(t)
		e.token["fhirContext"] = []any{x.item}
		got := ""
		for _, c := range granted(t, a, e).Context {
			got = strings.Join([]string{c.Reference, c.Canonical, c.System, c.Value, c.Type, c.Role}, "|")
		}
		if got != x.want {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
	a, e, _ := app(t)
	e.token["fhirContext"] = "Task/1"
	if g := granted(t, a, e); g.Context != nil {
		t.Errorf("%v", g.Context)
	}
}

func TestREQ093_097_098_TheTokenGoesBelowTheBaseOnly(t *testing.T) {
	for ref, want := range map[string]string{
		"Patient/daniel":                 fhirBase + "/Patient/daniel",
		"Task?patient=daniel&_count=2":   fhirBase + "/Task?patient=daniel&_count=2",
		fhirBase + "/Task?page=2":        fhirBase + "/Task?page=2",
		"https://evil.example/Patient/1": "", "//evil.example/Patient/1": "", "https://ehr.example/other/Patient/1": "", "../../admin": "", "/admin": "",
		"https://user@ehr.example/api/fhir/r4/Patient/1": "", "http://ehr.example/api/fhir/r4/Patient/1": "", "Patient/%2e%2e/%2e%2e/%2e%2e/x": "", "": "", "Binary/..\\..\\x": "",
	} {
		a, e, _ := app(t)
		e.fhir = func(*http.Request) (int, http.Header, string) { return 200, nil, `{"resourceType":"Patient"}` }
		body, err := a.Get(t.Context(), "access-1", ref)
		if want == "" {
			if err == nil || len(e.asked) != 0 {
				t.Errorf("%q: %v, asked %v", ref, err, e.asked)
			}
			continue
		}
		got := e.to(want)
		if err != nil || string(body) != `{"resourceType":"Patient"}` || len(got) != 1 || got[0].header.Get("Authorization") != "Bearer access-1" {
			t.Errorf("%q: %v %v", ref, err, e.asked)
		}
	}
}

func TestDuty34_WhatARefusedReadMeans(t *testing.T) {
	for name, x := range map[string]struct {
		status int
		header http.Header
	}{
		"worn": {401, nil}, "no right": {403, nil}, "not there": {404, nil}, "gone": {410, nil}, "down": {503, nil},
		"a redirect away": {302, http.Header{"Location": {"https://evil.example/x"}}}, "a redirect below": {307, http.Header{"Location": {fhirBase + "/Patient/2"}}},
	} {
		a, e, _ := app(t)
		e.fhir = func(*http.Request) (int, http.Header, string) {
			return x.status, x.header, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"x","diagnostics":"Zebra"}]}`
		}
		_, err := a.Get(t.Context(), "access-1", "Patient/1")
		got, ok := err.(*GetError)
		if !ok || got.Status != x.status || strings.Contains(fmt.Sprintf("%v %+v", err, err), "Zebra") || len(e.asked) != 1 {
			t.Errorf("%s: %+v after %d calls", name, err, len(e.asked))
		}
	}
	a, e, _ := app(t)
	e.fhir = func(*http.Request) (int, http.Header, string) { return 200, nil, "{}" }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.cfg.HTTP = &http.Client{Transport: unreachable{}}
	if _, err := a.Get(ctx, "access-1", "Patient/1"); err == nil || err.(*GetError).Status != 0 {
		t.Error(err)
	}
}

type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) { return nil, context.Canceled }
