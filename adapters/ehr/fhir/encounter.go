package fhir

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

var _ connector.EncounterFinder = (*EHR)(nil)

// Encounter finds the visit the platform named: exactly one Encounter of that patient carries the identifier. "" says that
// the EHR has none, several, or cannot be searched for it; the entry then names no encounter. Errors are *connector.Retry
// and Unauthorized.
func (e *EHR) Encounter(ctx context.Context, patient string, visit connector.Identifier) (string, error) {
	if err := e.ready(); err != nil {
		return "", err
	}
	if !e.opts.Encounters || !e.searchable("Encounter", "identifier") {
		return "", nil
	}
	if system := e.opts.Policy.Systems[visit.System]; system != "" {
		visit.System = system
	}
	entries, whole, err := e.search(ctx, "Encounter", url.Values{"identifier": {r4.Token(visit.System, visit.Value)}})
	if err != nil {
		_, err = fallBack(err)
		return "", err
	}
	var hits []string
	for _, entry := range entries {
		var j struct {
			Subject struct {
				Reference string `json:"reference"`
			} `json:"subject"`
		}
		if entry.ResourceType == "Encounter" && json.Unmarshal(entry.Resource, &j) == nil &&
			r4.LocalID(j.Subject.Reference) == patient && hasIdentifier(entry.Resource, visit) {
			hits = append(hits, "Encounter/"+entry.ID)
		}
	}
	if len(hits) != 1 || !whole {
		return "", nil
	}
	return hits[0], nil
}
