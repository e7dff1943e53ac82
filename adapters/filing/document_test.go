package filing_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

const printed = connector.AsDocument

// forms are the text and the PDF of an entry.
func forms(t *testing.T, w connector.Write) (text, pdf r4.EchoAttachment) {
	t.Helper()
	echo, err := r4.ReadEcho(raw(t, w, "DocumentReference"))
	if err != nil || len(echo.Attachments) != 2 {
		t.Fatalf("%d contents, %v", len(echo.Attachments), err)
	}
	return echo.Attachments[0], echo.Attachments[1]
}

func TestDocument(t *testing.T) {
	x := exchange(connector.ItemExchange, printed, from(mother), func(x *connector.Exchange) {
		x.Parent, x.Encounter, x.Late = "m-0", "Encounter/e1", true
		x.Who = connector.PatientKey{Name: &connector.HumanName{Family: "Cho", Given: []string{"Daniel"}}, BirthDate: "2015-07-04"}
		photo(x)
	})
	w := plan(t, policy(t), able(printed), x)[0]
	text, pdf := forms(t, w)
	if !strings.HasPrefix(text.ContentType, "text/plain") || pdf.ContentType != "application/pdf" || !bytes.HasPrefix(pdf.Data, []byte("%PDF-")) {
		t.Errorf("contents: %s, %s", text.ContentType, pdf.ContentType)
	}
	if w.Expect.Text != connector.Hash([]byte("hello")) || words(t, w) != "hello" || len(w.Expect.Attachments) != 1 || w.Expect.Attachments[0] != connector.Hash(pdf.Data) {
		t.Errorf("expected of the chart: %+v", w.Expect)
	}
	for _, line := range []string{"Document: Secure message", "Thread: Home readings", "Patient: Daniel Cho, born 2015-07-04", "From: Maria Cho (mother, proxy)",
		"Note: Filed out of sequence: later messages of this thread were filed before it.", "Attachment: reading.png, image/png, 4 bytes, SHA-256 "} {
		if !strings.Contains("\n"+string(text.Data), "\n"+line) {
			t.Errorf("the text does not say %q:\n%s", line, text.Data)
		}
	}
	if channel, value, ok := filing.CitedID(text.Data); !ok || channel != "texting" || value != "t-1/m-1" {
		t.Errorf("the document cites %q %q %v", channel, value, ok)
	}
	for _, line := range []string{"Messages:", "State:"} {
		if strings.Contains(string(text.Data), "\n"+line) {
			t.Errorf("a document about one message speaks of the thread: %q", line)
		}
	}
	note := resource(t, plan(t, policy(t), able(noted), func() connector.Exchange { x.Strategy = noted; return x }())[0], "DocumentReference")
	d := resource(t, w, "DocumentReference")
	for _, name := range []string{"type", "category", "author", "custodian", "context", "meta", "identifier", "docStatus", "date"} {
		if got, want := d[name], note[name]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, a note's is %v", name, got, want)
		}
	}
}

// TestDocumentsOfAMessage: everything that is said of a message later is a document of the same form, related as notes are.
func TestDocumentsOfAMessage(t *testing.T) {
	fixed := able(printed)
	fixed.Update = false
	for name, c := range map[string]struct {
		traits   connector.Traits
		kind     connector.ItemKind
		change   func(*connector.Exchange)
		relation string
		says     string // the document's own line
		words    string
		writes   int
	}{
		"correction": {able(printed), connector.ItemCorrection, correction(2, 1), "replaces", "Secure message, corrected: this replaces the earlier version", "corrected words", 2},
		"addendum":   {fixed, connector.ItemCorrection, correction(2, 1), "appends", "Addendum to a secure message: these are the corrected words", "corrected words", 1},
		"failure": {able(printed), connector.ItemStatus, toPatient(connector.Failed), "appends", "Secure message NOT DELIVERED",
			"NOT DELIVERED: the message sent 2026-11-22 12:03:11 -06:00 (t-1/m-1) did not reach the recipient.", 1},
	} {
		writes := plan(t, policy(t), c.traits, exchange(c.kind, printed, c.change))
		if len(writes) != c.writes {
			t.Fatalf("%s: %d writes", name, len(writes))
		}
		d := resource(t, writes[0], "DocumentReference")
		text, pdf := forms(t, writes[0])
		if at(d, "relatesTo", 0, "code") != c.relation || !strings.Contains(string(text.Data), "\nDocument: "+c.says+"\n") || words(t, writes[0]) != c.words ||
			writes[0].Expect.Text != connector.Hash([]byte(c.words)) || writes[0].Expect.Attachments[0] != connector.Hash(pdf.Data) {
			t.Errorf("%s: %v, %+v\n%s", name, d["relatesTo"], writes[0].Expect, text.Data)
		}
	}
	for _, w := range plan(t, policy(t), able(printed), exchange(connector.ItemRetraction, printed, retraction(1, 2))) {
		if w.Type == "DocumentReference" && (w.Update == nil || w.Update.Set["status"] != "entered-in-error") {
			t.Errorf("retraction: %+v", w)
		}
	}
	for _, kind := range []connector.ItemKind{connector.ItemHeader, connector.ItemClose, connector.ItemReopen} {
		if w := plan(t, policy(t), able(printed), exchange(kind, printed)); len(w) != 0 {
			t.Errorf("%s: %v", kind, w)
		}
	}
	if w := plan(t, policy(t), able(printed), exchange(connector.ItemExchange, printed, internal)); len(w) != 0 {
		t.Errorf("an internal note: %v", w)
	}
}
