package ehr

import (
	"encoding/json"
	"net/http"
	"strings"
)

// chartFaults are what happens to the chart around a request: people at the EHR, its own retries, its half-done work.
var chartFaults = map[string]fault{
	"ignore-if-none-exist": {
		about: "does not look at If-None-Exist and creates a second entry",
		run: func(k *strike) *Response {
			k.play.blind = true
			return k.do()
		},
	},
	"racing-create": {
		about: "two creates with the same condition pass each other: both entries are there, the answer names the second",
		run: func(k *strike) *Response {
			k.play.blind = true
			k.do()
			return k.do()
		},
	},
	"commits-twice": {
		about: "the EHR repeats the work by itself: two entries, the answer names the first",
		run: func(k *strike) *Response {
			first := k.do()
			if first.Status < 400 {
				k.play.blind = true
				k.do()
			}
			return first
		},
	},
	"half-transaction": {
		about: "commits the first half of a transaction's entries, then answers 500",
		run: func(k *strike) *Response {
			k.play.half = true
			if resp := k.do(); resp.Status >= 400 {
				return resp
			}
			return fail(500, "exception", "internal error").response()
		},
	},
	"conflicting-update": {
		about: "somebody at the EHR edits the target just before an update is looked at",
		run: func(k *strike) *Response {
			if k.r.Method == http.MethodPut {
				ref := strings.Trim(strings.TrimPrefix(k.r.URL.Path, k.s.basePath), "/")
				_ = k.s.Edit(ref, func(map[string]any) {}) // what is not there cannot be edited
			}
			return k.do()
		},
	},
	"lost-update": {
		about: "answers an update as done and keeps the old version",
		run: func(k *strike) *Response {
			if k.r.Method != http.MethodPut {
				return k.do()
			}
			r, err := parse(k.body)
			ref := strings.Trim(strings.TrimPrefix(k.r.URL.Path, k.s.basePath), "/")
			now, ok := k.s.Get(splitType(ref))
			if err != nil || !ok {
				return k.do()
			}
			r["meta"] = resource{"versionId": "999", "lastUpdated": instant(k.s.now())}
			h := http.Header{"Content-Type": {mediaType}, "Location": {k.s.opts.Base + "/" + now.Reference() + "/_history/999"}}
			return &Response{Status: http.StatusOK, Header: h, Body: encode(r)}
		},
	},
	"merge-patient": {
		about: "when the request is answered, its patient is merged into another (without into: into a new one)", args: []string{"patient=", "into="},
		run: func(k *strike) *Response {
			resp := k.do()
			into := strings.TrimPrefix(k.arg("into"), "Patient/")
			if into == "" {
				made, err := k.s.Put([]byte(`{"resourceType":"Patient","active":true,"name":[{"family":"Successor"}]}`))
				if err != nil {
					return resp
				}
				into = made.ID
			}
			_ = k.s.MergePatient(strings.TrimPrefix(k.patient(resp), "Patient/"), into) // a request without a patient merges none
			return resp
		},
	},
	"deactivate-patient": {
		about: "when the request is answered, its patient is made inactive", args: []string{"patient="},
		run: func(k *strike) *Response {
			resp := k.do()
			_ = k.s.Deactivate(strings.TrimPrefix(k.patient(resp), "Patient/")) // a request without a patient has none
			return resp
		},
	},
	"edit-stored":      rot("edits the words of", func(s *Server, ref, _ string) { _ = s.Edit(ref, spoil) }),
	"delete-stored":    rot("deletes", func(s *Server, ref, _ string) { _ = s.Remove(ref) }),
	"duplicate-stored": rot("makes a second entry of", func(s *Server, ref, _ string) { _, _ = s.Double(ref) }),
	"move-stored": {
		about: "when the request is answered, somebody at the EHR moves the entry it made, or else the newest of that type, to another patient",
		args:  []string{"of=", "to=Patient/someone-else"},
		run:   rotting(func(s *Server, ref, to string) { _ = s.Move(ref, to) }),
	},
}

func rot(does string, act func(s *Server, ref, to string)) fault {
	return fault{
		about: "when the request is answered, somebody at the EHR " + does + " the entry it made, or else the newest of that type",
		args:  []string{"of="}, run: rotting(act),
	}
}

func rotting(act func(s *Server, ref, to string)) func(*strike) *Response {
	return func(k *strike) *Response {
		resp := k.do()
		if ref := k.target(); ref != "" {
			act(k.s, ref, k.arg("to"))
		}
		return resp
	}
}

// target is the entry a fault is about: the one the request made, or the newest a client made of the type given.
func (k *strike) target() string {
	of := k.arg("of")
	fits := func(ref string) bool {
		typ, _ := splitType(ref)
		return typ == of || of == "" && writeTypes[typ]
	}
	for _, ref := range k.play.made {
		if fits(ref) {
			return ref
		}
	}
	k.s.mu.RLock()
	defer k.s.mu.RUnlock()
	for i := len(k.s.ledger) - 1; i >= 0; i-- {
		if e := k.s.ledger[i]; e.ClientID != staff && fits(e.Type+"/"+e.ID) && k.s.get(e.Type, e.ID) != nil {
			return e.Type + "/" + e.ID
		}
	}
	return ""
}

// patient is whom a request is about: named by the script, by its path or body, or by the answer; "" for nobody.
func (k *strike) patient(resp *Response) string {
	if p := k.arg("patient"); p != "" {
		return p
	}
	if path := strings.Trim(strings.TrimPrefix(k.r.URL.Path, k.s.basePath), "/"); strings.HasPrefix(path, "Patient/") && !strings.HasSuffix(path, "_search") {
		return path
	}
	found := ""
	for _, raw := range [][]byte{k.body, resp.Body} {
		body, err := parse(raw)
		if err != nil {
			continue
		}
		_ = walk(body, "", func(obj resource, _ string) error {
			ref := str(obj, "reference")
			if obj["resourceType"] == "Patient" {
				ref = "Patient/" + str(obj, "id")
			}
			if found == "" && strings.HasPrefix(ref, "Patient/") {
				found = ref
			}
			return nil
		})
		if found != "" {
			break
		}
	}
	return found
}

// identitiesIn are the identifiers a write carries, or the first entry of a transaction that has any.
func identitiesIn(body []byte) []Identifier {
	var r struct {
		Identifier       json.RawMessage
		MasterIdentifier *Identifier
		Entry            []struct{ Resource json.RawMessage }
	}
	if json.Unmarshal(body, &r) != nil {
		return nil
	}
	var out []Identifier
	if r.MasterIdentifier != nil {
		out = append(out, *r.MasterIdentifier)
	}
	var list []Identifier
	if json.Unmarshal(r.Identifier, &list) == nil {
		out = append(out, list...)
	}
	for _, e := range r.Entry {
		if len(out) == 0 {
			out = identitiesIn(e.Resource)
		}
	}
	return out
}
