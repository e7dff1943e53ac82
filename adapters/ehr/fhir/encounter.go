package fhir

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

var _ connector.EncounterFinder = (*EHR)(nil)

// underWay are the statuses of an encounter that is open, as [connector.Encounter] counts them.
const underWay = "arrived,triaged,in-progress,onleave"

// Encounters gives encounters of one patient: one by its reference, by the identifier of a visit, those under way, or those that began since a day.
// What the EHR cannot be searched by is looked at here, since few declare every parameter. Errors: ErrNotSearchable where the
// search is not declared, not granted or refused, or where the patient has more encounters than can be read, so that the
// only one cannot be told; *connector.Retry; Unauthorized.
func (e *EHR) Encounters(ctx context.Context, q connector.EncounterQuery) ([]connector.Encounter, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	if !e.opts.Encounters {
		return nil, connector.ErrNotSearchable
	}
	if system := e.opts.Policy.Systems[q.Visit.System]; system != "" {
		q.Visit.System = system
	}
	params := url.Values{}
	by := e.patientParam("Encounter")
	if by != "" {
		params.Set(by, q.Patient)
	}
	switch {
	case q.Reference != "" && e.searchable("Encounter", "_id"):
		params.Set("_id", strings.TrimPrefix(q.Reference, "Encounter/"))
	case !q.Visit.IsZero() && e.searchable("Encounter", "identifier"):
		params.Set("identifier", r4.Token(q.Visit.System, q.Visit.Value))
	case by == "":
		return nil, connector.ErrNotSearchable
	case q.Open && e.searchable("Encounter", "status"):
		params.Set("status", underWay)
	case !q.Since.IsZero() && e.searchable("Encounter", "date"):
		params.Set("date", "ge"+q.Since.UTC().AddDate(0, 0, -1).Format(time.DateOnly)) // a server may count days in its own time zone
	}
	entries, whole, err := e.search(ctx, "Encounter", params)
	if err != nil {
		if _, err = fallBack(err); err == nil {
			err = connector.ErrNotSearchable
		}
		return nil, err
	}
	if !whole {
		return nil, connector.ErrNotSearchable
	}
	out := []connector.Encounter{}
	for _, entry := range entries {
		if found, ok := e.readEncounter(entry.Resource, q.Patient); ok && fits(found, q) {
			out = append(out, found)
		}
	}
	return out, nil
}

// fits says whether an encounter is one that was asked for: a server may ignore what it does not know.
func fits(e connector.Encounter, q connector.EncounterQuery) bool {
	switch {
	case q.Reference != "":
		return e.Reference == q.Reference
	case !q.Visit.IsZero():
		for _, id := range e.Identifiers {
			if id == q.Visit {
				return true
			}
		}
		return false
	case q.Open:
		return e.Open()
	default:
		return !e.Start.Before(q.Since)
	}
}

// readEncounter reads what a choice may depend on. It reports false for one of another patient.
func (e *EHR) readEncounter(resource []byte, patient string) (connector.Encounter, bool) {
	var j struct {
		ID         string                 `json:"id"`
		Status     string                 `json:"status"`
		Subject    ref                    `json:"subject"`
		Identifier []connector.Identifier `json:"identifier"`
		Period     struct {
			Start string `json:"start"`
		} `json:"period"`
		Provider ref `json:"serviceProvider"`
		Location []struct {
			Location ref `json:"location"`
		} `json:"location"`
	}
	if r4.TypeOf(resource) != "Encounter" || json.Unmarshal(resource, &j) != nil || j.ID == "" || r4.LocalID(j.Subject.Reference) != patient {
		return connector.Encounter{}, false
	}
	out := connector.Encounter{Reference: "Encounter/" + j.ID, Status: j.Status, Start: e.began(j.Period.Start), Identifiers: j.Identifier}
	for _, l := range append([]struct {
		Location ref `json:"location"`
	}{{j.Provider}}, j.Location...) {
		if place := r4.LocalID(l.Location.Reference); place != "" {
			out.Places = append(out.Places, place)
		}
	}
	return out, true
}

// began reads the start of a period. One that says only the day began with that day where the EHR is.
func (e *EHR) began(start string) time.Time {
	t, exact, err := r4.ParseDateTime(start)
	switch {
	case err != nil:
		return time.Time{}
	case exact || e.opts.Policy.Location == nil:
		return t
	}
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, e.opts.Policy.Location)
}
