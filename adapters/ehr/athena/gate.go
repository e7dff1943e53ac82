package athena

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

// target is where a resolved write goes.
type target struct {
	kind    kind
	patient string // athenaNet's own id, a number
}

// patientID is how the FHIR server names a patient of a practice: a-{practice}.E-{athenaNet patient id}.
var patientID = regexp.MustCompile(`^Patient/a-([0-9]{1,9})\.E-([0-9]{1,18})$`)

// number is athenaNet's id of the patient with this FHIR reference. Of another practice's patient this API knows nothing.
func (c *Config) number(reference string) (string, error) {
	m := patientID.FindStringSubmatch(reference)
	switch {
	case m == nil:
		return "", fmt.Errorf("the patient's FHIR id is not of the form a-PRACTICE.E-NUMBER, so the v1 API has no number for them")
	case m[1] != strconv.Itoa(c.Practice):
		return "", fmt.Errorf("the patient is of another practice than athena.practice")
	}
	return m[2], nil
}

// target reads the address of a resolved write.
func (c *Config) target(w connector.Write) (target, error) {
	rest, ok := strings.CutPrefix(w.URL, fmt.Sprintf("v1/%d/patients/", c.Practice))
	if !ok {
		return target{}, fmt.Errorf("the address is not one of athena.practice")
	}
	reference, class, ok := strings.Cut(rest, "/documents/")
	k, known := kindOf(func(k kind) bool { return k.class == class && k.typ == w.Type })
	if !ok || !known {
		return target{}, fmt.Errorf("the address is not one of documents")
	}
	number, err := c.number(reference)
	return target{k, number}, err
}

// path is where a document of this kind is asked for, or all of them where id is "".
func (c *Config) path(t target, id string) string {
	p := fmt.Sprintf("v1/%d/patients/%s/documents/%s", c.Practice, t.patient, t.kind.class)
	if id != "" {
		p += "/" + id
	}
	return p
}

// Gate reads the form that would leave as the API does, and refuses what is not the configured practice's, what the API is
// known to refuse, and words that are not the message's. The patient stands in the address alone: it must be the write's, or in
// both places its symbol, of a plan that is only looked at. File takes no symbol.
func (e *EHR) Gate(w connector.Write) error {
	at := w
	if w.Expect.Subject == connector.SymPatient {
		at.URL = strings.Replace(w.URL, "/"+connector.SymPatient+"/", fmt.Sprintf("/Patient/a-%d.E-1/", e.config.Practice), 1)
	}
	t, err := e.config.target(at)
	if err == nil && at.URL == w.URL && !strings.Contains(w.URL, "/patients/"+w.Expect.Subject+"/documents/") {
		err = errors.New("the address is not of the write's patient")
	}
	if err == nil {
		err = e.config.check(t.kind, w)
	}
	if err == nil {
		err = e.says(w, t.kind)
	}
	if err != nil {
		return &connector.Refused{Reason: connector.GateRefused, Detail: connector.Protect(err.Error())}
	}
	return nil
}

// check looks at the form of a document.
func (c *Config) check(k kind, w connector.Write) error {
	f, err := url.ParseQuery(string(w.Body))
	if err != nil {
		return fmt.Errorf("the form cannot be read")
	}
	checks := c.checks(k)
	for name, values := range f {
		check, known := checks[name]
		switch {
		case !known:
			return fmt.Errorf("the form has a field that this document has none of")
		case len(values) != 1 || !check(values[0]):
			return fmt.Errorf("the field %s is not what the API takes there", name)
		}
	}
	for name := range checks {
		if !f.Has(name) && (name != "attachmentcontents" && name != "attachmenttype" || c.Attachment == "pdf") {
			return fmt.Errorf("the field %s is missing", name)
		}
	}
	if title := f.Get("subject"); k.class == PatientCase && title != untitled && !strings.Contains(f.Get(k.text), "\nThread: "+title+"\n") {
		return fmt.Errorf("the field subject is not the thread's")
	}
	return nil
}

// checks are the fields of a document of this kind, and what may stand in each.
func (c *Config) checks(k kind) map[string]func(string) bool {
	out := map[string]func(string) bool{
		k.text:     func(s string) bool { return s != "" && utf8.ValidString(s) },
		"priority": func(s string) bool { return s == "1" || s == "2" },
	}
	for name, values := range c.fixed(k) {
		out[name] = func(s string) bool { return s == values[0] && s != "" }
	}
	if k.class == PatientCase {
		out["subject"] = func(s string) bool { return s != "" && utf8.ValidString(s) }
		return out
	}
	written := func(layout string) func(string) bool {
		return func(s string) bool {
			at, err := time.Parse(layout, s)
			return err == nil && at.Format(layout) == s
		}
	}
	out["observationdate"], out["observationtime"] = written(dateForm), written(timeForm)
	out["attachmenttype"] = func(s string) bool { return s == "PDF" }
	out["attachmentcontents"] = func(s string) bool {
		pdf, err := base64.StdEncoding.DecodeString(s)
		return err == nil && bytes.HasPrefix(pdf, []byte("%PDF-"))
	}
	return out
}

// says holds a document's text to what the write is to put on the chart.
func (e *EHR) says(w connector.Write, k kind) error {
	f, _ := url.ParseQuery(string(w.Body)) // check has read it
	text := f.Get(k.text)
	if !e.names(w, text) {
		return fmt.Errorf("the text does not say which message it is of")
	}
	words, ok := filing.Words([]byte(text))
	if !ok || w.Expect.Text != "" && connector.Hash(words) != w.Expect.Text || w.Expect.Text == "" && len(words) != 0 {
		return fmt.Errorf("the text does not hold the message's words as they are")
	}
	return nil
}
