package ehr

import (
	"strings"
)

// searchFaults answer searches with what is not so. On other requests they do nothing.
var searchFaults = map[string]fault{
	"search-lag": {
		about: "the search misses what was committed less than that long ago", args: []string{"for=5s"},
		run: func(k *strike) *Response {
			k.play.lag = k.duration("for")
			return k.do()
		},
	},
	"stale-search": {
		about: "the search answers from a cache of that age, as HAPI does; honours=no: also with Cache-Control: no-cache",
		args:  []string{"age=1m", "honours=yes"},
		run: func(k *strike) *Response {
			fresh := strings.Contains(strings.ToLower(k.r.Header.Get("Cache-Control")), "no-cache")
			if !fresh || !k.yes("honours") {
				k.play.lag = k.duration("age")
			}
			return k.do()
		},
	},
	"search-misses": {
		about: "the search leaves out its last hit (all=yes: every hit), total as if it were not there", args: []string{"all=no"},
		run: searched(func(k *strike, b resource, entries []any) []any {
			keep := len(entries) - 1
			if k.yes("all") {
				keep = 0
			}
			b["total"] = keep
			return entries[:max(0, keep)]
		}),
	},
	"foreign-entry": {
		about: "the search adds a match of the same type that carries another patient and another identifier",
		run: searched(func(k *strike, _ resource, entries []any) []any {
			return append(entries, resource{"fullUrl": k.s.opts.Base + "/" + k.searched() + "/foreign", "search": resource{"mode": "match"},
				"resource": foreign(k.searched())})
		}),
	},
	"twin-entry": {
		about: "the search shows its first hit a second time under another id, as an index out of step does",
		run: searched(func(k *strike, b resource, entries []any) []any {
			if len(entries) == 0 {
				return entries
			}
			twin, _ := copyValue(entries[0]).(resource)
			if r, ok := twin["resource"].(resource); ok {
				r["id"] = "twin-of-it"
				twin["fullUrl"] = k.s.opts.Base + "/" + k.searched() + "/twin-of-it"
			}
			b["total"] = len(entries) + 1
			return append(entries, twin)
		}),
	},
	"paging-loop": {
		about: "every page of the search has a next link to itself",
		run: searched(func(k *strike, b resource, entries []any) []any {
			self := k.s.opts.Base + "/" + k.searched()
			if links, ok := b["link"].([]any); ok && len(links) > 0 {
				if l, ok := links[0].(resource); ok {
					self = str(l, "url")
				}
			}
			b["link"] = []any{resource{"relation": "self", "url": self}, resource{"relation": "next", "url": self}}
			return entries
		}),
	},
	"foreign-next": {
		about: "the search has a next link to an address no request may go to",
		run: searched(func(_ *strike, b resource, entries []any) []any {
			b["link"] = []any{resource{"relation": "next", "url": "http://169.254.169.254/latest/meta-data/"}}
			return entries
		}),
	},
}

// searched changes the entries of a searchset.
func searched(change func(k *strike, bundle resource, entries []any) []any) func(*strike) *Response {
	return committed(func(k *strike, resp *Response) *Response {
		if !isSearch(k.r, k.s.basePath) {
			return resp
		}
		b, err := parse(resp.Body)
		if err != nil || str(b, "type") != "searchset" {
			return resp
		}
		entries, _ := b["entry"].([]any)
		if entries = change(k, b, entries); len(entries) > 0 {
			b["entry"] = entries
		} else {
			delete(b, "entry")
		}
		resp.Body = encode(b)
		return resp
	})
}

// searched is the type a search is for.
func (k *strike) searched() string {
	typ, _, _ := strings.Cut(strings.Trim(strings.TrimPrefix(k.r.URL.Path, k.s.basePath), "/"), "/")
	return typ
}

// foreign is somebody else's entry.
func foreign(typ string) resource {
	r := resource{"resourceType": typ, "id": "foreign", "identifier": []any{resource{"system": "urn:foreign", "value": "x"}}}
	switch typ {
	case "Patient":
		r["active"], r["name"] = true, []any{resource{"family": "Foreign"}}
	case "Communication":
		r["status"], r["payload"] = "completed", []any{resource{"contentString": "not yours"}}
		r["subject"] = resource{"reference": "Patient/foreign"}
	case "DocumentReference":
		r["status"], r["content"] = "current", []any{resource{"attachment": resource{"contentType": "text/plain"}}}
		r["subject"] = resource{"reference": "Patient/foreign"}
	case "CommunicationRequest":
		r["status"], r["subject"] = "active", resource{"reference": "Patient/foreign"}
	case "RelatedPerson":
		r["patient"] = resource{"reference": "Patient/foreign"}
	}
	return r
}
