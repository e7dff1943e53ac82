package fhir

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

const oneDay = 24 * time.Hour

// visit puts an encounter of Daniel's on the EHR, with more members of the resource as JSON.
func (l *lab) visit(t *testing.T, id, status, more string) {
	t.Helper()
	l.put(t, `{"resourceType":"Encounter","id":"`+id+`","status":"`+status+`","class":{"code":"VR"},"subject":{"reference":"Patient/daniel"}`+more+`}`)
}

// encounters asks, and gives the ids in order, or the error's text.
func (l *lab) encounters(t *testing.T, q connector.EncounterQuery) string {
	t.Helper()
	q.Patient = "Patient/daniel"
	all, err := l.adapter.Encounters(t.Context(), q)
	if err != nil {
		return err.Error()
	}
	var ids []string
	for _, e := range all {
		ids = append(ids, strings.TrimPrefix(e.Reference, "Encounter/"))
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// TestEncounterSearch: each question, by an EHR that declares every parameter, and by those that declare fewer of them.
func TestEncounterSearch(t *testing.T) {
	since := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		declared           []string // nil: as the sandbox does
		named, open, since string
	}{
		"all":          {nil, "v", "o1 o2", "edge o1 o2 recent v"},
		"patient":      {[]string{"patient"}, "v", "o1 o2", "edge o1 o2 recent v"},
		"subject":      {[]string{"subject", "date"}, "v", "o1 o2", "edge o1 o2 recent v"},
		"identifier":   {[]string{"identifier"}, "v", connector.ErrNotSearchable.Error(), connector.ErrNotSearchable.Error()},
		"nothing":      {[]string{}, connector.ErrNotSearchable.Error(), connector.ErrNotSearchable.Error(), connector.ErrNotSearchable.Error()},
		"status alone": {[]string{"status"}, connector.ErrNotSearchable.Error(), connector.ErrNotSearchable.Error(), connector.ErrNotSearchable.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) {
				o.Encounters, o.Policy.Systems = true, map[string]string{"urn:platform": "urn:visit"}
			}})
			l.visit(t, "o1", "in-progress", `,"period":{"start":"2026-11-21T09:00:00Z"}`)
			l.visit(t, "o2", "triaged", `,"period":{"start":"2026-11-20T00:30:00+01:00"},"identifier":[{"system":"urn:visit","value":"V-2"}]`)
			l.visit(t, "recent", "finished", `,"period":{"start":"2026-11-20T09:00:00Z"}`)
			l.visit(t, "edge", "finished", `,"period":{"start":"2026-11-19T23:40:00Z","end":"2026-11-19T23:50:00Z"}`)
			l.visit(t, "old", "finished", `,"period":{"start":"2026-11-19T09:00:00Z"}`)
			l.visit(t, "v", "planned", `,"period":{"start":"2026-12-01"},"identifier":[{"system":"urn:visit","value":"V-1"}]`)
			if c.declared != nil {
				l.adapter.able = abilities{known: true, declared: searching(t, "Encounter", c.declared)}
			}
			q := connector.EncounterQuery{Visit: connector.Identifier{System: "urn:platform", Value: "V-1"}}
			if got := l.encounters(t, q); got != c.named {
				t.Errorf("the visit: %q, want %q", got, c.named)
			}
			if got := l.encounters(t, connector.EncounterQuery{Open: true}); got != c.open {
				t.Errorf("under way: %q, want %q", got, c.open)
			}
			if got := l.encounters(t, connector.EncounterQuery{Since: since.Add(-oneDay / 48)}); got != c.since {
				t.Errorf("since: %q, want %q", got, c.since)
			}
		})
	}
}

// searching is a capability that declares one type's search by these parameters.
func searching(t *testing.T, kind string, params []string) r4.Capability {
	t.Helper()
	var list []map[string]string
	for _, p := range params {
		list = append(list, map[string]string{"name": p, "type": "token"})
	}
	raw, _ := json.Marshal(map[string]any{"resourceType": "CapabilityStatement", "status": "active", "fhirVersion": "4.0.1", "kind": "instance",
		"date": "2026-11-28", "format": []string{"json"}, "rest": []any{map[string]any{"mode": "server", "resource": []any{map[string]any{
			"type": kind, "interaction": []any{map[string]string{"code": "search-type"}}, "searchParam": list}}}}})
	c, err := r4.ReadCapability(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEncounterSearchNotGranted: what the token does not cover is not asked.
func TestEncounterSearchNotGranted(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full(), scopes: "system/Patient.rs system/Communication.cruds", options: func(o *Options) { o.Encounters = true }})
	l.visit(t, "o", "in-progress", "")
	if got := l.encounters(t, connector.EncounterQuery{Open: true}); got != connector.ErrNotSearchable.Error() {
		t.Errorf("it gives %q", got)
	}
	if traits, err := l.adapter.Open(t.Context()); err != nil || !slices.Contains(traits.Missing, "system/Encounter.s") {
		t.Errorf("the missing scope is not told: %q, %v", traits.Missing, err)
	}
}

// TestEncounterSearchRefused: an EHR that declares the search and refuses it cannot be asked; one that is not there is asked
// again.
func TestEncounterSearchRefused(t *testing.T) {
	for _, status := range []int{400, 403, 503} {
		after := func(r *http.Request, resp *ehr.Response) *ehr.Response {
			if !strings.Contains(r.URL.Path, "/Encounter") {
				return resp
			}
			return &ehr.Response{Status: status, Header: http.Header{"Content-Type": {"application/fhir+json"}}, Body: []byte(`{"resourceType":"OperationOutcome"}`)}
		}
		l := opened(t, setting{traits: ehr.Full(), after: after, options: func(o *Options) { o.Encounters = true }})
		_, err := l.adapter.Encounters(t.Context(), connector.EncounterQuery{Patient: "Patient/daniel", Open: true})
		var retry *connector.Retry
		if want := status < 500; errors.Is(err, connector.ErrNotSearchable) != want || errors.As(err, &retry) == want {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestMoreEncountersThanCanBeRead: the only one cannot be told among them.
func TestMoreEncountersThanCanBeRead(t *testing.T) {
	for _, next := range []string{"", `"link":[{"relation":"next","url":"https://elsewhere.example/page"}],`} {
		after := func(r *http.Request, resp *ehr.Response) *ehr.Response {
			if !strings.Contains(r.URL.Path, "/Encounter") {
				return resp
			}
			return &ehr.Response{Status: 200, Header: http.Header{"Content-Type": {"application/fhir+json"}}, Body: []byte(
				`{"resourceType":"Bundle","type":"searchset",` + next + `"entry":[{"resource":{"resourceType":"Encounter","id":"o","status":"in-progress",
				"class":{"code":"VR"},"subject":{"reference":"Patient/daniel"}},"search":{"mode":"match"}}]}`)}
		}
		l := opened(t, setting{traits: ehr.Full(), after: after, options: func(o *Options) { o.Encounters = true }})
		want := "o"
		if next != "" {
			want = connector.ErrNotSearchable.Error()
		}
		if got := l.encounters(t, connector.EncounterQuery{Open: true}); got != want {
			t.Errorf("it gives %q, want %q", got, want)
		}
	}
}

// TestEncounterIsRead: where it is, and a start that says only the day begins with that day where the EHR is.
func TestEncounterIsRead(t *testing.T) {
	e := New(Options{})
	e.opts.Policy.Location = time.FixedZone("", -6*3600)
	got, ok := e.readEncounter([]byte(`{"resourceType":"Encounter","id":"e","status":"finished","subject":{"reference":"https://ehr/fhir/Patient/daniel"},
		"period":{"start":"2026-11-20"},"serviceProvider":{"reference":"Organization/clinic"},
		"location":[{"location":{"reference":"Location/ward-7"}},{"location":{"display":"somewhere"}}]}`), "Patient/daniel")
	if !ok || got.Reference != "Encounter/e" || !slices.Equal(got.Places, []string{"Organization/clinic", "Location/ward-7"}) ||
		!got.Start.Equal(time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)) {
		t.Errorf("%v: began %v in %q", ok, got.Start, got.Places)
	}
	for _, other := range []string{`{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/other"}}`, `{"resourceType":"Encounter","id":"e"}`,
		`{"resourceType":"Patient","id":"e","subject":{"reference":"Patient/daniel"}}`, `{`} {
		if _, ok := e.readEncounter([]byte(other), "Patient/daniel"); ok {
			t.Errorf("taken for an encounter of the patient: %s", other)
		}
	}
}
