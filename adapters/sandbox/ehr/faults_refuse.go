package ehr

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// refusalFaults do nothing and say so.
var refusalFaults = map[string]fault{
	"429": {
		about: "too many requests (seconds or an HTTP date with _ for spaces, any absurdity, or none)", args: []string{"retry-after=1"},
		run: instead(func(k *strike) *Response {
			return waiting(fail(429, "throttled", "too many requests").response(), k.arg("retry-after"))
		}),
	},
	"503": {
		about: "unavailable (retry-after adds the header)", args: []string{"retry-after="},
		run: instead(func(k *strike) *Response {
			return waiting(fail(503, "transient", "unavailable").response(), k.arg("retry-after"))
		}),
	},
	"5xx": {
		about: "a server error, nothing done", args: []string{"status=500"},
		run: instead(func(k *strike) *Response { return fail(k.num("status"), "exception", "internal error").response() }),
	},
	"400": refusal(400, "invalid", "a bad request"),
	"401": {
		about: "refuses the token, as if it had been revoked",
		run: instead(func(*strike) *Response {
			f := fail(401, "expired", "REQ#265: the token has expired")
			f.challenge = `Bearer error="invalid_token"`
			return f.response()
		}),
	},
	"403": refusal(403, "forbidden", "not allowed"),
	"404": refusal(404, "not-found", "unknown"),
	"409": refusal(409, "conflict", "a conflict, also with a correct conditional create"),
	"410": refusal(410, "deleted", "gone"),
	"412": refusal(412, "conflict", "a failed precondition"),
	"413": refusal(413, "too-long", "too large"),
	"415": refusal(415, "not-supported", "an unsupported media type"),
	"422": refusal(422, "processing", "a broken rule"),
}

func refusal(status int, code, what string) fault {
	return fault{
		about: "refuses a correct request as " + what + ", with an OperationOutcome",
		run:   instead(func(*strike) *Response { return fail(status, code, "%s", what).response() }),
	}
}

func waiting(resp *Response, retryAfter string) *Response {
	if retryAfter != "" && retryAfter != "none" {
		resp.Header.Set("Retry-After", strings.ReplaceAll(retryAfter, "_", " "))
	}
	return resp
}

// wireFaults are about how requests and answers travel. All but the first four do the EHR's work.
var wireFaults = map[string]fault{
	"hang":  {about: "never answers and does nothing", run: instead(func(*strike) *Response { return &Response{Hang: true} })},
	"reset": {about: "resets the connection and does nothing", run: instead(func(*strike) *Response { return &Response{Reset: true} })},
	"refuse": {
		about: "refuses every connection for that long, this request's too (over a socket: resets each)", args: []string{"for=10s"},
		run: instead(func(k *strike) *Response {
			k.s.refuse(k.duration("for"))
			return &Response{Refuse: true}
		}),
	},
	"redirect": {
		about: "answers with a redirect, by default to an address no request may go to (to=same: on this host; commit=yes: does the work first)",
		args:  []string{"status=302", "to=http://169.254.169.254/latest/meta-data/", "commit=no"},
		run: func(k *strike) *Response {
			if k.yes("commit") {
				if resp := k.do(); resp.Status >= 400 {
					return resp
				}
			}
			to := k.arg("to")
			if to == "same" {
				to = k.s.opts.Base + "/Communication/elsewhere"
			}
			return &Response{Status: k.num("status"), Header: http.Header{"Location": {to}}}
		},
	},
	"slow-headers": {
		about: "does the work and sends the header after that long", args: []string{"delay=10s"},
		run: func(k *strike) *Response {
			resp := k.do().clone()
			resp.HeaderDelay = k.duration("delay")
			return resp
		},
	},
	"slow-body": {
		about: "does the work and sends a byte of the body each", args: []string{"every=1s"},
		run: func(k *strike) *Response {
			resp := k.do().clone()
			resp.ByteEvery = k.duration("every")
			return resp
		},
	},
	"huge-body": {
		about: "does the work and sends that many MB of white space after the body", args: []string{"mb=256"},
		run: func(k *strike) *Response {
			resp := k.do().clone()
			resp.Pad = int64(k.num("mb")) << 20
			return resp
		},
	},
	"gzip-bomb": {
		about: "does the work and sends a body, compressed though nobody asked, that unpacks to that many MB", args: []string{"mb=1024"},
		run: func(k *strike) *Response {
			resp := k.do().clone()
			resp.Header.Set("Content-Encoding", "gzip")
			resp.Body = bomb(resp.Body, k.num("mb"))
			return resp
		},
	},
	"long-length": {
		about: "does the work and announces that many bytes more than it sends", args: []string{"by=100"},
		run: func(k *strike) *Response {
			resp := k.do().clone()
			resp.Claim = int64(len(resp.Body) + k.num("by"))
			return resp
		},
	},
	"short-length": {
		about: "does the work and announces that many bytes fewer than it sends", args: []string{"by=10"},
		run: func(k *strike) *Response {
			resp := k.do().clone()
			resp.Claim = int64(max(1, len(resp.Body)-k.num("by")))
			return resp
		},
	},
	"clock-off": {
		about: "does the work and shows a clock that is that far off, in Date and Last-Modified", args: []string{"by=2h"},
		run: func(k *strike) *Response {
			resp := k.do().clone()
			if resp.Header == nil {
				resp.Header = http.Header{}
			}
			off := k.s.now().Add(k.duration("by")).UTC().Format(http.TimeFormat)
			resp.Header.Set("Date", off)
			if resp.Header.Get("Last-Modified") != "" {
				resp.Header.Set("Last-Modified", off)
			}
			return resp
		},
	},
}

// refuse begins, or lengthens, a time without connections.
func (s *Server) refuse(d time.Duration) {
	until := s.now().Add(d)
	s.told.Lock()
	defer s.told.Unlock()
	if until.After(s.told.refusing) {
		s.told.refusing = until
	}
}

// Refusing says whether connections are refused at this moment.
func (s *Server) Refusing() bool {
	s.told.Lock()
	defer s.told.Unlock()
	return !s.told.refusing.IsZero() && s.now().Before(s.told.refusing)
}

// blankMember is a MiB of spaces, compressed.
var blankMember = sync.OnceValue(func() []byte { return zipped(bytes.Repeat([]byte{' '}, 1<<20)) })

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is one there is
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

// bomb is a body followed by mb MiB of spaces, compressed as many members of one stream.
func bomb(body []byte, mb int) []byte {
	out := zipped(body)
	for range mb {
		out = append(out, blankMember()...)
	}
	return out
}

// readRetryAfter reads both forms of the header (RFC 9110 §10.2.3); ok is false where there is none to be read.
func readRetryAfter(h http.Header, now time.Time) (time.Time, bool) {
	v := h.Get("Retry-After")
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
		return now.Add(time.Duration(min(n, 1<<30)) * time.Second), true
	}
	at, err := http.ParseTime(v)
	return at, err == nil
}
