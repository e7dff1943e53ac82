package oracle

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// TestTrimmedScopes: what was dropped is named, with who can change it, where nothing can be filed; where something can, it is.
func TestTrimmedScopes(t *testing.T) {
	l := newLab(t, "system/Patient.rs system/Encounter.rs system/Binary.r", Keys{Scopes: SpellAuto, Category: "notification"})
	traits, err := l.adapter.Open(t.Context())
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Reason != connector.ScopeMissing {
		t.Fatalf("Open: %v", err)
	}
	for _, said := range []string{"system/Communication.crs", "system/DocumentReference.crus", "Code Console", "oracle.scopes"} {
		if !strings.Contains(refused.Detail.Reveal(), said) {
			t.Errorf("the sentence does not name %s: %s", said, refused.Detail.Reveal())
		}
	}
	if !slices.Contains(traits.Missing, "system/Communication.crs") {
		t.Errorf("missing: %v", traits.Missing)
	}

	l = newLab(t, strings.ReplaceAll(granted, "Communication.crs", "Communication.rs"), Keys{Scopes: SpellAuto, Category: "notification"})
	traits, err = l.adapter.Open(t.Context())
	if err != nil || traits.Strategy != connector.AsNote || !slices.Equal(traits.Missing, []string{"system/Communication.c"}) {
		t.Errorf("without staff messages: %s, missing %v (%v)", traits.Strategy, traits.Missing, err)
	}
}

// TestSpelling: scopes are asked for as the app is registered, whatever the EHR's documents name first.
func TestSpelling(t *testing.T) {
	for spelling, want := range map[Spelling]string{SpellAuto: "system/Communication.crs", SpellV2: "system/Communication.crs", SpellV1: "system/Communication.*"} {
		l := newLab(t, granted, Keys{Scopes: spelling, Category: "notification"})
		_, _ = l.adapter.Open(t.Context())
		if !slices.Contains(l.asked, want) {
			t.Errorf("%s: asked for %v", spelling, l.asked)
		}
	}
}
