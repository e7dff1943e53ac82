package openemr

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
)

// Options is what one connection needs.
type Options struct {
	// FHIR is the half that is read; its Quirks and FilingAs are the vendor's and filled in here, as is Policy.Vendor.
	FHIR fhir.Options
	// Category is the path of the document category in the API's spelling, such as /chartwire (CategoryPath makes it).
	Category string
}

// EHR is one connection. It is safe for concurrent use.
type EHR struct {
	fhir     *fhir.EHR
	policy   filing.Policy
	category string
	root     string         // of the standard API
	api      *client.Client // of the standard API
	files    *client.Client // of FHIR, for what is not FHIR: a Binary is streamed as it is
	now      func() time.Time
	invalid  error // of the options, told by the first call

	mu   sync.Mutex
	pids map[string]string // the patient's reference → the number the standard API knows them by
}

var (
	_ connector.EHR         = (*EHR)(nil)
	_ connector.Lister      = (*EHR)(nil)
	_ connector.EntryReader = (*EHR)(nil)
	_ connector.ChartReader = (*EHR)(nil)
	_ connector.Retractor   = (*EHR)(nil)
	_ connector.Checker     = (*EHR)(nil)
)

// scopes of the two APIs, and of what is done by the standard one.
var scopes = []string{"api:fhir", "api:oemr", "system/document.crs", "system/patient.r"}

// quirks: nothing is written over FHIR, whatever is declared.
var quirks = fhir.Quirks{Strategies: []connector.Strategy{connector.AsVendorCall}, CallScopes: scopes, CallTypes: []string{kind},
	CallAPI: "OpenEMR's standard API"}

// Scopes lists what an OpenEMR administrator must register the client with.
func Scopes() []string { return fhir.Scopes(fhir.Options{Quirks: quirks}) }

// APIBase is where the standard API of a FHIR base is: …/apis/default/fhir has …/apis/default/api beside it; "" where the base
// is not such a one.
func APIBase(base string) string {
	site, ok := strings.CutSuffix(strings.TrimRight(base, "/"), "/fhir")
	if !ok {
		return ""
	}
	return site + "/api"
}

// New makes the adapter. It makes no call: what is wrong with the options is the error of the first call that needs them.
func New(o Options) *EHR {
	o.FHIR.Quirks, o.FHIR.FilingAs = quirks, nil
	e := &EHR{fhir: fhir.New(o.FHIR), policy: o.FHIR.Policy, category: o.Category, root: APIBase(o.FHIR.BaseURL), now: o.FHIR.Now, pids: map[string]string{}}
	e.policy.Vendor = filing.Vendor{Call: e.call, Carries: carries}
	if o.FHIR.HTTP == nil {
		return e // plans only
	}
	if e.api, e.invalid = e.fhir.Beside(e.root); e.invalid == nil {
		e.files, e.invalid = e.fhir.Beside(o.FHIR.BaseURL)
	}
	return e
}

// ready says what is wrong with the options.
func (e *EHR) ready() error {
	if e.invalid != nil {
		return &connector.Refused{Reason: connector.Internals, Detail: connector.Protect(e.invalid.Error())}
	}
	if e.api == nil {
		return &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("the connection has no way to its EHR")}
	}
	return nil
}

// Open learns what FHIR declares and what the token grants. Errors as of fhir.EHR; where the client or its scopes are the matter,
// Detail says where in OpenEMR that is set.
func (e *EHR) Open(ctx context.Context) (connector.Traits, error) {
	if err := e.ready(); err != nil {
		return connector.Traits{}, err
	}
	traits, err := e.fhir.Open(ctx)
	var refused *connector.Refused
	if !errors.As(err, &refused) {
		return traits, err
	}
	told := *refused
	switch refused.Reason {
	case connector.Unauthorized:
		told.Detail = connector.Protect(refused.Detail.Reveal() + ". A client starts disabled: an administrator enables it under " +
			"Administration, System, API Clients.")
	case connector.ScopeMissing:
		told.Detail = connector.Protect(refused.Detail.Reveal() + " OpenEMR adds no scope to a client that is registered: register it anew with " +
			strings.Join(Scopes(), " ") + ", enable it, and put its client_id under backend.")
	}
	return traits, &told
}

// Check implements connector.Checker: FHIR is examined, and whether the token opens the standard API.
func (e *EHR) Check(ctx context.Context) (connector.Preflight, error) {
	found, err := e.fhir.Check(ctx)
	found.Facts = append(found.Facts, connector.Fact{Name: "standard API", Good: connector.NotKnown,
		Value: e.root + ": not called; documents are created there, never over FHIR, and only a filed one proves it"})
	return found, err
}

// Planned is what the connection plans with, before Open as after it.
func (e *EHR) Planned() connector.Traits { return e.fhir.Planned() }

// Root is where the URLs of writes begin, given the FHIR base.
func (*EHR) Root(base string) string { return APIBase(base) }

// Match finds the patient over FHIR.
func (e *EHR) Match(ctx context.Context, k connector.PatientKey) (connector.Patient, error) {
	return e.fhir.Match(ctx, k)
}

// Plan gives the documents of x by policy.
func (e *EHR) Plan(x connector.Exchange) ([]connector.Write, error) {
	x.Strategy = connector.AsVendorCall // there is no other, whatever the thread was begun with
	return filing.Plan(e.policy, e.Planned(), x)
}

// Retract says what a person has to do: the API changes no document.
func (e *EHR) Retract(w connector.Write, _ string) (connector.Write, error) {
	name := "the document"
	if u, err := read(w); err == nil {
		name = u.name
	}
	return connector.Write{}, &connector.Refused{Reason: connector.NotExpressible, Detail: connector.Protect(
		"OpenEMR's API does not let Chartwire change a document. Delete " + name + " by hand: the patient's Documents, category " + e.category + ".")}
}
