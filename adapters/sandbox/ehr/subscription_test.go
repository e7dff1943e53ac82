package ehr_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// hook answers notifications in place of the network and hands each request on.
type hook struct {
	got    chan *http.Request
	status int
	err    error
}

func (h *hook) RoundTrip(r *http.Request) (*http.Response, error) {
	h.got <- r
	if h.err != nil {
		return nil, h.err
	}
	return &http.Response{StatusCode: h.status, Status: http.StatusText(h.status), Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}, nil
}

const subscribe = `{"resourceType":"Subscription","status":"requested","reason":"EHR-born requests","criteria":"CommunicationRequest?status=active",
	"channel":{"type":"rest-hook","endpoint":"https://cw.example/ehrs/mercy/notify","header":["X-Secret: s3cret","X-Other: 1"]}}`

const request = `{"resourceType":"CommunicationRequest","status":"active","subject":{"reference":"Patient/daniel"},
	"payload":[{"contentString":"Please call us"}]}`

func TestSubscriptionTellsOfMatchingCommits(t *testing.T) {
	h := &hook{got: make(chan *http.Request, 16), status: 200}
	w := start(t, ehr.Options{HTTPClient: &http.Client{Transport: h}})
	a := w.do("POST", "/Subscription", subscribe)
	w.want(a, 201, "")
	if a.body["status"] != "requested" {
		t.Errorf("created as %v", a.body["status"])
	}
	if now := w.do("GET", "/Subscription/"+id(a), ""); now.body["status"] != "active" {
		t.Errorf("then %v", now.body["status"])
	}
	if _, err := w.Put([]byte(replace(request, `"active"`, `"draft"`))); err != nil {
		t.Fatal(err)
	}
	w.do("POST", "/Communication", communication("t/1", "no match either"))
	born, err := w.Put([]byte(request))
	if err != nil {
		t.Fatal(err)
	}
	r := <-h.got
	body := io.Reader(strings.NewReader(""))
	if r.Body != nil {
		body = r.Body
	}
	raw, _ := io.ReadAll(body)
	if r.Method != "POST" || r.URL.String() != "https://cw.example/ehrs/mercy/notify" || r.Header.Get("X-Secret") != "s3cret" || len(raw) != 0 {
		t.Errorf("%s %s %v %q", r.Method, r.URL, r.Header, raw)
	}
	changed := replace(string(born.Raw), "Please call us", "Please call us today")
	if _, err := w.Put([]byte(changed)); err != nil {
		t.Fatal(err)
	}
	<-h.got // an update that matches tells again
	off := replace(subscribe, "requested", "off", `"resourceType"`, `"id":"`+id(a)+`","resourceType"`)
	w.want(w.do("PUT", "/Subscription/"+id(a), off), 200, "")
	if _, err := w.Put([]byte(request)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if n := len(h.got); n != 0 {
		t.Errorf("%d notifications after it was switched off", n)
	}
}

func TestSubscriptionGoesToErrorWhenTheEndpointFails(t *testing.T) {
	for name, h := range map[string]*hook{
		"500":     {got: make(chan *http.Request, 16), status: 500},
		"refused": {got: make(chan *http.Request, 16), err: errors.New("connection refused")},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, ehr.Options{HTTPClient: &http.Client{Transport: h}})
			a := w.do("POST", "/Subscription", subscribe)
			for range 5 {
				if _, err := w.Put([]byte(request)); err != nil {
					t.Fatal(err)
				}
				<-h.got
			}
			status := func() string {
				s, _ := w.Get("Subscription", id(a))
				var r struct{ Status string }
				_ = json.Unmarshal(s.Raw, &r)
				return r.Status
			}
			until(t, func() bool { return status() == "error" })
			if n := w.Notifications(); len(n) != 5 || n[4].Err == "" || n[4].Status != h.status {
				t.Errorf("notifications %+v", n)
			}
		})
	}
}

// until waits for a condition that another goroutine is about to make true.
func until(t *testing.T, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10e9)
	defer cancel()
	for ; !cond(); runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatal("it never came about")
		}
	}
}

func TestSubscriptionRefuses(t *testing.T) {
	w := start(t, ehr.Options{})
	for _, c := range []struct{ from, to, words string }{
		{`"requested"`, `"active"`, "the server sets"},
		{`"rest-hook"`, `"email"`, "rest-hook"},
		{`"endpoint"`, `"payload":"application/fhir+json","endpoint"`, "no payload"},
		{"https://cw.example", "http://cw.example", "https"},
		{"CommunicationRequest?status=active", "Nonsense?x=y", "no known type"},
	} {
		w.want(w.do("POST", "/Subscription", replace(subscribe, c.from, c.to)), 422, c.words)
	}
	w.want(w.do("POST", "/Subscription", replace(subscribe, "?status", "?colour")), 400, "unknown search parameter")
}
