package meditech

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/ehr/ehrtest"
	"github.com/chartwire/chartwire/connector"
)

const create = "Communication create"

// TestTexts: ten thousand texts leave with every byte, or do not leave.
func TestTexts(t *testing.T) {
	ehrtest.Texts(t, ehrtest.Harness{Strategy: connector.AsCommunication, Start: func(t *testing.T) *ehrtest.Rig { return newLab(t, documents{}, create).rig() }})
}

// TestConformance runs the suite against the sandbox with MEDITECH's rules, once a probe has proven them.
func TestConformance(t *testing.T) {
	for name, says := range map[string]func(*testing.T) documents{"declared by the sandbox": func(*testing.T) documents { return documents{} }, "declared by MEDITECH": meditechsOwn} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := says(t)
			ehrtest.Run(t, ehrtest.Harness{Strategy: connector.AsCommunication, Start: func(t *testing.T) *ehrtest.Rig { return newLab(t, own, create).rig() }})
		})
	}
}

// TestNothingBeforeTheProof: what is declared and granted counts for nothing until a probe has seen it to work, and then does
// at the next opening.
func TestNothingBeforeTheProof(t *testing.T) {
	l := newLab(t, documents{})
	if planned := l.adapter.Planned(); planned.Strategy != connector.AsCommunication || !slices.Equal(planned.Unproven, []string{create}) {
		t.Errorf("planned before it was opened: %+v", planned)
	}
	traits, err := l.adapter.Open(t.Context())
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Reason != connector.Unproven || !slices.Equal(traits.Unproven, []string{create}) {
		t.Fatalf("Open: %v, %+v", err, traits)
	}
	for _, said := range []string{create, "chartwire doctor --ehr prairie --probe", "probe.patient"} {
		if !strings.Contains(refused.Detail.Reveal(), said) {
			t.Errorf("the sentence does not say %q: %s", said, refused.Detail.Reveal())
		}
	}
	l.set(func() { l.proven = []string{create} })
	if traits, err = l.adapter.Open(t.Context()); err != nil || traits.Strategy != connector.AsCommunication || len(traits.Unproven) != 0 {
		t.Errorf("once it is proven: %v, %+v", err, traits)
	}
}

// TestDeclaredByMEDITECH: with its own statement, the probe is all that is missing, and no document is thought of.
func TestDeclaredByMEDITECH(t *testing.T) {
	l := newLab(t, meditechsOwn(t))
	_, err := l.adapter.Open(t.Context())
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Reason != connector.Unproven {
		t.Fatalf("Open: %v", err)
	}
	l.set(func() { l.proven = []string{create, "DocumentReference create"} })
	traits, err := l.adapter.Open(t.Context())
	if err != nil || traits.Strategy != connector.AsCommunication || traits.Update || traits.Transaction || traits.IfNoneExist {
		t.Errorf("proven: %v, %+v", err, traits)
	}
}
