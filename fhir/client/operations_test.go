package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chartwire/chartwire/fhir/r4"
)

func TestRequestHeaders(t *testing.T) {
	var got *http.Request
	var body string
	c, _ := server(t, Config{Auth: &tokens{}, RequestID: func() string { return "req-1" }}, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, communicationBody)
	})
	ctx := context.Background()
	resource := []byte(`{"resourceType":"Communication","status":"completed"}`)
	resp, err := c.Create(ctx, resource, r4.IdentifierQuery("urn:a", "t/m"))
	if err != nil || resp.RequestID != "req-1" {
		t.Fatal(err)
	}
	check := func(name, want string) {
		t.Helper()
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	check("Content-Type", MediaFHIR)
	check("Accept", MediaFHIR)
	check("Prefer", "return=representation")
	check("X-Request-Id", "req-1")
	check("Authorization", "Bearer t1")
	check("If-None-Exist", "identifier=urn%3Aa%7Ct%2Fm")
	if got.URL.Path != "/fhir/Communication" || body != string(resource) || got.ContentLength != int64(len(resource)) {
		t.Errorf("%s %q", got.URL, body)
	}
	if _, err := c.Update(ctx, "Communication/c1", resource, ETag("3")); err != nil {
		t.Fatal(err)
	}
	check("If-Match", `W/"3"`)
	check("If-None-Exist", "")
	if got.Method != http.MethodPut || got.URL.Path != "/fhir/Communication/c1" {
		t.Errorf("%s %s", got.Method, got.URL)
	}
	if _, err := c.Read(ctx, "Communication/c1", "Communication"); err != nil {
		t.Fatal(err)
	}
	check("Cache-Control", "no-cache")
}

// A caller cannot slip in headers that make a transport repeat a request or replace the token.
func TestForbiddenHeaders(t *testing.T) {
	var got http.Header
	c, _ := server(t, Config{Auth: &tokens{}}, func(_ http.ResponseWriter, r *http.Request) { got = r.Header })
	_, err := c.Do(context.Background(), Request{Method: http.MethodPost, Path: "Task", Body: []byte("{}"), Header: http.Header{
		"Idempotency-Key": {"1"}, "x-idempotency-key": {"2"}, "Authorization": {"Basic zzz"},
	}})
	if err != nil || got.Get("Idempotency-Key") != "" || got.Get("X-Idempotency-Key") != "" || got.Get("Authorization") != "Bearer t1" {
		t.Errorf("%v %v", got, err)
	}
}

func TestGetBodyIsNil(t *testing.T) {
	c := newClient(t, Config{})
	u, err := c.urlFor("Communication", nil)
	if err != nil {
		t.Fatal(err)
	}
	if req := c.build(context.Background(), u, Request{Method: "POST", Body: []byte("{}")}); req.GetBody != nil {
		t.Error("a transport could send the body again")
	}
}

func TestPathsAreChecked(t *testing.T) {
	c := newClient(t, Config{})
	for _, path := range []string{"../admin", "Patient/../x", "Patient//1", "Patient/1?x=1", "Patient/a b", "/Patient", "https://evil.example", "Patient/%2e%2e", "Patient/1#x"} {
		if _, err := c.Do(context.Background(), Request{Method: "GET", Path: path}); !errors.Is(err, errPath) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestBases(t *testing.T) {
	for base, want := range map[string]string{
		"https://ehr.example": "https://ehr.example/Patient/1", "https://ehr.example/": "https://ehr.example/Patient/1",
		"https://ehr.example/fhir/r4/": "https://ehr.example/fhir/r4/Patient/1", "https://ehr.example/a%2Fb": "https://ehr.example/a%2Fb/Patient/1",
	} {
		c := newClient(t, Config{Base: base})
		u, err := c.urlFor("Patient/1", url.Values{"a": {"b c"}})
		if err != nil || u.String() != want+"?a=b+c" {
			t.Errorf("%s: %s (%v)", base, u, err)
		}
		next, err := c.within("?page=2")
		if err != nil || next.String() != strings.TrimRight(base, "/")+"/?page=2" {
			t.Errorf("%s: %s (%v)", base, next, err)
		}
	}
}

func TestSearchGetAndPost(t *testing.T) {
	var got *http.Request
	var body string
	c, _ := server(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		_, _ = io.WriteString(w, `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"1"}}]}`)
	})
	params := url.Values{"identifier": {"urn:a|1"}}
	b, err := c.Search(context.Background(), "Patient", params)
	if err != nil || len(b.Matches()) != 1 || got.URL.RawQuery != "identifier=urn%3Aa%7C1" || got.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%v %v", got.URL, err)
	}
	b, err = c.SearchPost(context.Background(), "Patient", params)
	if err != nil || len(b.Matches()) != 1 || got.URL.RawQuery != "" || got.URL.Path != "/fhir/Patient/_search" ||
		body != "identifier=urn%3Aa%7C1" || got.Header.Get("Content-Type") != mediaForm || got.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%v %q %v", got.URL, body, err)
	}
}

func TestPaging(t *testing.T) {
	var base string
	c, s := server(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("p")
		next := map[string]string{"": base + "?p=2", "2": "Patient?p=3", "3": ""}[page]
		link := ""
		if next != "" {
			link = fmt.Sprintf(`,"link":[{"relation":"next","url":%q}]`, next)
		}
		_, _ = fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset"%s,"entry":[{"resource":{"resourceType":"Patient","id":"p%s"}}]}`, link, page)
	})
	base = s.URL + "/fhir"
	first, err := c.Search(context.Background(), "Patient", nil)
	if err != nil {
		t.Fatal(err)
	}
	all, whole, err := c.All(context.Background(), first, 10)
	if err != nil || !whole || len(all) != 3 || all[2].ID != "p3" {
		t.Errorf("%v %v %v", all, whole, err)
	}
	all, whole, err = c.All(context.Background(), first, 2)
	if err != nil || whole || len(all) != 2 {
		t.Errorf("cut: %d %v %v", len(all), whole, err)
	}
}

// REQ 97, 98: a next link that leaves the base is neither called nor shown the token.
func TestREQ97And98_NextLinkOutsideTheBase(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	c, s := server(t, Config{Auth: &tokens{}}, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	for _, link := range []string{
		other.URL + "/fhir?p=2", s.URL + "/other?p=2", s.URL + "/fhirx?p=2", "//" + other.Listener.Addr().String() + "/fhir",
		"../other", "file:///etc/passwd", strings.Replace(s.URL, "http://", "http://u:p@", 1) + "/fhir?p=2", s.URL + "/fhir/%2e%2e/other", s.URL + "/fhir/..%2fother", s.URL + `/fhir/..\other`, "https" + s.URL[4:] + "/fhir", "http://[",
	} {
		_, ok, err := c.Next(context.Background(), r4.BundleView{Next: link})
		var e *Error
		if ok || !errors.Is(err, ErrOutsideBase) || !errors.As(err, &e) || e.Class != Refused {
			t.Errorf("%s: %v %v", link, ok, err)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestTransaction(t *testing.T) {
	answer := ""
	c, _ := server(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/fhir" || r.Method != http.MethodPost {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		_, _ = io.WriteString(w, answer)
	})
	bundle := []byte(`{"resourceType":"Bundle","type":"transaction","entry":[{},{}]}`)
	entry := func(status string) string {
		return `{"response":{"status":"` + status + `","location":"Communication/1"}}`
	}
	for name, x := range map[string]struct {
		answer string
		want   Class
	}{
		"all there":        {`{"resourceType":"Bundle","type":"transaction-response","entry":[` + entry("201 Created") + `,` + entry("200") + `]}`, OK},
		"one short":        {`{"resourceType":"Bundle","type":"transaction-response","entry":[` + entry("201") + `]}`, Ambiguous},
		"one failed":       {`{"resourceType":"Bundle","type":"transaction-response","entry":[` + entry("201") + `,` + entry("422") + `]}`, Ambiguous},
		"one for review":   {`{"resourceType":"Bundle","type":"transaction-response","entry":[` + entry("201") + `,` + entry("202") + `]}`, Ambiguous},
		"a batch":          {`{"resourceType":"Bundle","type":"batch-response","entry":[` + entry("201") + `,` + entry("201") + `]}`, Ambiguous},
		"another resource": {communicationBody, Ambiguous},
	} {
		answer = x.answer
		view, _, err := c.Transaction(context.Background(), bundle)
		var e *Error
		errors.As(err, &e)
		expectClass(t, e, x.want)
		if x.want == OK && len(view.Entries) != 2 {
			t.Errorf("%s: %+v", name, view)
		}
	}
}

// What an EHR writes about a refused resource is PHI; what we say about it is not.
func TestErrorTextIsFreeOfPHI(t *testing.T) {
	c, _ := server(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"business-rule","details":{"text":"Zebra is not a patient"},"diagnostics":"Zebra","expression":["Communication.subject"]}]}`)
	})
	_, err := c.Search(context.Background(), "Patient", url.Values{"family": {"Zebra"}})
	var e *Error
	if !errors.As(err, &e) || e.Class != Refused || len(e.Issues) != 1 || !strings.Contains(e.Issues[0].Text.Reveal(), "Zebra") {
		t.Fatalf("%v", err)
	}
	if want := "fhir GET Patient: refused: HTTP 422 [error business-rule Communication.subject]"; err.Error() != want {
		t.Errorf("%s", err)
	}
	if s := fmt.Sprintf("%v %+v %#v", err, e.Outcome, e.Issues); strings.Contains(s, "Zebra") {
		t.Errorf("PHI is shown: %s", s)
	}
	down := newClient(t, Config{HTTP: &http.Client{Transport: failing{errors.New("boom")}}})
	if _, err := down.Search(context.Background(), "Patient", url.Values{"family": {"Zebra"}}); err == nil || strings.Contains(err.Error(), "Zebra") {
		t.Errorf("%v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, base := range []string{"", "ehr", "ftp://ehr.example", "https://", "https://u:p@ehr.example/fhir", "https://ehr.example/fhir?x=1", "https://ehr.example/fhir#f"} {
		if _, err := New(Config{HTTP: http.DefaultClient, Now: nil, Base: base}); err == nil {
			t.Errorf("no clock for %q", base)
		}
		c := Config{HTTP: http.DefaultClient, Base: base}
		c.Now = newClient(t, Config{}).cfg.Now
		if _, err := New(c); err == nil {
			t.Errorf("%q was taken as a base", base)
		}
	}
}
