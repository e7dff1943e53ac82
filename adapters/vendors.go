package adapters

import (
	"github.com/chartwire/chartwire/adapters/ehr/epic"
	"github.com/chartwire/chartwire/adapters/ehr/meditech"
	"github.com/chartwire/chartwire/adapters/ehr/oracle"
	"github.com/chartwire/chartwire/connector"
)

func newEpic(p EHRParts) (connector.EHR, error) {
	o, err := fhirOptions(p)
	if err != nil {
		return nil, err
	}
	return epic.New(o), nil
}

func newOracle(p EHRParts) (connector.EHR, error) {
	o, err := fhirOptions(p)
	if err != nil {
		return nil, err
	}
	keys := oracle.Keys{Scopes: oracle.SpellAuto, Category: "notification"}
	if own, ok := p.Config.Own.(*oracle.Keys); ok {
		keys = *own
	}
	return oracle.New(o, keys), nil
}

func newMeditech(p EHRParts) (connector.EHR, error) {
	o, err := fhirOptions(p)
	if err != nil {
		return nil, err
	}
	o.Proven = p.Proven
	return meditech.New(o), nil
}
