package athena

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
)

// Bounds of a listing: how many documents a page is asked for, how many pages are read, and how many documents are read
// singly because the list does not show their text. What lies beyond makes "absent" unprovable.
const (
	pageSize  = 200
	maxPages  = 20
	maxSingly = 500
)

// List looks for a write among the patient's documents of its kind and department: the text of each says which message it is
// of, and nothing else decides, since the EHR may spell or set a document's date and class its own way. ErrAbsent: every document that could be it was seen, and none is. ErrNotSearchable: some were not. *connector.Refused
// with IdentityCollision: several say so. Else *connector.Retry.
func (e *EHR) List(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	t, err := e.config.target(w)
	if err != nil {
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	all, whole, err := e.list(ctx, t)
	if err != nil {
		return connector.Receipt{}, err
	}
	var same []document
	for singly := 0; len(all) > 0; all = all[1:] {
		d := all[0]
		if d[t.kind.text] == "" {
			if singly++; singly > maxSingly {
				whole = false
				break
			}
			if d, err = e.read(ctx, t, string(d[t.kind.id])); err != nil {
				return connector.Receipt{}, err
			}
		}
		if d[t.kind.text] == "" {
			whole = false
		}
		if e.names(w, string(d[t.kind.text])) {
			same = append(same, d)
		}
	}
	switch {
	case len(same) == 1:
		return e.found(w, t, same[0]), nil
	case len(same) > 1:
		return connector.Receipt{}, &connector.Refused{Reason: connector.IdentityCollision, Codes: []string{"multiple-matches"}}
	case !whole:
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	return connector.Receipt{}, connector.ErrAbsent
}

// list gives the patient's documents of a kind. whole is false where there are more than were shown.
func (e *EHR) list(ctx context.Context, t target) (all []document, whole bool, err error) {
	for range maxPages {
		query := url.Values{"departmentid": {strconv.Itoa(e.config.Department)}, "limit": {strconv.Itoa(pageSize)}, "offset": {strconv.Itoa(len(all))}}
		resp, err := e.api.Call(ctx, client.Request{Method: http.MethodGet, Path: e.config.path(t, ""), Query: query, Header: asItIsNow()})
		if err != nil {
			return nil, false, explained(fhir.ReadError(err))
		}
		var page map[string]json.RawMessage
		var here []document
		if json.Unmarshal(resp.Body, &page) != nil || json.Unmarshal(page[t.kind.list], &here) != nil {
			return nil, false, connector.ErrNotSearchable
		}
		all = append(all, here...)
		if len(here) == 0 || page["next"] == nil && len(here) < pageSize {
			total, err := strconv.Atoi(textOf(page["totalcount"]))
			return all, err != nil || len(all) >= total, nil
		}
	}
	return all, false, nil
}

func textOf(raw json.RawMessage) string {
	var w word
	if len(raw) > 0 {
		_ = w.UnmarshalJSON(raw)
	}
	return string(w)
}
