package filing

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
)

// The text of a note is: header lines, the last of them "Text: <n> bytes"; an empty line; exactly n bytes, the message's
// own words as one run; and, where there is more to say, an empty line and what it is. Header lines are never empty and
// hold no line break, so the first empty line ends them whatever the words are, and the count says where the words end
// whatever follows. Words cuts them out again.

// idLine tells one note from every other, on a chart that keeps no identifier of ours: the channel and the message's id. A
// transcript of one message has it too.
// CitedID is what the id line of a note's text says: the channel and the value of the message's identifier (Names.Message),
// with white space runs as one space and what no line can hold as U+FFFD. false where the text has no such line before its
// words.
func CitedID(note []byte) (channel, value string, ok bool) {
	return cited(note, transcript.CiteLabel)
}

// CitedTranscript is CitedID of a thread's transcript: the value is that of Names.Transcript.
func CitedTranscript(note []byte) (channel, value string, ok bool) {
	return cited(note, transcript.ThreadCiteLabel)
}

func cited(note []byte, label string) (channel, value string, ok bool) {
	for line := range bytes.Lines(note) {
		line = bytes.TrimRight(line, "\r\n") // an EHR may end lines its own way
		if len(line) == 0 {
			break
		}
		if rest, is := strings.CutPrefix(string(line), label+": "); is {
			channel, value, ok = strings.Cut(rest, " ")
			return channel, value, ok
		}
	}
	return "", "", false
}

// Words cuts a message's own words out of the text of an entry about one message: a note's, as noteText wrote it, or a
// transcript of one version of one message. false says that the text has not that form (any more); the words are then
// altered.
func Words(text []byte) ([]byte, bool) {
	if all, ok := transcript.Words(text); ok {
		if len(all) != 1 {
			return nil, false
		}
		return all[0].Words, true
	}
	head, rest, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok {
		return nil, false
	}
	n, ok := transcript.Follow(head[bytes.LastIndexByte(head, '\n')+1:])
	if !ok || n > len(rest) {
		return nil, false
	}
	return rest[:n], true
}

// noteText writes the text of the note that id names, about m.
func (p *planner) noteText(id connector.Identifier, what string, m connector.Message, at time.Time) []byte {
	var b strings.Builder
	line := func(label, value string) {
		if value = clean(value); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", label, value)
		}
	}
	b.WriteString(what + "\n")
	line("Thread", firstNonEmpty(p.x.Thread.Subject, p.x.Thread.Topic))
	line("From", transcript.Person(m.Sender))
	for _, r := range m.Recipients {
		line("To", transcript.Person(r))
	}
	line("Sent", p.local(at))
	line("Received", p.localOrNone(m))
	line("Delivery", transcript.Delivery(m, p.x.Delivery, p.policy.Location))
	b.WriteString(transcript.CiteLabel + ": " + p.cite(id) + "\n")
	line("Corrects", p.cites)
	for _, remark := range p.remarks() {
		line("Note", remark)
	}
	b.WriteString(transcript.Length(m.Text) + "\n\n" + m.Text)
	if len(m.Attachments) > 0 {
		if m.Text != "" {
			b.WriteString("\n\n")
		}
		b.WriteString("Attachments (kept on the messaging platform, not in this note):\n")
		for _, a := range m.Attachments {
			b.WriteString("- " + transcript.File(a) + "\n")
		}
	}
	return []byte(b.String())
}

// noteTextWith is noteText for a message some of whose files are on the chart too; where says in which place.
func (p *planner) noteTextWith(id connector.Identifier, what string, m connector.Message, at time.Time, carried []connector.Attachment, where string) []byte {
	text := p.noteText(id, what, m, at)
	if len(carried) == 0 {
		return text
	}
	var b strings.Builder
	b.Write(text)
	switch {
	case len(m.Attachments) > 0:
		b.WriteString("\n")
	case m.Text != "":
		b.WriteString("\n\n")
	}
	b.WriteString("Attachments (" + where + "):\n")
	for _, a := range carried {
		b.WriteString("- " + transcript.File(a) + "\n")
	}
	return []byte(b.String())
}

// cite is what a document says about which message it is.
func (p *planner) cite(id connector.Identifier) string { return p.x.Channel + " " + clean(id.Value) }

// localOrNone is when a patient's message came in; a message to the patient has its delivery instead.
func (p *planner) localOrNone(m connector.Message) string {
	if m.Direction != connector.FromPatient || p.x.Received.IsZero() {
		return ""
	}
	return p.local(p.x.Received)
}
