package filing_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/validate"
)

// messageCenter is a policy whose EHR takes messages among staff and bare notes.
func messageCenter(t testing.TB, inbox string) filing.Policy {
	p := policy(t)
	p.People = map[string]string{"prac-ana": "Practitioner/prac-ana", "nurse-triage": "Group/triage"}
	p.Shape = filing.Shape{Notes: &filing.NoteShape{Period: true, Charset: true}, Staff: &filing.StaffMessage{
		Category: r4.NewCoding(r4.SystemCommunicationCategory, "notification", ""), Senders: []string{"Practitioner"},
		Recipients: []string{"Practitioner", "Group"}, Urgent: true, Inbox: inbox, ReplyTo: "Group/replies", ReplyToURL: "https://ehr.example/reply-to"}}
	return p
}

func amongStaff(x *connector.Exchange) {
	x.Message.Direction, x.Message.Sender = connector.Internal, ana
	x.Message.Recipients = []connector.Participant{triage}
}

// boxed is the whole text of a staff message.
func boxed(t testing.TB, w connector.Write) string {
	t.Helper()
	echo, err := r4.ReadEcho(raw(t, w, w.Type))
	if err != nil || len(echo.Attachments) != 1 {
		t.Fatalf("%d attachments (%v)", len(echo.Attachments), err)
	}
	return string(echo.Attachments[0].Data)
}

func priority(p connector.Priority) func(*connector.Exchange) {
	return func(x *connector.Exchange) { x.Message.Priority = p }
}

// TestStaffMessage: who wrote to whom decides what an exchange becomes.
func TestStaffMessage(t *testing.T) {
	able := able(comm)
	able.Transaction, able.Provenance, able.IfNoneExist = false, false, false
	byAna := func(x *connector.Exchange) { x.Message.Sender = ana }
	for name, c := range map[string]struct {
		inbox   string
		changes []func(*connector.Exchange)
		want    string
	}{
		"of a patient":                {"Group/triage", nil, "DocumentReference"},
		"of a proxy":                  {"Group/triage", []func(*connector.Exchange){from(mother)}, "DocumentReference"},
		"to a patient":                {"Group/triage", []func(*connector.Exchange){toPatient(connector.Sent), byAna}, "Communication"},
		"to a patient, without inbox": {"", []func(*connector.Exchange){toPatient(connector.Sent), byAna}, "DocumentReference"},
		"automated":                   {"Group/triage", []func(*connector.Exchange){toPatient(connector.Sent), from(system)}, "DocumentReference"},
		"of a pool":                   {"Group/triage", []func(*connector.Exchange){toPatient(connector.Sent), from(triage)}, "DocumentReference"},
		"among staff":                 {"", []func(*connector.Exchange){amongStaff}, "Communication"},
		"among staff, to nobody":      {"", []func(*connector.Exchange){amongStaff, func(x *connector.Exchange) { x.Message.Recipients = nil }}, ""},
		"among staff, to a person without a box": {"", []func(*connector.Exchange){amongStaff, func(x *connector.Exchange) {
			x.Message.Recipients = []connector.Participant{{Role: connector.RoleStaff, ID: "u-7", Name: "New here"}}
		}}, ""},
	} {
		got := ""
		for _, w := range plan(t, messageCenter(t, c.inbox), able, exchange(connector.ItemExchange, comm, c.changes...)) {
			got = strings.TrimSpace(got + " " + w.Type)
			if w.URL != w.Type || w.Method != "POST" || len(w.Header["If-None-Exist"]) > 0 {
				t.Errorf("%s: %s %s", name, w.Method, w.URL)
			}
		}
		if got != c.want {
			t.Errorf("%s is filed as %q, want %q", name, got, c.want)
		}
	}
	for _, kind := range []connector.ItemKind{connector.ItemHeader, connector.ItemClose, connector.ItemReopen} {
		if w := plan(t, messageCenter(t, ""), able, exchange(kind, comm)); len(w) != 0 {
			t.Errorf("%s: %d writes", kind, len(w))
		}
	}
}

// TestStaffMessageHoldsWhatItMay and nothing else; what it cannot say stands in its text.
func TestStaffMessageHoldsWhatItMay(t *testing.T) {
	x := exchange(connector.ItemExchange, comm, toPatient(connector.Sent), func(x *connector.Exchange) {
		x.Message.Sender, x.Encounter, x.Message.Text = ana, "Encounter/e1", "one\n\ntwo"
	}, priority(connector.Stat))
	w := plan(t, messageCenter(t, "Group/triage"), able(comm), x)[0]
	c := resource(t, w, "Communication")
	for name, got := range map[string][2]any{
		"status": {c["status"], "completed"}, "sender": {at(c, "sender", "reference"), "Practitioner/prac-ana"}, "display": {at(c, "sender", "display"), nil},
		"recipient": {at(c, "recipient", 0, "reference"), "Group/triage"}, "subject": {at(c, "subject", "reference"), "{patient}"},
		"encounter": {at(c, "encounter", "reference"), "Encounter/e1"}, "priority": {c["priority"], "urgent"},
		"category": {at(c, "category", 0, "coding", 0, "code"), "notification"}, "one category": {at(c, "category", 1), nil},
		"reply to": {at(c, "extension", 0, "valueReference", "reference"), "Group/replies"}, "type": {at(c, "payload", 0, "contentAttachment", "contentType"), "text/plain;charset=utf-8"},
		"title": {at(c, "payload", 0, "contentAttachment", "title"), nil}, "identifier": {c["identifier"], nil}, "partOf": {c["partOf"], nil},
		"sent": {c["sent"], nil}, "medium": {c["medium"], nil}, "language": {c["language"], nil}, "inResponseTo": {c["inResponseTo"], nil},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %v, want %v", name, got[0], got[1])
		}
	}
	text := boxed(t, w)
	for _, said := range []string{"To: ", "Message id: texting t-1/m-1\n", "Text: 8 bytes\n\none\n\ntwo"} {
		if !strings.Contains(text, said) {
			t.Errorf("the text does not say %q:\n%s", said, text)
		}
	}
	if w.Identity.Value != "t-1/m-1" || w.Expect.Text != connector.Hash([]byte("one\n\ntwo")) || w.Expect.Subject != connector.SymPatient {
		t.Errorf("write: %+v", w.Expect)
	}
}

func TestBareNote(t *testing.T) {
	x := exchange(connector.ItemExchange, comm, func(x *connector.Exchange) { x.Parent, x.Encounter = "m-0", "Encounter/e1" })
	d := resource(t, plan(t, messageCenter(t, ""), able(noted), x)[0], "DocumentReference")
	for _, name := range []string{"meta", "identifier", "masterIdentifier", "category", "date", "custodian", "description", "language", "relatesTo", "author"} {
		if d[name] != nil {
			t.Errorf("a bare note has %s", name)
		}
	}
	if at(d, "context", "encounter", 0, "reference") != "Encounter/e1" || at(d, "context", "related") != nil || at(d, "context", "period", "end") == nil ||
		at(d, "type", "coding", 0, "code") != "34748-4" || at(d, "content", 0, "attachment", "contentType") != "text/plain;charset=utf-8" {
		t.Errorf("bare note: %v", d)
	}
	if err := validate.New().Bare([]byte(strings.ReplaceAll(string(plan(t, messageCenter(t, ""), able(noted), x)[0].Body), "{patient}", "Patient/p1"))); err != nil {
		t.Error(err)
	}
}

// TestStaffMessagesAreNotTakenBack: what is in somebody's inbox cannot be changed, so a person is told; a note of the same
// thread can.
func TestStaffMessagesAreNotTakenBack(t *testing.T) {
	policy := messageCenter(t, "Group/triage")
	mine := func(x *connector.Exchange) { x.Message.Sender = ana }
	_, err := filing.Plan(policy, able(comm), exchange(connector.ItemRetraction, comm, toPatient(connector.Sent), mine, retraction(1)))
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Reason != connector.NotExpressible || !strings.Contains(refused.Detail.Reveal(), "t-1/m-1") {
		t.Errorf("retraction of a staff message: %v", err)
	}
	w := plan(t, policy, able(comm), exchange(connector.ItemRetraction, comm, retraction(1)))
	if len(w) == 0 || w[0].Type != "DocumentReference" || w[0].Update.Set["status"] != "entered-in-error" {
		t.Errorf("retraction of a note: %+v", w)
	}
	w = plan(t, policy, able(comm), exchange(connector.ItemCorrection, comm, toPatient(connector.Sent), mine, correction(2, 1)))
	if len(w) != 1 || w[0].Type != "Communication" || !strings.Contains(boxed(t, w[0]), "corrected words") {
		t.Errorf("correction of a staff message: %+v", w)
	}
	was := func(kind string) func(*connector.Exchange) {
		return func(x *connector.Exchange) { x.Entries = map[int]string{1: kind} }
	}
	w = plan(t, policy, able(comm), exchange(connector.ItemRetraction, comm, toPatient(connector.Sent), mine, retraction(1), was("DocumentReference")))
	if len(w) == 0 || w[0].Type != "DocumentReference" {
		t.Errorf("retraction of what was a note before its author had a box: %+v", w)
	}
	if _, err := filing.Plan(policy, able(comm), exchange(connector.ItemRetraction, comm, toPatient(connector.Sent), retraction(1), was("Communication"))); !errors.As(err, &refused) {
		t.Errorf("retraction of a staff message whose author has no box any more: %v", err)
	}
	w = plan(t, policy, able(comm), exchange(connector.ItemStatus, comm, toPatient(connector.Failed), mine))
	if len(w) != 1 || w[0].Type != "DocumentReference" {
		t.Errorf("a message that did not arrive: %+v", w)
	}
}
