package filing_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
)

// TestTheWordingIsThatOfANote holds the two documents together: what a note says of a message, the transcript of its thread
// says in the same words. Only the place of what belongs to the whole thread differs.
func TestTheWordingIsThatOfANote(t *testing.T) {
	file := connector.Attachment{ID: "a-1", Filename: "a\tphoto.png", ContentType: "image/png", Data: []byte("png")}
	named := connector.Attachment{ID: "a-2", ContentType: "not a\ntype", Size: 12, SHA256: "ab12"}
	failed := func(reason string) func(*connector.Exchange) {
		return func(x *connector.Exchange) { x.Delivery.Reason = reason }
	}
	for name, changes := range map[string][]func(*connector.Exchange){
		"from a patient":   nil,
		"from a proxy":     {from(mother)},
		"without relation": {from(connector.Participant{Role: connector.RoleProxy, Name: " Maria \u0007 \ufffe Cho"})},
		"by id":            {from(connector.Participant{Role: connector.RoleStaff, ID: "s-1", Relationship: "none"})},
		"without a name":   {from(connector.Participant{Role: connector.RoleSystem})},
		"late, after a gap": {func(x *connector.Exchange) {
			x.Late, x.AfterGap = true, true
			x.Message.Attachments = []connector.Attachment{file, named, {ContentType: "text/plain"}}
		}},
		"not received":       {func(x *connector.Exchange) { x.Received = sentAt.AddDate(-1, 0, 0) }},
		"queued":             {toPatient(connector.Queued)},
		"handed over":        {toPatient(connector.HandedOver)},
		"sent":               {toPatient(connector.Sent)},
		"delivered":          {toPatient(connector.Delivered)},
		"read":               {toPatient(connector.Read)},
		"unsure":             {toPatient(connector.SendUnsure)},
		"failed":             {toPatient(connector.Failed)},
		"failed, why":        {toPatient(connector.Failed), failed("number  not\nin service")},
		"delivered, no time": {toPatient(connector.Delivered), func(x *connector.Exchange) { x.Delivery.At = time.Time{} }},
	} {
		x := exchange(connector.ItemExchange, noted, changes...)
		p := policy(t)
		d := resource(t, plan(t, p, able(noted), x)[0], "DocumentReference")
		note, err := base64.StdEncoding.DecodeString(at(d, "content", 0, "attachment", "data").(string))
		if err != nil {
			t.Fatal(err)
		}
		text := transcript.Text(transcript.Transcript{Thread: x.Thread, Zone: p.Location, Entries: []transcript.Entry{{
			Message: x.Message, Received: x.Received, Delivery: x.Delivery, Late: x.Late, AfterGap: x.AfterGap,
		}}})
		said := strings.Split(string(text), "\n")
		for _, line := range strings.Split(string(note), "\n") {
			switch {
			case line == "Secure message", line == "", strings.HasPrefix(line, "Attachments ("):
				continue
			case strings.HasPrefix(line, "- "):
				line = "Attachment: " + line[len("- "):]
			case line == "Message id: texting t-1/m-1": // a transcript names its thread once
				line = "Id: m-1"
			}
			if !slices.Contains(said, line) {
				t.Errorf("%s: the note says %q and the transcript does not:\n%s", name, line, text)
			}
		}
	}
}
