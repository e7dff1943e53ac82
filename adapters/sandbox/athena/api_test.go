package athena

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

func newAPI() *API {
	return New(Options{Practice: 195900, Departments: []int{1}, FHIRBase: "/fhir", Now: func() time.Time { return time.Unix(1700000000, 0) },
		Chart: func(typ, id string) bool { return typ == "Patient" && id == "a-195900.E-60178" }})
}

func ask(a *API, method, path, body string) *ehr.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return a.Answer(r)
}

const documents = "/v1/195900/patients/60178/documents/clinicaldocument"

// TestRefuses: each thing a client may get wrong has its answer, and leaves nothing behind.
func TestRefuses(t *testing.T) {
	const good = "departmentid=1&documentsubclass=CLINICALDOCUMENT&documentdata=hello"
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"no department":      {"POST", documents, "documentsubclass=CLINICALDOCUMENT&documentdata=x", 400, "departmentid"},
		"another department": {"POST", documents, strings.Replace(good, "departmentid=1", "departmentid=2", 1), 400, "department"},
		"unknown subclass":   {"POST", documents, strings.Replace(good, "CLINICALDOCUMENT", "PROGRESSNOTE", 1), 400, "documentsubclass"},
		"no content":         {"POST", documents, "departmentid=1&documentsubclass=CLINICALDOCUMENT", 400, "content"},
		"unknown field":      {"POST", documents, good + "&note=x", 400, "note"},
		"a field twice":      {"POST", documents, good + "&departmentid=1", 400, "departmentid"},
		"a date of its own":  {"POST", documents, good + "&observationdate=2026-11-22", 400, "observationdate"},
		"no PDF":             {"POST", documents, good + "&attachmenttype=PDF&attachmentcontents=aGVsbG8=", 400, "attachmentcontents"},
		"unknown patient":    {"POST", strings.Replace(documents, "60178", "60179", 1), good, 404, "patient"},
		"a FHIR id":          {"POST", strings.Replace(documents, "60178", "a-195900.E-60178", 1), good, 404, "patient"},
		"another practice":   {"POST", strings.Replace(documents, "195900", "1", 1), good, 404, "practice"},
		"another class":      {"POST", strings.Replace(documents, "clinicaldocument", "letter", 1), good, 404, "URL"},
		"a change":           {"PUT", documents + "/200001", "internalnote=x", 405, "Method"},
		"no such document":   {"GET", documents + "/200001", "", 404, "document"},
		"list of nothing":    {"GET", documents, "", 400, "departmentid"},
		"case without class": {"POST", strings.Replace(documents, "clinicaldocument", "patientcase", 1), "departmentid=1&documentsource=PATIENT&internalnote=x", 400, "documentsubclass"},
	} {
		a := newAPI()
		resp := ask(a, c.method, c.path, c.body)
		var said struct{ Error string }
		if resp.Status != c.status || json.Unmarshal(resp.Body, &said) != nil || said.Error == "" || !strings.Contains(string(resp.Body), c.says) {
			t.Errorf("%s: %d %s", name, resp.Status, resp.Body)
		}
		if n := len(a.Documents()); n != 0 {
			t.Errorf("%s: %d documents", name, n)
		}
	}
}

// TestKeeps: a document is shown as it came, to its patient's readers alone.
func TestKeeps(t *testing.T) {
	a := newAPI()
	text := "two\nlines & 50% <b>"
	form := url.Values{"departmentid": {"1"}, "documentsubclass": {"CLINICALDOCUMENT"}, "documentdata": {text}, "autoclose": {"true"}}
	if resp := ask(a, "POST", documents, form.Encode()); resp.Status != 200 || string(resp.Body) != `{"clinicaldocumentid":200001}` {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	var one []map[string]any
	resp := ask(a, "GET", documents+"/200001", "")
	if json.Unmarshal(resp.Body, &one) != nil || len(one) != 1 || one[0]["documentdata"] != text || one[0]["status"] != "CLOSED" {
		t.Errorf("%s", resp.Body)
	}
	resp = ask(a, "GET", documents+"?departmentid=1", "")
	if bytes.Contains(resp.Body, []byte("documentdata")) || !bytes.Contains(resp.Body, []byte(`"totalcount":1`)) {
		t.Errorf("the list: %s", resp.Body)
	}
	if d := a.Documents(); len(d) != 1 || d[0].Text != text || d[0].Patient != "Patient/a-195900.E-60178" || !d[0].Closed {
		t.Errorf("%+v", d)
	}
}

// TestPracticeInSearches: a search that names no practice, or another, gets nothing; the server behind never sees the parameter.
func TestPracticeInSearches(t *testing.T) {
	const good = "ah-practice=Organization%2Fa-1.Practice-195900&identifier=a%7Cb"
	for name, c := range map[string]struct {
		method, path, body string
		refused            bool
	}{
		"get": {"GET", "/fhir/Patient?" + good, "", false}, "post": {"POST", "/fhir/Patient/_search", good, false}, "read": {"GET", "/fhir/Patient/a-195900.E-1", "", false},
		"metadata": {"GET", "/fhir/metadata", "", false}, "none": {"GET", "/fhir/Patient?identifier=x", "", true},
		"none posted": {"POST", "/fhir/Patient/_search", "identifier=x", true}, "another": {"GET", "/fhir/Patient?ah-practice=Organization/a-1.Practice-1", "", true},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		resp := newAPI().FHIR(r)
		if (resp != nil) != c.refused || resp != nil && resp.Status != http.StatusForbidden {
			t.Errorf("%s: %+v", name, resp)
		}
		var rest bytes.Buffer
		_, _ = rest.ReadFrom(r.Body)
		if strings.Contains(r.URL.RawQuery+rest.String(), "practice") || name == "post" && rest.String() != "identifier=a%7Cb" {
			t.Errorf("%s: the server behind sees %q %q", name, r.URL.RawQuery, rest.String())
		}
	}
}
