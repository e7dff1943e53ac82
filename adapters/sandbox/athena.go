package sandbox

import (
	"context"

	"github.com/chartwire/chartwire/adapters/sandbox/athena"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// Athena is a running sandbox athenaOne: a FHIR server that is read only, and the v1 API on the same origin.
type Athena struct {
	*EHR
	API *athena.API
}

// AthenaTraits are what athenaOne's FHIR server can do of what this sandbox knows: nothing can be written.
func AthenaTraits() ehr.Traits { return ehr.Traits{SearchByIdentifier: true, SearchWrites: true} }

// StartAthena listens and serves until Close or until ctx ends. Options.EHR.Traits are not looked at but for Auth.
func StartAthena(ctx context.Context, opts EHROptions, api athena.Options) (*Athena, error) {
	out := &Athena{}
	traits := AthenaTraits()
	traits.Auth = opts.EHR.Traits.Auth
	opts.EHR.Traits = traits
	opts.Vendor = func(e *EHR) Vendor {
		api.Now, api.FHIRBase = e.now, "/fhir"
		api.Chart = func(typ, id string) bool {
			_, ok := e.Get(typ, id)
			return ok
		}
		if traits.Auth {
			api.Access = e.Auth
		}
		out.API = athena.New(api)
		return out.API
	}
	var err error
	out.EHR, err = StartEHR(ctx, opts)
	return out, err
}
