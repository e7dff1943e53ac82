package adapters

import (
	"fmt"

	"github.com/chartwire/chartwire/adapters/ehr/athena"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
)

func newAthena(p EHRParts) (connector.EHR, error) {
	c := p.Config
	unavailable := func(what, instead string) error {
		return fmt.Errorf("EHR %q: %s is not available for type athena in this version; write %s", c.Name, what, instead)
	}
	own, ok := c.Own.(*athena.Config)
	switch e := c.Filing.Encounter.Policy; {
	case !ok:
		return nil, fmt.Errorf("EHR %q: athena is missing; add at least its practice and department", c.Name)
	case c.Filing.Per == config.PerThread:
		return nil, unavailable("filing.per thread", "exchange")
	case e != config.EncounterWhenKnown && e != config.EncounterNever:
		return nil, unavailable("filing.encounter.policy "+string(e), "when-known or never")
	case !c.Filing.As.Auto():
		return nil, unavailable("filing.as "+string(c.Filing.As[0]), "auto")
	}
	o, err := fhirOptions(p)
	if err != nil {
		return nil, err
	}
	return athena.New(athena.Options{
		Name: c.Name, BaseURL: c.BaseURL, Base: p.Base, Config: own, Policy: o.Policy, HTTP: p.HTTP, Credentials: o.Credentials,
		Deadline: c.Limits.Deadline, Now: p.Now, OnSkew: p.OnSkew,
	}), nil
}
