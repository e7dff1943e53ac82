package r4

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadCapability(t *testing.T) {
	c, err := ReadCapability([]byte(`{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","format":["json"],"software":{"name":"EHR","version":"1"},
		"rest":[{"mode":"client","resource":[{"type":"Task","interaction":[{"code":"create"}]}]},
		{"mode":"server","interaction":[{"code":"transaction"}],"resource":[
		{"type":"Communication","interaction":[{"code":"create"},{"code":"read"}],"conditionalCreate":true,"versioning":"versioned-update","searchParam":[{"name":"identifier","type":"token"}]},
		{"type":"Communication","interaction":[{"code":"search-type"}]},
		{"type":"Subscription","interaction":[{"code":"create"}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for what, ok := range map[string]bool{
		"create":              c.Declares("Communication", "create"),
		"search of the twin":  c.Declares("Communication", "search-type"),
		"no update":           !c.Declares("Communication", "update"),
		"no client resources": !c.Declares("Task", "create"),
		"search parameter":    c.SearchParam("Communication", "identifier") && !c.SearchParam("Communication", "sent"),
		"conditional create":  c.ConditionalCreate("Communication") && !c.ConditionalCreate("Subscription"),
		"versioned update":    c.VersionedUpdate("Communication"),
		"transaction":         c.Transaction(),
		"rest-hook":           c.RestHook(),
		"R4":                  c.R4(),
		"software":            c.Software == SoftwareView{"EHR", "1"},
		"resources":           strings.Join(c.Resources(), " ") == "Communication Subscription",
	} {
		if !ok {
			t.Errorf("%s: wrong", what)
		}
	}
}

// TestVendorCapabilityStatements reads what five vendors really served in 2026.
func TestVendorCapabilityStatements(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/fhir/vendors/*.capabilitystatement.json")
	if len(files) == 0 {
		t.Skip("SKIPPED: the vendors' CapabilityStatements are not beside this checkout (../shared/fhir/vendors)")
	}
	creates := map[string]string{ // what each declares that we could file by
		"athena": "", "eclinicalworks": "", "epic": "Communication DocumentReference", "meditech": "Communication", "nextgen": "",
	}
	for _, f := range files {
		vendor, _, _ := strings.Cut(filepath.Base(f), ".")
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ReadCapability(raw)
		if err != nil {
			t.Errorf("%s: %v", vendor, err)
			continue
		}
		var got []string
		for _, r := range []string{"Communication", "CommunicationRequest", "DocumentReference"} {
			if c.Declares(r, "create") {
				got = append(got, r)
			}
		}
		if want, known := creates[vendor]; !known || strings.Join(got, " ") != want {
			t.Errorf("%s: declares create of %q, want %q", vendor, got, want)
		}
		if !c.R4() || c.Software.Name == "" || !c.Declares("Patient", "read") || !c.SearchParam("Patient", "identifier") || c.Transaction() || c.RestHook() {
			t.Errorf("%s: %s %+v", vendor, c.FHIRVersion, c.Software)
		}
	}
}
