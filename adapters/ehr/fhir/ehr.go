package fhir

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/smart"
	"github.com/chartwire/chartwire/fhir/validate"
)

// Options is what one connection needs. BaseURL, HTTP and Now are required to reach the EHR; planning needs none of them.
type Options struct {
	Name     string // of the connection, for messages
	BaseURL  string // FHIR base
	Base     string // identity.base
	Policy   filing.Policy
	FilingAs []string // strategies wanted, best first; none or "auto" lets the EHR's abilities decide
	// Encounters looks up the encounters that entries belong to.
	Encounters bool
	Quirks     Quirks // the vendor's
	// Proven gives the interactions a probe has seen to work on this connection. Open asks it; nil is none.
	Proven func(context.Context) ([]string, error)

	HTTP        *http.Client // toward the FHIR base
	TokenHTTP   *http.Client // toward discovery and token endpoint; nil is HTTP
	Credentials *Credentials // nil for an open server
	Deadline    time.Duration
	MaxBody     int64 // of an answer, bytes; 0 is the client's default
	Now         func() time.Time
	OnSkew      func(time.Duration) // told how far the EHR's clock is ahead of ours, when by two seconds or more; may be nil
}

// Credentials are those of a SMART Backend Services client. The token endpoint is discovered.
type Credentials struct {
	ClientID string
	Key      *smart.Key // nil where its file is not there: no token is asked for, and nothing is sent without one
	Scopes   []string   // instead of those the filing needs
	V1       *bool      // spell those in SMART v1 or v2; nil spells as the smart-configuration says
}

// EHR is one connection. It is safe for concurrent use.
type EHR struct {
	opts    Options
	invalid error // of the options, told by the first call
	anon    *client.Client
	client  *client.Client
	auth    *backend // nil for an open server

	mu        sync.RWMutex
	able      abilities
	proven    []string        // by a probe, as of the last Open
	disproven map[string]bool // "Type interaction" the EHR declared and does not know
	noPost    map[string]bool // types without POST _search
}

var (
	_ connector.EHR        = (*EHR)(nil)
	_ connector.Lister     = (*EHR)(nil)
	_ connector.Preparer   = (*EHR)(nil)
	_ connector.Resolver   = (*EHR)(nil)
	_ connector.Watcher    = (*EHR)(nil)
	_ connector.Subscriber = (*EHR)(nil)
)

// New makes the adapter. It makes no call: what is wrong with the options is the error of the first call that needs them.
func New(o Options) *EHR {
	e := &EHR{opts: o, able: everything(), disproven: map[string]bool{}, noPost: map[string]bool{}}
	config := client.Config{HTTP: o.HTTP, Base: o.BaseURL, Now: o.Now, MaxBody: o.MaxBody, Timeout: o.Deadline, MinimalOK: true, OnSkew: o.OnSkew, Turn: connector.Turn}
	e.anon, e.invalid = client.New(config)
	if o.Credentials != nil {
		if o.TokenHTTP == nil {
			o.TokenHTTP = o.HTTP
		}
		e.auth = &backend{base: o.BaseURL, http: o.TokenHTTP, credentials: *o.Credentials, now: o.Now, timeout: o.Deadline, unasked: o.Quirks.NoScopes}
		config.Auth = e.auth
	}
	if e.invalid == nil {
		e.client, e.invalid = client.New(config)
	}
	return e
}

// Plan gives the writes of x by what the connection was found able to do; before Open, by what policy wants.
func (e *EHR) Plan(x connector.Exchange) ([]connector.Write, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	strategy := x.Strategy
	if strategy == "" {
		strategy = e.strategy()
	}
	strategy = e.opts.newsAs(x, strategy)
	x.Strategy = strategy
	policy := e.opts.Policy
	policy.NoBinary = policy.NoBinary || !e.can("Binary", "create")
	return filing.Plan(policy, e.traits(strategy), x)
}

var gate = validate.New()

// ready says what is wrong with the options.
func (e *EHR) ready() error {
	if e.invalid == nil {
		return nil
	}
	return &connector.Refused{Reason: connector.Internals, Detail: connector.Protect(e.invalid.Error())}
}

// ids makes the identifiers of a channel's entries.
func (e *EHR) ids(channel string) filing.Names {
	return filing.Names{Base: e.opts.Base, Channel: channel}
}
