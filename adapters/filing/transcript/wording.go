package transcript

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/chartwire/chartwire/connector"
)

// The wording here is that of every document about a message: package filing's note about one message says the same things in
// the same words.

// Line makes one line of a label the platform gave (a name, a subject, a file name): white space runs become one space,
// control characters and what is no character become U+FFFD, and nothing is cut off. The words of a message never pass
// through here.
func Line(label string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(label, "\uFFFD") {
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.IsControl(r) || r&0xFFFE == 0xFFFE || (r >= 0xFDD0 && r <= 0xFDEF):
			b.WriteRune('\uFFFD')
		default:
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// What a reader must know of a message's delivery or place, whatever else is said.
const (
	Undelivered = "NOT DELIVERED"
	WasRead     = "delivered and read"
	Late        = "Filed out of sequence: later messages of this thread were filed before it."
	AfterGap    = "Filed after a gap: an earlier message of this thread had not arrived."
)

// Person names a participant with what they are to the patient.
func Person(pt connector.Participant) string {
	name := cmp.Or(Line(pt.Name), Line(pt.ID))
	role := Line(string(pt.Role))
	if relation := Line(pt.Relationship); pt.Role == connector.RoleProxy && relation != "" {
		role = relation + ", " + role
	}
	if name == "" {
		return role
	}
	return name + " (" + role + ")"
}

// Time is a moment as people at the clinic read it, with its offset; a nil zone is UTC.
func Time(at time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return at.In(zone).Format("2006-01-02 15:04:05 -07:00")
}

func (t Transcript) local(at time.Time) string { return Time(at, t.Zone) }

// Delivery says how far a message to the patient had got when a document was written, in words that stay true; "" of any
// other message.
func Delivery(m connector.Message, d connector.Delivery, zone *time.Location) string {
	if m.Direction != connector.ToPatient {
		return ""
	}
	switch d.State {
	case connector.Delivered:
		if d.At.IsZero() {
			return "delivered"
		}
		return "delivered " + Time(d.At, zone)
	case connector.Read:
		return WasRead
	case connector.Failed:
		if reason := Line(d.Reason); reason != "" {
			return Undelivered + ": " + reason
		}
		return Undelivered
	case connector.SendUnsure:
		return "unknown: the platform may or may not have taken the message"
	default:
		return "handed to the messaging platform, delivery not confirmed"
	}
}

// File names a file by title, type, size in bytes and SHA-256. Bytes were held to the hash that was declared when they came (see
// connector.MediaFetcher); where none was, it is theirs.
func File(a connector.Attachment) string {
	size, sum := a.Size, a.SHA256
	if a.Data != nil {
		size, sum = int64(len(a.Data)), cmp.Or(sum, connector.Hash(a.Data))
	}
	kind := Line(a.ContentType)
	if kind == "" || kind != strings.TrimSpace(a.ContentType) {
		kind = "application/octet-stream"
	}
	line := cmp.Or(Line(a.Filename), Line(a.ID), "unnamed") + ", " + kind
	if size > 0 || a.Data != nil {
		line += fmt.Sprintf(", %d bytes", size)
	}
	if sum = Line(sum); sum != "" {
		line += ", SHA-256 " + sum
	}
	return line
}

// The labels of the line that says which entry a document is: of a message, or the transcript of a thread. A message may be
// called v1, as a version is.
const (
	CiteLabel       = "Message id"
	ThreadCiteLabel = "Transcript id"
)

// A document says how many bytes of a message's own words follow: "Text: <n> bytes", an empty line, and the words.
const (
	lengthLine = "Text: "
	lengthUnit = " bytes"
)

// Length is the last line before a message's own words.
func Length(words string) string { return lengthLine + strconv.Itoa(len(words)) + lengthUnit }

// Follow reads Length back and gives how many bytes of words follow; n is written the one way there is.
func Follow(line []byte) (n int, ok bool) {
	count, ok := bytes.CutPrefix(line, []byte(lengthLine))
	if !ok {
		return 0, false
	}
	if count, ok = bytes.CutSuffix(count, []byte(lengthUnit)); !ok {
		return 0, false
	}
	n, err := strconv.Atoi(string(count))
	return n, err == nil && n >= 0 && strconv.Itoa(n) == string(count)
}
