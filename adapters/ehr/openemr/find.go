package openemr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"regexp"
	"strings"

	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/r4"
)

// Find looks for the document by its name, in the category and over FHIR. Errors: ErrAbsent; ErrNotSearchable where one of the
// two shows it and nothing can be said of its content; *connector.Refused with IdentityCollision where there are several, or
// EHRRefused where it is on the chart in no category, so that nobody sees it; *Retry.
func (e *EHR) Find(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	return e.look(ctx, w)
}

// List is Find: that lists and compares already.
func (e *EHR) List(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	return e.Find(ctx, w)
}

func (e *EHR) look(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	u, err := read(w)
	if err != nil {
		return connector.Receipt{}, refusedByGate(err.Error())
	}
	listed, err := e.listed(ctx, w, u.name)
	if err != nil {
		return connector.Receipt{}, err
	}
	entries, whole, err := e.fhir.Search(ctx, kind, w.Expect.Subject)
	if err != nil {
		return connector.Receipt{}, err
	}
	var shown []document
	for _, entry := range entries {
		if d, ok := documentOf(entry.Resource); ok && entry.ResourceType == kind && called(d.title(), u.name) {
			shown = append(shown, d)
		}
	}
	switch {
	case listed > 1 || len(shown) > 1:
		return connector.Receipt{}, &connector.Refused{Reason: connector.IdentityCollision, Codes: []string{"multiple-matches"}}
	case listed == 1 && len(shown) == 1:
		return e.receipt(ctx, w, shown[0])
	case len(shown) == 1:
		return connector.Receipt{}, &connector.Refused{Reason: connector.EHRRefused, Detail: connector.Protect("the document " + u.name +
			" is in the patient's record and not in the category openemr.category names, where nobody finds it: create the category (Administration, Practice, Documents) or " +
			"correct the key, and move the document there")}
	case listed == 1 || !whole:
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	return connector.Receipt{}, connector.ErrAbsent
}

// listed counts the documents of that name in the write's category. A category without documents is a 404, as is one there is
// not.
func (e *EHR) listed(ctx context.Context, w connector.Write, name string) (int, error) {
	pid, err := e.pid(ctx, w.Expect.Subject)
	if err != nil {
		return 0, err
	}
	resp, err := e.api.Call(ctx, client.Request{Method: http.MethodGet, Path: "patient/" + pid + "/document", Query: query(w),
		Header: http.Header{"Accept": {"application/json"}, "Cache-Control": {"no-cache"}}})
	var failed *client.Error
	switch {
	case errors.As(err, &failed) && failed.Status == http.StatusNotFound:
		return 0, nil
	case err != nil:
		return 0, fhir.ReadError(err)
	}
	var rows []struct{ Filename, Name string }
	if json.Unmarshal(resp.Body, &rows) != nil {
		return 0, &connector.Retry{Reason: connector.EHRUnavailable, Status: resp.Status, Cause: errors.New("the list of documents could not be read"),
			Answer: connector.Protect(string(resp.Body))}
	}
	n := 0
	for _, row := range rows {
		if called(row.Name, name) || called(row.Filename, name) {
			n++
		}
	}
	return n, nil
}

// called says whether a document has a name of ours, or the one the EHR gives to the next of that name: name_1, name_2 …
func called(have, name string) bool {
	ext := path.Ext(name)
	stem, ok := strings.CutSuffix(have, ext)
	if !ok {
		return false
	}
	rest, ok := strings.CutPrefix(stem, strings.TrimSuffix(name, ext))
	return ok && (rest == "" || numbered.MatchString(rest))
}

var numbered = regexp.MustCompile(`^_[0-9]{1,5}$`)

// document is what we look at of a DocumentReference.
type document struct {
	body    []byte
	ID      string
	Status  string
	Subject struct{ Reference string }
	Content []struct {
		Attachment struct{ Title, URL, ContentType string }
	}
}

func documentOf(resource []byte) (document, bool) {
	d := document{body: resource}
	ok := r4.TypeOf(resource) == kind && json.Unmarshal(resource, &d) == nil && d.ID != "" && len(d.Content) == 1
	return d, ok
}

func (d document) title() string { return d.Content[0].Attachment.Title }

// binaryURL finds the Binary of an address, whose host may be the one the site is called by outside.
var binaryURL = regexp.MustCompile(`(?:^|/)(Binary/[A-Za-z0-9.-]{1,64})$`)

// receipt proves a write by what FHIR shows of its document. The name is made of the identity and of nothing else.
func (e *EHR) receipt(ctx context.Context, w connector.Write, d document) (connector.Receipt, error) {
	at := binaryURL.FindStringSubmatch(d.Content[0].Attachment.URL)
	if at == nil {
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	data, err := e.content(ctx, at[1])
	if err != nil {
		return connector.Receipt{}, err
	}
	r := connector.Receipt{Reference: kind + "/" + d.ID, Found: true, At: e.now().UTC(), Response: d.body, Echo: connector.Echo{
		Shown: true, Subject: r4.LocalID(d.Subject.Reference), Status: d.Status, Identities: []connector.Identifier{w.Identity},
	}}
	if len(w.Expect.Attachments) > 0 {
		r.Echo.Attachments = []string{connector.Hash(data)}
	}
	if w.Expect.Text != "" {
		if r.Echo.Text = wordsOf(data); r.Echo.Text == "" {
			r.Echo.Text = connector.Hash(data) // a note no more
		}
	}
	return r, nil
}

// content is what a Binary holds: streamed as it is, or inside a resource, as R4 lets a server choose.
func (e *EHR) content(ctx context.Context, reference string) ([]byte, error) {
	resp, err := e.files.Call(ctx, client.Request{Method: http.MethodGet, Path: reference, Header: http.Header{"Accept": {"*/*"}, "Cache-Control": {"no-cache"}}})
	if err != nil {
		return nil, fhir.ReadError(err)
	}
	if !strings.Contains(resp.Header.Get("Content-Type"), "fhir+json") {
		return resp.Body, nil
	}
	var b struct{ Data string }
	if err := json.Unmarshal(resp.Body, &b); err != nil {
		return nil, connector.ErrNotSearchable
	}
	data, err := base64.StdEncoding.DecodeString(b.Data)
	if err != nil {
		return nil, connector.ErrNotSearchable
	}
	return data, nil
}

// ReadEntry reads the document a person says is the write, by the reference FHIR gives it. ErrAbsent: there is none of the
// write's name there. Errors otherwise as Find.
func (e *EHR) ReadEntry(ctx context.Context, w connector.Write, reference string) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	u, err := read(w)
	if err != nil {
		return connector.Receipt{}, refusedByGate(err.Error())
	}
	resp, err := e.files.Read(ctx, reference, kind)
	switch {
	case fhir.Gone(err):
		return connector.Receipt{}, connector.ErrAbsent
	case err != nil:
		return connector.Receipt{}, fhir.ReadError(err)
	}
	d, ok := documentOf(resp.Body)
	if !ok || !called(d.title(), u.name) {
		return connector.Receipt{}, connector.ErrAbsent
	}
	return e.receipt(ctx, w, d)
}
