package filing_test

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

const vendor = connector.AsVendorCall

// posts is a vendor's API that takes a form of one text, and pictures by themselves.
var posts = filing.Vendor{
	Call: func(p filing.Piece) (connector.Write, error) {
		if strings.Contains(string(p.Text), "unheard of") {
			return connector.Write{}, errors.New("the API has no field for this")
		}
		body := url.Values{"name": {p.ID.Value}, "title": {p.Title}, "text": {string(p.Text)}}
		if p.File != nil {
			body.Set("size", string(p.File.Data))
		}
		if p.Priority.Rank() > 0 {
			body.Set("priority", "1")
		}
		return connector.Write{Method: "POST", URL: connector.SymPatient + "/notes", Type: "Note", Body: []byte(body.Encode()),
			Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, nil
	},
	Carries: func(a connector.Attachment) bool { return a.ContentType == "image/png" },
}

func vendorPlan(t *testing.T, kind connector.ItemKind, changes ...func(*connector.Exchange)) []connector.Write {
	t.Helper()
	p := policy(t)
	p.Vendor = posts
	writes, err := filing.Plan(p, connector.Traits{Strategy: vendor}, exchange(kind, vendor, changes...))
	if err != nil {
		t.Fatal(err)
	}
	return writes
}

// text is the note in a write of posts.
func text(t *testing.T, w connector.Write) []byte {
	t.Helper()
	form, err := url.ParseQuery(string(w.Body))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(form.Get("text"))
}

// TestVendorMessage: the note with the exact words, then a write of its own for each file the API takes; the others are named.
func TestVendorMessage(t *testing.T) {
	words := "5 mg {\"reference\":\"{header}\"}\n\nText: 3 bytes\n\nabc"
	writes := vendorPlan(t, connector.ItemExchange, photo, func(x *connector.Exchange) {
		x.Message.Text = words
		x.Message.Attachments = append(x.Message.Attachments, connector.Attachment{ID: "a-2", Filename: "log.csv", ContentType: "text/csv", Data: []byte("a,b")})
	})
	if len(writes) != 2 {
		t.Fatalf("%d writes, want the note and the picture", len(writes))
	}
	note, file := writes[0], writes[1]
	got, ok := filing.Words(text(t, note))
	if !ok || string(got) != words || note.Expect.Text != connector.Hash([]byte(words)) {
		t.Errorf("the words are %q", got)
	}
	for _, want := range []string{"- log.csv, text/csv, 3 bytes, SHA-256 ", "Attachments (on the chart too, beside this note):\n- reading.png, image/png, 4 bytes, SHA-256 "} {
		if !bytes.Contains(text(t, note), []byte(want)) {
			t.Errorf("%q is missing in:\n%s", want, text(t, note))
		}
	}
	want := []connector.Write{
		{Key: base + "/texting/message|t-1/m-1", Method: "POST", URL: "{patient}/notes", Type: "Note", Header: note.Header, Body: note.Body,
			Identity: connector.Identifier{System: base + "/texting/message", Value: "t-1/m-1"}, Provides: "{message:t-1/m-1}", Date: receivedAt,
			Expect: connector.Expect{Subject: "{patient}", Text: note.Expect.Text}},
		{Key: base + "/texting/attachment|t-1/m-1/1", Method: "POST", URL: "{patient}/notes", Type: "Note", Header: file.Header, Body: file.Body,
			Identity: connector.Identifier{System: base + "/texting/attachment", Value: "t-1/m-1/1"}, Date: receivedAt,
			Expect: connector.Expect{Subject: "{patient}", Attachments: []string{connector.Hash([]byte("\x89PNG"))}}},
	}
	if diff := cmp.Diff(want, writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if note.Symbolic() {
		t.Error("what looks like a symbol in the words of a form would be replaced")
	}
}

// TestVendorPiece: what a vendor's API may have a field for is said beside the text, and the text can be printed.
func TestVendorPiece(t *testing.T) {
	p := policy(t)
	p.Location = time.FixedZone("clinic", -5*3600)
	var pieces []filing.Piece
	p.Vendor = filing.Vendor{Carries: posts.Carries, Call: func(piece filing.Piece) (connector.Write, error) {
		pieces = append(pieces, piece)
		return posts.Call(piece)
	}}
	for _, x := range []connector.Exchange{
		exchange(connector.ItemExchange, vendor, from(mother), photo, urgent),
		exchange(connector.ItemStatus, vendor, toPatient(connector.Failed)),
	} {
		if _, err := filing.Plan(p, connector.Traits{Strategy: vendor}, x); err != nil {
			t.Fatal(err)
		}
	}
	note, file, news := pieces[0], pieces[1], pieces[2]
	if note.Subject != "Home readings" || note.Author != connector.RoleProxy || note.Priority != connector.Urgent || !note.At.Equal(sentAt) || note.At.Location() != p.Location {
		t.Errorf("note: %q by %s, %s, %v", note.Subject, note.Author, note.Priority, note.At)
	}
	if file.Author != connector.RoleProxy || file.At != note.At || file.PDF != nil || news.Author != connector.RoleSystem {
		t.Errorf("file by %s at %v, news by %s", file.Author, file.At, news.Author)
	}
	for _, piece := range []filing.Piece{note, news} {
		if pdf, err := piece.PDF(); err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) {
			t.Errorf("%s: %d bytes that are no PDF, %v", piece.Title, len(pdf), err)
		}
	}
}

// TestVendorFollowUps: nothing that is there is changed; what follows names it.
func TestVendorFollowUps(t *testing.T) {
	for _, kind := range []connector.ItemKind{connector.ItemHeader, connector.ItemClose, connector.ItemReopen} {
		if w := vendorPlan(t, kind); len(w) != 0 {
			t.Errorf("%s: %v", kind, w)
		}
	}
	if w := vendorPlan(t, connector.ItemExchange, internal); len(w) != 0 {
		t.Errorf("internal note: %v", w)
	}
	corrected := vendorPlan(t, connector.ItemCorrection, correction(2, 1))[0]
	if note := text(t, corrected); corrected.Identity.Value != "t-1/m-1/r2" || !bytes.HasPrefix(note, []byte("Addendum to a secure message")) || !bytes.Contains(note, []byte("\nCorrects: t-1/m-1\n")) {
		t.Errorf("correction %s:\n%s", corrected.Identity.Value, note)
	}
	for _, state := range []connector.SendState{connector.Sent, connector.Delivered, connector.Read} {
		if w := vendorPlan(t, connector.ItemStatus, toPatient(state)); len(w) != 0 {
			t.Errorf("%s: %v", state, w)
		}
	}
	failed := vendorPlan(t, connector.ItemStatus, toPatient(connector.Failed))
	if len(failed) != 1 || failed[0].Identity.Value != "t-1/m-1/not-delivered" || !bytes.Contains(text(t, failed[0]), []byte("NOT DELIVERED: the message sent")) {
		t.Errorf("failure: %+v", failed)
	}
}

func TestVendorRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		kind   connector.ItemKind
		vendor filing.Vendor
		change func(*connector.Exchange)
		want   connector.Reason
	}{
		"retraction":   {connector.ItemRetraction, posts, retraction(1), connector.NotExpressible},
		"no UTF-8":     {connector.ItemExchange, posts, func(x *connector.Exchange) { x.Message.Text = "\xff" }, connector.GateRefused},
		"a role":       {connector.ItemExchange, posts, func(x *connector.Exchange) { x.Message.Sender.Role = "robot" }, connector.GateRefused},
		"by the API":   {connector.ItemExchange, posts, func(x *connector.Exchange) { x.Message.Text = "unheard of" }, connector.GateRefused},
		"no API":       {connector.ItemExchange, filing.Vendor{}, func(*connector.Exchange) {}, connector.Internals},
		"another item": {"census", posts, func(*connector.Exchange) {}, connector.Internals},
	} {
		p := policy(t)
		p.Vendor = c.vendor
		_, err := filing.Plan(p, connector.Traits{Strategy: vendor}, exchange(c.kind, vendor, c.change))
		var refused *connector.Refused
		if !errors.As(err, &refused) || refused.Reason != c.want || refused.Detail.Reveal() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
