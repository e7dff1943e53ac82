package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

var fixedNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Transport: &http.Transport{}}
	}
	if cfg.Base == "" {
		cfg.Base = "https://ehr.example/fhir"
	}
	cfg.Now = func() time.Time { return fixedNow }
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const communicationBody = `{"resourceType":"Communication","id":"c1","meta":{"versionId":"1"},"status":"completed"}`

// TestClassifyEveryStatus is the outcome table, for each status there is.
func TestClassifyEveryStatus(t *testing.T) {
	c := newClient(t, Config{})
	create := Request{Method: http.MethodPost, Path: "Communication", Expect: "Communication"}
	want := func(status int) Class {
		switch status {
		case 200, 201:
			return OK
		case 401:
			return Unauthorized
		case 409, 412:
			return Conflict
		case 429:
			return Retry
		}
		if status >= 400 && status < 500 {
			return Refused
		}
		return Ambiguous
	}
	for status := 100; status <= 599; status++ {
		o := c.Classify(create, Response{Status: status, Header: http.Header{}, Body: []byte(communicationBody)}, nil)
		if o.Class != want(status) || o.Status != status {
			t.Errorf("%d: %v, want %v", status, o.Class, want(status))
		}
		// Retry-After turns 503 into Retry and changes nothing else.
		after := c.Classify(create, Response{Status: status, Header: http.Header{"Retry-After": {"7"}}, Body: []byte(communicationBody)}, nil)
		wantAfter := want(status)
		if status == 503 {
			wantAfter = Retry
		}
		if after.Class != wantAfter || (after.After == 7*time.Second) != (wantAfter == Retry) {
			t.Errorf("%d with Retry-After: %v after %v, want %v", status, after.Class, after.After, wantAfter)
		}
	}
}

// TestTheNamedStatuses pins the statuses the table names, apart from any formula.
func TestTheNamedStatuses(t *testing.T) {
	c := newClient(t, Config{})
	for class, statuses := range map[Class][]int{
		Retry: {429}, Ambiguous: {202, 500, 501, 502, 503, 504, 599, 204, 206, 301, 302, 303, 307, 308},
		Refused: {400, 403, 404, 405, 406, 410, 413, 415, 418, 422, 428, 431, 451}, Conflict: {409, 412}, Unauthorized: {401},
	} {
		for _, s := range statuses {
			r := Request{Method: http.MethodPost, Path: "Communication", Expect: "Communication"}
			if o := c.Classify(r, Response{Status: s, Header: http.Header{}}, nil); o.Class != class {
				t.Errorf("%d: %v, want %v", s, o.Class, class)
			}
		}
	}
}

func TestClassifySuccessBodies(t *testing.T) {
	outcome := `{"resourceType":"OperationOutcome","issue":[{"severity":"%s","code":"invalid"}]}`
	for _, c := range []struct {
		name    string
		status  int
		body    string
		header  http.Header
		minimal bool
		method  string
		expect  string
		want    Class
	}{
		{"the resource", 201, communicationBody, nil, false, "POST", "Communication", OK},
		{"an existing match", 200, communicationBody, nil, false, "POST", "Communication", OK},
		{"html", 200, "<html>login</html>", nil, false, "POST", "Communication", Ambiguous},
		{"another type", 201, `{"resourceType":"Patient","id":"1"}`, nil, false, "POST", "Communication", Ambiguous},
		{"an error outcome", 200, fmt.Sprintf(outcome, "error"), nil, false, "POST", "Communication", Ambiguous},
		{"an outcome for the asked one", 200, fmt.Sprintf(outcome, "error"), nil, false, "POST", "OperationOutcome", OK},
		{"half a body", 201, `{"resourceType":"Communication","id":`, nil, false, "POST", "Communication", Ambiguous},
		{"trailing text", 201, communicationBody + "<!-- -->", nil, false, "POST", "Communication", Ambiguous},
		{"no body", 201, "", http.Header{"Location": {"Communication/c1"}}, false, "POST", "Communication", Ambiguous},
		{"no body, minimal, located", 201, "", http.Header{"Location": {"https://other.example/x/Communication/c1/_history/1"}}, true, "POST", "Communication", OK},
		{"no body, minimal, another type", 201, "", http.Header{"Location": {"Patient/c1"}}, true, "POST", "Communication", Ambiguous},
		{"no body, minimal, nowhere", 201, "", nil, true, "POST", "Communication", Ambiguous},
		{"update without body, minimal", 200, "", nil, true, "PUT", "Communication", OK},
		{"204 on update, minimal", 204, "", nil, true, "PUT", "Communication", OK},
		{"204 on update", 204, "", nil, false, "PUT", "Communication", Ambiguous},
		{"a read without body is never enough", 200, "", http.Header{"Location": {"Communication/c1"}}, true, "GET", "Communication", Ambiguous},
		{"nothing expected", 204, "", nil, false, "DELETE", "", OK},
		{"nothing expected, accepted", 202, "", nil, false, "DELETE", "", Ambiguous},
	} {
		client := newClient(t, Config{MinimalOK: c.minimal})
		if c.header == nil {
			c.header = http.Header{}
		}
		o := client.Classify(Request{Method: c.method, Expect: c.expect}, Response{Status: c.status, Header: c.header, Body: []byte(c.body)}, nil)
		if o.Class != c.want {
			t.Errorf("%s: %v (%s), want %v", c.name, o.Class, o.Why, c.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"0": 0, "120": 2 * time.Minute, " 5 ": 5 * time.Second, "3600": time.Hour, "999999": time.Hour, "99999999999999999999": time.Hour,
		"Sun, 22 Nov 2026 12:00:30 GMT": 30 * time.Second, "Sun, 22 Nov 2026 11:00:00 GMT": 0, "Mon, 23 Nov 2026 12:00:00 GMT": time.Hour,
	} {
		if got, ok := retryAfter(http.Header{"Retry-After": {value}}, fixedNow); !ok || got != want {
			t.Errorf("%q: %v %v, want %v", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "soon", "-1", "1.5"} {
		if got, ok := retryAfter(http.Header{"Retry-After": {value}}, fixedNow); ok {
			t.Errorf("%q was read as %v", value, got)
		}
	}
	// A 503 whose Retry-After cannot be read is a bare 503.
	c := newClient(t, Config{})
	if o := c.Classify(Request{}, Response{Status: 503, Header: http.Header{"Retry-After": {"soon"}}}, nil); o.Class != Ambiguous {
		t.Errorf("%v", o.Class)
	}
}

type refusal struct{ permanent bool }

func (refusal) Error() string             { return "invalid_client" }
func (r refusal) Permanent() bool         { return r.permanent }
func (refusal) RetryAfter() time.Duration { return 2 * time.Hour }

func TestClassifyErrors(t *testing.T) {
	c := newClient(t, Config{})
	for _, x := range []struct {
		err  error
		want Outcome
	}{
		{&TransportError{NotSent: true}, Outcome{Class: Retry}},
		{&TransportError{Timeout: true}, Outcome{Class: Ambiguous}},
		{&TransportError{}, Outcome{Class: Ambiguous}},
		{&authError{refusal{true}}, Outcome{Class: Unauthorized, After: time.Hour}},
		{&authError{refusal{false}}, Outcome{Class: Retry, After: time.Hour}},
		{&authError{errors.New("down")}, Outcome{Class: Retry}},
		{ErrOutsideBase, Outcome{Class: Refused}},
	} {
		o := c.Classify(Request{}, Response{}, x.err)
		if o.Class != x.want.Class || o.After != x.want.After || o.Why == "" || o.Status != 0 {
			t.Errorf("%v: %+v", x.err, o)
		}
	}
}

func TestClassNames(t *testing.T) {
	var names []string
	for c := OK; c <= Unauthorized; c++ {
		names = append(names, c.String())
	}
	if got := strings.Join(names, " "); got != "ok retry ambiguous refused conflict unauthorized" {
		t.Error(got)
	}
}

// A date is meant by the clock of whoever wrote it.
func TestRetryAfterDateIsHeldAgainstTheServersDate(t *testing.T) {
	theirs := fixedNow.Add(-48 * time.Hour)
	h := http.Header{"Date": {theirs.UTC().Format(http.TimeFormat)}, "Retry-After": {theirs.Add(90 * time.Second).UTC().Format(http.TimeFormat)}}
	if got, ok := retryAfter(h, fixedNow); !ok || got != 90*time.Second {
		t.Errorf("%v, %v; want 90s", got, ok)
	}
}
