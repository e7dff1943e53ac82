package deliver

import (
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// verdict is what comparing the chart with what was sent came to.
type verdict struct {
	reason connector.Reason // "" is good
	stop   bool             // the connection must stop: the EHR wrote to another chart or under another name
}

// compare holds what the chart shows against what was sent (DESIGN §3.3, §3.5, §3.6). An entry that was found rather
// than created by us counts only if subject and content match; anything else under our identifier is a collision.
func compare(w connector.Write, r connector.Receipt) verdict {
	if !r.Echo.Shown {
		return verdict{}
	}
	differs := Differences(w, r.Echo)
	wrongSubject, wrongName := slices.Contains(differs, diffSubject), slices.Contains(differs, diffIdentifier)
	altered := slices.Contains(differs, diffWords) || slices.Contains(differs, diffAttachments)
	switch {
	case r.Found && (wrongSubject || wrongName || altered):
		return verdict{reason: connector.IdentityCollision}
	case wrongSubject || wrongName:
		return verdict{reason: connector.WrongSubject, stop: true}
	case altered:
		return verdict{reason: connector.ContentAltered}
	}
	return verdict{}
}

// What an entry may differ in from what was sent. The words are those a finding of reconcile carries.
const (
	diffSubject     = "subject"
	diffIdentifier  = "identifier"
	diffWords       = "words"
	diffAttachments = "attachments"
	diffStatus      = "status"
)

// Differences lists what the chart shows otherwise than it was sent: subject, identifier, words, attachments. The status is
// not among them: it moves on.
func Differences(w connector.Write, shown connector.Echo) []string {
	var out []string
	if w.Expect.Subject != "" && shown.Subject != w.Expect.Subject {
		out = append(out, diffSubject)
	}
	if !w.Identity.IsZero() && !slices.Contains(shown.Identities, w.Identity) {
		out = append(out, diffIdentifier)
	}
	if w.Update != nil || !carriesContent(w) {
		return out
	}
	if shown.Text != w.Expect.Text {
		out = append(out, diffWords)
	}
	if !sameSet(shown.Attachments, w.Expect.Attachments) {
		out = append(out, diffAttachments)
	}
	return out
}

// carriesContent says whether the write holds a message's words or files at all; headers, requests' updates, related
// persons and provenance do not.
func carriesContent(w connector.Write) bool {
	return w.Expect.Text != "" || len(w.Expect.Attachments) > 0
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	x, y := slices.Clone(a), slices.Clone(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}
