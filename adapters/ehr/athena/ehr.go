package athena

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
)

// Options is what one connection needs. Config is required; BaseURL, HTTP and Now are to reach the EHR, and planning needs
// none of them.
type Options struct {
	Name    string // of the connection, for messages
	BaseURL string // FHIR base
	Base    string // identity.base
	Config  *Config
	Policy  filing.Policy

	HTTP        *http.Client      // toward FHIR base, token endpoint and the v1 API
	Credentials *fhir.Credentials // nil for an open server; without Scopes those of Scopes are asked for
	Deadline    time.Duration
	Now         func() time.Time
	OnSkew      func(time.Duration) // may be nil
}

// Scopes are what the connection asks for: the v1 API of every practice the client was given, and the patients that are
// looked up.
func Scopes() []string { return []string{service + "*", "system/Patient.read"} }

// service begins the scopes of the v1 API; what follows is a practice, or * for all that the client was given.
const service = "athena/service/Athenanet.MDP."

// EHR is one connection. It is safe for concurrent use.
type EHR struct {
	config  *Config
	base    string // identity.base
	root    string // of the v1 API
	policy  filing.Policy
	reads   *fhir.EHR
	api     *client.Client
	invalid error // of the options, told by the first call
}

var (
	_ connector.EHR         = (*EHR)(nil)
	_ connector.Lister      = (*EHR)(nil)
	_ connector.EntryReader = (*EHR)(nil)
	_ connector.Retractor   = (*EHR)(nil)
	_ connector.Checker     = (*EHR)(nil)
)

// New makes the adapter. It makes no call: what is wrong with the options is the error of the first call that needs them.
func New(o Options) *EHR {
	call := service + "*"
	if c := o.Credentials; c != nil && len(c.Scopes) == 0 {
		own := *c
		own.Scopes = Scopes()
		o.Credentials = &own
	} else if c != nil {
		for _, s := range c.Scopes {
			if strings.HasPrefix(s, service) {
				call = s
			}
		}
	}
	e := &EHR{config: o.Config, base: o.Base, policy: o.Policy}
	e.policy.Vendor, e.root = filing.Vendor{Call: e.call}, e.Root(o.BaseURL)
	e.reads = fhir.New(fhir.Options{
		Name: o.Name, BaseURL: o.BaseURL, Base: o.Base, Policy: o.Policy, HTTP: o.HTTP, Credentials: o.Credentials,
		Deadline: o.Deadline, Now: o.Now, OnSkew: o.OnSkew,
		Quirks: fhir.Quirks{Strategies: []connector.Strategy{connector.AsVendorCall}, CallScopes: []string{call}, CallTypes: o.Config.types(),
			Never:  []string{"DocumentReference read", "DocumentReference search-type", "Binary read"}, // what we file is read over the v1 API
			Always: url.Values{"ah-practice": {fmt.Sprintf("Organization/a-1.Practice-%d", o.Config.Practice)}}},
	})
	if o.HTTP != nil { // else it plans only
		e.api, e.invalid = e.reads.Beside(e.root)
	}
	return e
}

// Root is what the address of a write is relative to.
func (e *EHR) Root(baseURL string) string { return e.config.API(baseURL) }

// AnyPatient is a patient's reference as this EHR has them, of nobody: the gate can be asked about a write that will not be made.
func (e *EHR) AnyPatient() string { return fmt.Sprintf("Patient/a-%d.E-1", e.config.Practice) }

// Planned is what the connection plans with: the API declares nothing, so nothing is learned of it.
func (e *EHR) Planned() connector.Traits {
	return connector.Traits{Strategy: connector.AsVendorCall, Echo: connector.EchoExact}
}

// Open gets a token and looks whether it opens the v1 API. Errors: *connector.Retry, or *Refused with Unauthorized or
// ScopeMissing, whose Detail says what is missing and who must fix it.
func (e *EHR) Open(ctx context.Context) (connector.Traits, error) {
	traits, err := e.reads.Open(ctx)
	if err == nil && len(traits.Missing) > 0 {
		err = &connector.Refused{Reason: connector.ScopeMissing, Detail: connector.Protect("the token was not granted " +
			strings.Join(traits.Missing, " ") + ". The owner of the app in athenahealth's developer portal must add it, and the practice must have the app approved.")}
	}
	return traits, err
}

// Check implements connector.Checker: FHIR is examined, and whether the token opens the v1 API.
func (e *EHR) Check(ctx context.Context) (connector.Preflight, error) {
	found, err := e.reads.Check(ctx)
	found.Facts = append(found.Facts, connector.Fact{Name: "v1 API", Good: connector.NotKnown,
		Value: e.root + ": not called; it declares nothing, and only a filed document proves it"})
	return found, err
}

// Match finds the patient over FHIR.
func (e *EHR) Match(ctx context.Context, k connector.PatientKey) (connector.Patient, error) {
	return e.reads.Match(ctx, k)
}

// Plan gives the documents of x by policy.
func (e *EHR) Plan(x connector.Exchange) ([]connector.Write, error) {
	if x.Kind == connector.ItemRequest {
		return nil, nil // there is nothing like a CommunicationRequest
	}
	return filing.Plan(e.policy, e.Planned(), x)
}

// Find cannot know: a document carries no identifier of ours that could be searched by. List compares contents.
func (e *EHR) Find(context.Context, connector.Write) (connector.Receipt, error) {
	return connector.Receipt{}, connector.ErrNotSearchable
}

// Retract says what a person has to do: the API changes no document.
func (e *EHR) Retract(w connector.Write, reference string) (connector.Write, error) {
	k, _ := kindOf(func(k kind) bool { return k.typ == w.Type })
	return connector.Write{}, &connector.Refused{Reason: connector.NotExpressible, Detail: connector.Protect(fmt.Sprintf(
		"Chartwire cannot take back a document of athenaOne. Mark %s %s as entered in error in the chart by hand.",
		k.class, strings.TrimPrefix(reference, w.Type+"/")))}
}

// ready says what is wrong with the options.
func (e *EHR) ready() error {
	if e.invalid == nil {
		return nil
	}
	return &connector.Refused{Reason: connector.Internals, Detail: connector.Protect(e.invalid.Error())}
}

var errNowhere = errors.New("the answer does not say where the document is")
