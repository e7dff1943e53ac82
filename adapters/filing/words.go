package filing

import (
	"regexp"
	"strings"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/fhir/r4"
)

// clean makes one line of a label the platform gave, as transcript.Line does; one that FHIR cannot hold (blank, or too long)
// gives "". Labels are not the message: its own words never pass through here.
func clean(label string) string {
	line := transcript.Line(label)
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
