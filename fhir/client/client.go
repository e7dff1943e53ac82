// Package client is a FHIR R4 REST client that always knows what it knows: each call ends in an
// [Outcome] that says whether the server did what was asked, did not, or may have.
//
// It follows no redirect, repeats nothing by itself (but for one new token after a 401), reads
// bounded bodies, and sends its token to the configured base only. Errors hold status, issue
// codes and the resource type, never URLs with parameters, bodies or diagnostics: those may be
// PHI.
package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Media types of FHIR R4.
const (
	// MediaFHIR is the media type of FHIR JSON.
	MediaFHIR = "application/fhir+json"
	mediaForm = "application/x-www-form-urlencoded"
)

// Defaults for [Config].
const (
	DefaultMaxBody = 32 << 20         // bytes, after decompression
	DefaultTimeout = 30 * time.Second // one request, body included
	maxErrorBody   = 1 << 20          // bytes kept of an error answer
)

// Auth puts a token on requests. Implementations are used by many goroutines at once.
type Auth interface {
	// Authorize sets the Authorization header. Its error means that nothing was sent; one with
	// a method Permanent() bool returning true ends as Unauthorized, any other as Retry.
	Authorize(ctx context.Context, req *http.Request) error
	// Invalidate says that the server refused this access token. One that is no longer the
	// current token is ignored, so that many workers' 401s make one new token.
	Invalidate(token string)
}

// Config is what a Client needs. HTTP, Base and Now are required.
type Config struct {
	// HTTP does the calls. Its redirect policy, cookie jar and timeout are not used.
	HTTP *http.Client
	// Base is the FHIR base URL, with or without a trailing slash.
	Base string
	// Auth may be nil for an open server.
	Auth Auth
	// Now reads HTTP-dates of Retry-After.
	Now func() time.Time
	// MaxBody bounds an answer's decompressed bytes; 0 is DefaultMaxBody.
	MaxBody int64
	// Timeout bounds one request with its answer's body; 0 is DefaultTimeout.
	Timeout time.Duration
	// MinimalOK takes 201 with a Location of the right type and no body, and 200 or 204 without
	// a body on update, as done: for servers that ignore Prefer: return=representation.
	MinimalOK bool
	// Turn is asked before each call, before its Timeout begins; nil lets all go. Its error ends the call with nothing sent.
	Turn func(ctx context.Context) error
	// RequestID makes X-Request-Id values; nil means random UUIDs.
	RequestID func() string
	// OnSkew is told of every answer whose Date is at least two seconds off our clock: how far the
	// server is ahead. It is for people to look at; nothing here depends on the two clocks agreeing.
	OnSkew func(time.Duration)
}

// Client calls one FHIR server. It is safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client
	base *url.URL // without trailing slash
}

// New checks cfg and makes a Client.
func New(cfg Config) (*Client, error) {
	if cfg.HTTP == nil || cfg.Now == nil {
		return nil, errors.New("fhir client: HTTP and Now are required")
	}
	base, err := url.Parse(strings.TrimRight(cfg.Base, "/"))
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, errors.New("fhir client: the base must be an absolute http or https URL")
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("fhir client: the base must hold no user, query or fragment")
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.RequestID == nil {
		cfg.RequestID = uuid.NewString
	}
	return &Client{cfg: cfg, base: base, http: &http.Client{
		Transport: cfg.HTTP.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}, nil
}

// Base is the FHIR base URL without a trailing slash.
func (c *Client) Base() string { return c.base.String() }

// ErrOutsideBase is returned for a URL that is not below the FHIR base: it is neither called
// nor shown our token.
var ErrOutsideBase = errors.New("fhir client: the URL is not below the FHIR base")

// errPath is returned for a path this client will not build a URL from.
var errPath = errors.New("fhir client: the path must be plain segments such as Type/id, without query")

var segmentPattern = regexp.MustCompile(`^[A-Za-z0-9._$\-]{1,128}$`)

// urlFor joins the base, plain path segments and a query.
func (c *Client) urlFor(path string, query url.Values) (*url.URL, error) {
	u := *c.base
	if path != "" {
		for _, s := range strings.Split(path, "/") {
			if s == "." || s == ".." || !segmentPattern.MatchString(s) {
				return nil, errPath
			}
		}
		// Not JoinPath: without a base path it would drop the slash.
		u.RawPath, u.Path = u.EscapedPath()+"/"+path, u.Path+"/"+path
	}
	u.RawQuery = query.Encode()
	return &u, nil
}

// within resolves a link of the server's against the base and refuses any other place: scheme
// and host equal, and the path the base's or below it.
func (c *Client) within(link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, ErrOutsideBase
	}
	dir := *c.base
	dir.RawPath, dir.Path = dir.EscapedPath()+"/", dir.Path+"/"
	u = dir.ResolveReference(u)
	sameOrigin := u.Scheme == c.base.Scheme && strings.EqualFold(u.Host, c.base.Host) && u.User == nil
	below := u.Path == c.base.Path || strings.HasPrefix(u.Path, c.base.Path+"/")
	if !sameOrigin || !below || climbs(u.Path) {
		return nil, ErrOutsideBase
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// climbs reports a path that some server could read as leading elsewhere: dot segments that
// came escaped, and backslashes.
func climbs(path string) bool {
	if strings.Contains(path, `\`) {
		return true
	}
	for _, s := range strings.Split(path, "/") {
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}
