package fhir

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// watchPages bounds one look; what lies beyond comes with the next, because the cursor then stands at the last page read.
const watchPages = 50

// Changed gives the CommunicationRequests changed at or after since (server time) that name a channel of ours, and the
// highest lastUpdated among all it read. Errors: *connector.Refused, *Retry.
func (e *EHR) Changed(ctx context.Context, since time.Time) ([]connector.EHRRequest, time.Time, error) {
	if err := e.ready(); err != nil {
		return nil, time.Time{}, err
	}
	params := url.Values{"_sort": {"_lastUpdated"}, "_count": {"100"}}
	if !since.IsZero() {
		params.Set("_lastUpdated", "ge"+since.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	page, err := e.firstPage(ctx, "CommunicationRequest", params)
	if err != nil {
		return nil, time.Time{}, readError(err)
	}
	entries, _, err := e.client.All(ctx, page, watchPages)
	if err != nil {
		return nil, time.Time{}, readError(err)
	}
	var out []connector.EHRRequest
	var highest time.Time
	for _, entry := range entries {
		r, ok := e.parseRequest(entry.Resource)
		if !ok {
			continue
		}
		if r.LastUpdated.After(highest) {
			highest = r.LastUpdated
		}
		if len(r.Channels) > 0 {
			out = append(out, r)
		}
	}
	return out, highest, nil
}

// Request reads one request anew, with the bytes of attachments the EHR keeps as Binaries. ErrNoMatch: it is gone.
func (e *EHR) Request(ctx context.Context, reference string) (connector.EHRRequest, error) {
	if err := e.ready(); err != nil {
		return connector.EHRRequest{}, err
	}
	if !strings.HasPrefix(reference, "CommunicationRequest/") || r4.LocalID(reference) != reference {
		return connector.EHRRequest{}, connector.ErrNoMatch
	}
	resp, err := e.client.Read(ctx, reference, "CommunicationRequest")
	if gone(err) {
		return connector.EHRRequest{}, connector.ErrNoMatch
	}
	if err != nil {
		return connector.EHRRequest{}, readError(err)
	}
	r, ok := e.parseRequest(resp.Body)
	if !ok || r.Reference != reference {
		return r, &connector.Refused{Reason: connector.EHRRefused, Status: resp.Status,
			Detail: connector.Protect("the EHR's CommunicationRequest cannot be read")}
	}
	if r.Version == "" {
		r.Version = versionOf(resp, head{})
	}
	for i := range r.Attachments {
		a := &r.Attachments[i]
		if a.Data != nil || !strings.HasPrefix(r4.LocalID(a.URL), "Binary/") {
			continue
		}
		if a.Data, err = e.binary(ctx, r4.LocalID(a.URL)); err != nil {
			return r, readError(err)
		}
		a.Size, a.SHA256 = int64(len(a.Data)), connector.Hash(a.Data)
	}
	return r, nil
}

type requestJSON struct {
	ID         string                                  `json:"id"`
	Meta       struct{ VersionID, LastUpdated string } `json:"meta"`
	Identifier []connector.Identifier                  `json:"identifier"`
	Group      *connector.Identifier                   `json:"groupIdentifier"`
	Status     string                                  `json:"status"`
	DoNot      bool                                    `json:"doNotPerform"`
	Priority   connector.Priority                      `json:"priority"`
	Medium     []concept                               `json:"medium"`
	Reason     []concept                               `json:"reasonCode"`
	Subject    ref                                     `json:"subject"`
	About      []ref                                   `json:"about"`
	Occurs     string                                  `json:"occurrenceDateTime"`
	Period     struct{ Start, End string }             `json:"occurrencePeriod"`
	AuthoredOn string                                  `json:"authoredOn"`
	Sender     party                                   `json:"sender"`
	Requester  party                                   `json:"requester"`
	Recipient  []ref                                   `json:"recipient"`
	Payload    []struct {
		String     *string `json:"contentString"`
		Attachment *struct {
			ContentType, Data, URL, Title string
			Size                          json.Number
		} `json:"contentAttachment"`
	} `json:"payload"`
}

type concept struct {
	Text   string                          `json:"text"`
	Coding []struct{ System, Code string } `json:"coding"`
}

type party struct {
	Reference  string                `json:"reference"`
	Type       string                `json:"type"`
	Display    string                `json:"display"`
	Identifier *connector.Identifier `json:"identifier"`
}

func (p party) reference() connector.Reference {
	return connector.Reference{Literal: r4.LocalID(p.Reference), Type: p.Type, Identifier: p.Identifier, Display: p.Display}
}

// parseRequest reads a CommunicationRequest as any EHR may write it.
func (e *EHR) parseRequest(resource []byte) (connector.EHRRequest, bool) {
	var j requestJSON
	if r4.TypeOf(resource) != "CommunicationRequest" || json.Unmarshal(resource, &j) != nil || j.ID == "" {
		return connector.EHRRequest{}, false
	}
	r := connector.EHRRequest{
		Reference: "CommunicationRequest/" + j.ID, Version: j.Meta.VersionID, LastUpdated: moment(j.Meta.LastUpdated),
		Status: j.Status, DoNotPerform: j.DoNot, AuthoredOn: moment(j.AuthoredOn), Subject: r4.LocalID(j.Subject.Reference),
		Sender: j.Sender.reference(), Requester: j.Requester.reference(), Priority: j.Priority,
		DueFrom: moment(j.Occurs), DueUntil: end(j.Period.End),
	}
	if r.DueFrom.IsZero() {
		r.DueFrom = moment(j.Period.Start)
	}
	for _, m := range j.Medium {
		for _, c := range m.Coding {
			if c.System == filing.ChannelSystem(e.opts.Base) && c.Code != "" {
				r.Channels = append(r.Channels, c.Code)
			}
		}
	}
	for _, rec := range j.Recipient {
		r.Recipients = append(r.Recipients, firstOf(r4.LocalID(rec.Reference), rec.Reference, "unknown"))
	}
	for _, id := range j.Identifier {
		r.Ours = r.Ours || e.ourRequest(id.System)
	}
	for _, channel := range r.Channels {
		if j.Group != nil && j.Group.System == e.ids(channel).Header("").System {
			r.ThreadID = j.Group.Value
		}
	}
	for _, c := range j.Reason {
		r.Topic = firstOf(r.Topic, c.Text)
	}
	for _, a := range j.About {
		if strings.HasPrefix(r4.LocalID(a.Reference), "Communication/") {
			r.InReplyTo = firstOf(r.InReplyTo, r4.LocalID(a.Reference))
		}
	}
	readPayload(j, &r)
	return r, true
}

// ourRequest says whether an identifier's system is that of our own CommunicationRequests, on any channel: also one that
// is not configured any more.
func (e *EHR) ourRequest(system string) bool {
	channel, ok := strings.CutPrefix(system, strings.TrimSuffix(e.opts.Base, "/")+"/")
	if !ok {
		return false
	}
	channel, ok = strings.CutSuffix(channel, "/request")
	return ok && channel != "" && !strings.Contains(channel, "/")
}

// readPayload takes the words and files. Several strings are one message, in order, a line apart. A file that cannot be
// read stays in the list without bytes: the message then waits for a person instead of going out without it.
func readPayload(j requestJSON, r *connector.EHRRequest) {
	var lines []string
	for i, p := range j.Payload {
		switch {
		case p.String != nil:
			lines = append(lines, *p.String)
		case p.Attachment != nil:
			a := connector.Attachment{ID: "payload-" + strconv.Itoa(i+1), Filename: p.Attachment.Title,
				ContentType: firstOf(p.Attachment.ContentType, "application/octet-stream"), URL: p.Attachment.URL}
			a.Size, _ = p.Attachment.Size.Int64()
			if p.Attachment.Data != "" {
				data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(p.Attachment.Data), ""))
				if err == nil {
					a.Data, a.Size, a.SHA256 = data, int64(len(data)), connector.Hash(data)
				}
			}
			if a.Filename == filing.TextTitle && strings.HasPrefix(a.ContentType, "text/plain") && a.Data != nil {
				lines = append(lines, string(a.Data))
				continue
			}
			r.Attachments = append(r.Attachments, a)
		}
	}
	r.Text = strings.Join(lines, "\n")
}

func moment(s string) time.Time {
	t, _, err := r4.ParseDateTime(s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// end is the last moment of a dateTime: a day, month or year given without a time lasts to its end.
func end(s string) time.Time {
	t, exact, err := r4.ParseDateTime(s)
	switch {
	case err != nil:
		return time.Time{}
	case exact:
		return t
	case len(s) == len("2006-01-02"):
		return t.AddDate(0, 0, 1).Add(-time.Second)
	case len(s) == len("2006-01"):
		return t.AddDate(0, 1, 0).Add(-time.Second)
	default:
		return t.AddDate(1, 0, 0).Add(-time.Second)
	}
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
