package athena

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/smart"
)

// Options is what one connection needs.
type Options struct {
	// FHIR is the half that is read; its Quirks and FilingAs are the vendor's and filled in here, as is Policy.Vendor.
	FHIR   fhir.Options
	Config *Config
}

// service is the scope of the v1 API; * stands for all of it that the app was given.
const service = "athena/service/Athenanet.MDP.*"

// quirks: nothing is written over FHIR, and what the v1 API keeps is read back by it.
func (c *Config) quirks() fhir.Quirks {
	return fhir.Quirks{
		Strategies: []connector.Strategy{connector.AsVendorCall}, CallScopes: []string{service}, CallTypes: c.types(), CallAPI: "athenahealth's v1 API",
		Never:  []string{"DocumentReference read", "DocumentReference search-type", "Binary read"},
		Always: url.Values{"ah-practice": {fmt.Sprintf("Organization/a-1.Practice-%d", c.Practice)}},
	}
}

// Scopes lists what the app must be granted: the v1 API, and the patients that are looked up.
func Scopes() []string { return fhir.Scopes(fhir.Options{Quirks: new(Config).quirks()}) }

// EHR is one connection. It is safe for concurrent use.
type EHR struct {
	config  *Config
	base    string // identity.base
	root    string // of the v1 API
	policy  filing.Policy
	fhir    *fhir.EHR
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
	o.FHIR.Quirks, o.FHIR.FilingAs = o.Config.quirks(), nil
	if c := o.FHIR.Credentials; c != nil {
		for _, s := range c.Scopes {
			if strings.HasPrefix(s, strings.TrimSuffix(service, "*")) {
				o.FHIR.Quirks.CallScopes = []string{s} // what the app was given instead of all
			}
		}
	}
	e := &EHR{config: o.Config, base: o.FHIR.Base, policy: o.FHIR.Policy, fhir: fhir.New(o.FHIR)}
	e.policy.Vendor = filing.Vendor{Call: o.Config.call}
	e.root = e.Root(o.FHIR.BaseURL)
	e.api, e.invalid = e.fhir.Beside(e.root)
	return e
}

// Root is where the URLs of writes begin, given the FHIR base.
func (e *EHR) Root(base string) string { return e.config.API(base) }

// Planned is what the connection plans with, before Open as after it.
func (e *EHR) Planned() connector.Traits { return e.fhir.Planned() }

// Open gets a token and looks whether it opens both APIs. Errors: *connector.Retry, or *Refused with Unauthorized or
// ScopeMissing, whose Detail says what is missing and who must fix it.
func (e *EHR) Open(ctx context.Context) (connector.Traits, error) {
	traits, err := e.fhir.Open(ctx)
	var refused *connector.Refused
	if len(traits.Missing) == 0 || err != nil && (!errors.As(err, &refused) || refused.Reason != connector.ScopeMissing) {
		return traits, err
	}
	missing := smart.ParseScopes(strings.Join(traits.Missing, " ")).Spell(true) // as the portal does
	return traits, &connector.Refused{Reason: connector.ScopeMissing, Detail: connector.Protect("the token was not granted " +
		strings.Join(missing, " ") + ". The owner of the app in athenahealth's developer portal must add it, and the practice must have the app approved.")}
}

// Check implements connector.Checker: FHIR is examined, and whether the token opens the v1 API.
func (e *EHR) Check(ctx context.Context) (connector.Preflight, error) {
	found, err := e.fhir.Check(ctx)
	found.Facts = append(found.Facts, connector.Fact{Name: "v1 API", Good: connector.NotKnown,
		Value: e.root + ": not called; it declares nothing, and only a filed document proves it"})
	return found, err
}

// Match finds the patient over FHIR.
func (e *EHR) Match(ctx context.Context, k connector.PatientKey) (connector.Patient, error) {
	return e.fhir.Match(ctx, k)
}

// Plan gives the documents of x by policy.
func (e *EHR) Plan(x connector.Exchange) ([]connector.Write, error) {
	x.Strategy = connector.AsVendorCall // there is no other, whatever the thread was begun with
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
