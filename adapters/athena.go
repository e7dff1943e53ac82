package adapters

import (
	"fmt"

	"github.com/chartwire/chartwire/adapters/ehr/athena"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
)

func newAthena(p EHRParts) (connector.EHR, error) {
	own, ok := p.Config.Own.(*athena.Config)
	if !ok {
		return nil, fmt.Errorf("EHR %q: athena is missing; add at least its practice and department", p.Config.Name)
	}
	if e := p.Config.Filing.Encounter.Policy; e != config.EncounterWhenKnown && e != config.EncounterNever {
		return nil, fmt.Errorf("EHR %q: filing.encounter.policy %s is not available for type athena in this version; write when-known or never", p.Config.Name, e)
	}
	o, err := fhirOptions(p)
	if err != nil {
		return nil, err
	}
	return athena.New(athena.Options{FHIR: o, Config: own}), nil
}
