package smart

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"
)

// AppConfig is what an App needs. Base, ClientID, RedirectURI, HTTP and Now are required.
type AppConfig struct {
	// Base is the FHIR base: the aud of every authorize request and the iss of a launch, byte for byte as configured.
	Base     string
	ClientID string
	// Key makes the client confidential by private_key_jwt, Secret by HTTP Basic. With neither it is public. Both are refused.
	Key    *Key
	Secret string
	// RedirectURI is the registered callback: absolute, exact, https (http on loopback).
	RedirectURI string
	// Issuer of the id_token where it is not the one the smart-configuration names. "" takes that.
	Issuer string
	// Scopes to ask for, without launch: Authorize adds that.
	Scopes Scopes
	HTTP   *http.Client
	Now    func() time.Time
	// NewID makes jti values, each used once; nil means random UUIDs.
	NewID func() string
}

// App is a SMART App Launch 2.2 client of one EHR connection: it starts launches, exchanges their codes, verifies who signed
// in, refreshes and revokes. It keeps no session: what a caller needs later is in [Start] and [Grant], which are secrets. It is
// safe for concurrent use.
type App struct {
	cfg AppConfig

	mu       sync.Mutex
	pinned   *Configuration
	issuer   *issuerKeys
	renewals map[string]*renewal // refreshes under way, by refresh token
}

// NewApp checks cfg. It makes no call.
func NewApp(cfg AppConfig) (*App, error) {
	switch {
	case cfg.HTTP == nil || cfg.Now == nil || cfg.ClientID == "":
		return nil, errors.New("smart app: HTTP, Now and ClientID are required")
	case cfg.Key != nil && cfg.Secret != "":
		return nil, errors.New("smart app: the client has a key and a secret; keep the one it is registered with")
	}
	if u, err := url.Parse(cfg.Base); err != nil || !secure(u) || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("smart app: the FHIR base must be https (http only on a loopback address), without query and fragment")
	}
	if u, err := url.Parse(cfg.RedirectURI); err != nil || !secure(u) || u.Fragment != "" || u.User != nil {
		return nil, errors.New("smart app: the redirect URI must be https (http only on a loopback address), without a fragment")
	}
	if u, err := url.Parse(cfg.Issuer); cfg.Issuer != "" && (err != nil || !secure(u)) {
		return nil, errors.New("smart app: the issuer must be https (http only on a loopback address)")
	}
	if cfg.NewID == nil {
		cfg.NewID = uuid.NewString
	}
	return &App{cfg: cfg, renewals: map[string]*renewal{}}, nil
}

// Start is a launch under way: where to send the browser, and what the callback is checked and exchanged with. It prints as
// nothing: State, Verifier and Nonce are secrets of one browser's session.
type Start struct {
	// URL is where to send the browser. Where Form is set it is the form's action.
	URL string
	// State comes back to the callback; the caller keeps it bound to the browser and takes it once (REQ 2, 4, 60, 61).
	State    string
	Verifier string // code_verifier of PKCE
	Nonce    string // of the id_token; "" where openid was not asked for
	// Form is set where the request is better posted: the URL would be long and the server has authorize-post.
	Form url.Values
}

// String tells nothing of the secrets.
func (Start) String() string { return "launch under way" }

// GoString is [Start.String].
func (s Start) GoString() string { return s.String() }

// LogValue keeps a Start out of logs.
func (s Start) LogValue() slog.Value { return slog.StringValue(s.String()) }

// ContextItem is one entry of fhirContext: exactly the fields the EHR gave, cleaned.
type ContextItem struct {
	Reference string // relative, such as ImagingStudy/1; "" where there is none
	Canonical string
	System    string // of the identifier
	Value     string
	Type      string // resource type, where told
	Role      string // "launch" where the EHR gave none
}

// Grant is what a launch gave: tokens, what they allow, and in which context. It holds secrets: store it sealed.
type Grant struct {
	Access, Refresh string
	Expires         time.Time // of Access, UTC
	Scopes          Scopes    // granted
	Missing         Scopes    // asked for and not granted
	// Patient and Encounter are ids of the launch context, "" where the EHR gave none: never guess one (REQ 27).
	Patient, Encounter string
	Intent, Tenant     string        // opaque; an unknown Intent means the default view
	StyleURL           string        // smart_style_url, absolute https; "" none
	Banner             bool          // need_patient_banner; true where the EHR does not say
	Context            []ContextItem // fhirContext
	// User is fhirUser as Type/id below the base; "" where the EHR names nobody. Issuer and Subject are those of the id_token.
	User, Subject, Issuer, Name string
}

// String tells of a grant what may be printed: nothing of its tokens, context or user.
func (g Grant) String() string { return "grant of " + g.Scopes.String() }

// GoString is [Grant.String].
func (g Grant) GoString() string { return g.String() }

// LogValue is [Grant.String]: no handler sees the fields.
func (g Grant) LogValue() slog.Value { return slog.StringValue(g.String()) }
