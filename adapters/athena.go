package adapters

import (
	"fmt"

	"github.com/chartwire/chartwire/adapters/ehr/athena"
	"github.com/chartwire/chartwire/connector"
)

func newAthena(p EHRParts) (connector.EHR, error) {
	own, ok := p.Config.Own.(*athena.Config)
	if !ok {
		return nil, fmt.Errorf("EHR %q: athena is missing; add at least its practice and department", p.Config.Name)
	}
	o, err := fhirOptions(p)
	if err != nil {
		return nil, err
	}
	return athena.New(athena.Options{FHIR: o, Config: own}), nil
}
