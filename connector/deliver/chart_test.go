package deliver_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestShuffledThreadFilesInOrder(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(w *world) {
				r := rand.New(rand.NewPCG(seed, 1))
				const n = 12
				texts, want := map[string]string{}, []string{}
				var events []connector.Event
				for k := range n {
					id, text := fmt.Sprintf("m%02d", k), fmt.Sprint("text ", k)
					texts[id] = text
					want = append(want, thread1+"/"+id)
					events = append(events, said(id, int64(k+1), text))
				}
				r.Shuffle(n, func(i, j int) { events[i], events[j] = events[j], events[i] })
				for _, f := range []fault{unavailable, ambiguousTaken, ambiguousLost, tooMany} {
					w.chart.fails(fmt.Sprintf("t-1/m%02d", r.IntN(n)), f)
				}
				w.run()
				for _, ev := range events {
					w.accept(ev)
					w.pass(time.Duration(r.IntN(4)) * time.Second) // all within gap_wait
				}
				w.pass(time.Hour)
				w.filed(texts)
				if got := w.chart.order(); !slices.Equal(got, want) {
					t.Errorf("the chart's order is %v", got)
				}
			})
		})
	}
}

func TestMessageThatComesAfterGapWaitIsMarkedLate(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"), said("c", 3, "three"))
		w.pass(59 * time.Second)
		w.is(w.item("c"), connector.Waiting, "")
		w.pass(2 * time.Second)
		w.filed(map[string]string{"a": "one", "c": "three"})
		w.accept(said("b", 2, "two"))
		w.pass(time.Second)
		w.filed(map[string]string{"b": "two"})
		if !w.item("b").Late || w.item("c").Late || w.item("a").Late {
			t.Error("exactly the late one is marked late")
		}
		if b := w.chart.on("t-1/b")[0]; b.body["late"] != true {
			t.Error("the chart does not say so")
		}
		if c := w.chart.on("t-1/c")[0]; c.body["afterGap"] != true {
			t.Error("the chart does not say that something was missing")
		}
	})
}

func TestUrgentDoesNotWaitForAGap(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		ev := said("c", 3, "three")
		ev.Message.Priority = connector.Urgent
		w.accept(ev)
		w.pass(time.Second)
		w.filed(map[string]string{"c": "three"})
	})
}

func TestParkedDoesNotBlockLaterItems(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1/b", refused)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), said("c", 3, "three"), corrected("a", 2, "uno"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.is(w.item("b"), connector.Parked, connector.EHRRefused)
		w.filed(map[string]string{"a": "one", "c": "three"})
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.Filed, "")
		w.is(w.items(thread1, connector.ItemClose)[0], connector.Filed, "")
	})
}

func TestParkedHeaderLeavesMessagesWithoutIt(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("t-1", refused)
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		w.filed(map[string]string{"a": "one"})
		if ref := w.chart.on("t-1/a")[0].reference("partOf"); ref != "" {
			t.Errorf("it is part of %q", ref)
		}
	})
}

func TestEntriesNameEachOther(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		reply := told("b", 2, "answer")
		reply.Message.InReplyTo = "a"
		w.accept(said("a", 1, "question"), reply)
		w.pass(time.Second)
		header, a, b := w.chart.on("t-1"), w.chart.on("t-1/a"), w.chart.on("t-1/b")
		if len(header) != 1 || a[0].reference("partOf") != header[0].ref || b[0].reference("partOf") != header[0].ref || b[0].reference("inResponseTo") != a[0].ref {
			t.Errorf("header %v, a %v, b %v", header, a[0].body, b[0].body)
		}
	})
}

func TestCorrectionsAndRetractionKeepTheirOrder(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		// Everything comes the wrong way round, the message last.
		w.accept(retracted("a"), corrected("a", 3, "tres"), corrected("a", 2, "dos"))
		w.pass(time.Hour)
		if len(w.chart.filings) != 0 {
			t.Fatal("something was filed about a message that has not come")
		}
		w.accept(said("a", 1, "uno"))
		w.pass(time.Second)
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Filed, "")
		if got := w.chart.order(); !slices.Equal(got, []string{"t-1/a", "t-1/a/r2", "t-1/a/r3"}) {
			t.Errorf("the chart's order is %v", got)
		}
		for _, id := range w.chart.order() {
			if e := w.chart.on(id)[0]; e.str("status") != "entered-in-error" {
				t.Errorf("%s is %s", id, e.str("status"))
			}
		}
	})
}

// A retraction of several revisions is one plan: what one of its writes needs first must not lose the others.
func TestRetractionOfAllRevisionsSurvivesAnOutageInItsMiddle(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "uno"), corrected("a", 2, "dos"))
		w.pass(time.Second)
		w.chart.set(func(c *chart) { // staff did it for the first one already
			for _, e := range c.entries {
				if e.value() == "t-1/a" {
					e.body["status"] = "entered-in-error"
				}
			}
		})
		w.chart.fails("t-1/a/r2#entered-in-error", unavailable)
		w.accept(retracted("a"))
		w.pass(time.Minute)
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.Filed, "")
		if e := w.chart.on("t-1/a/r2")[0]; e.str("status") != "entered-in-error" {
			t.Errorf("the second revision is %s", e.str("status"))
		}
		if n := len(w.writes(w.items(thread1, connector.ItemRetraction)[0])); n != 2 {
			t.Errorf("%d writes are kept of it", n)
		}
	})
}

func TestUpdateIsPreparedAnewAfterAConflict(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"))
		w.pass(time.Second)
		check, once := w.chart.onFile, false
		w.chart.onFile = func(sent connector.Write) {
			check(sent)
			if sent.Update != nil && !once { // somebody else changes the header between our read and our write
				once = true
				w.chart.set(func(c *chart) { c.byRef(sent.URL).version++; c.byRef(sent.URL).body["theirs"] = "kept" })
			}
		}
		w.accept(turned(connector.ThreadClosed))
		w.pass(time.Minute)
		w.is(w.items(thread1, connector.ItemClose)[0], connector.Filed, "")
		if h := w.chart.on("t-1")[0]; h.str("status") != "completed" || h.str("theirs") != "kept" {
			t.Errorf("the header is %v", h.body)
		}
	})
}

func TestClosedThreadReopens(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(said("a", 1, "one"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		if got := w.chart.on("t-1")[0].str("status"); got != "completed" {
			t.Errorf("closed, the header is %s", got)
		}
		w.accept(turned(connector.ThreadReopened))
		w.pass(time.Second)
		if got := w.chart.on("t-1")[0].str("status"); got != "in-progress" {
			t.Errorf("reopened, the header is %s", got)
		}
	})
}

func TestStatusUpdatesFollowTheirMessage(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(told("a", 1, "hello"))
		w.pass(time.Second)
		if got := w.chart.on("t-1/a")[0].str("status"); got != "in-progress" {
			t.Errorf("handed over, it is %s", got)
		}
		w.accept(status("a", connector.Delivered, ""))
		w.pass(time.Second)
		if got := w.chart.on("t-1/a")[0].str("status"); got != "completed" {
			t.Errorf("delivered, it is %s", got)
		}
		n := len(w.chart.filings)
		w.accept(status("a", connector.Read, ""), status("a", connector.Sent, ""))
		w.pass(time.Second)
		if len(w.chart.filings) != n {
			t.Error("news that changes nothing on the chart was written")
		}
	})
}

func TestStatusBeforeFilingIsFoldedIn(t *testing.T) {
	for _, order := range []string{"message first", "status first"} {
		t.Run(order, func(t *testing.T) {
			bubble(t, func(w *world) {
				events := []connector.Event{told("a", 1, "hello"), status("a", connector.Delivered, "")}
				if order == "status first" {
					slices.Reverse(events)
				}
				w.accept(events...)
				w.run()
				w.pass(time.Second)
				if got := w.chart.on("t-1/a")[0].str("status"); got != "completed" {
					t.Errorf("it is %s", got)
				}
				if n := len(w.chart.filings); n != 2 {
					t.Errorf("%d requests left, want 2: the header and the message", n)
				}
			})
		})
	}
}

func TestFailedDeliveryTellsThePool(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(told("a", 1, "hello"))
		w.pass(time.Second)
		w.accept(status("a", connector.Failed, "number not in service"))
		w.pass(time.Second)
		if got := w.chart.on("t-1/a")[0].str("status"); got != "not-done" {
			t.Errorf("it is %s", got)
		}
		notices := w.items(thread1, connector.ItemNotice)
		if len(notices) != 1 || notices[0].Reason != connector.NotDelivered || notices[0].Owner != "nurses" || notices[0].Detail.Text != "number not in service" {
			t.Errorf("the pool has %+v", notices)
		}
	})
}

func TestPolicyLeavesOut(t *testing.T) {
	bubble(t, func(w *world) {
		w.conn.EHR = leavingOut{w.chart}
		w.run()
		note := said("n", 2, "between us")
		note.Message.Direction = connector.Internal
		w.accept(said("a", 1, "one"), note, said("b", 3, "two"), corrected("n", 2, "still between us"), retracted("n"))
		w.pass(time.Second)
		w.is(w.item("n"), connector.NotDue, connector.PolicyLeftOut)
		w.is(w.items(thread1, connector.ItemCorrection)[0], connector.NotDue, connector.PolicyLeftOut)
		w.is(w.items(thread1, connector.ItemRetraction)[0], connector.NotDue, connector.PolicyLeftOut)
		w.filed(map[string]string{"a": "one", "b": "two"})
	})
}

// leavingOut is a chart that takes no internal notes.
type leavingOut struct{ *chart }

func (l leavingOut) Plan(x connector.Exchange) ([]connector.Write, error) {
	if x.Message.Direction == connector.Internal {
		return nil, nil
	}
	return l.chart.Plan(x)
}

func TestWhatTheEHRCannotExpressParks(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.expressed = func(x connector.Exchange) error {
			if x.Kind == connector.ItemRetraction {
				return &connector.Refused{Reason: connector.NotExpressible, Detail: connector.Protect("mark it by hand")}
			}
			return nil
		}
		w.run()
		w.accept(said("a", 1, "one"), retracted("a"), said("b", 2, "two"))
		w.pass(time.Second)
		i := w.items(thread1, connector.ItemRetraction)[0]
		w.is(i, connector.Parked, connector.NotExpressible)
		if i.Detail.Text != "mark it by hand" {
			t.Errorf("staff are told %q", i.Detail.Text)
		}
		w.filed(map[string]string{"a": "one", "b": "two"})
	})
}

func TestProxyIsCreatedOncePerPatient(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		by := func(id string, seq int64) connector.Event {
			ev := said(id, seq, "for my mother")
			ev.Message.Sender = connector.Participant{Role: connector.RoleProxy, ID: "son 1/é", Name: "Luis", Relationship: "son"}
			return ev
		}
		w.accept(by("a", 1), by("b", 2))
		w.acceptIn("t-2", by("x", 1))
		w.pass(time.Minute)
		persons := w.chart.on("son 1/é")
		if len(persons) != 1 {
			t.Fatalf("%d RelatedPersons", len(persons))
		}
		for _, id := range []string{"t-1/a", "t-1/b", "t-2/x"} {
			if e := w.chart.on(id); len(e) != 1 || e[0].reference("sender") != persons[0].ref {
				t.Errorf("%s: %v", id, e)
			}
		}
	})
}

// What a person has dealt with otherwise holds nobody up: the son is still to be created, by the next message of his.
func TestSharedPersonOfAReleasedItemIsCreatedByTheNext(t *testing.T) {
	bubble(t, func(w *world) {
		w.chart.fails("son", refused)
		w.run()
		by := func(id string, seq int64) connector.Event {
			ev := said(id, seq, "for my mother")
			ev.Message.Sender = connector.Participant{Role: connector.RoleProxy, ID: "son", Name: "Luis", Relationship: "son"}
			return ev
		}
		w.accept(by("a", 1), by("b", 2))
		w.pass(10 * time.Minute)
		w.is(w.item("a"), connector.Parked, connector.EHRRefused)
		w.is(w.item("b"), connector.Held, connector.EarlierItem)
		if n := w.item("b").Tries; n > 12 {
			t.Errorf("it was looked at %d times while a person had the other", n)
		}
		w.decide(connector.ActRelease, w.item("a"), "")
		w.pass(20 * time.Minute)
		w.filed(map[string]string{"b": "for my mother"})
		if n := len(w.chart.on("son")); n != 1 {
			t.Errorf("%d RelatedPersons", n)
		}
	})
}

func TestAttachmentByURLIsWaitedFor(t *testing.T) {
	bubble(t, func(w *world) {
		w.run()
		w.accept(withFile(said("a", 1, "see photo")), said("b", 2, "two"))
		w.pass(time.Minute)
		w.is(w.item("a"), connector.Held, connector.NeedsAttachment)
		w.is(w.item("b"), connector.Waiting, "")
		w.platform.set(func(p *platform) { p.files["https://media/1"] = []byte("a photo") })
		w.pass(2 * time.Minute)
		w.filed(map[string]string{"a": "see photo", "b": "two"})
		if files := w.chart.on("t-1/a")[0].body["files"]; fmt.Sprint(files) != "[a photo]" {
			t.Errorf("the entry's files are %v", files)
		}
	})
}

func withFile(ev connector.Event) connector.Event {
	ev.Message.Attachments = []connector.Attachment{{ID: "f1", ContentType: "image/jpeg", URL: "https://media/1"}}
	return ev
}

func TestLostAttachmentParksAndTheNextMessageFiles(t *testing.T) {
	for name, lose := range map[string]func(p *platform){
		"refused":           func(p *platform) { p.fetch = &connector.Refused{Reason: connector.AttachmentLost} },
		"not there in time": func(*platform) {},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				lose(w.platform)
				w.run()
				w.accept(withFile(said("a", 1, "see photo")), said("b", 2, "two"))
				w.pass(2 * time.Hour)
				w.is(w.item("a"), connector.Parked, connector.AttachmentLost)
				w.is(w.items(thread1, connector.ItemFetch)[0], connector.Parked, connector.AttachmentLost)
				w.filed(map[string]string{"b": "two"})
			})
		})
	}
}
