package filing_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// thread is an exchange that carries its thread's transcript: a patient, her mother and a clinician.
func threadOf(s connector.Strategy, changes ...func(*connector.Exchange)) connector.Exchange {
	x := exchange(connector.ItemExchange, s)
	said := func(id, text string, after time.Duration, who connector.Participant) connector.Told {
		m := x.Message
		m.ID, m.Text, m.SentAt, m.Sender = id, text, sentAt.Add(after), who
		if who.Role == connector.RoleClinician {
			m.Direction, m.Recipients = connector.ToPatient, []connector.Participant{patient}
		}
		return connector.Told{Message: m, Received: receivedAt.Add(after)}
	}
	note := said("m-3", "between us", 2*time.Minute, ana)
	note.Message.Direction = connector.Internal
	x.Message.ID = "m-4"
	x.Transcript = &connector.Transcript{Version: 1, Closed: sentAt.Add(time.Hour), Told: []connector.Told{
		said("m-1", "hello", 0, patient), said("m-2", "  two\nlines \a", time.Minute, mother), note, said("m-4", "thanks", 3*time.Minute, ana)}}
	for _, c := range changes {
		c(&x)
	}
	return x
}

func version(n int, replaces []int, appends int) func(*connector.Exchange) {
	return func(x *connector.Exchange) {
		x.Transcript.Version, x.Transcript.Replaces, x.Transcript.Appends = n, replaces, appends
	}
}

func TestThreadAsNote(t *testing.T) {
	w := plan(t, policy(t), able(noted), threadOf(noted))
	if len(w) != 1 || w[0].Identity.System != base+"/texting/transcript" || w[0].Identity.Value != "t-1/v1" || w[0].Provides != "{transcript:t-1/v1}" {
		t.Fatalf("%d writes: %+v", len(w), w[0])
	}
	echo, err := r4.ReadEcho(raw(t, w[0], "DocumentReference"))
	if err != nil || len(echo.Attachments) != 1 {
		t.Fatalf("%d contents, %v", len(echo.Attachments), err)
	}
	text := echo.Attachments[0].Data
	if w[0].Expect.Text != connector.Hash(text) || len(w[0].Expect.Attachments) != 0 {
		t.Errorf("expected of the chart: %+v", w[0].Expect)
	}
	said, ok := transcript.Words(text)
	words := []string{"hello", "  two\nlines \a", "thanks"}
	if !ok || len(said) != 3 || !slices.EqualFunc(said, words, func(s transcript.Said, want string) bool { return string(s.Words) == want }) {
		t.Errorf("the words are %v", said)
	}
	for _, line := range []string{"Document: Transcript, version 1", "Transcript id: texting t-1/v1", "Left out: internal notes of the care team: 1", "State: closed 2026-11-22 13:03:11 -06:00", "Messages: 3"} {
		if !strings.Contains("\n"+string(text), "\n"+line+"\n") {
			t.Errorf("it does not say %q:\n%s", line, text)
		}
	}
	d := resource(t, w[0], "DocumentReference")
	if at(d, "author", 0, "reference") != "{patient}" || at(d, "author", 1, "type") != "RelatedPerson" || at(d, "author", 2, "reference") != "Practitioner/prac-ana" || at(d, "author", 3) != nil {
		t.Errorf("authors: %v", d["author"])
	}
	if at(d, "meta", "security", 0, "code") != "PATAST" || at(d, "meta", "security", 1, "code") != "PACQAST" || d["relatesTo"] != nil ||
		at(d, "context", "period", "end") != "2026-11-22T13:06:11-05:00" {
		t.Errorf("the note: %v", d)
	}
	p := resource(t, w[0], "Provenance")
	if at(p, "activity", "coding", 0, "code") != "CREATE" || at(p, "agent", 3) == nil || at(p, "agent", 4) != nil { // three authors and the clinic
		t.Errorf("the Provenance: %v", p)
	}
}

func TestThreadAsDocument(t *testing.T) {
	w := plan(t, policy(t), able(printed), threadOf(printed))[0]
	text, pdf := forms(t, w)
	if w.Expect.Text != connector.Hash(text.Data) || len(w.Expect.Attachments) != 1 || w.Expect.Attachments[0] != connector.Hash(pdf.Data) {
		t.Errorf("expected of the chart: %+v", w.Expect)
	}
	if !equalPlans(t, able(printed), threadOf(printed)) {
		t.Error("two plans of one thread differ")
	}
}

func equalPlans(t *testing.T, traits connector.Traits, x connector.Exchange) bool {
	a, b := plan(t, policy(t), traits, x), plan(t, policy(t), traits, x)
	return slices.EqualFunc(a, b, func(a, b connector.Write) bool { return string(a.Body) == string(b.Body) && a.Key == b.Key })
}

// TestThreadVersions: a version replaces those on the chart, which become superseded, or is added to one.
func TestThreadVersions(t *testing.T) {
	w := plan(t, policy(t), able(noted), threadOf(noted, version(3, []int{1, 2}, 0)))
	d := resource(t, w[0], "DocumentReference")
	if at(d, "relatesTo", 0, "code") != "replaces" || at(d, "relatesTo", 0, "target", "reference") != "{transcript:t-1/v1}" ||
		at(d, "relatesTo", 1, "target", "reference") != "{transcript:t-1/v2}" || d["status"] != "current" {
		t.Errorf("version 3: %v", d["relatesTo"])
	}
	if len(w) != 3 || w[1].Update.Target != "{transcript:t-1/v1}" || w[2].Update.Target != "{transcript:t-1/v2}" || w[2].Update.Set["status"] != "superseded" {
		t.Errorf("%d writes: %+v", len(w), w[1:])
	}
	if p := resource(t, w[0], "Provenance"); at(p, "activity", "coding", 0, "code") != "UPDATE" || at(p, "entity", 1) == nil {
		t.Errorf("the Provenance: %v", p)
	}
	fixed := able(noted)
	fixed.Update = false
	w = plan(t, policy(t), fixed, threadOf(noted, version(2, nil, 1)))
	d = resource(t, w[0], "DocumentReference")
	if len(w) != 1 || at(d, "relatesTo", 0, "code") != "appends" || at(d, "relatesTo", 0, "target", "reference") != "{transcript:t-1/v1}" {
		t.Errorf("addendum: %v", d["relatesTo"])
	}
}

// TestNewsOfAToldMessage: where the transcript cannot be replaced, what is said later of one of its messages is added to it.
func TestNewsOfAToldMessage(t *testing.T) {
	fixed := able(noted)
	fixed.Update = false
	stands := func(x *connector.Exchange) { x.Stands = 2 }
	for name, x := range map[string]connector.Exchange{
		"correction": exchange(connector.ItemCorrection, noted, correction(2, 1), stands),
		"failure":    exchange(connector.ItemStatus, noted, toPatient(connector.Failed), stands),
	} {
		d := resource(t, plan(t, policy(t), fixed, x)[0], "DocumentReference")
		if at(d, "relatesTo", 0, "code") != "appends" || at(d, "relatesTo", 0, "target", "reference") != "{transcript:t-1/v2}" {
			t.Errorf("%s: %v", name, d["relatesTo"])
		}
	}
}

func TestThreadThatCannotBeTold(t *testing.T) {
	for name, spoil := range map[string]func(*connector.Told){
		"words":      func(m *connector.Told) { m.Message.Text = "dose \xff" },
		"correction": func(m *connector.Told) { m.Corrections = []connector.Correction{{Version: 2, Text: "dose \xff"}} },
		"role":       func(m *connector.Told) { m.Message.Recipients = []connector.Participant{{Role: "robot"}} },
	} {
		_, err := filing.Plan(policy(t), able(noted), threadOf(noted, func(x *connector.Exchange) { spoil(&x.Transcript.Told[1]) }))
		var refused *connector.Refused
		if !errors.As(err, &refused) || refused.Reason != connector.GateRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	only := threadOf(noted, func(x *connector.Exchange) { x.Transcript.Told = x.Transcript.Told[2:3] })
	if w := plan(t, policy(t), able(noted), only); len(w) != 0 {
		t.Errorf("internal notes alone are filed: %v", w)
	}
	if _, err := filing.Plan(policy(t), able(comm), threadOf(comm)); err == nil {
		t.Error("a thread was filed as a Communication")
	}
}

// TestLostOfAThread: the words of every message it tells are on the chart.
func TestLostOfAThread(t *testing.T) {
	x := threadOf(noted, func(x *connector.Exchange) { x.Transcript.Told[3].Message.InReplyTo = "m-2" })
	writes := plan(t, policy(t), able(noted), x)
	for _, told := range x.Transcript.Told {
		if told.Message.Direction == connector.Internal {
			continue
		}
		one := x
		one.Message = told.Message
		for _, l := range filing.Lost(one, writes, able(noted)) {
			if l.What != filing.LostRecipients && l.What != filing.LostSender {
				t.Errorf("%s loses %s: %s", told.Message.ID, l.What, l.Text)
			}
		}
	}
}
