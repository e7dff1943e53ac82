package sandbox

import (
	"context"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/openemr"
)

// OpenEMR is a sandbox EHR that takes documents by OpenEMR's own API beside its FHIR.
type OpenEMR struct {
	*EHR
	API *openemr.Server
}

// StartOpenEMR listens and serves until Close or until ctx ends: FHIR at URL()/apis/default/fhir, the standard API at
// URL()/apis/default/api. EHR.Traits are filled in but for SearchLag and Auth; api.FHIR and api.Access are filled in.
func StartOpenEMR(ctx context.Context, opts EHROptions, api openemr.Options) (*OpenEMR, error) {
	out := &OpenEMR{}
	traits, err := ehr.Profile("openemr")
	if err != nil {
		return nil, err
	}
	traits.SearchLag, traits.Auth = opts.EHR.Traits.SearchLag, opts.EHR.Traits.Auth
	opts.Auth.OwnScopes = true
	opts.Path, opts.EHR.Traits, opts.EHR.Declared = openemr.FHIRPath, traits, []string{"DocumentReference create"}
	out.EHR, err = start(ctx, opts, func(e *EHR) (err error) {
		api.FHIR, api.Now = e.Server, opts.EHR.Now
		if traits.Auth {
			api.Access = e.Auth
		}
		out.API, err = openemr.New(api)
		e.beside = out.API.Route
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
