package hl7

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// awkward are texts that would end a field, a segment or a frame if they could.
var awkward = []string{
	"", "\n", "\n\n\n", "one", "one\n", "\none", "a\n\nb", "a\r\nb", "\r", "\r\n\r\n", "|^~\\&", "MSH|^~\\&|\rPID|1", "\x0b\x1c\r", "a\x1c\rb",
	`""`, "\"\"\n\"\"", `\F\`, `\X0D\`, `\.br\`, `\`, `\\`, "~", "~~", "^", "a~b\nc~", " lead and trail ", "\ttab", "\x00", "é€😀", "e\u0301", "a\u2028b",
	"\ufeffx", "\u0085", strings.Repeat("long ", 2000),
}

// roundTrip sends a text through a document message each way and holds it, and the number of segments, to what went in.
func roundTrip(t *testing.T, text string) {
	t.Helper()
	for _, by := range []Break{BySegment, ByRepetition} {
		d := mdm("T02", at(1, 2, 3), "1", "v1")
		d.Content = OBX{Code: note, Status: Final}.Text(text, by)
		want := 5 + 1
		if by == BySegment {
			want = 5 + 1 + strings.Count(text, "\n")
		}
		m, err := d.Message()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := m.Encode()
		if !utf8.ValidString(text) {
			if err == nil {
				t.Fatalf("%q is no UTF-8 and was written", text)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if n := bytes.Count(raw, []byte("\r")); n != want || bytes.ContainsAny(raw, "\n\x0b\x1c") {
			t.Fatalf("%q: %d segments, want %d, in %q", text, n, want, raw)
		}
		got, err := Parse(raw, Options{})
		if err != nil || len(got.Segments) != want {
			t.Fatalf("%q: %d segments, want %d (%v)", text, len(got.Segments), want, err)
		}
		back, err := ReadMDM(got)
		if err != nil {
			t.Fatal(err)
		}
		if s := TextOf(back.Content); s != text {
			t.Fatalf("%q came back as %q", text, s)
		}
	}
}

// TestExactWords: any text comes back as the same bytes, in as many segments as it was put into.
func TestExactWords(t *testing.T) {
	for i, text := range awkward {
		t.Run(fmt.Sprint(i), func(t *testing.T) { roundTrip(t, text) })
	}
}

func TestLines(t *testing.T) {
	for text, want := range map[string]int{"": 1, "\n": 2, "a\r\nb": 2, "a\n\n": 3} {
		if lines := Lines(text); len(lines) != want || Join(lines) != text {
			t.Errorf("%q: %q", text, lines)
		}
	}
	// A file between the lines is none of the text.
	o := OBX{Code: note, Status: Final}
	content := append(o.Text("a\nb", BySegment), o.File(PDF([]byte("x"))), o.Text("c", BySegment)[0])
	if got := TextOf(content); got != "a\nb\nc" {
		t.Errorf("%q", got)
	}
}

// TestPDF: no line break gets into the data, however long it is, and the parts the standard requires are there.
func TestPDF(t *testing.T) {
	file := bytes.Repeat([]byte("%PDF\r\n\x0b\x1c"), 1000)
	d := mdm("T02", at(1, 2, 3), "1", "v1")
	d.Header.Charset = ASCII
	d.Content = []OBX{OBX{Code: note, Status: Final}.File(PDF(file))}
	m, err := d.Message()
	raw := encoded(t, m, err)
	if strings.Count(raw, "\r") != 6 || strings.Contains(raw, "\n") {
		t.Fatalf("%d segments", strings.Count(raw, "\r"))
	}
	got, err := ReadMDM(parsed(t, raw))
	if err != nil {
		t.Fatal(err)
	}
	ed := ReadED(got.Content[0].Value[0])
	back, err := base64.StdEncoding.DecodeString(ed.Data)
	if err != nil || !bytes.Equal(back, file) || ed.Type != "application" || ed.Subtype != "pdf" || ed.Encoding != "Base64" {
		t.Errorf("%s %s %s, %d bytes (%v)", ed.Type, ed.Subtype, ed.Encoding, len(back), err)
	}
}
