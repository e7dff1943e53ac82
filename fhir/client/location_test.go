package client

import (
	"net/http"
	"strings"
	"testing"
)

func TestParseLocation(t *testing.T) {
	for in, want := range map[string]Location{
		"Communication/c1": {"Communication", "c1", ""},
		"https://elsewhere.example/x/Communication/c1/_history/2": {"Communication", "c1", "2"},
		"/fhir/Communication/c-1.a/":                              {"Communication", "c-1.a", ""},
		"https://h/fhir/Communication/c1?x=Patient/2":             {"Communication", "c1", ""},
	} {
		if got, ok := ParseLocation(in); !ok || got != want || got.Reference() != want.Type+"/"+want.ID {
			t.Errorf("%q: %+v %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "c1", "https://h", "communication/c1", "Communication/", "Communication/a b", "Communication/_history/2", "http://[", "Communication/" + strings.Repeat("a", 65), "Communication/c1/_history/a b"} {
		if got, ok := ParseLocation(in); ok {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func TestLocated(t *testing.T) {
	for name, c := range map[string]struct {
		resp Response
		want Location
		ok   bool
	}{
		"body":             {Response{Body: []byte(communicationBody), Header: http.Header{"Location": {"Communication/other"}}}, Location{"Communication", "c1", "1"}, true},
		"location":         {Response{Header: http.Header{"Location": {"x/Communication/c2/_history/3"}}}, Location{"Communication", "c2", "3"}, true},
		"content-location": {Response{Header: http.Header{"Content-Location": {"x/Communication/c2"}, "Etag": {`W/"5"`}}}, Location{"Communication", "c2", "5"}, true},
		"outcome":          {Response{Body: []byte(`{"resourceType":"OperationOutcome","id":"o1"}`), Header: http.Header{}}, Location{}, false},
		"nothing":          {Response{Header: http.Header{}}, Location{}, false},
	} {
		if got, ok := c.resp.Located(); ok != c.ok || got != c.want {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
}

func TestVersionAndETag(t *testing.T) {
	for in, want := range map[string]string{`W/"3"`: "3", `"3"`: "3", "3": "3", "": "", `W/"a b"`: "", " W/\"x.1\" ": "x.1"} {
		if got := Version(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	if ETag("3") != `W/"3"` || ETag("") != "" {
		t.Error("ETag")
	}
}

// FuzzWithin: whatever link a server gives, what is called is below the base.
func FuzzWithin(f *testing.F) {
	for _, s := range []string{"?p=2", "https://ehr.example/fhir?x", "//evil/fhir", "https://ehr.example/fhir/../x", "\\\\evil", "https://ehr.example@evil/fhir", "Patient/%2e%2e/%2E%2e/x"} {
		f.Add(s)
	}
	c := newClient(f, Config{})
	f.Fuzz(func(t *testing.T, link string) {
		u, err := c.within(link)
		if err != nil {
			return
		}
		if u.Scheme != "https" || !strings.EqualFold(u.Host, "ehr.example") || u.User != nil ||
			(u.Path != "/fhir" && !strings.HasPrefix(u.Path, "/fhir/")) || strings.Contains(u.Path, "/../") || strings.HasSuffix(u.Path, "/..") {
			t.Fatalf("%q goes to %s", link, u)
		}
	})
}
