package hl7

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// golden reads a sample. In the file a segment ends with a line feed, for people and for git; on the wire it is CR.
func golden(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "hl7", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\n", "\r")
}

func parsed(t testing.TB, raw string) Message {
	t.Helper()
	m, err := Parse([]byte(raw), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func encoded(t testing.TB, m Message, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
