package transcript

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/chartwire/chartwire/connector"
)

// The wording here is package filing's for a note about one message; TestTheWordingIsThatOfANote there holds them together.

// clean makes one line of a label the platform gave (a name, a subject, a file name): white space runs become one space,
// control characters and what is no character become U+FFFD, and nothing is cut off. The words of a message never pass
// through here.
func clean(label string) string {
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

const undelivered = "NOT DELIVERED"

// label names a participant with what they are to the patient.
func label(pt connector.Participant) string {
	name := firstNonEmpty(clean(pt.Name), clean(pt.ID))
	role := clean(string(pt.Role))
	if relation := clean(pt.Relationship); pt.Role == connector.RoleProxy && relation != "" {
		role = relation + ", " + role
	}
	if name == "" {
		return role
	}
	return name + " (" + role + ")"
}

// local is a time as people at the clinic read it.
func (t Transcript) local(at time.Time) string {
	zone := t.Zone
	if zone == nil {
		zone = time.UTC
	}
	return at.In(zone).Format("2006-01-02 15:04:05 -07:00")
}

// delivery says how far a message to the patient had got when the transcript was written, in words that stay true.
func (t Transcript) delivery(e Entry) string {
	if e.Message.Direction != connector.ToPatient {
		return ""
	}
	switch d := e.Delivery; d.State {
	case connector.Delivered:
		if d.At.IsZero() {
			return "delivered"
		}
		return "delivered " + t.local(d.At)
	case connector.Read:
		return "delivered and read"
	case connector.Failed:
		if reason := clean(d.Reason); reason != "" {
			return undelivered + ": " + reason
		}
		return undelivered
	case connector.SendUnsure:
		return "unknown: the platform may or may not have taken the message"
	default:
		return "handed to the messaging platform, delivery not confirmed"
	}
}

// attachment names a file by title, type, size in bytes and SHA-256, which is that of the bytes where we have them.
func attachment(a connector.Attachment) string {
	size, sum := a.Size, a.SHA256
	if a.Data != nil {
		hash := sha256.Sum256(a.Data)
		size, sum = int64(len(a.Data)), hex.EncodeToString(hash[:])
	}
	kind := clean(a.ContentType)
	if kind == "" || kind != strings.TrimSpace(a.ContentType) {
		kind = "application/octet-stream"
	}
	line := firstNonEmpty(clean(a.Filename), clean(a.ID), "unnamed") + ", " + kind
	if size > 0 || a.Data != nil {
		line += fmt.Sprintf(", %d bytes", size)
	}
	if sum = clean(sum); sum != "" {
		line += ", SHA-256 " + sum
	}
	return line
}

// firstNonEmpty gives the first label that says something.
func firstNonEmpty(labels ...string) string {
	for _, l := range labels {
		if l != "" {
			return l
		}
	}
	return ""
}
