package oracle

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

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

// TestMessageIsFoundByItsInbox: the one search Millennium has for a message finds ours, and proves nothing where it does not.
func TestMessageIsFoundByItsInbox(t *testing.T) {
	l := newLab(t, granted, Keys{Scopes: SpellAuto, Category: "notification", Inbox: "Group/triage"})
	if _, err := l.adapter.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	x := connector.Exchange{Kind: connector.ItemExchange, Base: testBase, Channel: "texting", Strategy: connector.AsCommunication, Revision: 1,
		Thread: connector.ThreadInfo{ID: "t-1"}, Received: time.Now().UTC(), Message: connector.Message{ID: "m-1", Text: "hello", SentAt: time.Now()}}
	fromStaff(&x)
	writes, err := l.adapter.Plan(x)
	if err != nil || len(writes) != 1 {
		t.Fatalf("Plan: %v", err)
	}
	w := writes[0]
	w.Body = []byte(strings.ReplaceAll(string(w.Body), connector.SymPatient, "Patient/daniel"))
	w.Expect.Subject = "Patient/daniel"
	if _, err := l.adapter.Find(t.Context(), w); !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("before it is filed: %v", err)
	}
	filed, err := l.adapter.File(t.Context(), w)
	if err != nil || filed.Echo.Text != w.Expect.Text {
		t.Fatalf("File: %+v %v", filed.Echo, err)
	}
	found, err := l.adapter.Find(t.Context(), w)
	if err != nil || found.Reference != filed.Reference || found.Echo.Text != w.Expect.Text {
		t.Errorf("Find: %s %v, filed %s", found.Reference, err, filed.Reference)
	}
}
