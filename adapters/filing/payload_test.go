package filing_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// words reads a message's own words back out of a plan, by the same way a receipt is compared.
func words(t testing.TB, w connector.Write) string {
	t.Helper()
	echo, err := r4.ReadEcho(raw(t, w, w.Type))
	if err != nil {
		t.Fatal(err)
	}
	if w.Type == "DocumentReference" {
		text, ok := filing.Words(echo.Attachments[0].Data)
		if !ok {
			t.Fatal("the note's text has lost its form")
		}
		return string(text)
	}
	if len(echo.Texts) > 0 {
		return echo.Texts[0]
	}
	if len(echo.Attachments) > 0 && echo.Attachments[0].Title == filing.TextTitle {
		return string(echo.Attachments[0].Data)
	}
	return ""
}

var oddTexts = []string{
	"hello", "<b>bold</b> &amp; <script>alert(1)</script>", `|^~\&`, "line\nline\r\nline\r", "  leading and trailing  ", "\ttab",
	" ", "\n\n", "\x00", "bell\x07", "\u202Eright to left", "🙂 👩‍👩‍👧", "\uFEFFbom", "\u2028\u2029", "{patient}", "{header}",
	`{"reference":"{patient}"}`, "Text: 3 bytes\n\nabc", "\n\nText: 0 bytes\n\n", "é", "e\u0301", "\u007f", "\uFFFE", "Attachment not included: x",
}

// TestWordsSurvive holds DESIGN §3.6: one unbroken run of bytes, hashed by itself, or a refusal.
func TestWordsSurvive(t *testing.T) {
	texts := slices.Clone(oddTexts)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		texts = append(texts, randomText(rng))
	}
	for _, s := range []connector.Strategy{comm, connector.AsNote} {
		for _, text := range texts {
			x := exchange(connector.ItemExchange, s, func(x *connector.Exchange) {
				x.Message.Text = text
				x.Message.Attachments = []connector.Attachment{{ID: "a", Filename: "a\n\nb", ContentType: "image/png", Data: []byte("png")}}
			})
			w := plan(t, policy(t), able(s), x)
			last := w[len(w)-1]
			if got := words(t, last); got != text {
				t.Fatalf("%s: %q became %q", s, text, got)
			}
			if last.Expect.Text != connector.Hash([]byte(text)) {
				t.Fatalf("%s: the expected hash is not that of %q", s, text)
			}
		}
	}
}

// randomText mixes what breaks encoders.
func randomText(rng *rand.Rand) string {
	pieces := []rune{'a', ' ', '\n', '\r', '\t', '|', '^', '~', '\\', '&', '<', '"', '{', '}', 0, 7, 0x1b, 0x7f, 0x85, 0xa0, 0x202e, 0x2028, 0xfeff, 0x1f642, 0xfffd, 0x10ffff, 0xe9, 0x301}
	var b strings.Builder
	for range 1 + rng.IntN(40) {
		b.WriteRune(pieces[rng.IntN(len(pieces))])
	}
	return b.String()
}

func FuzzWords(f *testing.F) {
	for _, s := range oddTexts {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, text, label string) {
		x := exchange(connector.ItemExchange, connector.AsNote, func(x *connector.Exchange) {
			x.Message.Text, x.Thread.Subject, x.Message.Sender.Name = text, label, label
		})
		w, err := filing.Plan(policy(t), able(connector.AsNote), x)
		if err != nil {
			var refused *connector.Refused
			if !errors.As(err, &refused) {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if text != "" && words(t, w[0]) != text {
			t.Fatalf("%q became %q", text, words(t, w[0]))
		}
	})
}

func TestWordsOfForeignText(t *testing.T) {
	for _, note := range []string{"", "no form", "a\n\nb", "Text: 5 bytes\n\nabc", "Text: -1 bytes\n\nabc", "Text: 03 bytes\n\nabc", "Text: x bytes\n\nabc",
		"Text: 3 bytes\r\n\r\nabc"} {
		if got, ok := filing.Words([]byte(note)); ok {
			t.Errorf("%q was read as a note of ours: %q", note, got)
		}
	}
	if got, ok := filing.Words([]byte("Text: 3 bytes\n\nabcd")); !ok || string(got) != "abc" {
		t.Errorf("got %q %v", got, ok)
	}
}

// A note says which message it is, so that a chart that keeps no identifier can be read back. A thread that calls itself so
// does not deceive anyone.
func TestANoteCitesItsMessage(t *testing.T) {
	x := exchange(connector.ItemExchange, connector.AsNote, func(x *connector.Exchange) {
		x.Thread.Subject, x.Message.Text = "Message id: other t-9/m-9", "Message id: other t-9/m-9"
	})
	d := resource(t, plan(t, policy(t), able(connector.AsNote), x)[0], "DocumentReference")
	note, err := base64.StdEncoding.DecodeString(at(d, "content", 0, "attachment", "data").(string))
	if err != nil {
		t.Fatal(err)
	}
	if channel, value, ok := filing.CitedID(note); !ok || channel != "texting" || value != "t-1/m-1" {
		t.Errorf("the note cites %q %q %v", channel, value, ok)
	}
	for _, other := range []string{"", "Message id: texting", "a\n\nMessage id: texting t-1/m-1", "a\n Message id: texting t-1/m-1\n\n"} {
		if channel, value, ok := filing.CitedID([]byte(other)); ok {
			t.Errorf("%q cites %q %q", other, channel, value)
		}
	}
}

func TestNotUTF8IsRefused(t *testing.T) {
	for _, s := range []connector.Strategy{comm, connector.AsNote} {
		x := exchange(connector.ItemExchange, s, func(x *connector.Exchange) { x.Message.Text = "dose \xff" })
		var refused *connector.Refused
		if _, err := filing.Plan(policy(t), able(s), x); !errors.As(err, &refused) || refused.Reason != connector.GateRefused {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestAttachments(t *testing.T) {
	p := policy(t)
	p.InlineBytes = 4
	small := connector.Attachment{ID: "a1", Filename: "s.txt", ContentType: "text/plain", Data: []byte("tiny")}
	large := connector.Attachment{ID: "a2", Filename: "l.png", ContentType: "image/png", Data: []byte("larger")}
	empty := connector.Attachment{ID: "a3", ContentType: "image/png", Data: []byte{}}
	x := exchange(connector.ItemExchange, comm, func(x *connector.Exchange) {
		x.Message.Attachments = []connector.Attachment{small, large, empty}
	})
	w := plan(t, p, able(comm), x)[0]
	c := resource(t, w, "Communication")
	if at(c, "payload", 1, "contentAttachment", "data") != base64.StdEncoding.EncodeToString(small.Data) {
		t.Errorf("inline: %v", at(c, "payload", 1))
	}
	binary := resource(t, w, "Binary")
	if binary["data"] != base64.StdEncoding.EncodeToString(large.Data) || at(binary, "securityContext", "reference") != "{patient}" {
		t.Errorf("binary: %v", binary)
	}
	if url, _ := at(c, "payload", 2, "contentAttachment", "url").(string); !strings.HasPrefix(url, "urn:uuid:") || !strings.Contains(string(w.Body), `"fullUrl":"`+url+`"`) {
		t.Errorf("the entry does not name its Binary: %v", url)
	}
	if named, _ := at(c, "payload", 3, "contentString").(string); !strings.Contains(named, "a3, image/png, 0 bytes") {
		t.Errorf("named: %q", named)
	}
	if !slices.Equal(w.Expect.Attachments, []string{connector.Hash(small.Data), connector.Hash(large.Data)}) {
		t.Errorf("expected hashes: %v", w.Expect.Attachments)
	}
	for name, change := range map[string]func(*filing.Policy, *connector.Traits){
		"no transaction": func(_ *filing.Policy, tr *connector.Traits) { tr.Transaction = false },
		"no binary":      func(p *filing.Policy, _ *connector.Traits) { p.NoBinary = true },
	} {
		p, traits := p, able(comm)
		change(&p, &traits)
		w := plan(t, p, traits, x)[0]
		named, _ := at(resource(t, w, "Communication"), "payload", 2, "contentString").(string)
		if !strings.Contains(named, "l.png, image/png, 6 bytes, SHA-256 "+connector.Hash(large.Data)) || len(w.Expect.Attachments) != 1 {
			t.Errorf("%s: %q %v", name, named, w.Expect.Attachments)
		}
	}
}

func TestAttachmentOnly(t *testing.T) {
	x := exchange(connector.ItemExchange, comm, func(x *connector.Exchange) {
		x.Message.Text = ""
		x.Message.Attachments = []connector.Attachment{{ID: "a", ContentType: "image/png", Data: []byte("png")}}
	})
	w := plan(t, policy(t), able(comm), x)[0]
	c := resource(t, w, "Communication")
	if w.Expect.Text != "" || at(c, "payload", 0, "contentAttachment") == nil || at(c, "payload", 1) != nil {
		t.Errorf("payload: %v", c["payload"])
	}
	x.Strategy = connector.AsNote
	w = plan(t, policy(t), able(connector.AsNote), x)[0]
	if w.Expect.Text != "" || words(t, w) != "" {
		t.Errorf("a note without words: %q", words(t, w))
	}
}

func TestPlansAreJSONWithoutEscapes(t *testing.T) {
	x := exchange(connector.ItemExchange, comm, func(x *connector.Exchange) { x.Message.Text = "a<b & c>d" })
	w := plan(t, policy(t), able(comm), x)[0]
	if !json.Valid(w.Body) || !strings.Contains(string(w.Body), "a<b & c>d") {
		t.Errorf("body: %s", w.Body)
	}
}
