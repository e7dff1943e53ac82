package smart

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// credentials are how a client says who it is at an authorization server: by a signed assertion (key), by HTTP Basic (secret)
// or, a public one, by its id alone.
type credentials struct {
	clientID string
	key      *Key
	secret   string
	now      func() time.Time
	newID    func() string
}

// fill adds to form what authenticates one call. Every call gets a new assertion, never one of before (REQ 319). A
// confidential client does not name itself beside it (REQ 71, 72). tokenURL is the assertion's aud at every endpoint.
func (c credentials) fill(form url.Values, tokenURL string) error {
	switch {
	case c.key != nil:
		assertion, err := Assertion(c.key, c.clientID, tokenURL, c.newID(), c.now())
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", AssertionType)
		form.Set("client_assertion", assertion)
	case c.secret == "":
		form.Set("client_id", c.clientID)
	}
	return nil
}

// client is hc without redirects, and with HTTP Basic where the client has a secret.
func (c credentials) client(hc *http.Client) *http.Client {
	out := noRedirect(hc)
	if c.key == nil && c.secret != "" {
		out.Transport = basic{user: c.clientID, secret: c.secret, next: out.Transport}
	}
	return out
}

// basic authenticates by base64(id:secret) as it is (REQ 345). RFC 6749 §2.3.1 would form-encode both first, as x/oauth2
// does; EHRs, and the clients they are tested with, do not.
type basic struct {
	user, secret string
	next         http.RoundTripper
}

func (b basic) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth(b.user, b.secret)
	if b.next == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	return b.next.RoundTrip(r)
}

// call makes one token call of any grant type: x/oauth2 sends the form and reads the answer. Nothing is repeated: a code and a
// rotating refresh token are good for one call. The error is a [*TokenError].
func (c credentials) call(ctx context.Context, hc *http.Client, tokenURL string, form url.Values) (*oauth2.Token, error) {
	if err := c.fill(form, tokenURL); err != nil {
		return nil, &TokenError{text: err.Error()}
	}
	// clientcredentials is x/oauth2's one caller that takes any parameters, grant_type too.
	grant := clientcredentials.Config{TokenURL: tokenURL, AuthStyle: oauth2.AuthStyleInParams, EndpointParams: form}
	token, err := grant.Token(context.WithValue(ctx, oauth2.HTTPClient, c.client(hc)))
	now := c.now()
	if err != nil {
		return nil, tokenError(err, now)
	}
	if !strings.EqualFold(token.TokenType, "bearer") {
		return nil, &TokenError{text: "the answer's token_type is not Bearer", Status: http.StatusOK}
	}
	token.Expiry = now.Add(lifetimeOf(token)) // by the injected clock
	return token, nil
}

// post sends a form that is answered by a status alone: revocation. The error is a [*TokenError].
func (c credentials) post(ctx context.Context, hc *http.Client, at, tokenURL string, form url.Values) error {
	if err := c.fill(form, tokenURL); err != nil {
		return &TokenError{text: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		return &TokenError{text: "the endpoint is not a URL"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.client(hc).Do(req)
	if err != nil {
		return tokenError(err, c.now())
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return nil
	}
	return &TokenError{Status: resp.StatusCode, text: "the revocation endpoint refused"}
}

// launchError says what a failed token call means to the person in front of the screen.
func launchError(err error) *LaunchError {
	var token *TokenError
	if !errors.As(err, &token) {
		return &LaunchError{Code: Unreachable, cause: err}
	}
	out := &LaunchError{Code: TokenRefused, OAuth: token.Code, Status: token.Status, cause: err}
	switch {
	case token.Code == "invalid_grant":
		out.Code = Expired
	case token.Status >= 200 && token.Status <= 299 && token.Code == "":
		out.Code, out.Detail = TokenResponse, token.text
	case token.Status == 0 && token.malformed:
		out.Code, out.Detail = TokenResponse, token.text
	case token.Status == 0, token.Status >= 500, token.Status == http.StatusTooManyRequests:
		out.Code = Unreachable
	}
	return out
}
