package fhir

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// typed0203 are the names of HL7 table 0203, identifier type, in FHIR: today's, that of DSTU 2, and its OID.
var typed0203 = []string{"http://terminology.hl7.org/CodeSystem/v2-0203", "http://hl7.org/fhir/v2/0203", "urn:oid:2.16.840.1.113883.18.108"}

// identifier is a business identifier as far as it can be shown to somebody.
type identifier struct {
	Use    string `json:"use"`
	System string `json:"system"`
	Value  string `json:"value"`
	Period period `json:"period"`
	Type   struct {
		Coding []struct {
			System string `json:"system"`
			Code   string `json:"code"`
		} `json:"coding"`
	} `json:"type"`
}

// is says whether the EHR calls the identifier so by table 0203, and whether it says of which type it is at all.
func (i identifier) is(code string) (yes, told bool) {
	for _, c := range i.Type.Coding {
		yes = yes || c.Code == code && slices.Contains(typed0203, c.System)
		told = told || c.Code != ""
	}
	return yes, told
}

// uses are those of an identifier that is in use, what is to be shown first.
var uses = []string{"usual", "official", "", "secondary", "temp"}

// recordNumber is the patient's medical record number: what the EHR says is one, else what is of one of these systems and said to be
// nothing else. What is old or has ended, a number of the insurance's or one that the EHR keeps for itself is none: "" then.
func recordNumber(all []identifier, systems []string, now time.Time) string {
	rank := func(i identifier) (n int) {
		typed, told := i.is("MR")
		use := slices.Index(uses, i.Use)
		switch {
		case i.Value == "" || use < 0 || !i.Period.at(now):
			return -1
		case typed:
			return use
		case !told && slices.Contains(systems, i.System):
			return len(uses) + use
		}
		return -1
	}
	fit := slices.DeleteFunc(slices.Clone(all), func(i identifier) bool { return rank(i) < 0 })
	slices.SortStableFunc(fit, func(a, b identifier) int { return cmp.Compare(rank(a), rank(b)) })
	return append(fit, identifier{})[0].Value
}

// known adds what a person tells a patient apart by: the name they go by and their record number. raw is their resource.
func (c *UserChart) known(p *connector.Patient, raw []byte) {
	var j struct {
		Name       []humanName  `json:"name"`
		Identifier []identifier `json:"identifier"`
	}
	if json.Unmarshal(raw, &j) != nil {
		return
	}
	n := called(j.Name, c.now())
	p.Called = strings.Join(strings.Fields(strings.Join(append(slices.Clone(n.Given), n.Family), " ")), " ")
	p.Called = cmp.Or(p.Called, n.Text)
	p.MRN = recordNumber(j.Identifier, c.systems, c.now())
}
