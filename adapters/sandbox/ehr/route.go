package ehr

import (
	"net/http"
	"net/url"
)

// route gives an admitted request to the interaction that its method and path name (R4 http.html).
func (s *Server) route(c caller, r *http.Request, steps []string, body []byte) *Response {
	query, f := queryOf(r.URL.RawQuery)
	if f != nil {
		return f.response()
	}
	switch {
	case len(steps) == 0:
		return s.routeBase(c, r, query, body)
	case len(steps) == 1:
		return s.routeType(c, r, steps[0], query, body)
	case len(steps) == 2 && steps[1] == "_search" && r.Method == http.MethodPost:
		form, f := parseForm(body)
		if f != nil {
			return f.response()
		}
		for name, values := range query {
			form[name] = append(form[name], values...)
		}
		return s.searchType(c, r, steps[0], form)
	case !knownType(steps[0]):
		return fail(404, "not-supported", "resource type %q is not known here", steps[0]).response()
	case r.Method == http.MethodGet && !s.traits.readable(steps[0]):
		f := fail(405, "not-supported", "read of %s is not supported", steps[0])
		f.allow = s.traits.allow(steps[0], true)
		return f.response()
	case !validID(steps[1]):
		return fail(404, "not-supported", "no such operation on %s", steps[0]).response()
	case len(steps) == 2:
		return s.routeInstance(c, r, steps[0], steps[1], body)
	case len(steps) == 3 && steps[2] == "_history" && r.Method == http.MethodGet:
		return s.history(c, steps[0], steps[1])
	case len(steps) == 4 && steps[2] == "_history" && r.Method == http.MethodGet:
		return s.read(c, r, steps[0], steps[1], steps[3])
	}
	return fail(404, "not-supported", "not a FHIR endpoint").response()
}

func (s *Server) routeBase(c caller, r *http.Request, query url.Values, body []byte) *Response {
	switch {
	case r.Method == http.MethodPost:
		return s.transaction(c, r, body)
	case r.Method == http.MethodGet && query.Has("_page"):
		return s.nextPage(c, query)
	}
	f := fail(405, "not-supported", "%s of the base is not supported", r.Method)
	f.allow = http.MethodPost
	return f.response()
}

func (s *Server) routeType(c caller, r *http.Request, typ string, query url.Values, body []byte) *Response {
	if !knownType(typ) {
		return fail(404, "not-supported", "resource type %q is not known here", typ).response()
	}
	switch r.Method {
	case http.MethodGet:
		return s.searchType(c, r, typ, query)
	case http.MethodPost:
		return s.create(c, r, typ, body)
	}
	f := fail(405, "not-supported", "%s of %s is not supported", r.Method, typ)
	f.allow = s.traits.allow(typ, false)
	return f.response()
}

func (s *Server) routeInstance(c caller, r *http.Request, typ, id string, body []byte) *Response {
	switch r.Method {
	case http.MethodGet:
		return s.read(c, r, typ, id, "")
	case http.MethodPut:
		return s.update(c, r, typ, id, body)
	}
	f := fail(405, "not-supported", "%s of a %s is not supported", r.Method, typ)
	f.allow = s.traits.allow(typ, true)
	return f.response()
}
