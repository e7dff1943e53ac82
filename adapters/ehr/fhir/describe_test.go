package fhir

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/filing"
)

var updateGoldens = flag.Bool("update", false, "write the goldens")

// vendors is where the documents vendors serve are kept beside the checkout; it is not part of it.
const vendors = "../../../../shared/fhir/vendors"

func TestDescribeVendors(t *testing.T) {
	statements, _ := filepath.Glob(filepath.Join(vendors, "*.capabilitystatement.json"))
	if len(statements) == 0 {
		t.Skip("SKIPPED, NOT RUN: the vendors' own CapabilityStatements are not beside this checkout (../shared/fhir/vendors)")
	}
	for _, path := range statements {
		name := strings.TrimSuffix(filepath.Base(path), ".capabilitystatement.json")
		t.Run(name, func(t *testing.T) {
			capability := read(t, path)
			smartConfiguration := read(t, filepath.Join(vendors, name+".smart-configuration.json"))
			d, err := Describe(capability, smartConfiguration, Options{Policy: filing.Policy{CreateProxies: true}})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "vendors", name+".txt"), []byte(d.String()))
		})
	}
}

func TestDescribeRefuses(t *testing.T) {
	if _, err := Describe([]byte(`{"resourceType":"Patient"}`), nil, Options{}); err == nil {
		t.Error("a Patient was read as a CapabilityStatement")
	}
	statement := []byte(`{"resourceType":"CapabilityStatement","fhirVersion":"3.0.2","rest":[{"mode":"server","resource":[{"type":"Communication","interaction":[{"code":"create"}]}]}]}`)
	d, err := Describe(statement, nil, Options{})
	if err != nil || len(d.Says) != 1 || !strings.Contains(d.Says[0], "not FHIR R4") {
		t.Errorf("STU3 was described as usable: %v %v", d.Says, err)
	}
	if _, err := Describe(statement, []byte(`{`), Options{}); err == nil {
		t.Error("a broken smart-configuration was read")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *updateGoldens {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (make it with -update)", err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs; look at the change and, if it is meant, run with -update\n%s", path, got)
	}
}
