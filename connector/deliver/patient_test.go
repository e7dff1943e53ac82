package deliver_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestPatientNotFoundHoldsAndFilesWithoutAnyoneActing(t *testing.T) {
	for name, c := range map[string]struct {
		before func(p *connector.Patient)
		extra  []connector.Patient
		reason connector.Reason
	}{
		"none":         {func(p *connector.Patient) { p.Identifiers[0].Value = "other" }, nil, connector.NoPatient},
		"several":      {nil, []connector.Patient{ana()}, connector.PatientAmbiguous},
		"twin":         {func(p *connector.Patient) { p.BirthDate = "1980-02-04" }, nil, connector.PatientDisagrees},
		"other family": {func(p *connector.Patient) { p.Names[0].Family = "Garza" }, nil, connector.PatientDisagrees},
		"inactive":     {func(p *connector.Patient) { p.Active = false }, nil, connector.PatientInactive},
		"merged":       {func(p *connector.Patient) { p.ReplacedBy = "Patient/b" }, nil, connector.PatientInactive},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				if c.before != nil {
					c.before(&w.chart.patients[0])
				}
				w.chart.patients = append(w.chart.patients, c.extra...)
				w.horizon = 20 * time.Minute
				w.run()
				w.accept(said("a", 1, "one"), said("b", 2, "two"))
				w.pass(30 * time.Minute) // registration is a person's work; that it takes time is no failure of ours
				header := w.items(thread1, connector.ItemHeader)[0]
				w.is(header, connector.Held, c.reason)
				if len(w.chart.filings) != 0 {
					t.Fatal("something was filed")
				}
				w.chart.set(func(ch *chart) { ch.patients = []connector.Patient{ana()} })
				w.chart.fails("t-1", unavailable) // a hiccup right then must not find the horizon used up
				w.pass(20 * time.Minute)
				w.filed(map[string]string{"a": "one", "b": "two"})
				w.is(w.items(thread1, connector.ItemHeader)[0], connector.Filed, "")
				if b := w.thread(thread1).Bound; b.Reference != "Patient/ana" || b.How != "identifier" {
					t.Errorf("the thread is bound %+v", b)
				}
			})
		})
	}
}

func TestThreadWithoutPatientWaitsForIt(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		ev := said("b", 2, "two")
		ev.Patient = nil
		w.accept(ev)
		w.pass(time.Hour)
		w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, connector.NoPatient)
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.filed(map[string]string{"a": "one", "b": "two"})
	})
}

func TestPatientChangedHoldsEverythingAfterIt(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		ev := said("b", 2, "two")
		ev.Patient.Identifiers[0].Value = "2"
		w.accept(ev, said("c", 3, "three"), turned(connector.ThreadClosed))
		w.pass(30 * time.Minute)
		w.is(w.item("b"), connector.Held, connector.PatientChanged)
		w.is(w.item("c"), connector.Waiting, "")
		if n := len(w.chart.filings); n != 2 {
			t.Errorf("%d requests left, want 2: the header and a", n)
		}
		if w.thread(thread1).Bound.Reference != "Patient/ana" {
			t.Error("the thread was linked anew")
		}
	})
}

func TestPatientIsReadAnewAfterFiveMinutes(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(4 * time.Minute)
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		reads := len(w.chart.matches)
		w.pass(2 * time.Minute)
		w.chart.set(func(c *chart) { c.patients[0].ReplacedBy = "Patient/b" })
		w.accept(said("c", 3, "three"))
		w.pass(time.Second)
		if len(w.chart.matches) != reads+1 {
			t.Errorf("%d reads, want %d", len(w.chart.matches), reads+1)
		}
		w.is(w.item("c"), connector.Held, connector.PatientInactive)
		w.filed(map[string]string{"a": "one", "b": "two"})
	})
}

func TestTrustedChannelBindsByItsIdentifierAlone(t *testing.T) {
	bubble(t, func(w *world) {
		w.line.TrustIDs = true
		w.run()
		ev := said("a", 1, "one")
		ev.Patient = &connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:mrn", Value: "1"}}}
		w.accept(ev)
		w.pass(time.Second)
		w.filed(map[string]string{"a": "one"})
		if how := w.thread(thread1).Bound.How; how != "trusted" {
			t.Errorf("bound by %s", how)
		}
	})
}

// TestTrustedConnectionBindsByItsIdentifierAlone: an EHR that shows no patient has nothing to compare with.
func TestTrustedConnectionBindsByItsIdentifierAlone(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		t.Run(fmt.Sprint(trusted), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.TrustIDs = trusted
				w.run()
				ev := said("a", 1, "one")
				ev.Patient = &connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:mrn", Value: "1"}}}
				w.accept(ev)
				w.pass(time.Second)
				if got := w.item("a").State; (got == connector.Filed) != trusted {
					t.Errorf("it is %s", got)
				}
				if how := w.thread(thread1).Bound.How; trusted && how != "trusted" {
					t.Errorf("bound by %s", how)
				}
			})
		})
	}
}

func TestAnotherPatientsRecordInAnAnswerStopsTheConnection(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.matchErr = &connector.Refused{Reason: connector.WrongSubject}
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		if w.ehr().Paused != connector.WrongSubject || len(w.chart.filings) != 0 {
			t.Errorf("paused for %q, %d requests left", w.ehr().Paused, len(w.chart.filings))
		}
	})
}
