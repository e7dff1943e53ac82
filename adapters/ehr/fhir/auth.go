package fhir

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/smart"
)

// backend is the connection's Auth: a SMART Backend Services client whose token endpoint is discovered by Open.
type backend struct {
	base        string
	http        *http.Client
	credentials Credentials
	now         func() time.Time
	timeout     time.Duration
	unasked     bool // no scope is asked for, unless the credentials name some

	mu     sync.Mutex
	client *smart.Backend
	url    string
	asked  string
	found  *smart.Configuration // nil before discovery
}

// errNotOpen is answered to a call before Open found the token endpoint: nothing was sent.
var errNotOpen = errors.New("the connection has not been opened")

func (b *backend) current() *smart.Backend {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.client
}

// discover learns the token endpoint and prepares to ask for the scopes; an unchanged answer keeps the present token.
func (b *backend) discover(ctx context.Context, needed smart.Scopes) error {
	timeout := b.timeout
	if timeout == 0 {
		timeout = client.DefaultTimeout
	}
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := smart.Discover(within, b.http, b.base)
	if err != nil {
		return err
	}
	scopes := b.credentials.Scopes
	if len(scopes) == 0 && !b.unasked {
		v1 := found.V1Scopes()
		if b.credentials.V1 != nil {
			v1 = *b.credentials.V1
		}
		scopes = needed.Spell(v1)
	}
	asked := smart.ParseScopes(joined(scopes)).String()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.found = found
	if b.client != nil && b.url == found.TokenEndpoint && b.asked == asked {
		return nil
	}
	c, err := smart.NewBackend(smart.BackendConfig{HTTP: b.http, TokenURL: found.TokenEndpoint, ClientID: b.credentials.ClientID,
		Key: b.credentials.Key, Scopes: scopes, Now: b.now, Timeout: b.timeout})
	if err == nil {
		b.client, b.url, b.asked = c, found.TokenEndpoint, asked
	}
	return err
}

// granted gets a token and says what it allows.
func (b *backend) granted(ctx context.Context) (smart.Scopes, error) {
	c := b.current()
	if c == nil {
		return nil, errNotOpen
	}
	if _, err := c.TokenContext(ctx); err != nil {
		return nil, err
	}
	return c.Granted(), nil
}

// Authorize implements client.Auth.
func (b *backend) Authorize(ctx context.Context, req *http.Request) error {
	c := b.current()
	if c == nil {
		return errNotOpen
	}
	return c.Authorize(ctx, req)
}

// Invalidate implements client.Auth.
func (b *backend) Invalidate(token string) {
	if c := b.current(); c != nil {
		c.Invalidate(token)
	}
}
