package fhir

import "github.com/chartwire/chartwire/connector"

// Planned is what the connection plans with now: before Open, what policy wants of an EHR that can do everything. It makes
// no call; chartwire map uses it.
func (e *EHR) Planned() connector.Traits {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.traits(e.strategy())
}
