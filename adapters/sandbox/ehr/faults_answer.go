package ehr

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// answerFaults do the work and lose or spoil the answer.
var answerFaults = map[string]fault{
	"commit-then-timeout": {
		about: "commits, then never answers (until Release, the client gives up, or Close)",
		run:   committed(func(*strike, *Response) *Response { return &Response{Hang: true} }),
	},
	"commit-then-reset": {
		about: "commits, then resets the connection before the first byte of the answer",
		run:   committed(func(*strike, *Response) *Response { return &Response{Reset: true} }),
	},
	"commit-then-cut": {
		about: "commits, then resets the connection after that many bytes of the answer's body", args: []string{"bytes=20"},
		run: committed(func(k *strike, resp *Response) *Response {
			resp.Cut = max(1, k.num("bytes"))
			return resp
		}),
	},
	"commit-late": {
		about: "never answers, and commits that long after the request came: also when its client gave up long before", args: []string{"after=45s"},
		run: func(k *strike) *Response {
			k.later(k.duration("after"))
			return &Response{Hang: true}
		},
	},
	"5xx-after-commit": {
		about: "commits, then answers a server error", args: []string{"status=500"},
		run: committed(func(k *strike, _ *Response) *Response {
			return fail(k.num("status"), "exception", "internal error").response()
		}),
	},
	"accepted-202": {
		about: "answers 202 without a body and stores nothing (commit=yes: stores it; commit=later: stores it after that long)",
		args:  []string{"commit=no", "after=10s"},
		run: func(k *strike) *Response {
			switch k.arg("commit") {
			case "yes":
				if resp := k.do(); resp.Status >= 400 {
					return resp
				}
			case "later":
				k.later(k.duration("after"))
			}
			return &Response{Status: http.StatusAccepted, Header: http.Header{}}
		},
	},
	"html-200": {
		about: "does nothing and answers 200 with a log-in page (commit=yes: does the work first)", args: []string{"commit=no"},
		run: func(k *strike) *Response {
			if k.yes("commit") {
				if resp := k.do(); resp.Status >= 400 {
					return resp
				}
			}
			return htmlPage()
		},
	},
	"garbage-json": {
		about: "commits, then answers bytes that are no JSON under the media type of FHIR",
		run: committed(func(_ *strike, resp *Response) *Response {
			resp.Body = []byte("\x00\x1f{resourceType:'Communication',}\xff\xfe")
			return resp
		}),
	},
	"truncated-json": {
		about: "commits, then answers with the JSON cut in half, its Content-Length true",
		run: committed(func(_ *strike, resp *Response) *Response {
			resp.Body = resp.Body[:len(resp.Body)/2]
			return resp
		}),
	},
	"empty-body": {
		about: "commits, then answers with that status, no body and no Location", args: []string{"status=201"},
		run: committed(func(k *strike, resp *Response) *Response {
			return &Response{Status: k.num("status"), Header: http.Header{"Date": resp.Header["Date"]}}
		}),
	},
	"no-location": {
		about: "commits, then answers without Location and ETag (body=no: and without a body)", args: []string{"body=yes"},
		run: committed(func(k *strike, resp *Response) *Response {
			for _, h := range []string{"Location", "Content-Location", "ETag"} {
				resp.Header.Del(h)
			}
			if !k.yes("body") {
				resp.Body = nil
			}
			return resp
		}),
	},
	"wrong-id": {
		about: "commits, then answers with a Location that names another entry than its body",
		run: committed(func(_ *strike, resp *Response) *Response {
			return echoing(resp, func(obj resource) {
				if _, ok := obj["meta"]; ok && obj["resourceType"] != "Bundle" {
					obj["id"] = "another-entry"
				}
			})
		}),
	},
	"wrong-location": {
		about: "commits, then answers without a body and with a Location where nothing is",
		run: committed(func(k *strike, resp *Response) *Response {
			resp.Body = nil
			typ, _, _ := strings.Cut(strings.Trim(strings.TrimPrefix(k.r.URL.Path, k.s.basePath), "/"), "/")
			resp.Header.Set("Location", k.s.opts.Base+"/"+typ+"/nothing-is-here/_history/1")
			return resp
		}),
	},
	"wrong-type": {
		about: "commits, then echoes another resource type",
		run: committed(func(_ *strike, resp *Response) *Response {
			resp.Header.Del("Location")
			resp.Body = encode(resource{"resourceType": "Basic", "id": "b", "code": resource{"text": "a task"}})
			return resp
		}),
	},
	"failed-outcome-200": {
		about: "commits, then answers 200 with an OperationOutcome that reports an error",
		run: committed(func(_ *strike, resp *Response) *Response {
			resp.Status, resp.Body = http.StatusOK, outcomeJSON("error", "exception", "an error after all", "")
			return resp
		}),
	},
	"reordered-response": {
		about: "commits a transaction, then answers its entries in the opposite order",
		run:   committed(func(_ *strike, resp *Response) *Response { return onEntries(resp, reversed) }),
	},
	"repeated-response-entry": {
		about: "commits a transaction, then answers its first entry twice",
		run: committed(func(_ *strike, resp *Response) *Response {
			return onEntries(resp, func(l []any) []any { return append(l[:1:1], l...) })
		}),
	},
	"dropped-response-entry": {
		about: "commits a transaction, then leaves its last entry out of the answer",
		run: committed(func(_ *strike, resp *Response) *Response {
			return onEntries(resp, func(l []any) []any { return l[:len(l)-1] })
		}),
	},
}

// contentFaults store or show something else than what was sent.
var contentFaults = map[string]fault{
	"wrong-subject": {
		about: "commits, then echoes another patient as subject", args: []string{"patient=Patient/someone-else"},
		run: committed(func(k *strike, resp *Response) *Response {
			return echoing(resp, func(obj resource) {
				if subject, ok := obj["subject"].(resource); ok {
					subject["reference"] = k.arg("patient")
				}
			})
		}),
	},
	"normalised-text": {
		about: "stores and echoes the text with white space collapsed and other than ASCII replaced",
		run:   storing(func(_ *strike, r resource) { onText(r, normalised) }),
	},
	"truncated-text": {
		about: "stores and echoes at most that many characters of the text", args: []string{"length=5"},
		run: storing(func(k *strike, r resource) {
			onText(r, func(s string) string { return string([]rune(s)[:min(k.num("length"), len([]rune(s)))]) })
		}),
	},
	"dropped-attachments": {
		about: "stores and echoes the entry without its attachments (a note: with its first alone)",
		run:   storing(func(_ *strike, r resource) { dropAttachments(r) }),
	},
	"dropped-identifier": {
		about: "stores and echoes the entry without its identifiers",
		run: storing(func(_ *strike, r resource) {
			delete(r, "identifier")
			delete(r, "masterIdentifier")
		}),
	},
}

// later does the work when that much time has passed on the EHR's clock: before whatever happens next.
func (k *strike) later(after time.Duration) {
	due := k.s.now().Add(after)
	k.play.at = due
	k.s.pend(due, func() { k.do() })
}

func htmlPage() *Response {
	h := http.Header{}
	h.Set("Content-Type", "text/html; charset=utf-8")
	return &Response{Status: http.StatusOK, Header: h, Body: []byte("<!doctype html><title>Sign in</title><h1>Sign in</h1>")}
}

// echoing changes every object of a JSON answer.
func echoing(resp *Response, change func(resource)) *Response {
	body, err := parse(resp.Body)
	if err != nil {
		return resp
	}
	_ = walk(body, "", func(obj resource, _ string) error {
		change(obj)
		return nil
	})
	resp.Body = encode(body)
	return resp
}

// onEntries changes the entries of a transaction's answer; an answer of another kind stays.
func onEntries(resp *Response, change func([]any) []any) *Response {
	var bundle map[string]json.RawMessage
	var entries []any
	d := json.NewDecoder(bytes.NewReader(resp.Body))
	if d.Decode(&bundle) != nil || string(bundle["type"]) != `"transaction-response"` || json.Unmarshal(bundle["entry"], &entries) != nil || len(entries) == 0 {
		return resp
	}
	raw, err := json.Marshal(change(entries))
	if err != nil {
		return resp
	}
	bundle["entry"] = raw
	if out, err := json.Marshal(bundle); err == nil {
		resp.Body = out
	}
	return resp
}

func reversed(l []any) []any {
	out := make([]any, 0, len(l))
	for i := len(l) - 1; i >= 0; i-- {
		out = append(out, l[i])
	}
	return out
}

// onText changes the words of a Communication.
func onText(r resource, change func(string) string) {
	_ = walk(r, "", func(obj resource, _ string) error {
		if text, ok := obj["contentString"].(string); ok {
			obj["contentString"] = change(text)
		}
		return nil
	})
}

// normalised is what EHRs with a plain-text store make of a text.
func normalised(text string) string {
	ascii := strings.Map(func(c rune) rune {
		if c > unicode.MaxASCII {
			return '?'
		}
		return c
	}, text)
	return strings.Join(strings.Fields(ascii), " ")
}

func dropAttachments(r resource) {
	if content, ok := r["content"].([]any); ok && len(content) > 1 {
		r["content"] = content[:1]
	}
	payload, _ := r["payload"].([]any)
	var kept []any
	for _, p := range payload {
		if part, ok := p.(resource); ok && part["contentAttachment"] == nil {
			kept = append(kept, p)
		}
	}
	switch {
	case len(kept) > 0:
		r["payload"] = kept
	case payload != nil:
		delete(r, "payload")
	}
}
