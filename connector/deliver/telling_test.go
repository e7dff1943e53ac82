package deliver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// teller is a chart on which a thread is one entry: a line for each version of each message.
type teller struct{ *chart }

func (c teller) Plan(x connector.Exchange) ([]connector.Write, error) {
	t := x.Transcript
	switch {
	case t == nil && x.Kind == connector.ItemCorrection:
		return c.added(x, "/r2", "addendum: "+x.Message.Text), nil
	case t == nil && x.Kind == connector.ItemRetraction:
		return nil, &connector.Refused{Reason: connector.NotExpressible, Detail: connector.Protect("mark it by hand")}
	case t == nil:
		return nil, nil
	}
	var lines []string
	for _, one := range t.Told {
		if one.Message.Text == "refused" {
			return nil, &connector.Refused{Reason: connector.GateRefused}
		}
		if one.Message.Direction == connector.Internal {
			continue
		}
		lines = append(lines, toldLine(one))
	}
	if len(lines) == 0 {
		return nil, nil
	}
	if !t.Closed.IsZero() {
		lines = append(lines, "closed")
	}
	id := func(v int) connector.Identifier {
		return connector.Identifier{System: "urn:b/texting/transcript", Value: fmt.Sprintf("%s/v%d", x.Thread.ID, v)}
	}
	var related []map[string]any
	relate := func(code string, v int) {
		related = append(related, map[string]any{"code": code, "target": map[string]string{"reference": connector.SymTranscript(id(v).Value)}})
	}
	for _, v := range t.Replaces {
		relate("replaces", v)
	}
	if t.Appends > 0 {
		relate("appends", t.Appends)
	}
	writes := []connector.Write{document(id(t.Version), strings.Join(lines, "\n"), related)}
	writes[0].Provides = connector.SymTranscript(id(t.Version).Value)
	for _, v := range t.Replaces {
		if !c.traits.Update {
			break // the new one takes its place
		}
		writes = append(writes, connector.Write{Key: id(v).Value + "#superseded", Method: "PUT", Type: "DocumentReference", URL: connector.SymTranscript(id(v).Value),
			Expect: connector.Expect{Subject: connector.SymPatient}, Update: &connector.Update{Target: connector.SymTranscript(id(v).Value), Set: map[string]any{"status": "superseded"}}})
	}
	return writes, nil
}

// added is an entry beside the transcript the message stands in.
func (c teller) added(x connector.Exchange, suffix, text string) []connector.Write {
	target := connector.SymTranscript(fmt.Sprintf("%s/v%d", x.Thread.ID, x.Stands))
	id := connector.Identifier{System: "urn:b/texting/message", Value: x.Thread.ID + "/" + x.Message.ID + suffix}
	return []connector.Write{document(id, text, []map[string]any{{"code": "appends", "target": map[string]string{"reference": target}}})}
}

func document(id connector.Identifier, text string, related []map[string]any) connector.Write {
	body, _ := json.Marshal(map[string]any{"resourceType": "DocumentReference", "identifier": id, "subject": map[string]string{"reference": connector.SymPatient},
		"text": text, "status": "current", "relatesTo": related})
	return connector.Write{Key: id.Value, Method: "POST", URL: "DocumentReference", Type: "DocumentReference", Body: body, Identity: id,
		Expect: connector.Expect{Subject: connector.SymPatient, Text: hash(text)}}
}

func toldLine(one connector.Told) string {
	line := one.Message.ID + "=" + one.Message.Text
	for _, c := range one.Corrections {
		line += fmt.Sprintf(" r%d=%s", c.Version, c.Text)
	}
	for word, is := range map[string]bool{" retracted": one.Retraction != nil, " late": one.Late, " gap": one.AfterGap, " failed": one.Delivery.State == connector.Failed} {
		if is {
			line += word
		}
	}
	return line
}

const idle = 10 * time.Minute

// threads runs a test on a world whose EHR files threads.
func threads(t *testing.T, test func(w *world)) {
	t.Helper()
	bubble(t, func(w *world) {
		w.chart.traits.Strategy, w.chart.traits.Requests = connector.AsNote, false
		w.conn.EHR, w.conn.PerThread, w.conn.Idle = teller{w.chart}, true, idle
		test(w)
	})
}

// shows holds the chart to the transcripts of t-1, by version: their lines, and where they stand.
func (w *world) shows(want ...string) {
	w.t.Helper()
	var got []string
	w.chart.set(func(c *chart) {
		for _, e := range c.entries {
			line := e.value() + " " + e.str("status") + ": " + strings.ReplaceAll(e.str("text"), "\n", ", ")
			list, _ := e.body["relatesTo"].([]any)
			for _, r := range list {
				one := r.(map[string]any)
				to := c.byRef(one["target"].(map[string]any)["reference"].(string))
				line += "; " + one["code"].(string) + " " + to.value()
			}
			got = append(got, line)
		}
	})
	if !slices.Equal(got, want) {
		w.t.Errorf("the chart shows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (w *world) all(s connector.ItemState, r connector.Reason, ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		w.is(w.item(id), s, r)
	}
}

func TestThreadIsToldWhenItCloses(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("b", 2, "two"), said("a", 1, "one"))
		w.pass(time.Minute)
		w.all(connector.Held, connector.ThreadOpen, "a", "b")
		w.shows()
		w.accept(said("c", 3, "three"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.all(connector.Filed, "", "a", "b", "c")
		w.shows("t-1/v1 current: a=one, b=two, c=three, closed")
		if n := len(w.writes(w.item("c"))); n != 1 || len(w.writes(w.item("a"))) != 0 {
			t.Errorf("the last message has %d writes, the others should have none", n)
		}
		w.is(w.items(thread1, connector.ItemClose)[0], connector.NotDue, connector.PolicyLeftOut)
	})
}

func TestThreadIsToldAfterSilence(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(idle - time.Minute)
		w.accept(said("b", 2, "two")) // silence begins anew
		w.pass(idle - time.Second)
		w.all(connector.Held, connector.ThreadOpen, "a", "b")
		commits := w.store.count()
		w.pass(500 * time.Millisecond)
		if n := w.store.count() - commits; n != 0 {
			t.Errorf("a thread nobody touches cost %d commits", n)
		}
		w.pass(time.Second)
		w.all(connector.Filed, "", "a", "b")
		w.shows("t-1/v1 current: a=one, b=two")
	})
}

func TestUrgentIsToldAtOnce(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		urgent := said("c", 3, "now")
		urgent.Message.Priority = connector.Urgent
		w.accept(urgent)
		w.pass(time.Second)
		w.shows("t-1/v1 current: a=one, c=now gap")
	})
}

func TestTranscriptWaitsForAGap(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"), said("c", 3, "three"), turned(connector.ThreadClosed))
		w.pass(59 * time.Second)
		w.shows()
		w.pass(2 * time.Second)
		w.shows("t-1/v1 current: a=one, c=three gap, closed")
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		w.shows("t-1/v1 superseded: a=one, c=three gap, closed", "t-1/v2 current: a=one, b=two late, c=three gap, closed; replaces t-1/v1")
	})
}

// TestLaterMessagesMakeANewVersion: one that takes the old one's place, or, where the chart keeps entries as they are, one
// that is added with what is new alone. Nothing is replaced silently, and nothing stands in two current entries.
func TestLaterMessagesMakeANewVersion(t *testing.T) {
	for _, c := range []struct {
		name   string
		traits func(*connector.Traits)
		want   []string
	}{
		{"updates", func(*connector.Traits) {}, []string{"t-1/v1 superseded: a=one", "t-1/v2 superseded: a=one, b=two; replaces t-1/v1", "t-1/v3 current: a=one, b=two, c=three; replaces t-1/v2"}},
		{"replaces", func(tr *connector.Traits) { tr.Update, tr.Replaces = false, true }, []string{"t-1/v1 current: a=one", "t-1/v2 current: a=one, b=two; replaces t-1/v1", "t-1/v3 current: a=one, b=two, c=three; replaces t-1/v2"}},
		{"keeps", func(tr *connector.Traits) { tr.Update = false }, []string{"t-1/v1 current: a=one", "t-1/v2 current: b=two; appends t-1/v1", "t-1/v3 current: c=three; appends t-1/v2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			threads(t, func(w *world) {
				c.traits(&w.chart.traits)
				w.run()
				for n, id := range []string{"a", "b", "c"} {
					w.accept(said(id, int64(n+1), []string{"one", "two", "three"}[n]))
					w.pass(idle + time.Second)
				}
				w.shows(c.want...)
				w.all(connector.Filed, "", "a", "b", "c")
			})
		})
	}
}

func TestWhatHappensInTheWindowIsToldWithIt(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(told("a", 1, "one"), said("b", 2, "two"), said("c", 3, "three"))
		w.accept(corrected("b", 2, "dos"), retracted("c"), status("a", connector.Failed, "no signal"))
		w.pass(time.Minute)
		w.shows()
		w.accept(turned(connector.ThreadClosed))
		w.pass(time.Minute)
		w.shows("t-1/v1 current: a=one failed, b=two r2=dos, c=three retracted, closed")
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Filed, "")
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Filed, "")
		w.all(connector.Filed, "", "a", "b", "c")
		if n := w.items(thread1, connector.ItemNotice); len(n) != 1 || n[0].Reason != connector.NotDelivered {
			t.Errorf("the pool is told %v", n)
		}
	})
}

func TestWhatHappensAfterItMakesANewVersion(t *testing.T) {
	for name, c := range map[string]struct {
		event connector.Event
		kind  connector.ItemKind
		line  string
	}{
		"correction": {corrected("a", 2, "uno"), connector.ItemCorrection, "a=one r2=uno, b=two, closed"},
		"retraction": {retracted("a"), connector.ItemRetraction, "a=one retracted, b=two, closed"},
		"failure":    {status("b", connector.Failed, ""), connector.ItemStatus, "a=one, b=two failed, closed"},
	} {
		t.Run(name, func(t *testing.T) {
			threads(t, func(w *world) {
				w.run()
				w.accept(said("a", 1, "one"), told("b", 2, "two"), turned(connector.ThreadClosed))
				w.pass(time.Second)
				w.accept(status("b", connector.Sent, "")) // changes nothing on the chart
				w.accept(c.event)
				w.pass(time.Second)
				w.shows("t-1/v1 superseded: a=one, b=two, closed", "t-1/v2 current: "+c.line+"; replaces t-1/v1")
				for _, i := range w.items(thread1, c.kind) {
					if i.State != connector.Filed && c.kind != connector.ItemStatus {
						t.Errorf("it is %s", i.State)
					}
				}
			})
		})
	}
}

// Where the chart keeps entries as they are, new words are added to the transcript they belong to, and a retraction is for staff.
func TestWhatHappensAfterItIsAddedWhereNothingIsReplaced(t *testing.T) {
	threads(t, func(w *world) {
		w.chart.traits.Update = false
		w.run()
		w.accept(said("a", 1, "one"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.accept(corrected("a", 2, "uno"), retracted("a"))
		w.pass(time.Second)
		w.shows("t-1/v1 current: a=one, closed", "t-1/a/r2 current: addendum: uno; appends t-1/v1")
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Parked, connector.NotExpressible)
	})
}

// TestTranscriptIsFiledOnce: whatever becomes of the request, and of the worker between its commit and the receipt.
func TestTranscriptIsFiledOnce(t *testing.T) {
	for _, f := range []fault{ambiguousTaken, ambiguousLost, fenced, unavailable, tooMany} {
		t.Run(string(f), func(t *testing.T) {
			threads(t, func(w *world) {
				w.chart.fails("t-1/v1", f)
				w.run()
				w.acceptIn("t-0", said("x", 1, "before"), turned(connector.ThreadClosed)) // by it Find is proven
				w.pass(time.Second)
				w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
				w.pass(time.Millisecond)
				w.accept(said("c", 3, "three")) // not in it: what was committed stays as it is
				w.pass(time.Hour)
				w.shows("t-0/v1 current: x=before, closed", "t-1/v1 superseded: a=one, b=two, closed", "t-1/v2 current: a=one, b=two, c=three, closed; replaces t-1/v1")
				w.all(connector.Filed, "", "a", "b", "c")
			})
		})
	}
}

// Writes that wait to be tried again hold up their lane, as any do.
func TestTranscriptThatWaitsBlocksItsLane(t *testing.T) {
	threads(t, func(w *world) {
		w.chart.fails("t-1/v1", unavailable)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
		w.pass(time.Millisecond)
		w.is(w.item("b"), connector.Waiting, connector.EHRUnavailable)
		w.accept(said("c", 3, "three"))
		w.pass(time.Millisecond)
		w.is(w.item("c"), connector.Waiting, "")
		w.pass(time.Hour)
		w.all(connector.Filed, "", "a", "b", "c")
	})
}

func TestTranscriptOfAnotherProcess(t *testing.T) {
	threads(t, func(w *world) {
		w.chart.fails("t-1/v1", ambiguousTaken)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Unknown, connector.Settling)
		w.is(w.item("a"), connector.Held, connector.EarlierItem)
		w.halt()
		w.run()
		w.pass(time.Hour)
		w.shows("t-1/v1 current: a=one, b=two, closed")
		w.all(connector.Filed, "", "a", "b")
	})
}

// TestOneBadMessageKeepsNobodyElseOff: it is parked when it comes, and the thread is told without it.
func TestOneBadMessageKeepsNobodyElseOff(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "refused"), said("c", 3, "three"))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Parked, connector.GateRefused)
		w.accept(turned(connector.ThreadClosed))
		w.pass(2 * time.Minute)
		w.all(connector.Filed, "", "a", "c")
		w.shows("t-1/v1 current: a=one, c=three gap, closed")
	})
}

func TestInternalNotesAreLeftOutOfATranscript(t *testing.T) {
	threads(t, func(w *world) {
		w.run()
		note := said("n", 2, "between us")
		note.Message.Direction = connector.Internal
		w.accept(said("a", 1, "one"), note, said("b", 3, "two"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.shows("t-1/v1 current: a=one, b=two, closed")
		w.all(connector.Filed, "", "a", "b")
		w.is(w.item("n"), connector.NotDue, connector.PolicyLeftOut)
	})
}

// TestParkedTranscript: what it tells waits with it for a person; what comes later is told by itself, so that nothing stands in
// two current entries whatever the person decides.
func TestParkedTranscript(t *testing.T) {
	for name, c := range map[string]struct {
		act   connector.Action
		state connector.ItemState
		after []string
	}{
		"replay":  {connector.ActReplay, connector.Filed, []string{"t-1/v2 current: c=three, closed", "t-1/v1 current: a=one, b=two, closed"}},
		"release": {connector.ActRelease, connector.NotDue, []string{"t-1/v2 current: c=three, closed"}},
	} {
		t.Run(name, func(t *testing.T) {
			threads(t, func(w *world) {
				w.chart.fails("t-1/v1", refused)
				w.run()
				w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
				w.pass(time.Second)
				w.is(w.item("b"), connector.Parked, connector.EHRRefused)
				w.is(w.item("a"), connector.Held, connector.EarlierItem)
				w.accept(said("c", 3, "three"), corrected("a", 2, "uno"))
				w.pass(time.Second)
				w.shows("t-1/v2 current: c=three, closed")
				w.decide(c.act, w.item("b"), "")
				w.pass(time.Second)
				w.is(w.item("a"), c.state, w.item("b").Reason)
				w.is(w.item("b"), c.state, w.item("b").Reason)
				w.pass(time.Hour)
				if c.act == connector.ActReplay { // the correction waited for it, and now tells the whole thread
					w.shows("t-1/v2 superseded: c=three, closed", "t-1/v1 superseded: a=one, b=two, closed",
						"t-1/v3 current: a=one r2=uno, b=two, c=three, closed; replaces t-1/v1; replaces t-1/v2")
					return
				}
				w.shows(c.after...)
			})
		})
	}
}

// TestAlreadyThere: a person who has found the transcript settles all it tells.
func TestTranscriptThatIsAlreadyThere(t *testing.T) {
	threads(t, func(w *world) {
		w.conn.EHR = readingTeller{teller{w.chart}}
		w.chart.blind = true
		w.chart.fails("t-1/v1", ambiguousTaken)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
		w.pass(time.Hour)
		w.is(w.item("b"), connector.Parked, connector.NotSearchable)
		w.decide(connector.ActAlreadyThere, w.item("b"), w.chart.on("t-1/v1")[0].ref)
		w.all(connector.Filed, "", "a", "b")
	})
}

// readingTeller shows an entry by its reference.
type readingTeller struct{ teller }

func (r readingTeller) ReadEntry(ctx context.Context, w connector.Write, ref string) (connector.Receipt, error) {
	return reading{r.chart}.ReadEntry(ctx, w, ref)
}

// TestParkedVersion: while a version that would replace another waits for a person, what is new is added to the one on the
// chart, and news of what is told there waits; then one version takes the place of both.
func TestParkedVersion(t *testing.T) {
	threads(t, func(w *world) {
		w.chart.fails("t-1/v2", refused)
		w.run()
		w.accept(said("a", 1, "one"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Parked, connector.EHRRefused)
		w.accept(corrected("a", 2, "uno"), said("c", 3, "three"))
		w.pass(time.Minute)
		w.shows("t-1/v1 current: a=one, closed", "t-1/v3 current: c=three, closed; appends t-1/v1")
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Held, connector.EarlierItem)
		w.replay(w.item("b"))
		w.pass(time.Hour)
		w.shows("t-1/v1 superseded: a=one, closed", "t-1/v3 superseded: c=three, closed; appends t-1/v1",
			"t-1/v2 superseded: a=one, b=two, closed; replaces t-1/v1",
			"t-1/v4 current: a=one r2=uno, b=two, c=three, closed; replaces t-1/v2; replaces t-1/v3")
		w.all(connector.Filed, "", "a", "b", "c")
	})
}
