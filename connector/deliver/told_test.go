package deliver_test

import (
	"context"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// fedChart is a chart whose patients are in our own store, where news of them comes by itself.
type fedChart struct{ *chart }

func (fedChart) Awaits(k connector.PatientKey) (refs []string) {
	for _, id := range k.Identifiers {
		refs = append(refs, "Patient/"+id.Value)
	}
	if len(refs) == 0 {
		refs = []string{k.Reference}
	}
	return refs
}

func (c fedChart) Stored(_ connector.Tx, reference string) (connector.Patient, error) {
	return c.Match(context.Background(), connector.PatientKey{Reference: reference})
}

// TestNewsOfAPatientWakesWhoWaits: what is held for its patient goes on as soon as there is news, and not only when it would have
// looked again.
func TestNewsOfAPatientWakesWhoWaits(t *testing.T) {
	for name, c := range map[string]struct {
		before func(p *connector.Patient)
		extra  []connector.Patient
		reason connector.Reason
	}{
		"none":      {func(p *connector.Patient) { p.Identifiers[0].Value = "other" }, nil, connector.NoPatient},
		"several":   {nil, []connector.Patient{ana()}, connector.PatientAmbiguous},
		"disagrees": {func(p *connector.Patient) { p.BirthDate = "1980-02-04" }, nil, connector.PatientDisagrees},
		"merged":    {func(p *connector.Patient) { p.ReplacedBy = "Patient/b" }, nil, connector.PatientInactive},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.EHR = fedChart{w.chart}
				if c.before != nil {
					c.before(&w.chart.patients[0])
				}
				w.chart.patients = append(w.chart.patients, c.extra...)
				w.run()
				w.accept(said("a", 1, "one"))
				w.pass(2 * time.Hour) // by then it looks every quarter of an hour
				w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, c.reason)
				looked := len(w.chart.matches)
				w.news("Patient/2")
				w.pass(time.Second)
				if n := len(w.chart.matches); n != looked {
					t.Errorf("news of somebody else made it look %d times", n-looked)
				}
				w.chart.set(func(ch *chart) { ch.patients = []connector.Patient{ana()} })
				w.news("Patient/1")
				w.pass(time.Second)
				w.filed(map[string]string{"a": "one"})
			})
		})
	}
}

// news is what an EHR's feed commits.
func (w *world) news(reference string) {
	w.t.Helper()
	w.update(func(tx connector.Tx) error { return tx.WakeAwaiting(ehrID, []string{reference}, clock.System.Now()) })
}

// TestNewsOfAPatientCountsAtOnce: a patient who is read from our own store is not remembered, and a merge holds what comes next.
func TestNewsOfAPatientCountsAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.EHR = fedChart{w.chart}
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.chart.set(func(c *chart) { c.patients[0].ReplacedBy = "Patient/b" })
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Held, connector.PatientInactive)
		w.filed(map[string]string{"a": "one"})
	})
}

// TestAMergeBetweenMatchAndAttemptHolds: nothing is written under a record whose merge was told after the patient was matched, and
// it goes on when the patient is one again.
func TestAMergeBetweenMatchAndAttemptHolds(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.EHR = fedChart{w.chart}
		w.chart.gate = func(connector.Write) error { // the last that is asked before an attempt is committed
			w.chart.set(func(c *chart) { c.patients[0].ReplacedBy = "Patient/b" })
			return nil
		}
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, connector.PatientInactive)
		if n := len(w.chart.filings); n != 0 {
			t.Errorf("%d writes left for the record that was merged", n)
		}
		w.chart.set(func(c *chart) { c.gate, c.patients[0].ReplacedBy = nil, "" })
		w.news(ana().Reference)
		w.pass(time.Second)
		w.filed(map[string]string{"a": "one"})
	})
}

// TestAPlatformsReferenceIsNoProof: where the EHR issues no references, one that the platform gives neither finds a patient nor
// replaces the comparison.
func TestAPlatformsReferenceIsNoProof(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.EHR = fedChart{w.chart}
		w.chart.patients[0].BirthDate = "1980-02-04"
		w.run()
		ev := said("a", 1, "one")
		ev.Patient.Reference = "Patient/ana"
		w.accept(ev)
		w.pass(time.Second)
		w.is(w.items(thread1, connector.ItemHeader)[0], connector.Held, connector.PatientDisagrees)
	})
}
