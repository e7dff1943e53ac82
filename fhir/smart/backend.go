package smart

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/oauth2"
)

// BackendConfig is what a Backend needs. HTTP, TokenURL, ClientID, Key and Now are required.
type BackendConfig struct {
	HTTP *http.Client
	// TokenURL is token_endpoint as discovered; it is also the assertion's aud, byte for byte.
	TokenURL string
	ClientID string
	Key      *Key
	// Scopes to ask for, spelled as the server wants them ([Scopes.Spell]). None leaves the parameter out, for a server that
	// grants what the client is registered for.
	Scopes []string
	Now    func() time.Time
	// Timeout bounds one token call; 0 is 30 s.
	Timeout time.Duration
	// NewID makes jti values, each used once; nil means random UUIDs.
	NewID func() string
}

// Backend gets and keeps the access token of one SMART Backend Services client (REQ 235–239). It
// is an [oauth2.TokenSource] and the client package's Auth, and is safe for concurrent use:
// however many goroutines ask, an expiry costs one token call.
type Backend struct {
	cfg BackendConfig

	mu      sync.Mutex
	current *grant
	flight  *flight
	failed  failure
}

var _ oauth2.TokenSource = (*Backend)(nil)

// grant is a token with what it allows and when to replace it.
type grant struct {
	token  *oauth2.Token
	scopes Scopes
	renew  time.Time
}

// flight is a token call under way; done is closed when grant or err is set.
type flight struct {
	done  chan struct{}
	grant *grant
	err   error
}

// failure keeps workers from hammering a token endpoint that refuses: until the time given, its
// last error is the answer.
type failure struct {
	err   error
	until time.Time
	count int
}

const (
	tokenTimeout = 30 * time.Second
	// unknownLifetime is taken where the answer has no expires_in; SMART recommends 300 s.
	unknownLifetime = 300 * time.Second
	maxEarly        = 60 * time.Second
	maxHold         = time.Minute
)

// NewBackend checks cfg. It makes no call.
func NewBackend(cfg BackendConfig) (*Backend, error) {
	if cfg.HTTP == nil || cfg.Now == nil || cfg.Key == nil || cfg.ClientID == "" {
		return nil, errors.New("smart backend: HTTP, Now, Key and ClientID are required")
	}
	if u, err := url.Parse(cfg.TokenURL); err != nil || !secure(u) {
		return nil, errors.New("smart backend: the token URL must be https (http only on a loopback address)")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = tokenTimeout
	}
	if cfg.NewID == nil {
		cfg.NewID = uuid.NewString
	}
	return &Backend{cfg: cfg}, nil
}

// Token implements [oauth2.TokenSource].
func (b *Backend) Token() (*oauth2.Token, error) { return b.TokenContext(context.Background()) }

// TokenContext returns the current token, getting a new one where it is about to expire. ctx
// bounds the wait, not the call, which other goroutines may be waiting for. The error is a
// [*TokenError] or ctx's.
func (b *Backend) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	g, err := b.get(ctx)
	if err != nil {
		return nil, err
	}
	return g.token, nil
}

func (b *Backend) get(ctx context.Context) (*grant, error) {
	b.mu.Lock()
	now := b.cfg.Now()
	if g := b.current; g != nil && now.Before(g.renew) {
		b.mu.Unlock()
		return g, nil
	}
	if b.failed.err != nil && now.Before(b.failed.until) {
		err := b.failed.err
		b.mu.Unlock()
		return nil, err
	}
	f := b.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		b.flight = f
		go b.fly(context.WithoutCancel(ctx), f)
	}
	b.mu.Unlock()
	select {
	case <-f.done:
		return f.grant, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fly makes the one token call and hands its result to everyone waiting.
func (b *Backend) fly(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	f.grant, f.err = b.fetch(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flight = nil
	if f.err == nil {
		b.current, b.failed = f.grant, failure{}
	} else {
		b.failed = b.nextFailure(f.err)
	}
	close(f.done)
}

// nextFailure doubles the hold with each failure in a row, from one second to a minute.
func (b *Backend) nextFailure(err error) failure {
	hold := min(time.Second<<min(b.failed.count, 6), maxHold)
	var token *TokenError
	if errors.As(err, &token) && token.After > 0 {
		hold = token.After
	}
	return failure{err: err, until: b.cfg.Now().Add(hold), count: b.failed.count + 1}
}

// Invalidate drops the token if it is still the given one: a server has refused it. Any number
// of workers may say so of the same token; one new token call follows.
func (b *Backend) Invalidate(accessToken string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != nil && b.current.token.AccessToken == accessToken {
		b.current = nil
	}
}

// Authorize puts the token on req (REQ 93). The caller makes sure that req goes to the FHIR base
// and nowhere else (REQ 97, 98).
func (b *Backend) Authorize(ctx context.Context, req *http.Request) error {
	token, err := b.TokenContext(ctx)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	return nil
}

// Granted is what the last token allows: the scopes of its answer, or those asked for where the
// answer named none (RFC 6749 §5.1). nil before the first token, and where nobody named any. Compare with [Missing]: servers
// trim scopes without saying so (REQ 147).
func (b *Backend) Granted() Scopes {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current == nil {
		return nil
	}
	return b.current.scopes
}

// secure accepts https, and http on loopback for sandboxes (REQ 230).
func secure(u *url.URL) bool {
	switch u.Scheme {
	case "https":
		return u.Host != ""
	case "http":
		return loopback(u.Hostname())
	default:
		return false
	}
}
