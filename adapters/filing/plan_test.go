package filing_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

// variety is one exchange of every kind and turn this package knows, all of one thread.
func variety(s connector.Strategy) []connector.Exchange {
	id := func(m string) func(*connector.Exchange) { return func(x *connector.Exchange) { x.Message.ID = m } }
	missing := func(x *connector.Exchange) { x.Missing["u-901"] = true }
	return []connector.Exchange{
		exchange(connector.ItemHeader, s),
		exchange(connector.ItemExchange, s, id("m-1")),
		exchange(connector.ItemExchange, s, id("m-2"), from(mother), missing),
		exchange(connector.ItemExchange, s, id("m-3"), toPatient(connector.Sent)),
		exchange(connector.ItemStatus, s, id("m-3"), toPatient(connector.Delivered)),
		exchange(connector.ItemStatus, s, id("m-3"), toPatient(connector.Failed)),
		exchange(connector.ItemCorrection, s, id("m-1"), correction(2, 1)),
		exchange(connector.ItemCorrection, s, id("m-1"), correction(3, 1, 2)),
		exchange(connector.ItemRetraction, s, id("m-1"), retraction(1, 2, 3)),
		exchange(connector.ItemExchange, s, id("m-4"), from(system), toPatient(connector.Failed)),
		exchange(connector.ItemClose, s), exchange(connector.ItemReopen, s),
		request("01JD", "active", ""), request("01JD", "completed", ""), request("01JD", "on-hold", "why"),
		task(connector.TaskAccepted, true), task(connector.TaskRequested, false, byPool("nurse-triage")), task(connector.TaskCompleted, false),
	}
}

func TestPlanIsPure(t *testing.T) {
	for _, s := range []connector.Strategy{comm, noted} {
		for _, x := range variety(s) {
			if a, b := plan(t, policy(t), able(s), x), plan(t, policy(t), able(s), x); !reflect.DeepEqual(a, b) {
				t.Errorf("%s %s: two plans of one exchange differ", s, x.Kind)
			}
		}
	}
}

// A key stands for one thing that is written once, ever; only the same thing planned again may have it again.
func TestKeysAreUnique(t *testing.T) {
	for _, s := range []connector.Strategy{comm, noted} {
		seen := map[string]connector.Write{}
		for _, x := range variety(s) {
			for _, w := range plan(t, policy(t), able(s), x) {
				before, twice := seen[w.Key]
				superseded := w.Update != nil && w.Update.Set["status"] == "superseded"
				if twice && !superseded && w.Type != "RelatedPerson" {
					t.Errorf("%s: key %s is used twice: %+v and %+v", s, w.Key, before, w)
				}
				seen[w.Key] = w
			}
		}
	}
}

// Nothing the plan names may be a chart reference it guessed: what is not configured or resolved is a symbol.
func TestPlanNamesOnlyWhatItKnows(t *testing.T) {
	for _, s := range []connector.Strategy{comm, noted} {
		for _, x := range variety(s) {
			x.Patient = "Patient/secret"
			for _, w := range plan(t, policy(t), able(s), x) {
				if strings.Contains(string(w.Body)+w.URL+w.Key, "Patient/secret") {
					t.Errorf("%s %s names the patient outright", s, x.Kind)
				}
				if w.Update == nil && w.Type != "Provenance" && (w.Identity.IsZero() || w.Expect.Subject != connector.SymPatient) {
					t.Errorf("%s %s: %s has no identity or subject", s, x.Kind, w.Type)
				}
			}
		}
	}
}

func TestPlanRefusesWhatItDoesNotFile(t *testing.T) {
	for _, x := range []connector.Exchange{
		exchange(connector.ItemSend, comm), exchange(connector.ItemFetch, noted), exchange(connector.ItemExchange, "telegram"),
	} {
		var refused *connector.Refused
		if _, err := filing.Plan(policy(t), connector.Traits{}, x); !errors.As(err, &refused) || refused.Reason != connector.Internals {
			t.Errorf("%s %s: %v", x.Strategy, x.Kind, err)
		}
	}
}

func TestStrategyFallsToTraits(t *testing.T) {
	x := exchange(connector.ItemExchange, "")
	if w := plan(t, policy(t), able(noted), x); w[0].Type != "DocumentReference" {
		t.Errorf("got a %s", w[0].Type)
	}
}
