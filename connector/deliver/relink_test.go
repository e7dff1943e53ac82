package deliver_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

func bea() connector.Patient {
	return connector.Patient{Reference: "Patient/bea", Version: "1", Active: true, BirthDate: "1990-05-06",
		Names:       []connector.HumanName{{Family: "Berg", Given: []string{"Bea"}}},
		Identifiers: []connector.Identifier{{System: "urn:mrn", Value: "2"}}}
}

// named is an event that names the patient by another number.
func named(ev connector.Event, mrn string) connector.Event {
	ev.Patient = &connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:mrn", Value: mrn}}}
	return ev
}

func (w *world) relinkAsk(patient string, yes bool) deliver.Relinking {
	w.t.Helper()
	w.barrier()
	r, err := w.engine.Relink(context.Background(), deliver.RelinkAsk{Thread: thread1, Patient: patient, Why: "asked the desk", Agent: "cli:ana", Yes: yes})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// relink shows first and holds that to change nothing, then does it.
func (w *world) relink(patient string) deliver.Relinking {
	w.t.Helper()
	before, filings := w.thread(thread1), len(w.chart.filings)
	seen := w.relinkAsk(patient, false)
	if after := w.thread(thread1); seen.Done || after.Version != before.Version || len(w.chart.filings) != filings {
		w.t.Error("showing what would happen changed something")
	}
	done := w.relinkAsk(patient, true)
	if !done.Done || done.Refused != "" || done.Goes != seen.Goes || !slices.Equal(done.Says, seen.Says) {
		w.t.Errorf("it was done as %+v, and shown as %+v", done, seen)
	}
	if after := w.thread(thread1); after.Changed || after.Bound.Reference != patient || after.Bound.How != connector.ByPerson || after.Bound.Encounter != "" || after.Version <= before.Version {
		w.t.Errorf("the thread is bound %+v, changed %t, version %d after %d", after.Bound, after.Changed, after.Version, before.Version)
	}
	return done
}

// of holds messages of t-1 to being filed once, under a patient.
func (w *world) of(patient string, ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		w.is(w.item(id), connector.Filed, "")
		if on := w.chart.on(thread1 + "/" + id); len(on) != 1 || on[0].reference("subject") != patient {
			w.t.Errorf("message %s has %d entries, want one of %s", id, len(on), patient)
		}
	}
}

// audits gives the details of the audit rows of a kind of t-1.
func (w *world) audits(kind string) (out []map[string]string) {
	w.t.Helper()
	t := w.thread(thread1)
	w.view(func(tx connector.Tx) error {
		rows, err := tx.AuditOf(ehrID, t.ID)
		for _, a := range rows {
			if a.Kind == kind {
				a.Detail["agent"] = a.Agent
				out = append(out, a.Detail)
			}
		}
		return err
	})
	return out
}

func TestAMergedPatientsThreadGoesOnUnderTheOtherRecord(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(6 * time.Minute)
		w.chart.set(func(c *chart) {
			c.patients[0].Active, c.patients[0].ReplacedBy = false, "Patient/bea"
			c.patients = append(c.patients, bea())
		})
		w.accept(said("b", 2, "two"), said("c", 3, "three"))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Held, connector.PatientInactive)
		r := w.relink("Patient/bea")
		if r.Goes != 1 || r.Reason != connector.PatientInactive || len(r.OnChart) != 1 || len(r.OnChart[0].Entries) != 2 || !strings.Contains(strings.Join(r.Says, "\n"), "moves them itself") {
			t.Errorf("it says %+v", r)
		}
		w.pass(time.Second)
		w.of("Patient/bea", "b", "c")
		w.of("Patient/ana", "a") // this chart moves nothing
		if got := w.chart.order(); !slices.Equal(got, []string{"t-1/a", "t-1/b", "t-1/c"}) {
			t.Errorf("the order is %v", got)
		}
		if again := w.relinkAsk("Patient/bea", true); again.Done || again.Refused != "" || !again.Idle {
			t.Errorf("a second time it is %+v", again)
		}
		w.accept(said("d", 4, "the old number")) // the platform goes on with the number it knows
		w.pass(time.Second)
		w.of("Patient/bea", "d")
		admin := w.audits("admin")
		if len(admin) != 1 || admin[0]["was"] != "Patient/ana" || admin[0]["patient"] != "Patient/bea" || admin[0]["why"] != "asked the desk" || admin[0]["agent"] != "cli:ana" {
			t.Errorf("audited as %v", admin)
		}
	})
}

func TestAPatientThatWasNotChangedIsConfirmed(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.patients = append(w.chart.patients, bea())
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.accept(named(said("b", 2, "two"), "2"), said("c", 3, "three"))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Held, connector.PatientChanged)
		if r := w.relink("Patient/ana"); !slices.Equal(r.Named, []string{"Patient/ana", "Patient/bea"}) {
			t.Errorf("the platform has named %v", r.Named)
		}
		w.pass(time.Second)
		w.of("Patient/ana", "a", "b", "c")
		w.accept(named(said("d", 4, "four"), "2"), said("e", 5, "five")) // both were before the person who decided
		w.pass(time.Second)
		w.of("Patient/ana", "d", "e")
		w.accept(named(said("f", 6, "six"), "3"))
		w.pass(time.Second)
		w.is(w.item("f"), connector.Held, connector.PatientChanged)
	})
}

func TestAThreadOfAnotherPatientLeavesTheOthersChartAlone(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.patients = append(w.chart.patients, bea())
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		answer := said("b", 2, "two")
		answer.Message.InReplyTo = "a"
		w.accept(named(answer, "2"), corrected("a", 2, "uno"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		before := len(w.chart.filings)
		r := w.relink("Patient/bea")
		if all := strings.Join(r.Says, "\n"); !strings.Contains(all, "must have them corrected in the EHR: Communication/1, Communication/2") {
			t.Errorf("it says %s", all)
		}
		w.pass(time.Second)
		w.of("Patient/bea", "b")
		w.of("Patient/ana", "a")
		for _, f := range w.chart.filings[before:] {
			if f.w.Identity.Value != "t-1/b" || strings.Contains(string(f.w.Body), "Communication/") {
				t.Errorf("it wrote %s %s %s", f.w.Method, f.w.Key, f.w.Body)
			}
		}
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Parked, connector.ByHand)
		w.is(w.items(thread1, connector.ItemClose)[0], connector.NotDue, connector.PolicyLeftOut)
		if k := w.thread(thread1).Patient; k.Name.Family != "Berg" || k.BirthDate != "1990-05-06" || k.Identifiers[0].Value != "2" || len(k.Identifiers) != 1 {
			t.Error("an entry that names its patient itself would name the other one")
		}
	})
}

// What was planned and tried for one patient has their name in its bytes.
func TestNothingPlannedForThePatientBeforeEverLeaves(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.patients = append(w.chart.patients, bea())
		w.chart.fails("t-1/b", tooMany)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		w.accept(named(said("c", 3, "three"), "2"))
		w.pass(2 * retryAfter)
		w.is(w.item("b"), connector.Held, connector.PatientChanged)
		w.relink("Patient/bea")
		w.pass(time.Second)
		w.of("Patient/bea", "b", "c")
		if n := len(w.chart.attempts("t-1/b")); n != 2 {
			t.Errorf("%d attempts, want the one for each patient", n)
		}
	})
}

// A worker that has read the thread, asked for its patient and planned the write has not sent it yet.
func TestALinkWinsOverAFilingThatWasPlannedBefore(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.patients = append(w.chart.patients, bea())
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		once := false
		w.chart.set(func(c *chart) {
			c.gate = func(wr connector.Write) error {
				if wr.Identity.Value == "t-1/b" && !once {
					once = true
					w.accept(named(said("c", 3, "three"), "2"))
					if r := w.relinkAsk("Patient/bea", true); !r.Done {
						t.Errorf("it is %+v", r)
					}
				}
				return nil
			}
		})
		w.accept(said("b", 2, "two"))
		w.pass(time.Minute)
		w.of("Patient/bea", "b", "c")
		if n := len(w.chart.attempts("t-1/b")); n != 1 {
			t.Errorf("%d requests left for b, want 1", n)
		}
	})
}

func TestAThreadAboutNobodyIsLinked(t *testing.T) {
	for name, set := range map[string]func(c *chart){
		"none":    func(c *chart) { c.patients = []connector.Patient{bea()} },
		"several": func(c *chart) { c.patients = []connector.Patient{ana(), ana(), bea()} },
		"other":   func(c *chart) { c.patients[0].BirthDate = "1980-02-04"; c.patients = append(c.patients, bea()) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.chart.set(set)
				w.run()
				w.accept(said("a", 1, "one"), said("b", 2, "two"))
				w.pass(time.Minute)
				if r := w.relink("Patient/bea"); r.From != "" || r.Goes != 1 || !strings.Contains(strings.Join(r.Says, "\n"), "LOOK TWICE") {
					t.Errorf("it says %+v", r)
				}
				w.pass(time.Second)
				w.of("Patient/bea", "a", "b")
			})
		})
	}
}

// What one of us wrote was for the patient of before. A person says whether it is the other one's, too.
func TestWhatWeWroteForThePatientBeforeIsAskedAbout(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.patients = append(w.chart.patients, bea())
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.update(func(tx connector.Tx) error {
			return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: "mercy", Paused: connector.EHRPaused})
		})
		reply := w.compose(thread1, "answer for Ana")
		w.pass(time.Second)
		w.accept(named(said("b", 9, "two"), "2"))
		w.update(func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: "mercy"}) })
		w.pass(2 * time.Minute)
		r := w.relink("Patient/bea")
		if len(r.Parks) != 2 {
			t.Errorf("it parks %v, want the exchange and its request", r.Parks)
		}
		w.pass(2 * time.Minute)
		w.of("Patient/bea", "b")
		ours := func() (i connector.Item) {
			for _, i = range w.items(thread1, connector.ItemExchange) {
				if i.Message == reply.Message {
					return i
				}
			}
			return i
		}
		w.is(ours(), connector.Parked, connector.PatientChanged)
		for _, f := range w.chart.filings {
			if strings.Contains(string(f.w.Body), "answer for Ana") {
				t.Error("it was filed without anybody being asked")
			}
		}
		w.replay(ours())
		w.pass(time.Minute)
		w.is(ours(), connector.Filed, "")
	})
}

func TestALinkIsRefused(t *testing.T) {
	changed := func(w *world) {
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.accept(named(said("b", 2, "two"), "2"))
		w.pass(time.Second)
	}
	for _, c := range []struct {
		name, patient, says string
		before              func(w *world)
		set                 func(c *chart)
	}{
		{"nobody by that name", "Patient/nobody", "no record", changed, nil},
		{"not a patient", "Person/bea", "Patient/ID", changed, nil},
		{"inactive", "Patient/bea", "inactive", changed, func(c *chart) { c.patients[1].Active = false }},
		{"replaced", "Patient/bea", "replaced by Patient/eve", changed, func(c *chart) { c.patients[1].ReplacedBy = "Patient/eve" }},
		{"the EHR does not answer", "Patient/bea", "could not be asked", changed, func(c *chart) {
			c.matchErr = &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("reset")}
		}},
		{"the EHR shows another", "Patient/bea", "another record", changed, func(c *chart) { c.matchErr = &connector.Refused{Reason: connector.WrongSubject} }},
		{"nothing is in dispute", "Patient/bea", "not held", func(w *world) { w.accept(said("a", 1, "one")); w.pass(time.Second) }, nil},
		{"an attempt is in doubt", "Patient/bea", "settles by itself", func(w *world) {
			w.chart.fails("t-1/a", ambiguousTaken)
			w.accept(said("a", 1, "one"))
			w.pass(time.Second)
			w.accept(named(said("b", 2, "two"), "2"))
			w.pass(time.Second)
		}, nil},
		{"an attempt was never settled", "Patient/bea", "parked replay", func(w *world) {
			w.chart.fails("t-1/a", ambiguousTaken)
			w.chart.set(func(c *chart) { c.blind = true })
			w.accept(said("a", 1, "one"))
			w.pass(settling)
			w.accept(named(said("b", 2, "two"), "2"))
			w.pass(time.Second)
			w.is(w.item("a"), connector.Parked, connector.NotSearchable)
		}, nil},
		{"a reply waits to be sent", "Patient/bea", "has not been sent", func(w *world) {
			w.accept(said("a", 1, "one"))
			w.pass(time.Second)
			w.update(func(tx connector.Tx) error { return deliver.PauseChannel(tx, ehrID, channel, true, "cli", time.Now()) })
			w.compose(thread1, "answer")
			w.accept(named(said("b", 2, "two"), "2"))
			w.pass(time.Second)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.chart.patients = append(w.chart.patients, bea())
				w.run()
				c.before(w)
				if c.set != nil {
					w.chart.set(c.set)
				}
				before, filings := w.thread(thread1), len(w.chart.filings)
				r := w.relinkAsk(c.patient, true)
				if r.Done || !strings.Contains(r.Refused, c.says) {
					t.Errorf("it is %+v", r)
				}
				after := w.thread(thread1)
				if after.Bound != before.Bound || after.Changed != before.Changed || after.Version != before.Version || len(w.chart.filings) != filings {
					t.Error("a refusal changed something")
				}
			})
		})
	}
}

// What stands on its own chart with a part of it cannot go on elsewhere.
func TestWhatIsPartlyOnTheOthersChartIsLeftToAPerson(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.patients = append(w.chart.patients, bea())
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.chart.fails("t-1/b", refused)
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		i := w.item("b")
		w.is(i, connector.Parked, connector.EHRRefused)
		rows := w.writes(i)
		w.update(func(tx connector.Tx) error { // as if its first write were there, and its second was refused
			rows[0].State, rows[0].FiledAt = connector.WriteFiled, time.Now()
			rows[0].Receipt.Reference = "Communication/77"
			second := rows[0]
			second.ID, second.Key, second.Provides, second.Ord, second.State, second.Receipt = connector.NewID(time.Now()), "second", "", 1, connector.WriteReady, connector.Receipt{}
			return errors.Join(tx.PutWrite(&rows[0]), tx.PutWrite(&second))
		})
		w.accept(named(said("c", 3, "three"), "2"))
		w.pass(time.Second)
		w.relink("Patient/bea")
		w.pass(time.Second)
		w.of("Patient/bea", "c")
		if f := w.decide(connector.ActReplay, i, ""); f.Will != deliver.Refused || !strings.Contains(f.Says, "patient its thread was bound to before") {
			t.Errorf("a replay is %+v", f)
		}
		w.pass(time.Minute)
		if n := len(w.chart.attempts("t-1/b")); n != 1 {
			t.Errorf("%d requests left for b", n)
		}
		if f := w.decide(connector.ActRelease, w.item("b"), ""); f.Will != deliver.WillLeave {
			t.Errorf("a release is %+v", f)
		}
	})
}

// Whoever decides has seen what the thread was; what is named while the EHR is asked they have not.
func TestALinkIsOfWhatWasSeen(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.patients = append(w.chart.patients, bea())
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.accept(named(said("b", 2, "two"), "2"))
		w.pass(time.Second)
		w.chart.set(func(c *chart) { c.slow = 10 * time.Second })
		answer := make(chan deliver.Relinking, 1)
		go func() { answer <- w.relinkAsk("Patient/bea", true) }()
		w.pass(15 * time.Second)
		w.accept(named(said("c", 3, "three"), "3"))
		w.pass(time.Minute)
		if r := <-answer; r.Done || !strings.Contains(r.Refused, "changed while") {
			t.Errorf("it is %+v", r)
		}
		w.is(w.item("b"), connector.Held, connector.PatientChanged)
	})
}
