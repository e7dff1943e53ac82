package ehrtest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// encounters holds an adapter that can be asked for encounters to answering each question with those that fit it, and with
// none of another patient's. What it gives besides, because its EHR cannot be asked more narrowly, must be told apart by what
// it says of them. It needs Rig.Encounter.
func encounters(t *testing.T, h Harness) {
	r := h.Start(t)
	r.open(t)
	finder, ok := r.EHR.(connector.EncounterFinder)
	switch {
	case r.Encounter == nil:
		return
	case !ok:
		t.Fatal("the rig makes encounters, and the adapter cannot be asked for any")
	}
	visit := connector.Identifier{System: "urn:chartwire:visit", Value: "V-1"}
	now := time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)
	put := func(status string, ago time.Duration, ids ...connector.Identifier) string {
		return r.Encounter(r.patient, connector.Encounter{Status: status, Start: now.Add(-ago), Identifiers: ids})
	}
	old := put("finished", 30*24*time.Hour)
	week := put("finished", 6*24*time.Hour)
	open := put("in-progress", time.Hour)
	planned := put("planned", -24*time.Hour, visit)
	strange := r.Encounter(r.Other, connector.Encounter{Status: "in-progress", Start: now, Identifiers: []connector.Identifier{visit}})

	ask := func(q connector.EncounterQuery) (refs []string) {
		q.Patient = r.patient
		all, err := finder.Encounters(t.Context(), q)
		if err != nil && !errors.Is(err, connector.ErrNotSearchable) {
			t.Fatalf("Encounters: %v (%s)", err, detail(err))
		}
		for _, e := range all {
			refs = append(refs, e.Reference)
			if e.Reference == strange {
				t.Error("another patient's encounter was given")
			}
			if e.Reference == week && (e.Status != "finished" || !e.Start.Equal(now.Add(-6*24*time.Hour))) {
				t.Errorf("it is %s and began %v", e.Status, e.Start)
			}
		}
		return refs
	}
	if got := ask(connector.EncounterQuery{Visit: visit}); !slices.Equal(got, []string{planned}) {
		t.Errorf("the visit named: %d encounters, want the one that carries it", len(got))
	}
	if got := ask(connector.EncounterQuery{Open: true}); !slices.Equal(got, []string{open}) {
		t.Errorf("under way: %d encounters, want one", len(got))
	}
	if got := ask(connector.EncounterQuery{Since: now.Add(-7 * 24 * time.Hour)}); !slices.Contains(got, week) || !slices.Contains(got, open) || slices.Contains(got, old) {
		t.Errorf("of the last week: %d encounters", len(got))
	}
	if got := ask(connector.EncounterQuery{Reference: week}); !slices.Contains(got, week) {
		t.Errorf("one by its reference: %d encounters, want it", len(got))
	}
	if got := ask(connector.EncounterQuery{Reference: strange}); len(got) != 0 {
		t.Errorf("another patient's by its reference: %d encounters", len(got))
	}
	if got := ask(connector.EncounterQuery{Visit: connector.Identifier{System: visit.System, Value: "V-2"}}); len(got) != 0 {
		t.Errorf("a visit nobody has: %d encounters", len(got))
	}
}
