package hl7

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestText: what each text is on the wire, and that it reads as the same bytes.
func TestText(t *testing.T) {
	for text, want := range map[string]Value{
		"":            "",
		"plain é 😀":   "plain é 😀",
		"|^&~\\":      `\F\\S\\T\\R\\E\`,
		"a\rb\nc":     `a\X0D\b\X0A\c`,
		"\x0b\x1c\r":  `\X0B\\X1C\\X0D\`,
		"\x00\t\x7f":  `\X00\\X09\\X7F\`,
		`\F\`:         `\E\F\E\`,
		`\.br\`:       `\E\.br\E\`,
		`\X0D\`:       `\E\X0D\E\`,
		`""`:          `\X22\\X22\`,
		`"`:           `"`,
		`"" `:         `"" `,
		" spaces  ":   " spaces  ",
		"BP 98|60 &x": `BP 98\F\60 \T\x`,
	} {
		got := Text(text)
		if got != want {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
		if back := got.Text(); back != text {
			t.Errorf("%q reads as %q", text, back)
		}
	}
	if Null.Text() != "" || !Null.IsNull() || Text("").IsNull() || Text(`""`).IsNull() {
		t.Error("delete, nothing and a text of two quotes are not told apart")
	}
}

// TestTextKeepsWhatItDoesNotKnow: reading guesses at nothing.
func TestTextKeepsWhatItDoesNotKnow(t *testing.T) {
	for v, want := range map[Value]string{
		`a\.br\b`: `a\.br\b`, `\H\bold\N\`: `\H\bold\N\`, `\Zx\`: `\Zx\`, `\X\`: `\X\`, `\X0\`: `\X0\`, `\XGG\`: `\XGG\`, `\XFF\`: `\XFF\`,
		`a\b`: `a\b`, `a\b\F\c`: `a\b|c`, `\`: `\`, `\\`: `\\`, `\\F\`: `\|`, `\X4142\`: "AB", `\XC3\\XA9\`: "é", `\P\`: `\P\`,
	} {
		if got := v.Text(); got != want {
			t.Errorf("%q reads as %q, want %q", v, got, want)
		}
	}
}

func TestFormattedText(t *testing.T) {
	for text, want := range map[string]Value{"a\nb|": `a\.br\b\F\`, "\n": `\.br\`, "a\r\nb": `a\X0D\\.br\b`, `\.br\`: `\E\.br\E\`} {
		got := FormattedText(text)
		if got != want || got.FormattedText() != text {
			t.Errorf("%q is written %q and reads as %q", text, got, got.FormattedText())
		}
	}
}

// TestUnmappable: a character the receiver cannot take is refused by its place and kind, never named and never replaced.
func TestUnmappable(t *testing.T) {
	for _, c := range []struct {
		charset Charset
		text    string
		rune    int // -1: it is taken
		class   string
	}{
		{ASCII, "plain", -1, ""}, {ASCII, "né", 1, "letter"}, {asciiByName, "né", 1, "letter"},
		{Latin1, "né ¤", -1, ""}, {Latin1, "é €5", 2, "symbol"}, {Latin1, "“q”", 0, "punctuation mark"}, {Latin1, "e\u0301", 1, "combining mark"},
		{Latin9, "é €5", -1, ""}, {Latin9, "é ¤", 2, "symbol"}, {Latin9, "a😀", 1, "symbol"}, {Latin9, "a\u2028", 1, "space"},
		{Latin1, "\ufffd", 0, "symbol"}, {Latin1, "a\u200b", 1, "control, format, private or unassigned character"}, {"8859/5", "Привет", -1, ""}, {"8859/5", "é", 0, "letter"},
		{Latin1, "٣", 0, "digit"}, {Latin1, "\U000e1234", 0, "control, format, private or unassigned character"},
		{UTF8, "é€😀\ufffd\u2028\u200b", -1, ""},
	} {
		m := Message{Segments: []Segment{MSH{Charset: c.charset}.segment(), {Name: "NTE", Fields: []Field{ST("1"), nil, ST("secret|" + c.text)}}}}
		raw, err := m.Encode()
		if c.rune < 0 {
			if err != nil {
				t.Errorf("%s %q: %v", c.charset, c.text, err)
			} else if got := parsed(t, string(raw)).First("NTE").Text(3); got != "secret|"+c.text {
				t.Errorf("%s %q reads as %q", c.charset, c.text, got)
			}
			continue
		}
		var u *UnmappableError
		if !errors.As(err, &u) || raw != nil {
			t.Errorf("%s %q was written as %q (%v)", c.charset, c.text, raw, err)
			continue
		}
		// The place is one in the value as it is written; "|" there is three characters.
		if u.Rune != len("secret")+3+c.rune || u.Class != c.class || u.At.String() != "NTE-3" {
			t.Errorf("%s %q: %+v", c.charset, c.text, u)
		}
		if strings.Contains(err.Error(), "secret") || strings.ContainsFunc(err.Error(), func(r rune) bool { return r >= utf8.RuneSelf }) {
			t.Errorf("the error repeats the text: %v", err)
		}
	}
}

// TestUnmappableInHeader: the number of a field in MSH counts the separator.
func TestUnmappableInHeader(t *testing.T) {
	_, err := Message{Segments: []Segment{MSH{SendingFacility: HD{Namespace: "Zürich"}}.segment()}}.Encode()
	var u *UnmappableError
	if !errors.As(err, &u) || u.At.Field != 4 {
		t.Errorf("%v", err)
	}
}

func TestCharsets(t *testing.T) {
	all := Charsets()
	if len(all) != 13 {
		t.Errorf("%d character sets: %v", len(all), all)
	}
	for _, c := range all {
		if !c.Known() {
			t.Errorf("%q is listed and not known", c)
		}
	}
	if Charset("UNICODE UTF-16").Known() || Charset("ISO IR87").Known() {
		t.Error("a set whose bytes may be delimiters is taken")
	}
}
