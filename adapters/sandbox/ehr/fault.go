package ehr

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

// fault is one scripted misbehaviour. At most one of its steps runs before the EHR's own work (instead, mutate), one
// after it (after).
type fault struct {
	// instead answers without the EHR doing anything.
	instead func(args faultArgs) *Response
	// mutate changes a resource before it is stored.
	mutate func(r resource)
	// after changes the answer when the EHR has done its work.
	after func(args faultArgs, resp *Response) *Response
	args  []string // the arguments it takes
	about string   // one line for people
}

// faultArgs are the name=value words of a script line.
type faultArgs map[string]string

func (a faultArgs) status(def int) int {
	if n, err := strconv.Atoi(a["status"]); err == nil {
		return n
	}
	return def
}

// faults is the vocabulary of a Script.
var faults = map[string]fault{
	"commit-then-timeout": {
		about: "commits, then never answers (until Release, the client gives up, or Close)",
		after: func(faultArgs, *Response) *Response { return &Response{Hang: true} },
	},
	"commit-then-reset": {
		about: "commits, then resets the connection",
		after: func(faultArgs, *Response) *Response { return &Response{Reset: true} },
	},
	"5xx-after-commit": {
		about: "commits, then answers a server error (status=500)", args: []string{"status"},
		after: func(a faultArgs, _ *Response) *Response {
			return fail(a.status(500), "exception", "internal error").response()
		},
	},
	"html-200": {
		about: "does nothing and answers 200 with a log-in page (commit=yes: does the work first)", args: []string{"commit"},
		instead: func(a faultArgs) *Response { return unless(a["commit"] == "yes", htmlPage()) },
		after:   func(faultArgs, *Response) *Response { return htmlPage() },
	},
	"garbage-json": {
		about: "commits, then answers with the JSON cut in half",
		after: func(_ faultArgs, resp *Response) *Response {
			out := resp.clone()
			out.Body = out.Body[:len(out.Body)/2]
			return out
		},
	},
	"wrong-subject": {
		about: "commits, then echoes another patient as subject (patient=Patient/someone-else)", args: []string{"patient"},
		after: wrongSubject,
	},
	"normalised-text": {
		about:  "stores and echoes the text with white space collapsed and other than ASCII replaced",
		mutate: normaliseText,
	},
	"accepted-202": {
		about: "answers 202 with no body and stores nothing (commit=yes: stores it)", args: []string{"commit"},
		instead: func(a faultArgs) *Response {
			return unless(a["commit"] == "yes", &Response{Status: http.StatusAccepted, Header: http.Header{}})
		},
		after: func(faultArgs, *Response) *Response {
			return &Response{Status: http.StatusAccepted, Header: http.Header{}}
		},
	},
	"429": {
		about: "too many requests (retry-after=1, seconds or an HTTP date with _ for spaces)", args: []string{"retry-after"},
		instead: func(a faultArgs) *Response {
			resp := fail(429, "throttled", "too many requests").response()
			wait := "1"
			if a["retry-after"] != "" {
				wait = strings.ReplaceAll(a["retry-after"], "_", " ")
			}
			resp.Header.Set("Retry-After", wait)
			return resp
		},
	},
	"503": {
		about: "unavailable, nothing done (retry-after=n adds the header)", args: []string{"retry-after"},
		instead: func(a faultArgs) *Response {
			resp := fail(503, "transient", "unavailable").response()
			if a["retry-after"] != "" {
				resp.Header.Set("Retry-After", strings.ReplaceAll(a["retry-after"], "_", " "))
			}
			return resp
		},
	},
	"409": {
		about:   "refuses a correct request as a conflict",
		instead: func(faultArgs) *Response { return fail(409, "conflict", "conflict").response() },
	},
	"412": {
		about:   "refuses a correct request as a failed precondition",
		instead: func(faultArgs) *Response { return fail(412, "conflict", "precondition failed").response() },
	},
	"413": {
		about:   "refuses a correct request as too large",
		instead: func(faultArgs) *Response { return fail(413, "too-long", "too large").response() },
	},
	"401": {
		about: "refuses the token once, as if it had been revoked",
		instead: func(faultArgs) *Response {
			f := fail(401, "expired", "REQ#265: the token has expired")
			f.challenge = `Bearer error="invalid_token"`
			return f.response()
		},
	},
}

func unless(skip bool, r *Response) *Response {
	if skip {
		return nil
	}
	return r
}

func htmlPage() *Response {
	h := http.Header{}
	h.Set("Content-Type", "text/html; charset=utf-8")
	return &Response{Status: http.StatusOK, Header: h, Body: []byte("<!doctype html><title>Sign in</title><h1>Sign in</h1>")}
}

// wrongSubject replaces the subject in the answer, or in every resource of a transaction's answer.
func wrongSubject(a faultArgs, resp *Response) *Response {
	other := a["patient"]
	if other == "" {
		other = "Patient/someone-else"
	}
	body, err := parse(resp.Body)
	if err != nil {
		return resp
	}
	_ = walk(body, "", func(obj resource, _ string) error {
		if subject, ok := obj["subject"].(resource); ok {
			subject["reference"] = other
		}
		return nil
	})
	out := resp.clone()
	out.Body = encode(body)
	return out
}

// normaliseText does to Communication text what EHRs with a plain-text store do.
func normaliseText(r resource) {
	_ = walk(r, "", func(obj resource, _ string) error {
		if text, ok := obj["contentString"].(string); ok {
			ascii := strings.Map(func(c rune) rune {
				if c > unicode.MaxASCII {
					return '?'
				}
				return c
			}, text)
			obj["contentString"] = strings.Join(strings.Fields(ascii), " ")
		}
		return nil
	})
}

// staged is the fault a request meets; nil for none.
type staged struct {
	fault fault
	args  faultArgs
}

func (f *staged) instead() *Response {
	if f == nil || f.fault.instead == nil {
		return nil
	}
	return f.fault.instead(f.args)
}

type mutationKey struct{}

// request hands the fault's mutation to the handlers through the request's context.
func (f *staged) request(r *http.Request) *http.Request {
	if f == nil || f.fault.mutate == nil {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), mutationKey{}, f.fault.mutate))
}

func mutation(r *http.Request) func(resource) {
	m, _ := r.Context().Value(mutationKey{}).(func(resource))
	return m
}

// after changes the answer to work that was done; a refusal stays what it is.
func (f *staged) after(resp *Response) *Response {
	if f == nil || f.fault.after == nil || resp.Status >= 400 {
		return resp
	}
	return f.fault.after(f.args, resp)
}

// requestKinds tells what a script line may match of a request: its type, or for a transaction Bundle and every type in it.
func requestKinds(r *http.Request, basePath string, body []byte) []string {
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, basePath), "/")
	first, _, _ := strings.Cut(path, "/")
	if first != "" || r.Method != http.MethodPost {
		return []string{first}
	}
	kinds := []string{"Bundle"}
	var bundle struct {
		Entry []struct {
			Request struct{ URL string }
		}
	}
	if json.NewDecoder(bytes.NewReader(body)).Decode(&bundle) == nil {
		for _, e := range bundle.Entry {
			typ, _ := splitType(e.Request.URL)
			kinds = append(kinds, typ)
		}
	}
	return kinds
}

// Hit is one time the script struck.
type Hit struct {
	Line   int // of the script
	Fault  string
	Method string
	Path   string
}
