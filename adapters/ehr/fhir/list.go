package fhir

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// dateParams are the search parameters the date of a write goes by.
var dateParams = map[string]string{"Communication": "sent", "DocumentReference": "date", "CommunicationRequest": "authored", "Task": "authored-on"}

// List looks for a write without trusting its identifier: it lists the patient's entries of that type since the day before the
// write's, and compares content. Errors as Find; ErrAbsent means that every entry was compared and none can be the write.
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
		params.Set(date, since(w.Date))
	}
	entries, whole, err := e.search(ctx, w.Type, params)
	if err != nil {
		return connector.Receipt{}, notSearchable(err)
	}
	same, compared, err := e.alike(ctx, w, entries)
	switch {
	case err != nil:
		return connector.Receipt{}, err
	case len(same) == 1:
		return e.found(ctx, w, same[0]), nil
	case len(same) > 1:
		return connector.Receipt{}, &connector.Refused{Reason: connector.IdentityCollision, Codes: []string{"multiple-matches"}}
	case !whole || !compared:
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

// since bounds a search to what is dated t or later, with a day of grace: a date search may count in the server's time zone.
// There is no upper bound, since an EHR may give an entry the date of its coming, and a write may have waited for days.
func since(t time.Time) string { return "ge" + t.UTC().AddDate(0, 0, -1).Format(time.DateOnly) }

// alike keeps the entries that are the write: by identifier, or, where an entry carries none of ours, by content. compared is
// false where one of the others may be the write, for all that can be seen of it. The error is a *connector.Retry.
func (e *EHR) alike(ctx context.Context, w connector.Write, entries []r4.BundleEntry) (same []r4.BundleEntry, compared bool, err error) {
	if hits := carrying(entries, w); len(hits) > 0 || len(entries) == 0 {
		return hits, true, nil
	}
	mine, err := r4.ReadEcho(sent(w))
	if err != nil {
		return nil, false, nil
	}
	compared = true
	for opened := 0; len(entries) > 0; entries = entries[1:] {
		theirs, err := r4.ReadEcho(entries[0].Resource)
		if err != nil {
			compared = false
			continue
		}
		if of := theirs.Subject.LocalID(); theirs.ResourceType != w.Type || of != "" && of != w.Expect.Subject || e.anotherOfOurs(theirs) {
			continue // the EHR shows more than it was asked for, or what we know to be another entry
		}
		if opened++; opened > maxNotes {
			return same, false, nil
		}
		is, err := e.likeness(ctx, w, mine, theirs, entries[0].Resource)
		if err != nil {
			return nil, false, err
		}
		if is == itself {
			same = append(same, entries[0])
		}
		compared = compared && is != perhaps
	}
	return same, compared, nil
}

// anotherOfOurs says whether an entry, which does not carry the write's identifier, carries another one of ours.
func (e *EHR) anotherOfOurs(echo r4.Echo) bool {
	for _, have := range echo.Identifiers {
		if strings.HasPrefix(have.System, strings.TrimSuffix(e.opts.Base, "/")+"/") {
			return true
		}
	}
	return false
}

// likeness is what an entry without an identifier of ours is to a write.
type likeness int

const (
	another likeness = iota
	perhaps          // it may be the write: what would tell is not shown, or shown otherwise than it was sent
	itself
)

// likeness compares an entry with a write. A note says itself which message it is of. Of anything else content and moment are
// compared, all of which we wrote. The error is a *connector.Retry.
func (e *EHR) likeness(ctx context.Context, w connector.Write, mine, theirs r4.Echo, resource []byte) (likeness, error) {
	if w.Type == "DocumentReference" {
		ours, read, err := e.isCited(ctx, w, resource)
		switch {
		case err != nil:
			return another, err
		case ours:
			return itself, nil
		case !read:
			return perhaps, nil
		}
		return another, nil
	}
	when := min(moments(mine.Sent, theirs.Sent), moments(mine.Date, theirs.Date))
	if when == another {
		return another, nil
	}
	if w.Expect.Text == "" && len(w.Expect.Attachments) == 0 {
		return wordless(mine, theirs, when), nil
	}
	content, err := e.contents(ctx, w, mine, theirs)
	if content == another && when == itself {
		content = perhaps // of the very second, and of other words: ours as the EHR changed it
	}
	return min(when, content), err
}

// wordless compares an entry that holds no words, such as a thread's header or a Task, by what it is about and when.
func wordless(mine, theirs r4.Echo, when likeness) likeness {
	switch {
	case mine.Topic != theirs.Topic || len(theirs.Texts)+len(theirs.Attachments)+len(theirs.References) > 0:
		return another
	case when == perhaps && theirs.Date != "": // the chart is full of what people there were given to do
		return another
	}
	return when
}

// moments compares when two entries say they were sent or written, to the second. An EHR may cut a moment to the minute, leave it
// out, or put that of the entry's coming there; one that is earlier than that is another entry's.
func moments(mine, theirs string) likeness {
	if sameMoment(mine, theirs) {
		return itself
	}
	x, exactX, errX := r4.ParseDateTime(mine)
	y, exactY, errY := r4.ParseDateTime(theirs)
	if errX == nil && errY == nil && exactX && exactY && x.Sub(y) > time.Minute {
		return another
	}
	return perhaps
}

// sameMoment says whether two dateTimes are of the same second: an EHR may write another offset, and drop or round what is less.
func sameMoment(a, b string) bool {
	if a == b {
		return true
	}
	x, _, errX := r4.ParseDateTime(a)
	y, _, errY := r4.ParseDateTime(b)
	return errX == nil && errY == nil && x.Sub(y).Abs() < time.Second
}

// contents compares words and files, with what is kept as Binaries. An entry that holds all of them and nothing more is the
// write; one that holds none is not. The error is a *connector.Retry.
func (e *EHR) contents(ctx context.Context, w connector.Write, mine, theirs r4.Echo) (likeness, error) {
	there := map[string]bool{}
	for _, s := range theirs.Texts {
		there[connector.Hash([]byte(s))] = true
	}
	if len(mine.Texts) > 0 && len(theirs.Texts) > 0 && w.Expect.Text != "" && !there[w.Expect.Text] {
		return another, nil // what else it holds need not be got
	}
	theirs.Attachments = whole(theirs)
	switch err := e.content(ctx, theirs.Attachments); {
	case errors.Is(err, errElsewhere):
		return perhaps, nil
	case err != nil:
		return perhaps, passing(readError(err))
	}
	for _, a := range theirs.Attachments {
		there[connector.Hash(a.Data)] = true
	}
	wanted := w.Expect.Attachments
	if w.Expect.Text != "" {
		wanted = append([]string{w.Expect.Text}, wanted...)
	}
	found := 0
	for _, hash := range wanted {
		if there[hash] {
			found++
		}
	}
	switch {
	case found == 0:
		return another, nil
	case found == len(wanted) && len(theirs.Texts)+len(theirs.Attachments) == len(mine.Texts)+len(mine.Attachments):
		return itself, nil
	}
	return perhaps, nil
}
