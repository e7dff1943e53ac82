package ehr

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

func (s *Server) read(c caller, r *http.Request, typ, id, num string) *Response {
	if !knownType(typ) {
		return fail(404, "not-supported", "resource type %q is not known here", typ).response()
	}
	allowed, f := s.may(c, typ, 'r')
	if f != nil {
		return f.response()
	}
	s.mu.RLock()
	e := s.byKey[typ+"/"+id]
	var v *version
	if e != nil {
		v = e.current()
		if num != "" {
			n, err := strconv.Atoi(num)
			if err != nil || n < 1 || n > len(e.versions) {
				v = nil
			} else {
				v = e.versions[n-1]
			}
		}
	}
	s.mu.RUnlock()
	if v != nil && v.deleted {
		return fail(410, "deleted", "this %s was deleted", typ).response()
	}
	if v == nil || allowed != nil && !allowed(v) { // what a narrowed scope does not cover is as if it were not there
		return fail(404, "not-found", "this %s is not here", typ).response()
	}
	if typ == "Binary" && !strings.Contains(r.Header.Get("Accept"), "json") {
		return rawBinary(v)
	}
	return &Response{Status: http.StatusOK, Header: versionHeader(v), Body: v.raw}
}

// rawBinary serves the content itself where the client does not ask for FHIR (R4 §2.43.3).
func rawBinary(v *version) *Response {
	var b struct{ ContentType, Data string }
	_ = json.Unmarshal(v.raw, &b)
	data, err := base64.StdEncoding.DecodeString(b.Data)
	if err != nil {
		return fail(500, "exception", "stored data is not base64").response()
	}
	h := versionHeader(v)
	h.Set("Content-Type", b.ContentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", "attachment")
	return &Response{Status: http.StatusOK, Header: h, Body: data}
}

func (s *Server) history(c caller, typ, id string) *Response {
	allowed, f := s.may(c, typ, 'r')
	if f != nil {
		return f.response()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.byKey[typ+"/"+id]
	if e == nil || allowed != nil && !allowed(e.current()) {
		return fail(404, "not-found", "this %s is not here", typ).response()
	}
	list := make([]any, 0, len(e.versions))
	for i := len(e.versions) - 1; i >= 0; i-- {
		v := e.versions[i]
		target, status := v.typ, "201"
		if v.method != http.MethodPost {
			target, status = v.key(), "200"
		}
		entry := resource{
			"fullUrl":  s.opts.Base + "/" + v.key(),
			"request":  resource{"method": v.method, "url": target},
			"response": resource{"status": status, "etag": v.etag(), "lastModified": instant(v.at)},
		}
		if !v.deleted {
			entry["resource"] = json.RawMessage(v.raw)
		}
		list = append(list, entry)
	}
	return jsonResponse(http.StatusOK, resource{
		"resourceType": "Bundle", "type": "history", "total": len(list), "entry": list,
		"link": []any{resource{"relation": "self", "url": s.opts.Base + "/" + typ + "/" + id + "/_history"}},
	})
}

// resultSet is a search's result, frozen at the time of the search so that its pages neither repeat nor skip.
type resultSet struct {
	clientID string
	typ      string
	self     string
	count    int
	all      []*version
}

const maxResultSets = 256

func (s *Server) searchType(c caller, r *http.Request, typ string, params url.Values) *Response {
	if !knownType(typ) {
		return fail(404, "not-supported", "resource type %q is not known here", typ).response()
	}
	allowed, f := s.may(c, typ, 's')
	if f != nil {
		return f.response()
	}
	q, f := s.parseQuery(typ, params)
	if v := s.traits.vendor(); f == nil && v.search != nil {
		f = v.search(typ, params)
	}
	if f != nil {
		return s.traits.vendor().told(f).response()
	}
	s.mu.RLock()
	hits := s.search(q, s.horizon(playOf(r).lag))
	s.mu.RUnlock()
	if allowed != nil {
		kept := hits[:0:0]
		for _, v := range hits {
			if allowed(v) {
				kept = append(kept, v)
			}
		}
		hits = kept
	}
	self := s.opts.Base + "/" + typ
	if len(params) > 0 {
		self += "?" + params.Encode()
	}
	if q.summary == "count" || q.count == 0 {
		return jsonResponse(http.StatusOK, resource{"resourceType": "Bundle", "type": "searchset", "total": len(hits),
			"link": []any{resource{"relation": "self", "url": self}}})
	}
	return s.page("", &resultSet{clientID: c.grant.ClientID, typ: typ, self: self, count: q.count, all: hits}, 0)
}

// nextPage answers a next link: {base}?_page=token&_offset=n.
func (s *Server) nextPage(c caller, params url.Values) *Response {
	token := params.Get("_page")
	s.pages.Lock()
	set := s.pages.sets[token]
	s.pages.Unlock()
	offset, err := strconv.Atoi(params.Get("_offset"))
	if set == nil || err != nil || offset < 0 || offset >= len(set.all) {
		return fail(410, "not-found", "this page is gone; search again").response()
	}
	if _, f := s.may(c, set.typ, 's'); f != nil || set.clientID != c.grant.ClientID {
		return fail(403, "forbidden", "REQ#266: this result belongs to another client or scope").response()
	}
	return s.page(token, set, offset)
}

func (s *Server) page(token string, set *resultSet, offset int) *Response {
	end := min(offset+set.count, len(set.all))
	links := []any{resource{"relation": "self", "url": set.self}}
	if end < len(set.all) {
		if token == "" {
			token = s.keepPages(set)
		}
		next := s.opts.Base + "?_page=" + token + "&_offset=" + strconv.Itoa(end)
		links = append(links, resource{"relation": "next", "url": next})
	}
	bundle := resource{"resourceType": "Bundle", "type": "searchset", "total": len(set.all), "link": links}
	if end > offset {
		entries := make([]any, 0, end-offset)
		for _, v := range set.all[offset:end] {
			entries = append(entries, resource{
				"fullUrl": s.opts.Base + "/" + v.key(), "resource": json.RawMessage(v.raw), "search": resource{"mode": "match"},
			})
		}
		bundle["entry"] = entries
	}
	return jsonResponse(http.StatusOK, bundle)
}

// keepPages remembers a result set under a token, forgetting the oldest when there are too many.
func (s *Server) keepPages(set *resultSet) string {
	s.pages.Lock()
	defer s.pages.Unlock()
	s.pages.n++
	token := "p" + strconv.FormatUint(s.pages.secret^uint64(s.pages.n)*0x9e3779b97f4a7c15, 36)
	s.pages.sets[token] = set
	s.pages.order = append(s.pages.order, token)
	if len(s.pages.order) > maxResultSets {
		delete(s.pages.sets, s.pages.order[0])
		s.pages.order = s.pages.order[1:]
	}
	return token
}
