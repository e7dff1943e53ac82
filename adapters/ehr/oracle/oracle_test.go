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

// TestSpelling: scopes are asked for as the app is registered, whatever the EHR's documents name first. In another spelling Oracle
// grants nothing, and the sentence names the key that changes it.
func TestSpelling(t *testing.T) {
	registered := map[string]string{"v2": granted, "v1": smart1(granted)}
	for _, c := range []struct {
		spelling Spelling
		app      string
		opens    bool
	}{{SpellAuto, "v2", true}, {SpellV2, "v2", true}, {SpellV1, "v1", true}, {SpellV2, "v1", false}, {SpellV1, "v2", false}} {
		l := newLab(t, registered[c.app], Keys{Scopes: c.spelling, Category: "notification"})
		_, err := l.adapter.Open(t.Context())
		var refused *connector.Refused
		switch {
		case c.opens && err != nil:
			t.Errorf("an app of %s, asked for %s: %v", c.app, l.asked, err)
		case !c.opens && (!errors.As(err, &refused) || !strings.Contains(refused.Detail.Reveal(), "oracle.scopes")):
			t.Errorf("an app of %s, asked for %s: %v", c.app, l.asked, err)
		}
	}
}

// smart1 is how an administrator registers the same for an app of SMART v1.
func smart1(scopes string) string {
	var out []string
	for _, s := range strings.Fields(scopes) {
		name, verbs, _ := strings.Cut(s, ".")
		if strings.ContainsAny(verbs, "rs") {
			out = append(out, name+".read")
		}
		if strings.ContainsAny(verbs, "cud") {
			out = append(out, name+".write")
		}
	}
	return strings.Join(out, " ")
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
