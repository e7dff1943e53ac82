package athena

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

// kind is one class of document of the v1 API: how it is asked for, and where its text is.
type kind struct {
	class string // of the path
	typ   string // of a Write, and of a receipt's reference
	text  string // the field with the text, asked and shown
	id    string // the field with the id that an answer names
	list  string // the field of a list with its documents
}

var kinds = []kind{
	{ClinicalDocument, "ClinicalDocument", "documentdata", "clinicaldocumentid", "clinicaldocuments"},
	{PatientCase, "PatientCase", "internalnote", "patientcaseid", "patientcases"},
}

func kindOf(match func(kind) bool) (kind, bool) {
	for _, k := range kinds {
		if match(k) {
			return k, true
		}
	}
	return kind{}, false
}

// The forms of dates and times of the v1 API, in the practice's own time.
const (
	dateForm = "01/02/2006"
	timeForm = "15:04"
)

// untitled is the subject of a patient case whose thread has none.
const untitled = "Secure message"

// form is the Content-Type of a request.
const form = "application/x-www-form-urlencoded"

// call makes the request that puts a piece on the chart as a document. Files are not carried, so each piece is a note.
func (c *Config) call(p filing.Piece) (connector.Write, error) {
	k, _ := kindOf(func(k kind) bool { return k.class == c.class(p.Author) })
	f := c.fixed(k)
	f.Set(k.text, string(p.Text))
	f.Set("priority", priority(p.Priority))
	if k.class == PatientCase {
		f.Set("subject", cmp.Or(p.Subject, untitled))
	} else {
		f.Set("observationdate", p.At.Format(dateForm))
		f.Set("observationtime", p.At.Format(timeForm))
		if c.Attachment == "pdf" {
			pdf, err := p.PDF()
			if err != nil {
				return connector.Write{}, err
			}
			f.Set("attachmentcontents", base64.StdEncoding.EncodeToString(pdf))
			f.Set("attachmenttype", "PDF")
		}
	}
	return connector.Write{
		Method: http.MethodPost, URL: fmt.Sprintf("v1/%d/patients/%s/documents/%s", c.Practice, connector.SymPatient, k.class),
		Header: map[string]string{"Content-Type": form}, Body: []byte(f.Encode()), Type: k.typ,
	}, nil
}

// class is what a document of this author becomes.
func (c *Config) class(author connector.Role) string {
	if c.File == PatientCase && (author == connector.RolePatient || author == connector.RoleProxy) {
		return PatientCase
	}
	return ClinicalDocument
}

// types are those of the documents there can be.
func (c *Config) types() []string {
	out := []string{kinds[0].typ}
	if c.File == PatientCase {
		out = append(out, kinds[1].typ)
	}
	return out
}

// fixed are the fields that are the same in every document of a kind.
func (c *Config) fixed(k kind) url.Values {
	f := url.Values{"departmentid": {strconv.Itoa(c.Department)}, "autoclose": {strconv.FormatBool(c.Inbox == "skip")}}
	if c.Provider != 0 {
		f.Set("providerid", strconv.Itoa(c.Provider))
	}
	if k.class == PatientCase {
		f.Set("documentsource", c.CaseSource)
		f.Set("documentsubclass", c.CaseSubclass)
		return f
	}
	f.Set("documentsubclass", c.Subclass)
	if c.TypeID != 0 {
		f.Set("documenttypeid", strconv.Itoa(c.TypeID))
	}
	return f
}

// priority is what the API calls high and normal.
func priority(p connector.Priority) string {
	if p.Rank() > 0 {
		return "1"
	}
	return "2"
}
