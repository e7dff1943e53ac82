package hl7

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse: no bytes break the parser, and what it reads is written and read again as the same message.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../testdata/hl7/*.hl7")
	if err != nil || len(files) == 0 {
		f.Fatalf("no samples (%v)", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, true)
		f.Add(bytes.ReplaceAll(raw, []byte("\n"), []byte("\r")), false)
	}
	f.Add([]byte("MSH#*!?@#\rPID#a@b*c!d|?F?^?S??T??R??E?~\r"), false)
	f.Add([]byte("MSH|^~\\&||||||||||||||||8859/15\rPID|\\XA4\\\\XE9\\|\"\"|\\X2222\\|\xa4\r"), false)
	f.Fuzz(func(t *testing.T, raw []byte, lenient bool) {
		m, err := Parse(raw, Options{LineFeeds: lenient, MaxBytes: 1 << 16})
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		_, _ = ReadADT(m)
		_, _ = ReadMDM(m)
		_, _ = ReadAck(m)
		again, err := m.Encode()
		if err != nil {
			t.Fatalf("read and not written: %v", err)
		}
		if bytes.Count(again, []byte("\r")) != len(m.Segments) || bytes.ContainsAny(again, "\n\x0b\x1c") {
			t.Fatalf("%d segments in %q", len(m.Segments), again)
		}
		back, err := Parse(again, Options{})
		if err != nil {
			t.Fatalf("written and not read: %v", err)
		}
		if !reflect.DeepEqual(m, back) {
			t.Fatal(cmp.Diff(m, back))
		}
	})
}

// FuzzText: any text comes back as the same bytes from one value, and from a whole message in as many segments as went in.
func FuzzText(f *testing.F) {
	for _, text := range awkward {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if utf8.ValidString(text) {
			if got := Text(text); got.Text() != text || got == Null {
				t.Fatalf("%q is written %q and reads as %q", text, got, got.Text())
			}
			if got := FormattedText(text); got.FormattedText() != text {
				t.Fatalf("%q is written %q and reads as %q", text, got, got.FormattedText())
			}
		}
		roundTrip(t, text)
	})
}

// FuzzParseTS: what reads as a time prints as one that reads as the same.
func FuzzParseTS(f *testing.F) {
	for _, s := range []string{"", "2026", "20261122141530.120-0500", "20261122141530.123456789+0530"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ts, err := ParseTS(s, nil)
		if err != nil {
			return
		}
		again, err := ParseTS(ts.String(), nil)
		if err != nil || again.String() != ts.String() || again.Precision != ts.Precision || again.Offset != ts.Offset {
			t.Fatalf("%q prints as %q, which reads as %q (%v)", s, ts, again, err)
		}
	})
}
