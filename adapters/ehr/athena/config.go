package athena

import (
	"net/url"

	"github.com/chartwire/chartwire/config"
)

// What an exchange is put on the chart as.
const (
	ClinicalDocument = "clinicaldocument"
	PatientCase      = "patientcase"
)

// Config are the keys of an athena connection that no other type has.
type Config struct {
	Practice     int    `yaml:"practice" doc:"athenaNet practice id, the number in every address of the v1 API." required:"true" min:"1" max:"999999999"`
	Department   int    `yaml:"department" doc:"athenaNet department id that documents are filed under; the API takes none without." required:"true" min:"1" max:"999999999"`
	APIURL       string `yaml:"api_url" doc:"Where the v1 API is, https://host[:port]; the host of base_url where left out." format:"origin"`
	File         string `yaml:"file" doc:"What a message from a patient or proxy becomes: clinicaldocument, or patientcase, an item of the clinical inbox. Everything else is a clinicaldocument." default:"clinicaldocument" enum:"clinicaldocument|patientcase"`
	Subclass     string `yaml:"subclass" doc:"documentsubclass of clinical documents." default:"CLINICALDOCUMENT" enum:"CLINICALDOCUMENT|ADMISSIONDISCHARGE|CONSULTNOTE|MENTALHEALTH|OPERATIVENOTE|URGENTCARE"`
	TypeID       int    `yaml:"document_type" doc:"documenttypeid of clinical documents; 0 names none." min:"0" max:"999999999"`
	Provider     int    `yaml:"provider" doc:"providerid the documents are for; 0 names none." min:"0" max:"999999999"`
	Inbox        string `yaml:"inbox" doc:"review: documents appear in the clinical inbox. skip: they go to the chart closed, and nobody is shown them." default:"review" enum:"review|skip"`
	Attachment   string `yaml:"attachment" doc:"pdf adds the document as a PDF beside its text, for a practice that shows no text." default:"none" enum:"none|pdf"`
	CaseSource   string `yaml:"case_source" doc:"documentsource of patient cases, as the practice has it." format:"text"`
	CaseSubclass string `yaml:"case_subclass" doc:"documentsubclass of patient cases, as the practice has it." format:"text"`
}

// Section is the part of the configuration that belongs to type athena.
func Section() config.Section {
	return config.Section{Of: "ehr", Type: string(config.Athena), New: func() config.Validator { return new(Config) }}
}

// Validate checks what concerns more than one key.
func (c *Config) Validate() []config.Problem {
	var out []config.Problem
	if c.File != PatientCase {
		return out
	}
	for _, k := range []struct{ key, value, what string }{
		{"case_source", c.CaseSource, "where the practice says its patient cases come from"},
		{"case_subclass", c.CaseSubclass, "which of the practice's kinds of patient case they are"},
	} {
		if k.value == "" {
			out = append(out, config.Problem{Path: k.key, Text: "is missing, and file is patientcase; add " + k.key + ": " + k.what})
		}
	}
	return out
}

// Origins are the addresses the connection may call beside base_url.
func (c *Config) Origins() []string {
	if c.APIURL == "" {
		return nil
	}
	return []string{c.APIURL}
}

// API is the address of the v1 API's host.
func (c *Config) API(baseURL string) string {
	if c.APIURL != "" {
		return c.APIURL
	}
	u, err := url.Parse(baseURL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
