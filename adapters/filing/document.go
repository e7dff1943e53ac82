package filing

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// The text of a note is: header lines, the last of them "Text: <n> bytes"; an empty line; exactly n bytes, the message's
// own words as one run; and, where there is more to say, an empty line and what it is. Header lines are never empty and
// hold no line break, so the first empty line ends them whatever the words are, and the count says where the words end
// whatever follows. Words cuts them out again.
const (
	lengthLine = "Text: "
	lengthUnit = " bytes"
)

// idLine tells one note from every other, on a chart that keeps no identifier of ours: the channel and the message's id.
const idLine = "Message id: "

// CitedID is what the id line of a note's text says: the channel and the value of the message's identifier (Names.Message),
// with white space runs as one space and what no line can hold as U+FFFD. false where the text has no such line before its
// words.
func CitedID(note []byte) (channel, value string, ok bool) {
	head, _, _ := bytes.Cut(note, []byte("\n\n"))
	for line := range bytes.Lines(head) {
		if rest, is := strings.CutPrefix(string(bytes.TrimSuffix(line, []byte("\n"))), idLine); is {
			channel, value, ok = strings.Cut(rest, " ")
			return channel, value, ok
		}
	}
	return "", "", false
}

// Words cuts a message's own words out of a note's text, as document wrote it. false says that the text has not that
// form (any more); the words are then altered.
func Words(note []byte) ([]byte, bool) {
	head, rest, ok := bytes.Cut(note, []byte("\n\n"))
	if !ok {
		return nil, false
	}
	last := string(head[bytes.LastIndexByte(head, '\n')+1:])
	count, ok := strings.CutPrefix(last, lengthLine)
	if !ok {
		return nil, false
	}
	count, ok = strings.CutSuffix(count, lengthUnit)
	if !ok {
		return nil, false
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > len(rest) || strconv.Itoa(n) != count {
		return nil, false
	}
	return rest[:n], true
}

// document writes the text of the note that id names, about m.
func (p *planner) document(id connector.Identifier, what string, m connector.Message, at time.Time) []byte {
	var b strings.Builder
	line := func(label, value string) {
		if value = clean(value); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", label, value)
		}
	}
	b.WriteString(what + "\n")
	line("Thread", firstNonEmpty(p.x.Thread.Subject, p.x.Thread.Topic))
	line("From", label(m.Sender))
	for _, r := range m.Recipients {
		line("To", label(r))
	}
	line("Sent", p.local(at))
	line("Received", p.localOrNone(m))
	line("Delivery", p.deliveryWords(m))
	b.WriteString(idLine + p.x.Channel + " " + clean(id.Value) + "\n")
	line("Corrects", p.cites)
	for _, remark := range p.remarks() {
		line("Note", remark)
	}
	fmt.Fprintf(&b, "%s%d%s\n\n", lengthLine, len(m.Text), lengthUnit)
	b.WriteString(m.Text)
	if len(m.Attachments) > 0 {
		if m.Text != "" {
			b.WriteString("\n\n")
		}
		b.WriteString("Attachments (kept on the messaging platform, not in this note):\n")
		for _, a := range m.Attachments {
			b.WriteString("- " + attachmentLine(a) + "\n")
		}
	}
	return []byte(b.String())
}

// documentWith is document for a message some of whose files are on the chart too; where says in which place.
func (p *planner) documentWith(id connector.Identifier, what string, m connector.Message, at time.Time, carried []connector.Attachment, where string) []byte {
	text := p.document(id, what, m, at)
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
		b.WriteString("- " + attachmentLine(a) + "\n")
	}
	return []byte(b.String())
}

// localOrNone is when a patient's message came in; a message to the patient has its delivery instead.
func (p *planner) localOrNone(m connector.Message) string {
	if m.Direction != connector.FromPatient || p.x.Received.IsZero() {
		return ""
	}
	return p.local(p.x.Received)
}

const wordsRead = "delivered and read"

// deliveryWords says how far a message to the patient had got when the note was written, in words that stay true.
func (p *planner) deliveryWords(m connector.Message) string {
	if m.Direction != connector.ToPatient {
		return ""
	}
	d := p.x.Delivery
	switch d.State {
	case connector.Delivered:
		if d.At.IsZero() {
			return "delivered"
		}
		return "delivered " + p.local(d.At)
	case connector.Read:
		return wordsRead
	case connector.Failed:
		return strings.Replace(failure(d), "Not delivered", "NOT DELIVERED", 1)
	case connector.SendUnsure:
		return "unknown: the platform may or may not have taken the message"
	default:
		return "handed to the messaging platform, delivery not confirmed"
	}
}

// label names a participant with what they are to the patient.
func label(pt connector.Participant) string {
	name := firstNonEmpty(clean(pt.Name), clean(pt.ID))
	role := string(pt.Role)
	if relation := clean(pt.Relationship); pt.Role == connector.RoleProxy && relation != "" {
		role = relation + ", " + role
	}
	if name == "" {
		return role
	}
	return name + " (" + role + ")"
}
