package smart

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goodDocument = `{"issuer":"https://ehr.example/fhir","jwks_uri":"https://ehr.example/jwks","authorization_endpoint":"/auth/authorize","token_endpoint":"auth/token",
	"grant_types_supported":["authorization_code","client_credentials"],"capabilities":["launch-ehr","sso-openid-connect","client-confidential-asymmetric","permission-v2"],
	"code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["private_key_jwt"]}`

func TestREQ029And227_Discover(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/fhir/r4/.well-known/smart-configuration" || r.Header.Get("Accept") != "application/json" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		_, _ = w.Write([]byte(goodDocument))
	}))
	defer s.Close()
	for _, base := range []string{s.URL + "/fhir/r4", s.URL + "/fhir/r4/"} {
		c, err := Discover(context.Background(), s.Client(), base)
		if err != nil {
			t.Fatal(err)
		}
		if c.TokenEndpoint != s.URL+"/fhir/r4/auth/token" || c.AuthorizationEndpoint != s.URL+"/auth/authorize" || len(c.LaunchFindings(true)) != 0 || len(c.BackendFindings()) != 0 || c.V1Scopes() {
			t.Errorf("%+v %v", c, c.LaunchFindings(true))
		}
	}
}

// TestREQ379_RelativeEndpointsAreResolved: against the FHIR base, as if it ended in a slash.
func TestREQ379_RelativeEndpointsAreResolved(t *testing.T) {
	for said, want := range map[string]string{
		"auth/token": "https://ehr.example/fhir/r4/auth/token", "./token": "https://ehr.example/fhir/r4/token", "../token": "https://ehr.example/fhir/token",
		"/auth/token": "https://ehr.example/auth/token", "//login.ehr.example/token": "https://login.ehr.example/token", "?flow=token": "https://ehr.example/fhir/r4/?flow=token",
		"https://login.ehr.example/token": "https://login.ehr.example/token",
	} {
		for _, base := range []string{"https://ehr.example/fhir/r4", "https://ehr.example/fhir/r4/"} {
			raw, err := json.Marshal(map[string]string{"token_endpoint": said, "authorization_endpoint": said, "revocation_endpoint": said, "introspection_endpoint": said, "jwks_uri": said})
			if err != nil {
				t.Fatal(err)
			}
			c, err := ParseConfiguration(base, raw)
			if err != nil {
				t.Errorf("%s at %s: %v", said, base, err)
				continue
			}
			for _, got := range []string{c.TokenEndpoint, c.AuthorizationEndpoint, c.RevocationEndpoint, c.IntrospectionEndpoint, c.JWKSURI} {
				if got != want {
					t.Errorf("%s at %s is %s, want %s", said, base, got, want)
				}
			}
		}
	}
}

func TestDiscoverRefuses(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"404":      http.NotFound,
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"html":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no token": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"capabilities":[]}`)) },
		"a file":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"token_endpoint":"file:///x"}`)) },
		"a list":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"token_endpoint":["x"]}`)) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"token_endpoint":"` + strings.Repeat("a", 2<<20) + `"}`))
		},
	} {
		s := httptest.NewServer(h)
		if c, err := Discover(context.Background(), s.Client(), s.URL); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
		s.Close()
	}
	if _, err := Discover(context.Background(), http.DefaultClient, "http://["); err == nil {
		t.Error("a base that is no URL")
	}
	if _, err := ParseConfiguration("ehr", []byte(goodDocument)); err == nil {
		t.Error("a base that is not absolute")
	}
}

func TestDuty03_Findings(t *testing.T) {
	c, err := ParseConfiguration("https://ehr.example/fhir", []byte(`{"token_endpoint":"https://a/t","grant_types_supported":["authorization_code"],
		"capabilities":["launch-ehr","sso-openid-connect","permission-v1"],"code_challenge_methods_supported":["plain"],"token_endpoint_auth_methods_supported":["client_secret_basic"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.LaunchFindings(true); len(got) != 5 {
		t.Errorf("%q", got)
	}
	if got := c.LaunchFindings(false); len(got) != 3 {
		t.Errorf("with an issuer of its own: %q", got)
	}
	if got := c.BackendFindings(); len(got) != 2 || !c.V1Scopes() {
		t.Errorf("%q", got)
	}
}

// TestVendorConfigurations reads what five vendors really served in 2026.
func TestVendorConfigurations(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/fhir/vendors/*.smart-configuration.json")
	if len(files) == 0 {
		t.Skip("SKIPPED: the vendors' smart-configurations are not beside this checkout (../shared/fhir/vendors)")
	}
	tokens := map[string]string{
		"athena":         "https://api.platform.athenahealth.com/oauth2/v1/token",
		"eclinicalworks": "https://oauthserver.eclinicalworks.com/oauth/oauth2/token",
		"epic":           "https://fhir.epic.com/interconnect-fhir-oauth/oauth2/token",
		"meditech":       "https://greenfield-prod-apis.meditech.com/oauth/token",
		"nextgen":        "https://fhir.nextgen.com/nge/prod/patient-oauth/token",
	}
	for _, f := range files {
		vendor, _, _ := strings.Cut(filepath.Base(f), ".")
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseConfiguration("https://ehr.example/fhir/r4", raw)
		if err != nil {
			t.Errorf("%s: %v", vendor, err)
			continue
		}
		if c.TokenEndpoint != tokens[vendor] || len(c.BackendFindings()) != 0 {
			t.Errorf("%s: %s %q", vendor, c.TokenEndpoint, c.BackendFindings())
		}
		if lacks := c.LaunchFindings(c.Has("sso-openid-connect")); len(lacks) != 0 {
			t.Errorf("%s: nobody could launch there: %q", vendor, lacks)
		}
		for _, s := range c.Scopes {
			if ParseScope(s).Other == "" && ParseScope(ParseScope(s).String()) != ParseScope(s) {
				t.Errorf("%s: %s is not read back", vendor, s)
			}
		}
	}
}

// TestREQ029And227_DifferencesAreNamed: of two documents of a server, what a launch goes by.
func TestREQ029And227_DifferencesAreNamed(t *testing.T) {
	read := func(document string) *Configuration {
		c, err := ParseConfiguration("https://ehr.example/fhir", []byte(document))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := read(goodDocument)
	for name, x := range map[string]struct{ from, to, want string }{
		"the same":      {"", "", ""},
		"another order": {`"authorization_code","client_credentials"`, `"client_credentials","authorization_code"`, ""},
		"said twice":    {`"permission-v2"`, `"permission-v2","permission-v2"`, ""},
		"not gone by":   {`"private_key_jwt"`, `"client_secret_basic"`, ""},
		"endpoints":     {"/auth/authorize", "/evil", "authorization_endpoint"},
		"tokens":        {`"auth/token"`, `"https://evil.example/token"`, "token_endpoint"},
		"keys":          {"https://ehr.example/jwks", "https://ehr.example/keys", "jwks_uri"},
		"issuer":        {`"issuer":"https://ehr.example/fhir"`, `"issuer":"https://ehr.example"`, "issuer"},
		"revocation":    {`{"issuer"`, `{"revocation_endpoint":"https://ehr.example/revoke","issuer"`, "revocation_endpoint"},
		"lists":         {`"permission-v2"],`, `"permission-v1"],`, "capabilities"},
		"challenges":    {`["S256"]`, `["S256","plain"]`, "code_challenge_methods_supported"},
	} {
		if got := strings.Join(read(strings.Replace(goodDocument, x.from, x.to, 1)).Differs(first), " "); got != x.want {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}
