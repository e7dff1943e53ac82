package smart

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sent gives the parameters of an authorize request.
func sent(t *testing.T, s Start) url.Values {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func codeOf(t *testing.T, err error) string {
	t.Helper()
	var e *LaunchError
	if !errors.As(err, &e) {
		t.Errorf("%v is no LaunchError", err)
		return ""
	}
	return e.Code
}

func TestREQ032To045_211_AuthorizeRequestHasEveryParameter(t *testing.T) {
	a, e, _ := app(t)
	s := begin(t, a, e)
	if !strings.HasPrefix(s.URL, issuerAt+"/authorize?") || s.Form != nil {
		t.Fatalf("%s %v", s.URL, s.Form)
	}
	got, sum := sent(t, s), sha256.Sum256([]byte(s.Verifier))
	for name, want := range map[string]string{
		"response_type": "code", "client_id": clientID, "redirect_uri": callback, "aud": fhirBase, "launch": "launch-1", "state": s.State, "nonce": s.Nonce,
		"scope": needed + " launch", "code_challenge_method": "S256", "code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]),
	} {
		if len(got[name]) != 1 || got.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if got.Has("max_age") || got.Has("auth_time") || len(got) != 10 {
		t.Errorf("REQ 211: %v", slices.Sorted(maps.Keys(got)))
	}
}

func TestREQ041_AudIsTheBaseByteForByte(t *testing.T) {
	for _, base := range []string{fhirBase, "https://EHR.example:443/api/fhir/r4", "https://ehr.example/api/FHIR/%52%34"} {
		a, e, _ := app(t, func(c *AppConfig) { c.Base = base })
		a.pinned = &Configuration{AuthorizationEndpoint: issuerAt + "/authorize", ChallengeMethods: []string{"S256"}}
		if got := sent(t, begin(t, a, e)).Get("aud"); got != base {
			t.Errorf("aud %q, want %q", got, base)
		}
	}
}

func TestREQ035And036_LaunchIsEchoedExactly(t *testing.T) {
	for _, launch := range []string{"xyz123", "a b+c/d=&%25\u00e9", strings.Repeat("l", 400)} {
		a, _, _ := app(t)
		s, err := a.Authorize(t.Context(), launch)
		if err != nil || sent(t, s).Get("launch") != launch {
			t.Errorf("%q became %q (%v)", launch, sent(t, s).Get("launch"), err)
		}
		if scopes := strings.Fields(sent(t, s).Get("scope")); !slices.Contains(scopes, "launch") || slices.Contains(scopes, "launch/patient") {
			t.Errorf("scopes %v", scopes)
		}
	}
}

func TestREQ152And166_StandaloneAsksForNoPatient(t *testing.T) {
	for name, can := range map[string][]string{
		"the server chooses patients": {"launch-ehr", "launch-standalone", "context-standalone-patient"}, "it chooses none": {"launch-standalone"}, "it does not say": {"launch-ehr"},
	} {
		a, e, _ := app(t)
		e.conf["capabilities"] = can
		s, err := a.Authorize(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if got := sent(t, s); got.Has("launch") || got.Get("scope") != needed {
			t.Errorf("%s: asks for %q", name, got.Get("scope"))
		}
		// One that gives a patient all the same, as where its user had opened one, is heard.
		e.claims["nonce"] = s.Nonce
		if g, err := a.Exchange(t.Context(), "code", s); err != nil || g.Patient != "daniel" {
			t.Errorf("%s: patient %q of its answer, %v", name, g.Patient, err)
		}
	}
}

// TestREQ153_NoEncounterIsAskedFor: the inbox opens a patient. An encounter the EHR tells of is used, and none is asked for, also
// where the server could choose one.
func TestREQ153_NoEncounterIsAskedFor(t *testing.T) {
	for _, launch := range []string{"", "launch-1"} {
		a, e, _ := app(t)
		e.conf["capabilities"] = append(e.conf["capabilities"].([]string), "context-standalone-encounter", "context-ehr-encounter")
		s, err := a.Authorize(t.Context(), launch)
		if err != nil {
			t.Fatal(err)
		}
		if scopes := strings.Fields(sent(t, s).Get("scope")); slices.Contains(scopes, "launch/encounter") {
			t.Errorf("launch %q: %v", launch, scopes)
		}
	}
}

func TestREQ013_002_040_StateAndVerifierAreUnpredictable(t *testing.T) {
	a, _, _ := app(t)
	seen := map[string]bool{}
	for range 1000 {
		s, err := a.Authorize(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		// 26 characters of base32 are 130 bits.
		if !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(s.State) || !regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(s.Verifier) {
			t.Fatalf("%q %q", s.State, s.Verifier)
		}
		for _, v := range []string{s.State, s.Verifier, s.Nonce} {
			if seen[v] {
				t.Fatal("a value came twice")
			}
			seen[v] = true
		}
	}
}

func TestREQ050To052_133_LongScopesArePosted(t *testing.T) {
	long := strings.Repeat("user/Observation.rs?category=laboratory&code=http://loinc.org|1234-5 ", 40)
	for name, x := range map[string]struct {
		post   bool
		scopes string
		form   bool
	}{"short": {true, needed, false}, "long": {true, needed + " " + uniqueScopes(long), true}, "long, but not taken": {false, needed + " " + uniqueScopes(long), false}} {
		t.Run(name, func(t *testing.T) {
			a, e, _ := app(t, func(c *AppConfig) { c.Scopes = ParseScopes(x.scopes) })
			e.conf["authorization_endpoint"] = issuerAt + "/authorize?tenant=7"
			if x.post {
				e.conf["capabilities"] = append(e.conf["capabilities"].([]string), "authorize-post")
			}
			s := begin(t, a, e)
			if (s.Form != nil) != x.form {
				t.Fatalf("form %v", s.Form)
			}
			if !x.form {
				if got := sent(t, s); got.Get("tenant") != "7" || got.Get("state") != s.State {
					t.Errorf("%v", got)
				}
				return
			}
			if s.URL != issuerAt+"/authorize?tenant=7" || s.Form.Has("tenant") || s.Form.Get("aud") != fhirBase || s.Form.Get("scope") != x.scopes+" launch" {
				t.Errorf("%s %v", s.URL, s.Form)
			}
		})
	}
}

// uniqueScopes numbers the types, so that none is a repeat.
func uniqueScopes(s string) string {
	out := strings.Fields(s)
	for i := range out {
		out[i] = strings.Replace(out[i], "1234", fmt.Sprint(1000+i), 1)
	}
	return strings.Join(out, " ")
}

func TestREQ131And135_ScopesAreSpelledAsTheServerReadsThem(t *testing.T) {
	for name, x := range map[string]struct {
		capabilities []string
		want         string
	}{
		"v2":      {[]string{"permission-v2"}, "user/Patient.rs user/Communication.crus"},
		"both":    {[]string{"permission-v1", "permission-v2"}, "user/Patient.rs user/Communication.crus"},
		"v1":      {[]string{"permission-v1"}, "user/Patient.read user/Communication.read user/Communication.write"},
		"neither": {[]string{"launch-ehr"}, "user/Patient.rs user/Communication.crus"},
	} {
		a, e, _ := app(t)
		e.conf["capabilities"] = x.capabilities
		if got := sent(t, begin(t, a, e)).Get("scope"); got != "openid fhirUser online_access "+x.want+" launch" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestREQ029And227_DiscoveryIsReadOnceAndPinned(t *testing.T) {
	a, e, _ := app(t)
	s := begin(t, a, e)
	e.conf["token_endpoint"], e.conf["authorization_endpoint"] = "https://evil.example/token", "https://evil.example/authorize"
	if _, err := a.Exchange(t.Context(), "c", s); err != nil {
		t.Fatal(err)
	}
	if again := begin(t, a, e); !strings.HasPrefix(again.URL, issuerAt) {
		t.Errorf("followed to %s", again.URL)
	}
	if got := e.to(fhirBase + "/.well-known/smart-configuration"); len(got) != 1 || got[0].header.Get("Accept") != "application/json" {
		t.Errorf("%d reads, %v", len(got), got)
	}
}

func TestDuty03_WhatADocumentMustHave(t *testing.T) {
	for name, x := range map[string]struct {
		change map[string]any
		scopes string
		code   string
	}{
		"all there":                {nil, needed, ""},
		"no authorization":         {map[string]any{"authorization_endpoint": nil}, needed, Unfit},
		"no token endpoint":        {map[string]any{"token_endpoint": nil}, needed, Unfit},
		"no S256":                  {map[string]any{"code_challenge_methods_supported": nil}, needed, Unfit},
		"plain only":               {map[string]any{"code_challenge_methods_supported": []string{"plain"}}, needed, Unfit},
		"plain too":                {map[string]any{"code_challenge_methods_supported": []string{"S256", "plain"}}, needed, Unfit},
		"no grant types":           {map[string]any{"grant_types_supported": nil}, needed, Unfit},
		"no code grant":            {map[string]any{"grant_types_supported": []string{"client_credentials"}}, needed, Unfit},
		"no capabilities":          {map[string]any{"capabilities": nil}, needed, Unfit},
		"capabilities empty":       {map[string]any{"capabilities": []string{}}, needed, Unfit},
		"no keys":                  {map[string]any{"jwks_uri": nil}, needed, Unfit},
		"no keys, none asked":      {map[string]any{"jwks_uri": nil}, "user/Patient.rs", ""},
		"no issuer":                {map[string]any{"issuer": nil}, needed, Unfit},
		"no issuer, none asked":    {map[string]any{"issuer": nil}, "user/Patient.rs", ""},
		"authorize in the clear":   {map[string]any{"authorization_endpoint": "http://auth.ehr.example/authorize"}, needed, Unfit},
		"token in the clear":       {map[string]any{"token_endpoint": "http://auth.ehr.example/token"}, needed, Unfit},
		"revocation in the clear":  {map[string]any{"revocation_endpoint": "http://auth.ehr.example/revoke"}, needed, Unfit},
		"keys in the clear":        {map[string]any{"jwks_uri": "http://auth.ehr.example/jwks"}, needed, Unfit},
		"relative (REQ 379)":       {map[string]any{"authorization_endpoint": "oauth/authorize"}, needed, ""},
		"a scheme that runs codes": {map[string]any{"authorization_endpoint": "javascript:alert(1)"}, needed, Unfit},
	} {
		a, e, _ := app(t, func(c *AppConfig) { c.Scopes = ParseScopes(x.scopes) })
		for k, v := range x.change {
			if e.conf[k] = v; v == nil {
				delete(e.conf, k)
			}
		}
		_, err := a.Pin(t.Context())
		if x.code == "" && err != nil || x.code != "" && codeOf(t, err) != x.code {
			t.Errorf("%s: %v", name, err)
		}
		// A failure is not kept.
		maps.Copy(e.conf, newEHRSide(t, fixedClock).conf)
		if _, err := a.Pin(t.Context()); err != nil {
			t.Errorf("%s, mended: %v", name, err)
		}
	}
}

// An EHR that is down is to be tried again; one that has no such document is somebody's to mend.
func TestWhoMendsDiscovery(t *testing.T) {
	for status, want := range map[int]string{503: Unreachable, 429: Unreachable, 404: Unfit, 302: Unfit, 200: Unfit, 0: Unreachable} {
		a, e, _ := app(t, func(c *AppConfig) { c.Base = "https://ehr.example/elsewhere" })
		e.fhir = answers(status) // 200 without a document
		if status == 0 {
			a.cfg.HTTP = &http.Client{Transport: unreachable{}}
		}
		if _, err := a.Authorize(t.Context(), "x"); codeOf(t, err) != want {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestDuty04_IssIsComparedAsAURL(t *testing.T) {
	for _, same := range [][2]string{
		{fhirBase, fhirBase}, {fhirBase + "/", fhirBase}, {"HTTPS://EHR.Example:443/api/fhir/r4", fhirBase}, {"https://ehr.example/api/x/../fhir/./r4", fhirBase},
		{"https://ehr.example/api/%66hir/r4", fhirBase}, {"http://127.0.0.1:80", "http://127.0.0.1/"}, {"https://[::1]:443/x", "https://[::1]/x"},
	} {
		if !SameIss(same[0], same[1]) || !SameIss(same[1], same[0]) {
			t.Errorf("%s is not %s", same[0], same[1])
		}
	}
	for _, other := range []string{
		"", "ehr.example/api/fhir/r4", "http://ehr.example/api/fhir/r4", "https://ehr.example:8443/api/fhir/r4", "https://ehr.example/api/fhir", "https://ehr.example/api/FHIR/r4",
		"https://ehr.example.evil/api/fhir/r4", "https://ehr.example@evil.example/api/fhir/r4", "https://user@ehr.example/api/fhir/r4", fhirBase + "?x=1", fhirBase + "#x", fhirBase + "?",
		"https://ehr.example/api/fhir%2fr4", "javascript:alert(1)", "https://", "https:///api/fhir/r4", "://", "https://ehr.example\\@evil.example/",
	} {
		if SameIss(other, fhirBase) || SameIss(fhirBase, other) {
			t.Errorf("%q is taken for the base", other)
		}
	}
	if SameIss("", "") || SameIss("x", "x") {
		t.Error("what is no URL equals itself")
	}
}

func TestREQ020And021_AddressesAreFullAndHTTPS(t *testing.T) {
	good := AppConfig{Base: fhirBase, ClientID: "c", RedirectURI: callback, HTTP: http.DefaultClient, Now: fixedClock}
	for name, x := range map[string]struct {
		change func(*AppConfig)
		ok     bool
	}{
		"right":                 {func(*AppConfig) {}, true},
		"loopback":              {func(c *AppConfig) { c.RedirectURI, c.Base = "http://127.0.0.1:1/cb", "http://localhost:2/fhir" }, true},
		"redirect in the clear": {func(c *AppConfig) { c.RedirectURI = "http://cw.example/cb" }, false},
		"redirect relative":     {func(c *AppConfig) { c.RedirectURI = "/cb" }, false},
		"redirect missing":      {func(c *AppConfig) { c.RedirectURI = "" }, false},
		"redirect, fragment":    {func(c *AppConfig) { c.RedirectURI = callback + "#x" }, false},
		"base in the clear":     {func(c *AppConfig) { c.Base = "http://ehr.example/fhir" }, false},
		"base with a query":     {func(c *AppConfig) { c.Base = fhirBase + "?x=1" }, false},
		"issuer in the clear":   {func(c *AppConfig) { c.Issuer = "http://auth.example" }, false},
		"no client id":          {func(c *AppConfig) { c.ClientID = "" }, false},
		"two ways to sign":      {func(c *AppConfig) { c.Key, c.Secret = testKey(t, ES384), "s" }, false},
	} {
		cfg := good
		x.change(&cfg)
		if _, err := NewApp(cfg); (err == nil) != x.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestREQ006_CallbackErrorsKeepOnlyTheCode(t *testing.T) {
	for given, want := range map[string]string{"access_denied": "access_denied", "login_required": "login_required", "Zebra <b>": "", "": ""} {
		if e := DeniedBy(given); e.Code != Denied || e.OAuth != want || strings.Contains(e.Error(), "Zebra") {
			t.Errorf("%q: %+v", given, e)
		}
	}
}

// Every code has a sentence that says what happened and who does what.
func TestLaunchErrorsAreSentences(t *testing.T) {
	for code, s := range sentences {
		if strings.Count(s, ".") < 2 && !strings.Contains(s, ";") || !strings.HasSuffix(s, ".") {
			t.Errorf("%s: %q", code, s)
		}
	}
	if got := (&LaunchError{Code: IDToken, Detail: "why", OAuth: "x_y", Status: 400}).Error(); !strings.HasSuffix(got, "(why, x_y, HTTP 400)") {
		t.Error(got)
	}
}

func TestREQ007To009_090_SecretsDoNotPrint(t *testing.T) {
	const secret = "Zebra"
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, nil))
	s := Start{URL: secret, State: secret, Verifier: secret, Nonce: secret, Form: url.Values{"state": {secret}}}
	g := Grant{Access: secret, Refresh: secret, Patient: secret, User: secret, Name: secret, Subject: secret, Context: []ContextItem{{Reference: secret}}}
	for _, v := range []any{s, g, &s, &g, struct{ G Grant }{g}, []Start{s}} {
		fmt.Fprintf(&b, "%v %+v %#v %s", v, v, v, v)
	}
	log.Info("x", "start", s, "grant", g)
	if strings.Contains(b.String(), secret) {
		t.Errorf("printed: %s", b.String())
	}
}
