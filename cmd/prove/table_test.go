package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

func TestTable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "figures")
	lines := `{"id":"P10-pauses","value":0,"limit":"=0","command":"prove crash","at":"2026-11-28T10:00:00Z"}
{"id":"P2-acks","value":3,"limit":"=0","command":"prove faults","at":"2026-11-28T10:00:00Z"}
{"id":"P2-acks","value":0,"limit":"=0","command":"prove faults","at":"2026-11-28T11:00:00Z"}
`
	if err := os.WriteFile(name, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	latest := map[string]figure.Entry{}
	if err := readFigures(name, latest); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	writeTable(&out, latest)
	got := out.String()
	if strings.Index(got, "P2-acks | 0 |") < 0 || strings.Index(got, "P10-pauses") < strings.Index(got, "P2-acks") {
		t.Errorf("the table is\n%s", got)
	}
	if err := os.WriteFile(name, []byte("not JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := readFigures(name, latest); err == nil || !strings.Contains(err.Error(), ":1: ") {
		t.Errorf("a line that is no figure gives %v", err)
	}
}
