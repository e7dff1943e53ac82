package fhir

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// dateParams are the search parameters the date of a write goes by.
var dateParams = map[string]string{"Communication": "sent", "DocumentReference": "date", "CommunicationRequest": "authored"}

// List looks for a write without trusting its identifier: it lists the patient's entries of that type and day, and
// compares content. Errors as Find.
func (e *EHR) List(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	if e.cites(w.Type) { // what a listing can tell, Find has told
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	by := e.patientParam(w.Type)
	if by == "" || w.Expect.Subject == "" || w.Update != nil {
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	params := url.Values{by: {w.Expect.Subject}}
	if date := dateParams[w.Type]; date != "" && !w.Date.IsZero() && e.searchable(w.Type, date) {
		params[date] = days(w.Date)
	}
	entries, whole, err := e.search(ctx, w.Type, params)
	if err != nil {
		return connector.Receipt{}, notSearchable(err)
	}
	same := alike(w, entries)
	switch {
	case len(same) == 1:
		return e.found(ctx, w, same[0]), nil
	case len(same) > 1:
		return connector.Receipt{}, &connector.Refused{Reason: connector.IdentityCollision, Codes: []string{"multiple-matches"}}
	case !whole:
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	return connector.Receipt{}, connector.ErrAbsent
}

func (e *EHR) patientParam(resource string) string {
	for _, p := range []string{"patient", "subject"} {
		if e.searchable(resource, p) {
			return p
		}
	}
	return ""
}

// days bounds a search to the day of t, a day of grace on each side: a date search may count in the server's time zone.
func days(t time.Time) []string {
	return []string{"ge" + t.UTC().AddDate(0, 0, -1).Format(time.DateOnly), "le" + t.UTC().AddDate(0, 0, 1).Format(time.DateOnly)}
}

// alike keeps the entries that are the write: by identifier, or, where an entry carries none of ours, by content.
func alike(w connector.Write, entries []r4.BundleEntry) []r4.BundleEntry {
	if hits := carrying(entries, w); len(hits) > 0 {
		return hits
	}
	mine, err := r4.ReadEcho(sent(w))
	if err != nil {
		return nil
	}
	var out []r4.BundleEntry
	for _, entry := range entries {
		theirs, err := r4.ReadEcho(entry.Resource)
		if err == nil && !anotherOfOurs(theirs, w.Identity) && sameContent(mine, theirs) {
			out = append(out, entry)
		}
	}
	return out
}

// anotherOfOurs says whether an entry carries an identifier of the write's system: then it is another message.
func anotherOfOurs(echo r4.Echo, id connector.Identifier) bool {
	for _, have := range echo.Identifiers {
		if have.System == id.System {
			return true
		}
	}
	return false
}

// sameContent compares words, files, status-free facts and the moment, all of which we wrote.
func sameContent(mine, theirs r4.Echo) bool {
	return mine.Subject.LocalID() == theirs.Subject.LocalID() && mine.Topic == theirs.Topic &&
		slices.Equal(mine.Texts, theirs.Texts) && slices.Equal(sums(mine), sums(theirs)) &&
		sameMoment(mine.Sent, theirs.Sent) && sameMoment(mine.Date, theirs.Date)
}

func sums(echo r4.Echo) []string {
	var out []string
	for _, a := range echo.Attachments {
		out = append(out, filing.Hash(a.Data))
	}
	return out
}

// sameMoment compares two dateTimes as moments; an EHR may write another offset.
func sameMoment(a, b string) bool {
	if a == b {
		return true
	}
	x, _, errX := r4.ParseDateTime(a)
	y, _, errY := r4.ParseDateTime(b)
	return errX == nil && errY == nil && x.Equal(y)
}
