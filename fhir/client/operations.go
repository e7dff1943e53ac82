package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/fhir/r4"
)

// Call does r and turns everything but OK into an [*Error].
func (c *Client) Call(ctx context.Context, r Request) (Response, error) {
	if r.ID == "" {
		r.ID = c.cfg.RequestID()
	}
	resp, err := c.Do(ctx, r)
	o := c.Classify(r, resp, err)
	if o.Class == OK {
		return resp, nil
	}
	return resp, &Error{Outcome: o, Op: operation(r), RequestID: r.ID, Answer: resp.Body[:min(len(resp.Body), maxAnswer)], cause: err}
}

// operation names a request without ids or parameters.
func operation(r Request) string {
	resource, _, _ := strings.Cut(r.Path, "/")
	if resource == "" {
		resource = r.Expect
	}
	return strings.TrimSpace(r.Method + " " + resource)
}

// noCache asks caches on the way, and servers that cache searches (HAPI does), for what is
// there now: a Find must see our own writes.
func noCache() http.Header { return http.Header{"Cache-Control": {"no-cache"}} }

// Read gets path ("Patient/1", "metadata") and expects a resource of type expect. The error is
// an [*Error].
func (c *Client) Read(ctx context.Context, path, expect string) (Response, error) {
	return c.Call(ctx, Request{Method: http.MethodGet, Path: path, Header: noCache(), Expect: expect})
}

// Capability reads and parses the server's CapabilityStatement.
func (c *Client) Capability(ctx context.Context) (r4.Capability, error) {
	resp, err := c.Read(ctx, "metadata", "CapabilityStatement")
	if err != nil {
		return r4.Capability{}, err
	}
	return r4.ReadCapability(resp.Body)
}

// Search gets one page of a search by GET. Parameters end up in access logs on the way, so
// identifiers and names of people go through [Client.SearchPost] where the server allows it.
func (c *Client) Search(ctx context.Context, resourceType string, params url.Values) (r4.BundleView, error) {
	return c.page(ctx, Request{Method: http.MethodGet, Path: resourceType, Query: params, Header: noCache(), Expect: "Bundle"})
}

// SearchPost is [Client.Search] by POST _search: the parameters travel in the body.
func (c *Client) SearchPost(ctx context.Context, resourceType string, params url.Values) (r4.BundleView, error) {
	return c.page(ctx, Request{
		Method: http.MethodPost, Path: resourceType + "/_search", Header: noCache(),
		Body: []byte(params.Encode()), ContentType: mediaForm, Expect: "Bundle",
	})
}

// Next gets the page a search's next link names. ok is false on the last page. A link that
// leaves the base is [ErrOutsideBase] within the [*Error]: it is not called.
func (c *Client) Next(ctx context.Context, page r4.BundleView) (next r4.BundleView, ok bool, err error) {
	if page.Next == "" {
		return r4.BundleView{}, false, nil
	}
	next, err = c.page(ctx, Request{Method: http.MethodGet, Link: page.Next, Header: noCache(), Expect: "Bundle"})
	return next, err == nil, err
}

// All collects the matches of a first page and those after it, at most maxPages in all. whole is
// false where pages were left unread, lead in a circle or out of the base: absence then proves nothing. An entry
// that several pages show is collected once.
func (c *Client) All(ctx context.Context, page r4.BundleView, maxPages int) (entries []r4.BundleEntry, whole bool, err error) {
	visited, shown := map[string]bool{}, map[string]bool{}
	for n := 1; ; n++ {
		for _, e := range page.Matches() {
			if at := e.ResourceType + "/" + e.ID; e.ID == "" || !shown[at] {
				shown[at] = true
				entries = append(entries, e)
			}
		}
		if page.Next == "" {
			return entries, true, nil
		}
		if n >= maxPages || visited[page.Next] {
			return entries, false, nil
		}
		visited[page.Next] = true
		var ok bool
		page, ok, err = c.Next(ctx, page)
		if errors.Is(err, ErrOutsideBase) {
			return entries, false, nil
		}
		if err != nil || !ok {
			return entries, false, err
		}
	}
}

func (c *Client) page(ctx context.Context, r Request) (r4.BundleView, error) {
	resp, err := c.Call(ctx, r)
	if err != nil {
		return r4.BundleView{}, err
	}
	bundle, err := r4.ReadBundle(resp.Body)
	why := ""
	switch {
	case err != nil:
		why = "the Bundle cannot be read"
	case slices.ContainsFunc(bundle.Entries, misnamed):
		why = "an entry of the Bundle is one resource by its fullUrl and another by its id"
	default:
		return bundle, nil
	}
	return r4.BundleView{}, &Error{Op: operation(r), RequestID: resp.RequestID, cause: err,
		Outcome: Outcome{Class: Ambiguous, Status: resp.Status, Why: why}}
}

// misnamed says whether an entry's fullUrl, where it is the URL of a resource, names another than
// the entry holds (R4 bundle §3.5.4): neither can then be believed.
func misnamed(e r4.BundleEntry) bool {
	at, ok := ParseLocation(e.FullURL)
	return ok && e.ID != "" && at.Type == e.ResourceType && at.ID != e.ID
}

// write headers: the answer should show what is now on the chart.
func representation() http.Header { return http.Header{"Prefer": {"return=representation"}} }

// Create posts a resource. ifNoneExist is a search without "?" ([r4.IdentifierQuery]), "" for
// none. Response.Status 200 instead of 201 means that an existing resource matched: the caller
// compares it with what it wanted. The error is an [*Error].
func (c *Client) Create(ctx context.Context, resource []byte, ifNoneExist string) (Response, error) {
	resourceType := r4.TypeOf(resource)
	h := representation()
	if ifNoneExist != "" {
		h.Set("If-None-Exist", ifNoneExist)
	}
	return c.Call(ctx, Request{Method: http.MethodPost, Path: resourceType, Header: h, Body: resource, Expect: resourceType})
}

// Update puts a resource at reference ("Type/id"). ifMatch is the ETag it was read with, such as
// W/"3"; "" overwrites. The error is an [*Error]; Conflict means that somebody was faster.
func (c *Client) Update(ctx context.Context, reference string, resource []byte, ifMatch string) (Response, error) {
	h := representation()
	if ifMatch != "" {
		h.Set("If-Match", ifMatch)
	}
	return c.Call(ctx, Request{Method: http.MethodPut, Path: reference, Header: h, Body: resource, Expect: r4.TypeOf(resource)})
}

// Transaction posts a transaction Bundle and checks that the answer is a transaction-response
// with one successful entry for each of ours; anything else is Ambiguous. The error is an [*Error].
func (c *Client) Transaction(ctx context.Context, bundle []byte) (r4.BundleView, Response, error) {
	r := Request{Method: http.MethodPost, Header: representation(), Body: bundle, Expect: "Bundle"}
	resp, err := c.Call(ctx, r)
	if err != nil {
		return r4.BundleView{}, resp, err
	}
	var sent struct {
		Entry []json.RawMessage `json:"entry"`
	}
	view, readErr := r4.ReadBundle(resp.Body)
	if json.Unmarshal(bundle, &sent) != nil || readErr != nil || !answers(view, len(sent.Entry)) {
		return view, resp, &Error{Op: "POST Bundle", RequestID: resp.RequestID, cause: readErr,
			Outcome: Outcome{Class: Ambiguous, Status: resp.Status, Why: "the answer is no transaction-response to every entry"}}
	}
	return view, resp, nil
}

func answers(view r4.BundleView, entries int) bool {
	if view.Type != "transaction-response" || len(view.Entries) != entries {
		return false
	}
	for _, e := range view.Entries {
		if e.Status < 200 || e.Status > 299 || e.Status == http.StatusAccepted {
			return false
		}
		if at, ok := ParseLocation(e.Location); ok && e.ID != "" && at.Reference() != e.ResourceType+"/"+e.ID {
			return false // its location and its resource are two places
		}
	}
	return true
}
