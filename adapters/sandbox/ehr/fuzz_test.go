package ehr_test

import (
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

// FuzzScript: any text is a script or a list of positioned mistakes, never a panic.
func FuzzScript(f *testing.F) {
	f.Add("POST Communication #2-3 503 retry-after=2\n# x\n* * %7 409")
	f.Add("GET Patient #999999999999999999999+ 503")
	f.Fuzz(func(t *testing.T, text string) {
		read, err := script.Read[ehr.Script](strings.NewReader(text))
		if (read == nil) == (err == nil) {
			t.Fatalf("script %v, error %v", read, err)
		}
	})
}
