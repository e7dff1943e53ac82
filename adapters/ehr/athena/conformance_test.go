package athena

import (
	"net/url"
	"testing"

	"github.com/chartwire/chartwire/adapters/ehr/ehrtest"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

// TestConformance runs the suite over every way a connection can be configured to file.
func TestConformance(t *testing.T) {
	for name, s := range map[string]setting{
		"clinical documents": {},
		"lists show text":    {listsText: true},
		"closed":             {config: func(c *Config) { c.Inbox, c.Provider, c.TypeID = "skip", 71, 3409 }},
		"patient cases":      {config: func(c *Config) { c.File, c.CaseSource, c.CaseSubclass = PatientCase, "PATIENT", "CLINICALQUESTION" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ehrtest.Run(t, ehrtest.Harness{Strategy: connector.AsVendorCall, Start: func(t *testing.T) *ehrtest.Rig { return newLab(t, s).rig() }})
		})
	}
}

// TestTexts: the form that would leave carries 10,000 random texts as they are; TestConformance files some of them.
func TestTexts(t *testing.T) {
	ehrtest.Texts(t, ehrtest.Harness{Strategy: connector.AsVendorCall, Start: func(t *testing.T) *ehrtest.Rig {
		r := newLab(t, setting{}).rig()
		r.Carried = func(w connector.Write) string {
			f, err := url.ParseQuery(string(w.Body))
			if err != nil {
				t.Fatal(err)
			}
			words, _ := filing.Words([]byte(f.Get("documentdata")))
			return string(words)
		}
		return r
	}})
}
