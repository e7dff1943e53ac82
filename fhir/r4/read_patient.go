package r4

import (
	"encoding/json"
	"fmt"
)

// PatientName is one name of a patient.
type PatientName struct {
	Use    string // usual, official, temp, nickname, anonymous, old, maiden, or ""
	Text   string
	Family string
	Given  []string
}

// PatientIdentifier is one business identifier with the type codes the server gave it.
type PatientIdentifier struct {
	Use, System, Value string
	Types              []string // codes of identifier.type, e.g. "MR"
}

// PatientLink is a link to another record of the same person.
type PatientLink struct {
	Type  string // replaced-by, replaces, refer, seealso
	Other string // reference
}

// PatientView is what matching needs of a Patient. Every field may be PHI.
type PatientView struct {
	ID, VersionID string
	// Active is false only where the server says so: an absent element means in use.
	Active      bool
	Deceased    bool
	BirthDate   string // YYYY, YYYY-MM or YYYY-MM-DD, as given
	Names       []PatientName
	Phones      []string // telecom of system phone or sms, as given
	Identifiers []PatientIdentifier
	Links       []PatientLink
}

// ReplacedBy is the record this one was merged into, "" where it was not.
func (p PatientView) ReplacedBy() string {
	for _, l := range p.Links {
		if l.Type == "replaced-by" {
			return l.Other
		}
	}
	return ""
}

// HasIdentifier reports whether the patient carries exactly (system, value).
func (p PatientView) HasIdentifier(system, value string) bool {
	for _, id := range p.Identifiers {
		if id.System == system && id.Value == value {
			return true
		}
	}
	return false
}

type patientJSON struct {
	ResourceType     string           `json:"resourceType"`
	ID               string           `json:"id"`
	Meta             metaJSON         `json:"meta"`
	Active           *bool            `json:"active"`
	DeceasedBoolean  bool             `json:"deceasedBoolean"`
	DeceasedDateTime string           `json:"deceasedDateTime"`
	BirthDate        string           `json:"birthDate"`
	Name             []nameJSON       `json:"name"`
	Telecom          []telecomJSON    `json:"telecom"`
	Identifier       []identifierJSON `json:"identifier"`
	Link             []struct {
		Type  string        `json:"type"`
		Other referenceJSON `json:"other"`
	} `json:"link"`
}

type metaJSON struct {
	VersionID   string   `json:"versionId"`
	LastUpdated string   `json:"lastUpdated"`
	Profile     []string `json:"profile"`
}

type nameJSON struct {
	Use    string    `json:"use"`
	Text   string    `json:"text"`
	Family string    `json:"family"`
	Given  []*string `json:"given"` // null where only an extension is given
}

type telecomJSON struct {
	System string `json:"system"`
	Value  string `json:"value"`
	Use    string `json:"use"`
}

type identifierJSON struct {
	Use    string      `json:"use"`
	System string      `json:"system"`
	Value  string      `json:"value"`
	Type   conceptJSON `json:"type"`
}

type conceptJSON struct {
	Text   string `json:"text"`
	Coding []struct {
		System  string `json:"system"`
		Code    string `json:"code"`
		Display string `json:"display"`
	} `json:"coding"`
}

func (c conceptJSON) codes() []string {
	var out []string
	for _, k := range c.Coding {
		if k.Code != "" {
			out = append(out, k.Code)
		}
	}
	return out
}

// referenceJSON is read whole where a logical reference matters.
type referenceJSON struct {
	Reference  string         `json:"reference"`
	Type       string         `json:"type"`
	Display    string         `json:"display"`
	Identifier identifierJSON `json:"identifier"`
}

// ReadPatient reads a Patient leniently: unknown fields and codes are no error. Errors:
// [ErrResourceType], or JSON of the wrong shape; neither holds a value.
func ReadPatient(raw []byte) (PatientView, error) {
	var j patientJSON
	if err := readAs("Patient", raw, &j); err != nil {
		return PatientView{}, err
	}
	p := PatientView{
		ID: j.ID, VersionID: j.Meta.VersionID, BirthDate: j.BirthDate,
		Active: j.Active == nil || *j.Active, Deceased: j.DeceasedBoolean || j.DeceasedDateTime != "",
	}
	for _, n := range j.Name {
		name := PatientName{Use: n.Use, Text: n.Text, Family: n.Family}
		for _, g := range n.Given {
			if g != nil && *g != "" {
				name.Given = append(name.Given, *g)
			}
		}
		p.Names = append(p.Names, name)
	}
	for _, t := range j.Telecom {
		if (t.System == "phone" || t.System == "sms") && t.Value != "" {
			p.Phones = append(p.Phones, t.Value)
		}
	}
	for _, id := range j.Identifier {
		p.Identifiers = append(p.Identifiers, PatientIdentifier{id.Use, id.System, id.Value, id.Type.codes()})
	}
	for _, l := range j.Link {
		p.Links = append(p.Links, PatientLink{l.Type, l.Other.Reference})
	}
	return p, nil
}

// readAs unmarshals raw into v after checking the resourceType.
func readAs(resourceType string, raw []byte, v any) error {
	got := TypeOf(raw)
	if got != resourceType {
		return fmt.Errorf("%s: %w", resourceType, ErrResourceType)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		if wrong, ok := err.(*json.UnmarshalTypeError); ok {
			return &Problem{resourceType + "." + wrong.Field, "has the wrong JSON type"}
		}
		return &Problem{resourceType, "is not readable JSON"}
	}
	return nil
}
