package fhir

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/r4"
)

// maxPages bounds a search; what lies beyond makes "absent" unprovable.
const maxPages = 20

// Find looks for a write on the chart: by its identifier; for an update, whether its target already shows it; for a
// Provenance, whether its target has one of that activity. Errors: ErrAbsent, ErrNotSearchable, *connector.Refused with
// IdentityCollision where several entries carry the identifier, *Retry.
func (e *EHR) Find(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	switch {
	case w.Update != nil:
		return e.findUpdate(ctx, w)
	case w.Type == "Provenance":
		return e.findProvenance(ctx, w)
	case e.cites(w.Type):
		return e.findCited(ctx, w)
	case w.Identity.IsZero() || !e.searchable(w.Type, "identifier"):
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	params := url.Values{"identifier": {r4.Token(w.Identity.System, w.Identity.Value)}}
	if w.Type == "RelatedPerson" { // one for each patient they act for
		params.Set("patient", w.Expect.Subject)
	}
	entries, whole, err := e.search(ctx, w.Type, params)
	if err != nil {
		return connector.Receipt{}, notSearchable(err)
	}
	hits := carrying(entries, w)
	switch {
	case len(hits) == 1:
		return e.found(ctx, w, hits[0]), nil
	case len(hits) > 1:
		return connector.Receipt{}, &connector.Refused{Reason: connector.IdentityCollision, Codes: []string{"multiple-matches"}}
	case len(entries) > 0 || !whole:
		return connector.Receipt{}, connector.ErrNotSearchable // the EHR ignores the parameter, or shows only a part
	}
	return connector.Receipt{}, connector.ErrAbsent
}

// carrying keeps the entries that really carry the write's identifier (and, for a RelatedPerson, its patient).
func carrying(entries []r4.BundleEntry, w connector.Write) []r4.BundleEntry {
	var out []r4.BundleEntry
	for _, entry := range entries {
		if entry.ResourceType != w.Type || !hasIdentifier(entry.Resource, w.Identity) {
			continue
		}
		if w.Type == "RelatedPerson" && relatedEcho(entry.Resource).Subject != w.Expect.Subject {
			continue
		}
		out = append(out, entry)
	}
	return out
}

func hasIdentifier(resource []byte, id connector.Identifier) bool {
	var j struct {
		Identifier []connector.Identifier `json:"identifier"`
	}
	if json.Unmarshal(resource, &j) != nil {
		return false
	}
	for _, have := range j.Identifier {
		if have == id {
			return true
		}
	}
	return false
}

// found is the receipt of an entry that was there.
func (e *EHR) found(ctx context.Context, w connector.Write, entry r4.BundleEntry) connector.Receipt {
	r := connector.Receipt{Reference: entry.ResourceType + "/" + entry.ID, Found: true, Response: entry.Resource}
	if l, ok := (client.Response{Body: entry.Resource}).Located(); ok {
		r.Version = l.Version
	}
	e.show(ctx, w, &r, entry.Resource)
	return r
}

func (e *EHR) findUpdate(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	resp, err := e.client.Read(ctx, w.Update.Target, w.Type)
	if err != nil {
		return connector.Receipt{}, readError(err)
	}
	if !shows(resp.Body, w.Update) {
		return connector.Receipt{}, connector.ErrAbsent
	}
	return e.foundUpdate(ctx, w, resp), nil
}

func (e *EHR) findProvenance(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if !e.searchable("Provenance", "target") {
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	mine, ok := readProvenance(w.Body)
	if !ok || len(mine.Target) == 0 {
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	target := r4.LocalID(mine.Target[0].Reference)
	entries, whole, err := e.search(ctx, "Provenance", url.Values{"target": {target}})
	if err != nil {
		return connector.Receipt{}, notSearchable(err)
	}
	for _, entry := range entries {
		theirs, ok := readProvenance(entry.Resource)
		if ok && theirs.names(target) && theirs.activity() == mine.activity() {
			return connector.Receipt{Reference: "Provenance/" + entry.ID, Found: true, At: lastUpdated(entry.Resource, e.opts.Now())}, nil
		}
	}
	if !whole {
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	return connector.Receipt{}, connector.ErrAbsent
}

type provenance struct {
	Target   []ref `json:"target"`
	Activity struct {
		Coding []struct {
			Code string `json:"code"`
		} `json:"coding"`
	} `json:"activity"`
}

func readProvenance(resource []byte) (provenance, bool) {
	var p provenance
	ok := r4.TypeOf(resource) == "Provenance" && json.Unmarshal(resource, &p) == nil
	return p, ok
}

func (p provenance) activity() string {
	if len(p.Activity.Coding) == 0 {
		return ""
	}
	return p.Activity.Coding[0].Code
}

func (p provenance) names(target string) bool {
	for _, t := range p.Target {
		if r4.LocalID(t.Reference) == target {
			return true
		}
	}
	return false
}

// searchable says whether a type can be searched by a parameter on this connection.
func (e *EHR) searchable(resource, param string) bool {
	if param == "identifier" && e.cites(resource) || slices.Contains(e.opts.Quirks.NoParams, resource+" "+param) {
		return false
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.able.searches(resource, param)
}

// search gets the matches of a search, by POST so that nothing about a person stands in a URL; by GET from an EHR that
// does not know POST _search.
func (e *EHR) search(ctx context.Context, resource string, params url.Values) ([]r4.BundleEntry, bool, error) {
	page, err := e.firstPage(ctx, resource, params)
	if err != nil {
		return nil, false, err
	}
	return e.client.All(ctx, page, maxPages)
}

func (e *EHR) firstPage(ctx context.Context, resource string, params url.Values) (r4.BundleView, error) {
	if always := e.opts.Quirks.Always; len(always) > 0 {
		params = maps.Clone(params)
		maps.Copy(params, always)
	}
	e.mu.RLock()
	byGet := e.noPost[resource]
	e.mu.RUnlock()
	if !byGet {
		page, err := e.client.SearchPost(ctx, resource, params)
		if err == nil || !(gone(err) || unknownInteraction(err)) {
			return page, err
		}
	}
	page, err := e.client.Search(ctx, resource, params)
	if err == nil && !byGet {
		e.mu.Lock()
		e.noPost[resource] = true
		e.mu.Unlock()
	}
	return page, err
}

// notSearchable turns a refusal of the search itself into ErrNotSearchable: the EHR answered, and cannot say.
func notSearchable(err error) error {
	if unknownInteraction(err) || gone(err) || strings.Contains(err.Error(), "not-supported") {
		return connector.ErrNotSearchable
	}
	return readError(err)
}
