package filing_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// spare is what Epic takes of a note.
func spare() *filing.NoteShape { return &filing.NoteShape{Named: true, DraftsOnly: true} }

// TestSpareNote: whatever kind of note, it has no more than a vendor's note API takes, and its text says the rest.
func TestSpareNote(t *testing.T) {
	p := policy(t)
	p.Shape.Notes = spare()
	traits := able(noted)
	traits.Update, traits.Transaction, traits.Provenance, traits.IfNoneExist = false, false, false, false
	in := func(x *connector.Exchange) {
		x.Encounter, x.Parent, x.Message.Language = "Encounter/e1", "m-0", "en"
	}
	for name, c := range map[string]struct {
		x    connector.Exchange
		says string
	}{
		"message":       {exchange(connector.ItemExchange, noted, in), "From: patient\n"},
		"correction":    {exchange(connector.ItemCorrection, noted, in, correction(2, 1)), "Note: these words correct the message t-1/m-1\n"},
		"not delivered": {exchange(connector.ItemStatus, noted, in, toPatient(connector.Failed)), "NOT DELIVERED: the message sent 2026-11-22"},
	} {
		writes := plan(t, p, traits, c.x)
		if len(writes) != 1 {
			t.Fatalf("%s: %d writes", name, len(writes))
		}
		d := resource(t, writes[0], "DocumentReference")
		if got := strings.Join(slices.Sorted(maps.Keys(d)), " "); got != "category content context date docStatus identifier resourceType status subject type" {
			t.Errorf("%s has %s", name, got)
		}
		a, _ := at(d, "content", 0, "attachment").(map[string]any)
		if len(a) != 2 || a["contentType"] != "text/plain" || a["data"] == nil || len(at(d, "context").(map[string]any)) != 1 {
			t.Errorf("%s: %v %v", name, a, d["context"])
		}
		if text := noteText(t, writes[0]); !strings.Contains(text, c.says) {
			t.Errorf("%s does not say %q:\n%s", name, c.says, text)
		}
	}
	x := exchange(connector.ItemExchange, noted)
	if d := resource(t, plan(t, p, traits, x)[0], "DocumentReference"); d["context"] != nil {
		t.Errorf("without an encounter there is no context: %v", d["context"])
	}
}

// TestSpareAuthor: only a draft names an author, a practitioner the EHR knows.
func TestSpareAuthor(t *testing.T) {
	for _, status := range []r4.DocStatus{r4.DocFinal, r4.DocPreliminary} {
		p := policy(t)
		p.Shape.Notes, p.DocStatus = spare(), status
		for name, who := range map[string]connector.Participant{"patient": patient, "proxy": mother, "pool": triage, "system": system, "clinician": ana,
			"unknown clinician": {Role: connector.RoleClinician, ID: "somebody", Name: "Some Body"}} {
			d := resource(t, plan(t, p, able(noted), exchange(connector.ItemExchange, noted, from(who)))[0], "DocumentReference")
			var want any
			if name == "clinician" && status == r4.DocPreliminary {
				want = "Practitioner/prac-ana"
			}
			if got := at(d, "author", 0, "reference"); got != want || want == nil && d["author"] != nil {
				t.Errorf("%s, docStatus %v: author %v", name, status, d["author"])
			}
		}
	}
}

// TestCitedIdentifier: the identifier a note's text names, or that of the other message it is of.
func TestCitedIdentifier(t *testing.T) {
	names := filing.Names{Base: base, Channel: "texting"}
	note := func(id string) []byte {
		x := exchange(connector.ItemExchange, noted, func(x *connector.Exchange) { x.Message.ID = id })
		return []byte(noteText(t, plan(t, policy(t), able(noted), x)[0]))
	}
	for _, id := range []string{"m-1", "two  words", "line\nbreak", "\u202ex"} {
		want := names.Message("t-1", id, 1)
		if got, ok := filing.CitedIdentifier(note(id), base, want); !ok || got != want {
			t.Errorf("%q is cited as %+v", id, got)
		}
		other := names.Message("t-1", "m-2", 1)
		if got, ok := filing.CitedIdentifier(note(id), base, other); !ok || got == other {
			t.Errorf("%q is taken for another: %+v", id, got)
		}
	}
	elsewhere := filing.Names{Base: base, Channel: "portal"}.Message("t-1", "m-1", 1)
	if got, _ := filing.CitedIdentifier(note("m-1"), base, elsewhere); got == elsewhere {
		t.Error("a message of another channel is taken for it")
	}
	crlf := []byte("Secure message\r\nMessage id: texting t-1/m-1\r\n\r\nMessage id: texting t-1/m-2")
	if got, ok := filing.CitedIdentifier(crlf, base, names.Message("t-1", "m-1", 1)); !ok || got != names.Message("t-1", "m-1", 1) {
		t.Errorf("an EHR's own line ends hide the message: %v, %v", got, ok)
	}
	if _, ok := filing.CitedIdentifier([]byte("Seen today.\n\nMessage id: texting t-1/m-1"), base, names.Message("t-1", "m-1", 1)); ok {
		t.Error("a note that only quotes the line is taken for it")
	}
}

// noteText is the whole text of a note.
func noteText(t *testing.T, w connector.Write) string {
	t.Helper()
	echo, err := r4.ReadEcho(raw(t, w, "DocumentReference"))
	if err != nil {
		t.Fatal(err)
	}
	return string(echo.Attachments[0].Data)
}
