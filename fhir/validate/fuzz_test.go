package validate

import (
	"errors"
	"testing"

	"github.com/chartwire/chartwire/fhir/r4"
)

// FuzzBuilderAgainstGate holds two judges of the same rules against each other: whatever the
// builder agrees to write, the gate agrees to send, and the text in it is the text given.
func FuzzBuilderAgainstGate(f *testing.F) {
	f.Add("Home readings attached.", "Maria Cho (mother)", "rp-1", "https://x.example/sid/p", "p1", "image/jpeg")
	f.Add(" \x00\u202e👍", "<script>", "a/b|c,d", "urn:oid:1.2", "p-1.x", "text/plain; charset=utf-8")
	f.Add("a\xffb", "", "", "", "", "")
	f.Add("line\r\n\u2028end\ufffe", "\u00a0", " v ", "not a uri", "p 1", " a  b ")
	f.Fuzz(func(t *testing.T, text, display, value, system, patient, contentType string) {
		c := r4.NewCommunication(r4.EventCompleted, r4.NewIdentifier("https://x.example/sid/message", "t/m"))
		c.Subject = r4.Ptr(r4.Ref("Patient/p1"))
		if text != "" {
			c.Payload = []r4.Payload{r4.TextPayload(text, fixedTime)}
		}
		raw, err := c.MarshalJSON()
		if err != nil {
			t.Fatalf("the builder refused text: %v", err)
		}
		if err := gate.Resource(raw); err != nil {
			t.Fatalf("the gate refused text: %v", err)
		}
		checkEcho(t, raw, text)

		c.Subject = r4.Ptr(r4.RefDisplay("Patient/"+patient, display))
		c.Sender = r4.Ptr(r4.LogicalRef("RelatedPerson", r4.NewIdentifier(system, value), display))
		c.Topic = r4.Ptr(r4.Concept(display, r4.NewCoding(system, value, display)))
		c.Payload = append(c.Payload, r4.AttachmentPayload(r4.NewAttachment(contentType, []byte(text+"x"), value, fixedTime)))
		raw, err = c.MarshalJSON()
		var refused *r4.Problem
		if errors.As(err, &refused) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := gate.Resource(raw); err != nil {
			t.Fatalf("built, but refused by the gate: %v\n%s", err, raw)
		}
		checkEcho(t, raw, text)
	})
}

func checkEcho(t *testing.T, raw []byte, text string) {
	t.Helper()
	echo, err := r4.ReadEcho(raw)
	if err != nil {
		t.Fatal(err)
	}
	if text == "" {
		return
	}
	if len(echo.Texts) == 1 && echo.Texts[0] == text || len(echo.Attachments) > 0 && string(echo.Attachments[0].Data) == text {
		return
	}
	t.Fatalf("the text %q changed: %q", text, echo.Texts)
}

// FuzzGate: the gate does not panic, whatever it is given, and its sentence names no value.
func FuzzGate(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Communication","status":"completed","subject":{"reference":"Patient/1"}}`))
	f.Add([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient"}}]}`))
	f.Add([]byte(`{"resourceType":"Task","contained":[{"resourceType":"X"}],"_status":[null],"input":[{"valueString":"\ud800"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := gate.Resource(raw)
		var problem *Problem
		if err != nil && !errors.As(err, &problem) {
			t.Fatalf("%T is no *Problem", err)
		}
	})
}
