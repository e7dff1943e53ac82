package smart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxDocument bounds a smart-configuration; the largest seen in the wild is 24 kB.
const maxDocument = 1 << 20

// Configuration is a server's .well-known/smart-configuration (SMART App Launch 2.2,
// conformance §Metadata) with endpoint URLs made absolute.
type Configuration struct {
	Issuer                string
	JWKSURI               string
	AuthorizationEndpoint string
	TokenEndpoint         string
	RevocationEndpoint    string
	IntrospectionEndpoint string
	GrantTypes            []string
	Scopes                []string // scopes_supported; servers list only some
	Capabilities          []string
	ChallengeMethods      []string
	AuthMethods           []string // token_endpoint_auth_methods_supported
	SigningAlgorithms     []string // token_endpoint_auth_signing_alg_values_supported
}

type configurationJSON struct {
	Issuer                string   `json:"issuer"`
	JWKSURI               string   `json:"jwks_uri"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	GrantTypes            []string `json:"grant_types_supported"`
	Scopes                []string `json:"scopes_supported"`
	Capabilities          []string `json:"capabilities"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	SigningAlgorithms     []string `json:"token_endpoint_auth_signing_alg_values_supported"`
}

// WellKnown is the discovery URL of a FHIR base: the path is appended, also where the base has
// a path of its own (REQ 29, 227).
func WellKnown(base string) string {
	return strings.TrimRight(base, "/") + "/.well-known/smart-configuration"
}

// Discover fetches and reads the smart-configuration of a FHIR base. It follows no redirect and
// never looks at the deprecated oauth-uris extension. Errors: the transport's, an HTTP status
// other than 200, or those of [ParseConfiguration].
func Discover(ctx context.Context, hc *http.Client, base string) (*Configuration, error) {
	status, body, err := document(ctx, hc, WellKnown(base))
	if err != nil {
		return nil, fmt.Errorf("smart discovery: %w", err)
	}
	if status != http.StatusOK {
		return nil, &discoveryStatus{status}
	}
	return ParseConfiguration(base, body)
}

// discoveryStatus is a smart-configuration that was answered without one.
type discoveryStatus struct{ status int }

func (e *discoveryStatus) Error() string {
	return fmt.Sprintf("smart discovery: HTTP %d instead of 200; ask the EHR for its smart-configuration URL", e.status)
}

// undiscovered says what a failed Discover means for a launch: worth trying again, or somebody's to mend.
func undiscovered(err error) *LaunchError {
	out := &LaunchError{Code: Unfit, Detail: "no usable smart-configuration", cause: err}
	var answered *discoveryStatus
	var transport *url.Error
	switch {
	case errors.As(err, &answered):
		if out.Status = answered.status; out.Status >= 500 || out.Status == http.StatusTooManyRequests {
			out.Code = Unreachable
		}
	case errors.As(err, &transport):
		out.Code = Unreachable
	}
	return out
}

// document gets a document of an authorization server, following no redirect. body is nil where status is not 200.
func document(ctx context.Context, hc *http.Client, at string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, errors.New("the address is not a URL")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := noRedirect(hc).Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("the server could not be reached: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, nil, nil
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return resp.StatusCode, nil, fmt.Errorf("the answer was cut short: %w", err)
	}
	if len(body) > maxDocument {
		return resp.StatusCode, nil, errors.New("the answer is larger than 1 MiB")
	}
	return resp.StatusCode, body, nil
}

// ParseConfiguration reads a smart-configuration document of the FHIR base. Relative endpoint
// URLs are resolved against the base (REQ 379). The one thing that is an error here is a missing
// or unusable token_endpoint; [Configuration.LaunchFindings] and [Configuration.BackendFindings] list what else a flow lacks.
func ParseConfiguration(base string, document []byte) (*Configuration, error) {
	var j configurationJSON
	if err := json.Unmarshal(document, &j); err != nil {
		return nil, errors.New("smart discovery: the document is not the JSON of a smart-configuration")
	}
	root, err := url.Parse(strings.TrimRight(base, "/") + "/")
	if err != nil || root.Host == "" {
		return nil, errors.New("smart discovery: the FHIR base is not an absolute URL")
	}
	c := &Configuration{
		Issuer: j.Issuer, GrantTypes: j.GrantTypes, Scopes: j.Scopes, Capabilities: j.Capabilities,
		ChallengeMethods: j.ChallengeMethods, AuthMethods: j.AuthMethods, SigningAlgorithms: j.SigningAlgorithms,
	}
	for _, e := range []struct {
		name, value string
		into        *string
	}{
		{"jwks_uri", j.JWKSURI, &c.JWKSURI},
		{"authorization_endpoint", j.AuthorizationEndpoint, &c.AuthorizationEndpoint},
		{"token_endpoint", j.TokenEndpoint, &c.TokenEndpoint},
		{"revocation_endpoint", j.RevocationEndpoint, &c.RevocationEndpoint},
		{"introspection_endpoint", j.IntrospectionEndpoint, &c.IntrospectionEndpoint},
	} {
		if e.value == "" {
			continue
		}
		u, err := root.Parse(e.value)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			return nil, fmt.Errorf("smart discovery: %s is not an http or https URL", e.name)
		}
		*e.into = u.String()
	}
	if c.TokenEndpoint == "" {
		return nil, errors.New("smart discovery: token_endpoint is missing")
	}
	return c, nil
}

// Has reports a capability, e.g. "launch-ehr" or "client-confidential-asymmetric".
func (c *Configuration) Has(capability string) bool {
	return slices.Contains(c.Capabilities, capability)
}

// V1Scopes reports whether scopes must be asked for in SMART v1 spelling: only where the server
// lists permission-v1 and not permission-v2.
func (c *Configuration) V1Scopes() bool { return c.Has("permission-v1") && !c.Has("permission-v2") }

// BackendFindings lists what speaks against SMART Backend Services with private_key_jwt on this
// server. Empty lists in the document speak neither way.
func (c *Configuration) BackendFindings() []string {
	var out []string
	if len(c.GrantTypes) > 0 && !slices.Contains(c.GrantTypes, "client_credentials") {
		out = append(out, "grant_types_supported does not list client_credentials")
	}
	if len(c.AuthMethods) > 0 && !slices.Contains(c.AuthMethods, "private_key_jwt") && !c.Has("client-confidential-asymmetric") {
		out = append(out, "token_endpoint_auth_methods_supported does not list private_key_jwt")
	}
	return out
}

// noRedirect is hc without redirects and cookies.
func noRedirect(hc *http.Client) *http.Client {
	c := *hc
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}
