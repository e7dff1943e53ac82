// Package webhook is the channel of any messaging platform that speaks the two contracts Chartwire publishes: it posts
// events as contracts/channel-event.schema.json and takes messages as contracts/channel-send.schema.json, both signed as
// Standard Webhooks (https://www.standardwebhooks.com). One body is one event.
//
// The package verifies before it parses, refuses by place and never by value, and classifies what the platform answers.
// It decides nothing: whether a send is tried again is the engine's business.
package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/decode"
)

// The values of Options.UnknownFields.
const (
	KeepUnknown   = "keep"   // fields the contract does not have stay in the kept body and are ignored
	RefuseUnknown = "refuse" // the first such field makes the event undecodable
)

// Options says how one platform is reached and what it may send. Name, Secrets and Now are needed; SendURL and HTTP are
// needed to send, MediaOrigins and HTTP to fetch.
type Options struct {
	Name string // the channel's name in the config
	// Secrets holds one or two whsec_… keys. Either verifies what comes in, the first signs what goes out, so that a
	// secret is rotated without a gap: add the new one second, change the platform, then drop the old one.
	Secrets []string
	Now     func() time.Time
	HTTP    *http.Client // with the guarded dialer; redirects are not followed whatever it says
	SendURL string
	// SendIdempotent says that the platform takes one webhook-id once. The channel itself posts once a call; the engine
	// reads this to decide whether an unknown outcome may be posted again.
	SendIdempotent bool
	UnknownFields  string   // KeepUnknown ("" is the same) or RefuseUnknown
	MediaOrigins   []string // scheme://host[:port] of attachment URLs; none refuses every URL
	MediaMaxBytes  int64    // of one fetched attachment; 0 is 25 MiB
	MaxBody        int64    // of one event; 0 leaves the limit to who reads the request
}

const (
	defaultMediaMax = 25 << 20
	minSecret       = 24 // bytes; Standard Webhooks, "Signature scheme"
)

// Channel is one webhook platform. It is safe for concurrent use.
type Channel struct {
	name       string
	now        func() time.Time
	signers    []*standardwebhooks.Webhook
	http       *http.Client
	sendURL    string
	idempotent bool
	unknown    decode.Policy
	origins    map[string]bool
	mediaMax   int64
	maxBody    int64
}

var (
	_ connector.Channel      = (*Channel)(nil)
	_ connector.MediaFetcher = (*Channel)(nil)
)

// New makes the channel. Its error names every option that is wrong, without any secret; it is a mistake of the
// configuration and is not retried.
func New(o Options) (*Channel, error) {
	var wrong []error
	c := &Channel{
		name: o.Name, now: o.Now, sendURL: o.SendURL, idempotent: o.SendIdempotent,
		mediaMax: o.MediaMaxBytes, maxBody: o.MaxBody, origins: map[string]bool{},
	}
	if o.Name == "" || o.Now == nil {
		wrong = append(wrong, errors.New("a webhook channel needs a name and a clock"))
	}
	if n := len(o.Secrets); n < 1 || n > 2 {
		wrong = append(wrong, fmt.Errorf("want one secret, or two while rotating, not %d", n))
	}
	for i, s := range o.Secrets {
		signer, err := newSigner(s)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("secret %d: %w", i+1, err))
			continue
		}
		c.signers = append(c.signers, signer)
	}
	switch o.UnknownFields {
	case "", KeepUnknown:
		c.unknown = decode.Keep
	case RefuseUnknown:
		c.unknown = decode.Refuse
	default:
		wrong = append(wrong, errors.New("unknown_fields is keep or refuse"))
	}
	for i, raw := range o.MediaOrigins {
		origin, err := configuredOrigin(raw)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("media origin %d: %w", i+1, err))
			continue
		}
		c.origins[origin] = true
	}
	if c.mediaMax <= 0 {
		c.mediaMax = defaultMediaMax
	}
	if o.SendURL != "" {
		if u, err := url.Parse(o.SendURL); err != nil || originOf(u) == "" {
			wrong = append(wrong, errors.New("send_url is not an absolute http or https address"))
		}
	}
	if (o.SendURL != "" || len(o.MediaOrigins) > 0) && o.HTTP == nil {
		wrong = append(wrong, errors.New("sending and fetching need an HTTP client"))
	}
	if o.HTTP != nil {
		c.http = withoutRedirects(o.HTTP)
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("webhook channel %q: %w", o.Name, errors.Join(wrong...))
	}
	return c, nil
}

// Idempotent says whether the platform takes one client_message_id once, however often it is posted.
func (c *Channel) Idempotent() bool { return c.idempotent }

// newSigner reads one secret. The library's own errors quote the secret's bytes, so they are not passed on.
func newSigner(secret string) (*standardwebhooks.Webhook, error) {
	key, ok := strings.CutPrefix(secret, "whsec_")
	if !ok {
		return nil, errors.New("does not begin with whsec_")
	}
	if len(key) < (minSecret*8+5)/6 {
		return nil, fmt.Errorf("is shorter than %d bytes", minSecret)
	}
	signer, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		return nil, errors.New("is not base64 after whsec_")
	}
	return signer, nil
}

// withoutRedirects copies a client so that a 3xx is an answer like any other: a redirected POST would hand a message to an
// address nobody configured.
func withoutRedirects(c *http.Client) *http.Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	own.Jar = nil
	return &own
}

// configuredOrigin reads an origin of the config: scheme, host, perhaps a port, and nothing else.
func configuredOrigin(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("is not a URL")
	}
	origin := originOf(u)
	if origin == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("is not of the form https://host or https://host:port")
	}
	return origin, nil
}

// originOf gives scheme://host:port with the port always written, or "" where the URL is not one of a web origin or
// carries user information (RFC 6454 §4).
func originOf(u *url.URL) string {
	ports := map[string]string{"http": "80", "https": "443"}
	scheme := strings.ToLower(u.Scheme)
	port, known := ports[scheme]
	if !known || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return ""
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return scheme + "://" + strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")) + ":" + port
}

// allowed says whether an attachment's address is of a configured origin.
func (c *Channel) allowed(u *url.URL) bool { return c.origins[originOf(u)] }
