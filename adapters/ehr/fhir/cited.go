package fhir

import (
	"context"
	"errors"
	"html"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// maxNotes bounds how many notes are opened to find one by its text; more of them make "absent" unprovable.
const maxNotes = 200

// cites says whether entries of a type are known by what their text cites, since the chart keeps no identifier of ours.
func (e *EHR) cites(kind string) bool {
	return e.opts.Quirks.NoIdentifiers && kind == "DocumentReference" || e.opts.Policy.Shape.Bare(kind)
}

// findCited lists the patient's notes since the day before the write's, whose date such an EHR sets itself, and opens each for the
// message its text cites. Absent means that every one of them could be read.
func (e *EHR) findCited(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	by := e.patientParam(w.Type)
	if by == "" || w.Expect.Subject == "" {
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	params := url.Values{by: {w.Expect.Subject}}
	switch date := dateParams[w.Type]; {
	case w.Date.IsZero():
	case e.opts.Policy.Shape.Bare(w.Type) && e.searchable(w.Type, "period"): // its date is that of what it is about
		params["period"] = []string{since(w.Date), "lt" + w.Date.UTC().AddDate(0, 0, 2).Format(time.DateOnly)}
	case e.searchable(w.Type, date):
		params.Set(date, since(w.Date))
	}
	return e.FindCited(ctx, w, params)
}

// FindCited opens each of the entries a search by these parameters finds for the message its text cites. Errors as Find; absent
// means that the search showed them all and every one of them could be read.
func (e *EHR) FindCited(ctx context.Context, w connector.Write, params url.Values) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	entries, whole, err := e.search(ctx, w.Type, params)
	if err != nil {
		return connector.Receipt{}, notSearchable(err)
	}
	if whole = whole && len(entries) <= maxNotes; !whole {
		entries = entries[:min(len(entries), maxNotes)]
	}
	var hits []r4.BundleEntry
	for _, entry := range entries {
		ours, read, err := e.isCited(ctx, w, entry.Resource)
		if err != nil {
			return connector.Receipt{}, err
		}
		if whole = whole && read; ours {
			hits = append(hits, entry)
		}
	}
	switch {
	case len(hits) == 1:
		return e.found(ctx, w, hits[0]), nil
	case len(hits) > 1:
		return connector.Receipt{}, &connector.Refused{Reason: connector.IdentityCollision, Codes: []string{"multiple-matches"}}
	case !whole:
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	return connector.Receipt{}, connector.ErrAbsent
}

// isCited says whether an entry is the write, and whether that could be read. The error is a *connector.Retry.
func (e *EHR) isCited(ctx context.Context, w connector.Write, resource []byte) (ours, read bool, err error) {
	echo, err := r4.ReadEcho(resource)
	if err != nil {
		return false, false, nil
	}
	if echo.Subject.LocalID() != w.Expect.Subject {
		return false, true, nil // the EHR shows more than it was asked for
	}
	echo.Attachments = whole(echo)
	a, how := textOf(echo)
	if how == notText {
		return false, true, nil // a scan, say: what is ours is text
	}
	if how == unread {
		return false, false, nil
	}
	if a.Data == nil {
		if !strings.HasPrefix(r4.LocalID(a.URL), "Binary/") {
			return false, false, nil
		}
		if a.Data, err = e.binary(ctx, r4.LocalID(a.URL)); err != nil {
			return false, false, passing(readError(err))
		}
	}
	id, ok := filing.CitedIdentifier(how.plain(a.Data), e.opts.Base, w.Identity)
	return ok && id == w.Identity, true, nil
}

// passing keeps an error that asking again may mend.
func passing(err error) error {
	var retry *connector.Retry
	if errors.As(err, &retry) {
		return err
	}
	return nil
}

// showCited takes the identifier from what a note's text cites. false: the EHR shows the text in a form of its own, so that its
// words cannot be compared byte for byte.
func (e *EHR) showCited(w connector.Write, r *connector.Receipt, echo r4.Echo) bool {
	a, how := textOf(echo)
	if how != asSent {
		if r.Echo.Identities = []connector.Identifier{w.Identity}; r.Echo.Subject == w.Expect.Subject {
			r.Echo = connector.Echo{}
		}
		return false
	}
	id, ok := filing.CitedIdentifier(a.Data, e.opts.Base, w.Identity)
	if !ok {
		id = w.Identity // it names no other message; that the words were altered is then seen
	}
	r.Echo.Identities = []connector.Identifier{id}
	return true
}

// form is how an EHR shows the text of a note.
type form int

const (
	asSent  form = iota // text/plain
	markup              // HTML made of it
	notText             // none of it is text
	unread              // text in a form that is not read here
)

// textOf picks the attachment to read of a note that was sent as text/plain.
func textOf(echo r4.Echo) (*r4.EchoAttachment, form) {
	var marked *r4.EchoAttachment
	how := notText
	for i := range echo.Attachments {
		a := &echo.Attachments[i]
		switch kind, _, _ := strings.Cut(strings.ToLower(a.ContentType), ";"); strings.TrimSpace(kind) {
		case "text/plain", "":
			return a, asSent
		case "text/html", "application/xhtml+xml":
			marked = a
		case "text/rtf", "application/rtf", "text/richtext":
			how = unread
		}
	}
	if marked != nil {
		return marked, markup
	}
	return nil, how
}

var (
	lineTag = regexp.MustCompile(`(?i)</?(p|div|br|li|tr|h[1-6])\b[^>]*>`)
	anyTag  = regexp.MustCompile(`<[^>]*>`)
)

// plain is the text of a note as lines.
func (f form) plain(data []byte) []byte {
	if f == asSent {
		return data
	}
	text := html.UnescapeString(anyTag.ReplaceAllString(lineTag.ReplaceAllString(string(data), "\n"), ""))
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return []byte(strings.Join(lines, "\n"))
}
