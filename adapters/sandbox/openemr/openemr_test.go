package openemr_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/openemr"
)

// now is a day that does not end during a test.
var now = time.Date(2026, 11, 22, 14, 15, 31, 0, time.UTC)

// running is an OpenEMR with one patient, in an EHR that is open.
func running(t *testing.T) *sandbox.OpenEMR {
	t.Helper()
	e, err := sandbox.StartOpenEMR(t.Context(), sandbox.EHROptions{EHR: ehr.Options{Now: func() time.Time { return now }, Seed: 1}},
		openemr.Options{Categories: []string{"Patient Messages", "Medical Record/Letters"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	if _, err := e.Put([]byte(`{"resourceType":"Patient","id":"p1","name":[{"family":"Cho"}]}`)); err != nil {
		t.Fatal(err)
	}
	return e
}

func form(field, name, content string) (kind, body string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, _ := w.CreateFormFile(field, name)
	_, _ = io.WriteString(part, content)
	_ = w.Close()
	return w.FormDataContentType(), b.String()
}

func ask(t *testing.T, method, url, kind, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "*/*")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, said)
}

// TestStrict holds the sandbox to what is recorded of OpenEMR, answer by answer.
func TestStrict(t *testing.T) {
	e := running(t)
	api, upload := e.URL()+openemr.APIPath, e.URL()+openemr.APIPath+"/patient/100/document?path="
	kind, note := form("document", "a-b c.txt", "hello")
	for _, c := range []struct{ what, method, url, kind, body, want string }{
		{"row", "GET", api + "/patient/p1", "", "", `200 {"data":{"id":1,"pid":100,"pubpid":"P000001","uuid":"p1"},"internalErrors":[],"validationErrors":[]}`},
		{"no such row", "GET", api + "/patient/100", "", "", `404 {"data":[],"internalErrors":["Resource not found"],"validationErrors":[]}`},
		{"empty list", "GET", upload + "/patient_messages", "", "", "404 null"},
		{"by uuid", "POST", api + "/patient/p1/document?path=/patient_messages", kind, note, `400 {"data":[],"internalErrors":[],"validationErrors":{"pid":"Invalid pid"}}`},
		{"by the row's id", "POST", api + "/patient/1/document?path=/patient_messages", kind, note, `400 {"data":[],"internalErrors":[],"validationErrors":{"pid":"Invalid pid"}}`},
		{"no path", "POST", api + "/patient/100/document", kind, note, "404 null"},
		{"path without a slash", "POST", upload + "patient_messages", kind, note, "404 null"},
		{"below what is not there", "POST", upload + "/medical_record/none", kind, note, "404 null"},
		{"no form", "POST", upload + "/patient_messages", "text/plain", "hello", "404 null"},
		{"taken", "POST", upload + "/patient_messages", kind, note, "200 true"},
		{"taken again", "POST", upload + "/patient_messages", kind, note, "200 true"},
		{"into no category", "POST", upload + "/none", kind, note, "200 true"},
		{"list", "GET", upload + "/patient_messages", "", "", `200 [{"docdate":"2026-11-22","filename":"a_b_c.txt","id":1,"mimetype":"text/plain"},{"docdate":"2026-11-22","filename":"a_b_c_1.txt","id":2,"mimetype":"text/plain"}]`},
		{"list of no category", "GET", upload + "/none", "", "", "404 null"},
		{"download", "GET", api + "/patient/100/document/1", "", "", `500 {"data":[],"internalErrors":["CSRF key is empty"],"validationErrors":[]}`},
		{"over FHIR", "POST", e.Base() + "/DocumentReference", "application/fhir+json", "{}", "404 null"},
		{"search by POST", "POST", e.Base() + "/Patient/_search", "application/x-www-form-urlencoded", "", "404 null"},
		{"content", "GET", e.Base() + "/Binary/9e000001-c0de-4bad-8001-000000000001", "", "", "200 hello"},
		{"anything else", "GET", api + "/facility", "", "", "404 null"},
	} {
		if got := ask(t, c.method, c.url, c.kind, c.body); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.what, got, c.want)
		}
	}
	for what, content := range map[string]string{"nothing": "", "a zero": "0", "a control character": "a\x01b", "no text": "\xff\xfe", "delete": "a\x7f"} {
		kind, body := form("document", "a.txt", content)
		if got := ask(t, "POST", upload+"/patient_messages", kind, body); got != "404 null" {
			t.Errorf("%s: %s", what, got)
		}
	}
	for what, names := range map[string][2]string{"another field": {"file", "a.txt"}, "no suffix": {"document", "a"}} {
		kind, body := form(names[0], names[1], "hello")
		if got := ask(t, "POST", upload+"/patient_messages", kind, body); got != "404 null" {
			t.Errorf("%s: %s", what, got)
		}
	}
	if declared := ask(t, "GET", e.Base()+"/metadata", "", ""); !strings.Contains(declared, `{"code":"create"}`) {
		t.Error("the create that answers 404 is not declared")
	}
	if n := len(e.API.Documents()); n != 3 {
		t.Errorf("%d documents, want 3", n)
	}
}
