package fhir

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// show fills a receipt with what the chart shows of the write. Without a resource, or with one that cannot be read, it
// shows nothing and the receipt stays unverified.
func (e *EHR) show(ctx context.Context, w connector.Write, r *connector.Receipt, resource []byte) {
	r.At = lastUpdated(resource, e.opts.Now())
	switch w.Type {
	case "RelatedPerson":
		r.Echo = relatedEcho(resource)
		return
	case "Communication", "CommunicationRequest", "DocumentReference", "Task":
	default:
		return
	}
	echo, err := r4.ReadEcho(resource)
	if err != nil {
		return
	}
	if r.Version == "" {
		r.Version = echo.VersionID
	}
	r.Echo = connector.Echo{Shown: true, Subject: echo.Subject.LocalID(), Status: echo.Status}
	for _, id := range echo.Identifiers {
		r.Echo.Identities = append(r.Echo.Identities, connector.Identifier{System: id.System, Value: id.Value})
	}
	if w.Update != nil {
		return // an update changes no words; what it wanted was compared when it was prepared
	}
	wordless := w.Expect.Text == "" && len(w.Expect.Attachments) == 0
	if wordless && !e.cites(w.Type) {
		return
	}
	if echo.Attachments = whole(echo); !e.fetch(ctx, echo.Attachments) {
		r.Echo = connector.Echo{}
		return
	}
	if e.cites(w.Type) && !e.showCited(w, r, echo) || wordless {
		return
	}
	note := isNote(w, e.opts.Policy.Shape)
	r.Echo.Text, r.Echo.Attachments = text(w, echo, note), files(w, echo, note)
}

// isNote says whether an entry carries its words in the text of a note.
func isNote(w connector.Write, shape filing.Shape) bool {
	return w.Type == "DocumentReference" || w.Type == "Communication" && shape.Staff != nil
}

// whole are an entry's attachments, with the payloads that it only refers to.
func whole(echo r4.Echo) []r4.EchoAttachment {
	out := echo.Attachments
	for _, r := range echo.References {
		out = append(out, r4.EchoAttachment{URL: r.Reference})
	}
	return out
}

// fetch gets what an entry carries as Binaries instead of by value. false: something is not to be had, so nothing can be
// said of the entry's content.
func (e *EHR) fetch(ctx context.Context, attachments []r4.EchoAttachment) bool {
	return e.content(ctx, attachments) == nil
}

var errElsewhere = errors.New("the content is not a Binary of this EHR")

// content is fetch, saying why something is not to be had.
func (e *EHR) content(ctx context.Context, attachments []r4.EchoAttachment) error {
	for i := range attachments {
		a := &attachments[i]
		if a.Data != nil || (a.URL == "" && a.Size == 0) {
			continue
		}
		if !strings.HasPrefix(r4.LocalID(a.URL), "Binary/") {
			return errElsewhere
		}
		data, err := e.binary(ctx, r4.LocalID(a.URL))
		if err != nil {
			return err
		}
		a.Data = data
	}
	return nil
}

// text is the hash of the message's own words as the chart has them. Where the message has none, none are looked for: an
// entry may hold other strings, such as the name of an attachment it does not carry.
func text(w connector.Write, echo r4.Echo, note bool) string {
	if w.Expect.Text == "" {
		return ""
	}
	if note {
		return noteText(w, echo)
	}
	var all []string
	for _, s := range echo.Texts {
		all = append(all, connector.Hash([]byte(s)))
	}
	for _, a := range echo.Attachments {
		if isText(a) {
			all = append(all, connector.Hash(a.Data))
		}
	}
	for _, h := range all {
		if h == w.Expect.Text {
			return h
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return connector.Hash(nil)
}

// noteText is the hash of what a note says: of its message's own words, or of the whole text where that is what was sent, as
// with the transcript of a thread.
func noteText(w connector.Write, echo r4.Echo) string {
	for _, a := range echo.Attachments {
		if whole := connector.Hash(a.Data); strings.HasPrefix(a.ContentType, "text/plain") && whole == w.Expect.Text {
			return whole
		}
		if words, ok := filing.Words(a.Data); ok {
			return connector.Hash(words)
		}
	}
	return connector.Hash(nil)
}

// isText says whether an attachment is the message's words rather than a file of it.
func isText(a r4.EchoAttachment) bool {
	return a.Title == filing.TextTitle && strings.HasPrefix(a.ContentType, "text/plain")
}

// files are the hashes of the files an entry carries. Of a note they are its forms that are not text, where it was sent with
// such: an EHR may make a rendition of its own beside a text.
func files(w connector.Write, echo r4.Echo, note bool) []string {
	if note && len(w.Expect.Attachments) == 0 {
		return nil
	}
	var out []string
	for _, a := range echo.Attachments {
		if a.Data != nil && !isText(a) && !(note && strings.HasPrefix(a.ContentType, "text/plain")) {
			out = append(out, connector.Hash(a.Data))
		}
	}
	return out
}

func (e *EHR) binary(ctx context.Context, reference string) ([]byte, error) {
	resp, err := e.client.Read(ctx, reference, "Binary")
	if err != nil {
		return nil, err
	}
	var b struct {
		Data string `json:"data"`
	}
	if err := json.Unmarshal(resp.Body, &b); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(b.Data), ""))
}

// related is what we look at of a RelatedPerson.
type related struct {
	ID         string `json:"id"`
	Active     *bool  `json:"active"`
	Patient    ref    `json:"patient"`
	Identifier []struct {
		System string `json:"system"`
		Value  string `json:"value"`
	} `json:"identifier"`
	Name []struct {
		Text   string   `json:"text"`
		Family string   `json:"family"`
		Given  []string `json:"given"`
	} `json:"name"`
	Relationship []struct {
		Text   string `json:"text"`
		Coding []struct {
			Display string `json:"display"`
			Code    string `json:"code"`
		} `json:"coding"`
	} `json:"relationship"`
	Telecom []struct {
		System string `json:"system"`
		Value  string `json:"value"`
	} `json:"telecom"`
}

type ref struct {
	Reference string `json:"reference"`
}

func readRelated(resource []byte) (related, bool) {
	var r related
	ok := r4.TypeOf(resource) == "RelatedPerson" && json.Unmarshal(resource, &r) == nil
	return r, ok
}

func relatedEcho(resource []byte) connector.Echo {
	r, ok := readRelated(resource)
	if !ok {
		return connector.Echo{}
	}
	echo := connector.Echo{Shown: true, Subject: r4.LocalID(r.Patient.Reference)}
	for _, id := range r.Identifier {
		echo.Identities = append(echo.Identities, connector.Identifier{System: id.System, Value: id.Value})
	}
	return echo
}

// lastUpdated is meta.lastUpdated, else now: the moment the answer came.
func lastUpdated(resource []byte, now time.Time) time.Time {
	var head struct {
		Meta struct {
			LastUpdated string `json:"lastUpdated"`
		} `json:"meta"`
	}
	if len(bytes.TrimSpace(resource)) > 0 && json.Unmarshal(resource, &head) == nil {
		if t, exact, err := r4.ParseDateTime(head.Meta.LastUpdated); err == nil && exact {
			return t.UTC()
		}
	}
	return now.UTC()
}
