package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

// dry asks what an action would come to, and holds it to change nothing.
func (w *world) dry(act connector.Action, i connector.Item, reference string) deliver.Fate {
	w.t.Helper()
	filings := len(w.chart.filings)
	a := w.ask(deliver.Ask{Act: act, Select: deliver.Selection{IDs: []string{i.ID}}, Reference: reference, Agent: "cli:ana"})
	if got := w.item(i.MsgKey); a.Done || got.State != i.State || got.Reason != i.Reason || got.Detail.Decision != i.Detail.Decision || len(w.chart.filings) != filings {
		w.t.Errorf("a dry run changed something: %s %s", got.State, got.Reason)
	}
	return a.Items[0]
}

// TestReplayNeverMakesASecondEntry parks an item after every outcome an attempt can have, lets two people replay it at
// once, and counts what is on the chart.
func TestReplayNeverMakesASecondEntry(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []fault
		set    func(c *chart)
		parked connector.Reason
		will   deliver.Will
		ends   connector.ItemState
	}{
		{"refused", []fault{refused}, nil, connector.EHRRefused, deliver.WillWrite, connector.Filed},
		{"taken, and the search is refused", []fault{ambiguousTaken}, func(c *chart) { c.findErr = &connector.Refused{Reason: connector.ScopeMissing} }, connector.ScopeMissing, deliver.WillFinish, connector.Filed},
		{"lost, and the search is refused", []fault{ambiguousLost}, func(c *chart) { c.findErr = &connector.Refused{Reason: connector.ScopeMissing} }, connector.ScopeMissing, deliver.WillWrite, connector.Filed},
		{"taken, and there is no search", []fault{ambiguousTaken}, func(c *chart) { c.blind = true }, connector.NotSearchable, deliver.WillSearch, connector.Parked},
		{"lost, and there is no search", []fault{ambiguousLost}, func(c *chart) { c.blind = true }, connector.NotSearchable, deliver.WillSearch, connector.Parked},
		{"under another patient", []fault{wrongSubject}, nil, connector.WrongSubject, deliver.WillFinish, connector.Filed},
		{"with other words", []fault{altered}, nil, connector.ContentAltered, deliver.Refused, connector.Parked},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.run()
				w.accept(said("z", 1, "before"))
				w.pass(time.Second)
				if c.set != nil {
					w.chart.set(c.set)
				}
				w.chart.fails("t-1/a", c.faults...)
				w.accept(said("a", 2, "one"), said("b", 3, "two"))
				w.pass(settling)
				w.is(w.item("a"), connector.Parked, c.parked)
				w.chart.set(func(c *chart) { c.findErr = nil })
				w.update(func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: "mercy"}) })
				w.pass(5 * time.Minute) // the circuit closes
				parked := w.item("a")
				if f := w.dry(connector.ActReplay, parked, ""); f.Will != c.will {
					t.Errorf("it will %s: %s", f.Will, f.Says)
				}
				fates := make(chan deliver.Fate, 2)
				for range 2 {
					go func() {
						a, err := w.engine.Decide(context.Background(), deliver.Ask{Act: connector.ActReplay, Yes: true,
							Select: deliver.Selection{IDs: []string{parked.ID}}, Agent: "cli:ana"})
						if errors.Is(err, deliver.ErrNotParked) {
							fates <- deliver.Fate{Will: deliver.Refused}
							return
						}
						if err != nil {
							t.Error(err)
						}
						fates <- a.Items[0]
					}()
				}
				done := 0
				for range 2 {
					if f := <-fates; f.Will != deliver.Refused {
						done++
					}
				}
				want := map[bool]int{true: 0, false: 1}[c.will == deliver.Refused]
				// Where nothing can be searched, the first replay's item may be parked anew before the second is read.
				again := c.will == deliver.WillSearch && done == 2
				if done != want && !again {
					t.Errorf("%d of two replays at once did something", done)
				}
				w.pass(settling)
				if got := w.item("a").State; got != c.ends {
					t.Errorf("it ends %s %s", got, w.item("a").Reason)
				}
				if n := len(w.chart.on("t-1/a")); n > 1 || (c.ends == connector.Filed && n != 1) {
					t.Errorf("the chart has it %d times", n)
				}
				w.filed(map[string]string{"z": "before", "b": "two"})
			})
		})
	}
}

// A parked item does not stop its lane: what comes later files, and an item replayed while its lane is at work is marked late.
func TestParkedBlocksNobodyAndReplayedWhileFilingIsOnceAndLate(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", refused)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.conn.PerSecond = 0
		for n := range 20 {
			w.accept(said(fmt.Sprintf("m%02d", n), int64(n+2), fmt.Sprint("text ", n)))
			if n == 10 {
				w.replay(w.item("a"))
			}
		}
		w.pass(time.Minute)
		w.filed(map[string]string{"a": "one", "m00": "text 0", "m19": "text 19"})
		if !w.item("a").Late {
			t.Error("it filed after later ones and is not marked late")
		}
	})
}

func TestAlreadyThere(t *testing.T) {
	alien := func(c *chart, ref, subject, text, identity string) {
		body := map[string]any{"resourceType": "Communication", "subject": map[string]any{"reference": subject}, "text": text}
		if identity != "" {
			body["identifier"] = map[string]any{"system": "urn:b/texting/message", "value": identity}
		}
		c.entries = append(c.entries, &entry{ref: ref, version: 1, body: body})
	}
	bubble(t, func(w *world) {
		w.conn.EHR = reading{w.chart}
		w.chart.blind = true
		w.chart.fails("t-1/a", ambiguousTaken)
		w.run()
		w.accept(said("z", 1, "one"), said("a", 2, "one"))
		w.pass(settling)
		a := w.item("a")
		w.is(a, connector.Parked, connector.NotSearchable)
		mine := w.chart.on("t-1/a")[0].ref
		w.chart.set(func(c *chart) {
			alien(c, "Communication/other-patient", "Patient/other", "one", "")
			alien(c, "Communication/other-words", "Patient/ana", "won", "")
			alien(c, "Communication/other-message", "Patient/ana", "one", "t-1/q")
		})
		for ref, says := range map[string]string{
			"Communication/other-patient": "another patient", "Communication/other-words": "exact words",
			"Communication/other-message": "another message", "Communication/nowhere": "no Communication/nowhere",
			"DocumentReference/1": "makes a DocumentReference", w.chart.on("t-1/z")[0].ref: "another message",
		} {
			f := w.decide(connector.ActAlreadyThere, a, ref)
			if (f.Will != deliver.Differs && f.Will != deliver.Refused) || !strings.Contains(f.Says, says) {
				t.Errorf("%s: %s: %s", ref, f.Will, f.Says)
			}
			w.is(w.item("a"), connector.Parked, connector.NotSearchable)
		}
		if f := w.dry(connector.ActAlreadyThere, a, mine); f.Will != deliver.WillFinish {
			t.Errorf("%s: %s", f.Will, f.Says)
		}
		w.decide(connector.ActAlreadyThere, a, "https://ehr.example/fhir/"+mine+"/_history/1")
		w.filed(map[string]string{"a": "one"})
		row := w.writes(a)[0]
		if row.State != connector.WriteFiled || row.Receipt.Reference != mine || !row.Receipt.Verified {
			t.Errorf("the receipt is %+v", row.Receipt)
		}
		if d := w.item("a").Detail.Decision; d == nil || d.By != "cli:ana" || d.Act != connector.ActAlreadyThere || d.Why != "because" {
			t.Errorf("decided %+v", d)
		}
		w.pass(time.Minute)
		if n := len(w.chart.attempts("t-1/a")); n != 1 {
			t.Errorf("%d requests left", n)
		}
	})
}

// Two messages with the same words cannot be the same entry, even where the EHR keeps no identifier of ours.
func TestOneEntryIsNotTwoMessages(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.EHR = reading{w.chart}
		w.chart.blind = true
		for _, id := range []string{"a", "b"} {
			w.chart.fails("t-1/"+id, ambiguousLost)
		}
		w.run()
		w.accept(said("a", 1, "ok"), said("b", 2, "ok"))
		w.pass(2 * settling)
		w.chart.set(func(c *chart) {
			c.entries = append(c.entries, &entry{ref: "Communication/typed", body: map[string]any{"resourceType": "Communication",
				"subject": map[string]any{"reference": "Patient/ana"}, "text": "ok"}})
		})
		if f := w.decide(connector.ActAlreadyThere, w.item("a"), "Communication/typed"); f.Will != deliver.WillFinish {
			t.Errorf("%s: %s", f.Will, f.Says)
		}
		if f := w.decide(connector.ActAlreadyThere, w.item("b"), "Communication/typed"); f.Will != deliver.Refused {
			t.Errorf("one entry was taken for two messages: %s", f.Says)
		}
		w.is(w.item("b"), connector.Parked, connector.NotSearchable)
	})
}

func TestReleaseLeavesOutAndWhatChangesItLaterGoesToAPerson(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", refused)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		if f := w.dry(connector.ActRelease, w.item("a"), ""); f.Will != deliver.WillLeave {
			t.Errorf("%s: %s", f.Will, f.Says)
		}
		w.decide(connector.ActRelease, w.item("a"), "")
		a := w.item("a")
		w.is(a, connector.NotDue, connector.EHRRefused)
		if d := a.Detail.Decision; d == nil || d.By != "cli:ana" || d.Why != "because" || d.Reason != connector.EHRRefused {
			t.Errorf("decided %+v", d)
		}
		w.accept(corrected("a", 2, "uno"), said("b", 2, "two"))
		w.pass(time.Minute)
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Parked, connector.ByHand)
		w.filed(map[string]string{"b": "two"})
		if n := len(w.chart.on("t-1/a")); n != 0 {
			t.Errorf("the chart has it %d times", n)
		}
	})
}

func TestRetractMarksWhatIsOnTheChart(t *testing.T) {
	for _, f := range []fault{altered, wrongSubject} {
		t.Run(string(f), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.conn.EHR = reading{w.chart}
				w.chart.fails("t-1/a", f)
				w.run()
				w.accept(said("a", 1, "one"))
				w.pass(time.Minute)
				w.update(func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: "mercy"}) })
				if f := w.dry(connector.ActRetract, w.item("a"), ""); f.Will != deliver.WillRetract {
					t.Errorf("%s: %s", f.Will, f.Says)
				}
				w.chart.fails("urn:b/texting/message|t-1/a#retract", ambiguousLost) // it is settled like every write
				w.decide(connector.ActRetract, w.item("a"), "")
				w.pass(2 * settling)
				if got := w.item("a"); got.State != connector.NotDue || got.Detail.Decision.Act != connector.ActRetract {
					t.Errorf("it is %s %s", got.State, got.Reason)
				}
				on := w.chart.on("t-1/a")
				if len(on) != 1 || on[0].str("status") != "entered-in-error" {
					t.Errorf("the chart has it %d times, %q", len(on), on[0].str("status"))
				}
				w.pass(time.Hour)
				if n := len(w.chart.on("t-1/a")); n != 1 {
					t.Errorf("it was written again: %d", n)
				}
			})
		})
	}
}

func TestRetractOfNothingIsRefused(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/a", refused)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		if f := w.decide(connector.ActRetract, w.item("a"), ""); f.Will != deliver.Refused {
			t.Errorf("%s: %s", f.Will, f.Says)
		}
		w.is(w.item("a"), connector.Parked, connector.EHRRefused)
	})
}

func TestSelection(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		for n, id := range []string{"a", "b", "c"} {
			w.chart.fails("t-1/"+id, refused)
			w.accept(said(id, int64(n+1), "text "+id))
			w.pass(time.Hour)
		}
		for _, c := range []struct {
			s    deliver.Selection
			want int
		}{{deliver.Selection{}, 3}, {deliver.Selection{Older: 150 * time.Minute}, 1}, {deliver.Selection{EHR: "mercy", Reason: connector.EHRRefused}, 3},
			{deliver.Selection{Reason: connector.Conflict}, 0}, {deliver.Selection{Owner: "interface"}, 3}, {deliver.Selection{Owner: "staff"}, 0}} {
			if a := w.ask(deliver.Ask{Act: connector.ActRelease, Select: c.s, Agent: "cli"}); len(a.Items) != c.want || a.Count[deliver.WillLeave] != c.want {
				t.Errorf("%+v picks %d, want %d", c.s, len(a.Items), c.want)
			}
		}
		a := w.ask(deliver.Ask{Act: connector.ActReplay, Agent: "cli:ana", Yes: true})
		if a.Count[deliver.WillWrite] != 3 || !a.Good() {
			t.Errorf("counted %v", a.Count)
		}
		w.pass(time.Minute)
		w.filed(map[string]string{"a": "text a", "b": "text b", "c": "text c"})
	})
}

// reading is a chart whose entries can be read by reference and marked as entered in error.
type reading struct{ *chart }

func (r reading) ReadEntry(_ context.Context, w connector.Write, ref string) (connector.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byRef(ref)
	if e == nil {
		return connector.Receipt{}, connector.ErrAbsent
	}
	return r.receipt(w, e), nil
}

func (r reading) Retract(w connector.Write, ref string) (connector.Write, error) {
	return connector.Write{Key: w.Key + "#retract", Method: "PUT", URL: ref, Type: w.Type, Header: map[string]string{},
		Update: &connector.Update{Target: ref, Set: maps.Clone(map[string]any{"status": "entered-in-error"})}}, nil
}

// doubtful puts parked items whose requests left an hour ago, with no word of what became of them.
func (w *world) doubtful(n int) {
	w.update(func(tx connector.Tx) error {
		at := time.Now().Add(-time.Hour)
		if err := tx.PutEHR(connector.EHRRow{ID: ehrID, Name: "mercy", FindProven: true}); err != nil {
			return err
		}
		for k := range n {
			id := fmt.Sprintf("I%03d", k)
			i := connector.Item{ID: id, EHR: ehrID, Thread: "T", Lane: connector.LaneChart, Kind: connector.ItemStatus, State: connector.Parked,
				Reason: connector.RetriesExhausted, Channel: channel, CommittedAt: at, ChangedAt: at}
			row := connector.WriteRow{ID: id, EHR: ehrID, Thread: "T", Item: id, Key: id, State: connector.WriteAttempted, Attempts: 1, AttemptedAt: at,
				Write: connector.Write{Key: id, Type: "Communication", Identity: connector.Identifier{System: "s", Value: id}}}
			if err := errors.Join(tx.PutItem(&i), tx.PutWrite(&row)); err != nil {
				return err
			}
		}
		return nil
	})
}

// A person waits for what a command would do: it searches for so many items and no more, and not on in a silent EHR.
func TestAPreviewSearchesForSoMany(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		finds int
		says  string
	}{
		"more than are searched for": {nil, 200, "not looked for: more than 200 selected; it is searched for before anything is written"},
		"an EHR that is silent": {&connector.Ambiguous{Cause: errors.New("timeout")}, 1,
			"not looked for: its EHR does not answer now; it is searched for before anything is written"},
		"an EHR that refuses the search": {&connector.Refused{Reason: connector.ScopeMissing}, 200,
			"not looked for: more than 200 selected; it is searched for before anything is written"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.doubtful(205)
				w.chart.set(func(c2 *chart) { c2.findErr = c.err })
				w.run()
				w.pass(time.Second)
				a := w.ask(deliver.Ask{Act: connector.ActReplay, Agent: "cli:ana"})
				w.barrier()
				if w.chart.finds != c.finds || len(a.Items) != 205 || a.Items[204].Says != c.says || a.Items[204].Will != deliver.WillSearch {
					t.Errorf("%d searches for %d items; of the last it says %q", w.chart.finds, len(a.Items), a.Items[204].Says)
				}
				if want := map[bool]int{true: 200}[c.err == nil]; a.Count[deliver.WillWrite] != want {
					t.Errorf("%v", a.Count)
				}
			})
		})
	}
}
