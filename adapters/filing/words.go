package filing

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/chartwire/chartwire/fhir/r4"
)

// clean makes one line of a label the platform gave (a name, a subject, a file name): white space runs become one space,
// control characters and whatever a FHIR string cannot carry become U+FFFD, and nothing is cut off. A label that is blank
// gives "". Labels are not the message: its own words never pass through here.
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
	line := strings.Join(strings.Fields(b.String()), " ")
	if !r4.CarriableString(line) {
		return ""
	}
	return line
}

// contentType gives a MIME type FHIR's code can hold, application/octet-stream where the platform's cannot be used.
func contentType(given string) string {
	if t := clean(given); t != "" && t == strings.TrimSpace(given) {
		return t
	}
	return "application/octet-stream"
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$`)

// language gives a BCP 47 tag, or "" where it is none.
func language(tag string) string {
	if languageTag.MatchString(tag) {
		return tag
	}
	return ""
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
