package fhir

import (
	"testing"

	"github.com/chartwire/chartwire/adapters/ehr/ehrtest"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// TestConformance runs the suite against EHRs of every ability the generic adapter has to do with.
func TestConformance(t *testing.T) {
	noUpdate := ehr.Full()
	noUpdate.UpdateCommunication = false
	alone := ehr.Full()
	alone.Transaction = false
	minimal := ehr.Full()
	minimal.ReturnMinimal = true
	note := func(o *Options) { o.FilingAs = []string{"note"} }
	visits := func(o *Options) { o.Encounters = true }
	document := func(o *Options) { o.FilingAs = []string{"document"} }
	for _, c := range []struct {
		name     string
		strategy connector.Strategy
		setting  setting
	}{
		{"full", connector.AsCommunication, setting{traits: ehr.Full(), options: visits}},
		{"authorized", connector.AsCommunication, setting{traits: ehr.Full(), scopes: allScopes, options: visits}},
		{"search only", connector.AsCommunication, setting{traits: ehr.SearchOnly()}},
		{"blind", connector.AsCommunication, setting{traits: ehr.Blind()}},
		{"no update", connector.AsCommunication, setting{traits: noUpdate}},
		{"no transaction", connector.AsCommunication, setting{traits: alone}},
		{"minimal answers", connector.AsCommunication, setting{traits: minimal}},
		{"notes", connector.AsNote, setting{traits: ehr.Full(), options: note}},
		{"notes only", connector.AsNote, setting{traits: ehr.NoteOnly(), options: visits}},
		{"documents", connector.AsDocument, setting{traits: ehr.Full(), options: document}},
		{"documents, search only", connector.AsDocument, setting{traits: ehr.SearchOnly(), options: document}},
		{"documents only", connector.AsDocument, setting{traits: ehr.NoteOnly(), options: document}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ehrtest.Run(t, ehrtest.Harness{Strategy: c.strategy, Threads: c.strategy != connector.AsCommunication,
				Start: func(t *testing.T) *ehrtest.Rig { return newLab(t, c.setting).rig() }})
		})
	}
}

func TestTexts(t *testing.T) {
	for _, c := range []struct {
		as       string
		strategy connector.Strategy
	}{{"communication", connector.AsCommunication}, {"note", connector.AsNote}} {
		t.Run(c.as, func(t *testing.T) {
			t.Parallel()
			traits := ehr.Full()
			traits.Provenance = false // what the words do not stand in costs most of the time
			s := setting{traits: traits, options: func(o *Options) { o.FilingAs = []string{c.as} }}
			ehrtest.Texts(t, ehrtest.Harness{Strategy: c.strategy, Start: func(t *testing.T) *ehrtest.Rig { return newLab(t, s).rig() }})
		})
	}
}
