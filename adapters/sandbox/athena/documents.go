package athena

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// kind is one class of document.
type kind struct {
	class    string
	id, list string // names in answers
	text     string // the field with its text
	needed   []string
	fields   map[string]func(string) bool // what may come, and what may stand in it
}

var (
	digits = regexp.MustCompile(`^[1-9][0-9]{0,17}$`).MatchString
	text   = func(s string) bool { return s != "" }
)

func oneOf(words ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(words, s) }
}

// dated takes a date or time in exactly this form.
func dated(layout string) func(string) bool {
	return func(s string) bool {
		at, err := time.Parse(layout, s)
		return err == nil && at.Format(layout) == s
	}
}

// isPDF takes the one format of attachments that is recommended.
func isPDF(s string) bool {
	raw, err := base64.StdEncoding.DecodeString(s)
	return err == nil && bytes.HasPrefix(raw, []byte("%PDF-"))
}

var kinds = map[string]kind{
	"clinicaldocument": {class: "CLINICALDOCUMENT", id: "clinicaldocumentid", list: "clinicaldocuments", text: "documentdata",
		needed: []string{"departmentid", "documentsubclass"},
		fields: map[string]func(string) bool{
			"departmentid": digits, "documentdata": text, "attachmentcontents": isPDF, "attachmenttype": oneOf("PDF"),
			"documentsubclass": oneOf("CLINICALDOCUMENT", "ADMISSIONDISCHARGE", "CONSULTNOTE", "MENTALHEALTH", "OPERATIVENOTE", "URGENTCARE"),
			"autoclose":        oneOf("true", "false"), "documenttypeid": digits, "providerid": digits, "internalnote": text,
			"observationdate": dated("01/02/2006"), "observationtime": dated("15:04"), "priority": oneOf("1", "2"),
			"originalfilename": func(s string) bool { return s != "" && len([]rune(s)) <= 200 },
		}},
	"patientcase": {class: "PATIENTCASE", id: "patientcaseid", list: "patientcases", text: "internalnote",
		needed: []string{"departmentid", "documentsource", "documentsubclass"},
		fields: map[string]func(string) bool{
			"departmentid": digits, "documentsource": text, "documentsubclass": text, "internalnote": text, "subject": text,
			"autoclose": oneOf("true", "false"), "providerid": digits, "priority": oneOf("1", "2"), "outboundonly": oneOf("true", "false"),
			"callbackname": text, "callbacknumber": text, "callbacknumbertype": text,
		}},
}

// Document is a document the API took.
type Document struct {
	ID      int
	Class   string // CLINICALDOCUMENT or PATIENTCASE
	Patient string // reference in the FHIR server, Patient/…
	Text    string
	PDF     []byte // nil for none
	Closed  bool   // nobody is shown it in the clinical inbox
	Created time.Time
	Form    url.Values // all that was sent
}

// Documents are those on the charts, oldest first.
func (a *API) Documents() []Document {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Document
	for _, d := range a.documents {
		out = append(out, *d)
	}
	return out
}

// create takes a document, or says what is wrong with it.
func (a *API) create(at place, r *http.Request, body []byte) *ehr.Response {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/x-www-form-urlencoded" {
		return (&failure{status: 415, err: "Unsupported Media Type"}).response()
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return (&failure{status: 400, err: "The form could not be read."}).response()
	}
	if f := a.wrong(at.kind, form); f != nil {
		return f.response()
	}
	d := &Document{Class: at.kind.class, Patient: "Patient/" + fhirID(a.o.Practice, at.patient), Text: form.Get(at.kind.text),
		Closed: form.Get("autoclose") == "true", Created: a.o.Now(), Form: form}
	if file := form.Get("attachmentcontents"); file != "" {
		d.PDF, _ = base64.StdEncoding.DecodeString(file) // isPDF has read it
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	d.ID = 200001 + len(a.documents)
	a.documents = append(a.documents, d)
	return answer(http.StatusOK, map[string]any{at.kind.id: d.ID})
}

// wrong is what a form is refused for.
func (a *API) wrong(k kind, form url.Values) *failure {
	var missing []string
	for _, name := range k.needed {
		if form.Get(name) == "" {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return &failure{status: 400, err: "Additional fields are required.", fields: missing}
	}
	for name, values := range form {
		check, known := k.fields[name]
		switch {
		case !known:
			return &failure{status: 400, err: "The field " + name + " is not known here."}
		case len(values) != 1 || !check(values[0]):
			return &failure{status: 400, err: "The data provided is invalid.", more: "The value of " + name + " is invalid."}
		}
	}
	if department, _ := strconv.Atoi(form.Get("departmentid")); !slices.Contains(a.o.Departments, department) {
		return &failure{status: 400, err: "The department does not exist."}
	}
	if form.Get(k.text) == "" && form.Get("attachmentcontents") == "" {
		return &failure{status: 400, err: "The document has no content."}
	}
	return nil
}

// list gives the patient's documents of a kind and department, newest first.
func (a *API) list(at place, query url.Values) *ehr.Response {
	if query.Get("departmentid") == "" {
		return (&failure{status: 400, err: "Additional fields are required.", fields: []string{"departmentid"}}).response()
	}
	limit, offset := number(query, "limit", 100), number(query, "offset", 0)
	if limit < 1 || limit > 5000 || offset < 0 {
		return (&failure{status: 400, err: "The data provided is invalid."}).response()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	found := []map[string]any{}
	for _, d := range slices.Backward(a.documents) {
		if d.Class == at.kind.class && a.of(d, at) && d.Form.Get("departmentid") == query.Get("departmentid") {
			found = append(found, a.shown(d, at, a.o.ListsText))
		}
	}
	body := map[string]any{"totalcount": len(found)}
	if end := offset + limit; end < len(found) {
		body["next"] = "/v1/…?offset=" + strconv.Itoa(end)
	}
	body[at.kind.list] = found[min(offset, len(found)):min(offset+limit, len(found))]
	return answer(http.StatusOK, body)
}

func number(query url.Values, name string, otherwise int) int {
	if !query.Has(name) {
		return otherwise
	}
	n, err := strconv.Atoi(query.Get(name))
	if err != nil {
		return -1
	}
	return n
}

// show gives one document, as a list of one.
func (a *API) show(at place) *ehr.Response {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.documents {
		if strconv.Itoa(d.ID) == at.id && d.Class == at.kind.class && a.of(d, at) {
			return answer(http.StatusOK, []any{a.shown(d, at, true)})
		}
	}
	return (&failure{status: 404, err: "The document does not exist."}).response()
}

func (a *API) of(d *Document, at place) bool {
	return d.Patient == "Patient/"+fhirID(a.o.Practice, at.patient)
}

// shown is a document as the API shows it: numbers are numbers in one place and texts in another.
func (a *API) shown(d *Document, at place, withText bool) map[string]any {
	n, _ := strconv.Atoi(at.patient)
	out := map[string]any{
		at.kind.id: d.ID, "patientid": n, "departmentid": d.Form.Get("departmentid"), "documentclass": d.Class,
		"documentsubclass": d.Form.Get("documentsubclass"), "documentroute": "API", "createddatetime": d.Created.Format(time.RFC3339),
		"createddate": d.Created.Format("01/02/2006"), "priority": d.Form.Get("priority"), "status": "REVIEW",
	}
	if d.Closed {
		out["status"] = "CLOSED"
	}
	if v := d.Form.Get("observationdate"); v != "" {
		out["observationdate"] = v
	}
	if withText && d.Text != "" {
		out[at.kind.text] = d.Text
	}
	return out
}
