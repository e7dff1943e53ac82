package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chartwire/chartwire/fhir/r4"
)

// Class is what a call means for the write it carried.
type Class int

// The classes. For a read nothing can have changed, so Ambiguous then means the same as Retry.
const (
	// OK: done, and the answer shows it.
	OK Class = iota
	// Retry: not done; the same request may be sent again, after Outcome.After.
	Retry
	// Ambiguous: may have been done. It is never repeated before a Find says that it was not.
	Ambiguous
	// Refused: not done, and the same request will be refused again. A person is needed.
	Refused
	// Conflict: the server holds something that collides (409, 412). The caller Finds.
	Conflict
	// Unauthorized: no valid token, also after asking for a new one.
	Unauthorized
)

// String names the class as metrics and logs do.
func (c Class) String() string {
	return [...]string{"ok", "retry", "ambiguous", "refused", "conflict", "unauthorized"}[c]
}

// maxAnswer is how much of an answer that was not OK is kept, in bytes.
const maxAnswer = 64 << 10

// maxRetryAfter caps what a server can make us wait.
const maxRetryAfter = time.Hour

// Outcome is a classified call.
type Outcome struct {
	Class Class
	// After is how long the server asked us to wait, 0 where it did not; at most one hour.
	After time.Duration
	// Status is the HTTP status, 0 where there was no answer.
	Status int
	// Issues are those of the answer's OperationOutcome. Their Text may be PHI; the rest is codes.
	Issues []r4.Issue
	// Why is one plain phrase for people: "HTTP 422", "no answer in time", …
	Why string
}

// Error is a call that did not end in OK. Its text holds method, resource type, class, status
// and issue codes only.
type Error struct {
	Outcome
	Op        string // method and resource type, e.g. "POST Communication"
	RequestID string
	// Answer is the body of the answer, its first 64 KiB; nil where there was none. It may be PHI.
	Answer []byte
	cause  error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "fhir %s: %s: %s", e.Op, e.Class, e.Why)
	for _, i := range e.Issues {
		fmt.Fprintf(&b, " [%s]", strings.Join(append([]string{i.Severity, i.Code}, append(i.Detail, i.Expression...)...), " "))
	}
	return b.String()
}

// Unwrap gives the cause of a call without an answer. Its text may hold a URL: do not print it.
func (e *Error) Unwrap() error { return e.cause }

// Classify is the one table that says what an answer, or the lack of one, means. It applies to
// every HTTP write toward an EHR.
//
//	retry        no byte written (DNS, connect, TLS), 429, 503 with Retry-After
//	ambiguous    any other 5xx, bare 503, timeout or reset after sending, 2xx without the
//	             expected body, 202, 1xx and 3xx (no redirect is followed)
//	refused      400 403 404 410 413 415 422 and every other 4xx but 401, 409, 412, 429
//	conflict     409 412
//	unauthorized 401 after one new token
func (c *Client) Classify(r Request, resp Response, err error) Outcome {
	if err != nil {
		return classifyError(err)
	}
	o := Outcome{Status: resp.Status, Why: "HTTP " + strconv.Itoa(resp.Status)}
	o.Issues, _ = r4.ReadOutcome(resp.Body)
	switch s := resp.Status; {
	case s >= 200 && s <= 299:
		o.Class, o.Why = c.classifySuccess(r, resp, o.Issues)
	case s == http.StatusUnauthorized:
		o.Class = Unauthorized
	case s == http.StatusConflict || s == http.StatusPreconditionFailed:
		o.Class = Conflict
	case s == http.StatusTooManyRequests:
		o.Class = Retry
		o.After, _ = retryAfter(resp.Header, c.cfg.Now())
	case s >= 400 && s <= 499:
		o.Class = Refused
	case s == http.StatusServiceUnavailable:
		o.Class = Ambiguous
		if after, ok := retryAfter(resp.Header, c.cfg.Now()); ok {
			o.Class, o.After = Retry, after
		}
	case s >= 300 && s <= 399:
		o.Class, o.Why = Ambiguous, o.Why+", a redirect, which is not followed"
	default:
		o.Class = Ambiguous
	}
	return o
}

func classifyError(err error) Outcome {
	var transport *TransportError
	if errors.As(err, &transport) {
		o := Outcome{Class: Ambiguous, Why: strings.TrimPrefix(transport.Error(), "fhir client: ")}
		if transport.NotSent {
			o.Class = Retry
		}
		return o
	}
	if turn := (*turnError)(nil); errors.As(err, &turn) {
		return Outcome{Class: Retry, Why: "it may not leave now"}
	}
	var auth *authError
	if errors.As(err, &auth) {
		return classifyAuth(auth.cause)
	}
	return Outcome{Class: Refused, Why: strings.TrimPrefix(err.Error(), "fhir client: ")}
}

// classifyAuth: nothing was sent. A lasting refusal of the token endpoint needs a person.
func classifyAuth(err error) Outcome {
	o := Outcome{Class: Retry, Why: "no access token"}
	var permanent interface{ Permanent() bool }
	if errors.As(err, &permanent) && permanent.Permanent() {
		o.Class = Unauthorized
	}
	var after interface{ RetryAfter() time.Duration }
	if errors.As(err, &after) {
		o.After = min(after.RetryAfter(), maxRetryAfter)
	}
	return o
}

// classifySuccess takes a 2xx as done only where the answer shows it.
func (c *Client) classifySuccess(r Request, resp Response, issues []r4.Issue) (Class, string) {
	why := "HTTP " + strconv.Itoa(resp.Status)
	switch {
	case resp.Status == http.StatusAccepted:
		return Ambiguous, why + ", accepted for review, not yet done"
	case resp.bodyErr != nil:
		return Ambiguous, why + " with a body that is too large, packed or cut short"
	case resp.Status != http.StatusOK && resp.Status != http.StatusCreated && resp.Status != http.StatusNoContent:
		return Ambiguous, why + " is no answer to this request"
	case r.Expect == "":
		return OK, why
	case r.Expect != "OperationOutcome" && r4.Failed(issues):
		return Ambiguous, why + " with an OperationOutcome that reports an error"
	case len(resp.Body) == 0 && c.cfg.MinimalOK && r.Method != http.MethodGet:
		return minimal(r, resp, why)
	case contradicts(r, resp):
		return Ambiguous, why + " whose body, Location and URL name different resources"
	case resp.Status == http.StatusNoContent || !json.Valid(resp.Body) || r4.TypeOf(resp.Body) != r.Expect:
		return Ambiguous, why + " without the expected " + r.Expect
	}
	return OK, why
}

// contradicts says whether the answer to a write names two places for what was written: its body
// one, its Location or the URL of an update another. Neither can then be believed.
func contradicts(r Request, resp Response) bool {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return false
	}
	var body struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
	}
	if json.Unmarshal(resp.Body, &body) != nil || body.ID == "" || body.ResourceType != r.Expect {
		return false
	}
	if r.Method == http.MethodPut {
		return r.Path != body.ResourceType+"/"+body.ID
	}
	at, ok := ParseLocation(resp.Header.Get("Location"))
	return ok && r.Path == r.Expect && at.Reference() != body.ResourceType+"/"+body.ID
}

// minimal judges a 2xx without a body from a server known to answer so.
func minimal(r Request, resp Response, why string) (Class, string) {
	if r.Method == http.MethodPut {
		return OK, why
	}
	if at, ok := resp.Located(); ok && at.Type == r.Expect {
		return OK, why
	}
	return Ambiguous, why + " without a body or a Location that names the " + r.Expect
}

// retryAfter reads Retry-After in its two forms (RFC 9110 §10.2.3). ok is false where there is
// none that can be read.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if digits := strings.Trim(v, "0123456789") == ""; digits {
		seconds, err := strconv.ParseInt(v, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs // their clock, not ours, says when that is
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}
