package hl7

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const head = "MSH|^~\\&|||||20261122||ACK|1|P|2.5.1\r"

// TestParseRefuses: what is no message is refused with its place and a code, and never repeated.
func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		raw, text string
		o         Options
		at        string
		code      Condition
	}{
		"nothing":                    {raw: "", text: "segment 1 is empty"},
		"no MSH":                     {raw: "PID|1\r" + head, text: "whole MSH"},
		"MSH cut":                    {raw: "MSH|^~", text: "whole MSH"},
		"a batch":                    {raw: "BHS|^~\\&|\r", text: "whole MSH"},
		"two delimiters alike":       {raw: "MSH|^^\\&|\r", text: "five different", at: "MSH-2", code: DataType},
		"a letter as delimiter":      {raw: "MSH|^~x&|\r", text: "five different", at: "MSH-2", code: DataType},
		"a quote as delimiter":       {raw: "MSH|^~\"&|\r", text: "five different", at: "MSH-2", code: DataType},
		"six encoding characters":    {raw: "MSH|^~\\&#!|\r", text: "more than five", at: "MSH-2", code: DataType},
		"a framing byte":             {raw: head + "NTE|a\x0bb\r", text: "framing byte"},
		"the other framing byte":     {raw: head + "NTE|a\x1cb\r", text: "framing byte"},
		"a line feed":                {raw: head + "NTE|secret\nwords\r", text: "line feed"},
		"a line feed after CR":       {raw: "MSH|^~\\&|\r\nPID|1\r\n", text: "line feed"},
		"an empty segment":           {raw: head + "\rPID|1\r", text: "segment 2 is empty"},
		"lower case":                 {raw: head + "pid|1\r", text: "segment 2"},
		"a name of four":             {raw: head + "PIDX|1\r", text: "segment 2"},
		"a name of two":              {raw: head + "PI|1\r", text: "segment 2"},
		"a second message":           {raw: head + head, text: "second message"},
		"not ASCII":                  {raw: head + "PID|1||x|secret\xc3\xa9\r", text: "byte 15", at: "PID-4", code: DataType},
		"not ASCII in MSH":           {raw: "MSH|^~\\&|\xc3\xa9\r", text: "byte 9", at: "MSH-3", code: DataType},
		"not UTF-8":                  {raw: "MSH|^~\\&||||||||||||||||UNICODE UTF-8\rPID|\xff\r", text: "byte 4", at: "PID-1", code: DataType},
		"no Arabic letter":           {raw: "MSH|^~\\&||||||||||||||||8859/6\rPID|\xff\r", text: "byte 4", at: "PID-1", code: DataType},
		"a set nobody knows":         {raw: "MSH|^~\\&||||||||||||||||GB 18030-2000\r", text: "not known", at: "MSH-18", code: TableValue},
		"two sets":                   {raw: "MSH|^~\\&||||||||||||||||8859/1~ISO IR87\r", text: "not known", at: "MSH-18", code: TableValue},
		"too large":                  {raw: head, o: Options{MaxBytes: 10}, text: "over 10 bytes"},
		"too many segments":          {raw: head + "NTE\rNTE\r", o: Options{MaxSegments: 2}, text: "over 2 segments"},
		"too many parts":             {raw: head + "NTE|" + strings.Repeat("~", 100) + "\r", o: Options{MaxParts: 100}, text: "over 100 parts"},
		"nothing but line feeds":     {raw: "\n\r\n", o: Options{LineFeeds: true}, text: "empty"},
		"a second message behind LF": {raw: "MSH|^~\\&|\nMSH|^~\\&|\n", o: Options{LineFeeds: true}, text: "second message"},
	} {
		m, err := Parse([]byte(c.raw), c.o)
		var p *Problem
		if !errors.As(err, &p) || len(m.Segments) > 0 {
			t.Errorf("%s: taken (%v)", name, err)
			continue
		}
		if c.code == "" {
			c.code = SegmentSequence
		}
		if !strings.Contains(err.Error(), c.text) || p.Code != c.code || !strings.Contains(err.Error(), c.at) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v (code %s)", name, err, p.Code)
		}
	}
}

// TestParseReads: the forms a message may have, each as the fields it is made of.
func TestParseReads(t *testing.T) {
	pid := func(f ...Field) []Segment { return []Segment{{Name: "PID", Fields: f}} }
	f := func(v ...Value) Field {
		var all Field
		for _, x := range v {
			all = append(all, Repetition{{x}})
		}
		return all
	}
	for name, c := range map[string]struct {
		raw  string
		o    Options
		want []Segment
	}{
		"no CR at the end":         {raw: "MSH|^~\\&\rPID|1", want: pid(f("1"))},
		"nothing but a name":       {raw: "MSH|^~\\&|\rPID\r", want: pid()},
		"empty fields at the end":  {raw: "MSH|^~\\&|\rPID|1||\r", want: pid(f("1"), nil, nil)},
		"repeats at the end":       {raw: "MSH|^~\\&|\rPID|a~~\r", want: pid(Field{{{"a"}}, nil, nil})},
		"delete is not empty":      {raw: "MSH|^~\\&|\rPID|\"\"||\"x\"\r", want: pid(f(Null), nil, f(`"x"`))},
		"components":               {raw: "MSH|^~\\&|\rPID|a&b^^c&&d~e\r", want: pid(Field{{{"a", "b"}, nil, {"c", "", "d"}}, {{"e"}}})},
		"other delimiters":         {raw: "MSH#*!?@#\rPID#a@b*c!d|?F?^?S??T??R??E?~\r", want: pid(Field{{{"a", "b"}, {"c"}}, {{`d\F\#\S\*@!?\R\`}}})},
		"escapes of its own":       {raw: "MSH#*!?@#\rPID#x?S?y#?.br?#?.a|b?\r", want: pid(f("x*y"), f(`\.br\`), f(`?.a\F\b?`))},
		"a truncation character":   {raw: "MSH|^~\\&#|\rPID|a#\\P\\\r", want: pid(f("a##"))},
		"LF where asked":           {raw: "MSH|^~\\&|\nPID|1\n\n", o: Options{LineFeeds: true}, want: pid(f("1"))},
		"CR LF where asked":        {raw: "MSH|^~\\&|\r\nPID|1\r\n", o: Options{LineFeeds: true}, want: pid(f("1"))},
		"8859/1":                   {raw: "MSH|^~\\&||||||||||||||||8859/1|\rPID|\xe9\xa4\r", want: pid(f("é¤"))},
		"8859/15":                  {raw: "MSH|^~\\&||||||||||||||||8859/15|\rPID|\xe9\xa4\r", want: pid(f("é€"))},
		"UTF-8":                    {raw: "MSH|^~\\&||||||||||||||||UNICODE UTF-8\rPID|é€😀\r", want: pid(f("é€😀"))},
		"ASCII by name":            {raw: "MSH|^~\\&||||||||||||||||ASCII\rPID|e\r", want: pid(f("e"))},
		"no label, told what":      {raw: "MSH|^~\\&|\rPID|\xe9\r", o: Options{Unlabelled: Latin1}, want: pid(f("é"))},
		"hex in the message's set": {raw: "MSH|^~\\&||||||||||||||||8859/15\rPID|\\XA4\\\\XE9\\\r", want: pid(f("€é"))},
		"hex over two sequences":   {raw: "MSH|^~\\&||||||||||||||||UNICODE UTF-8\rPID|\\XC3\\\\XA9\\\r", want: pid(f("é"))},
		"hex that is no text":      {raw: "MSH|^~\\&||||||||||||||||UNICODE UTF-8\rPID|\\XFF\\\r", want: pid(f(`\XFF\`))},
		"a raw tab":                {raw: "MSH|^~\\&|\rPID|a\tb\r", want: pid(f(`a\X09\b`))},
		"formatting":               {raw: "MSH|^~\\&|\rPID|a\\.br\\\\H\\b\\N\\\r", want: pid(f(`a\.br\\H\b\N\`))},
		"backslashes not escaped":  {raw: "MSH|^~\\&|\rPID|DOM\\user \\F\\ C:\\\r", want: pid(f(`DOM\E\user \F\ C:\E\`))},
		"an escaped pair of quotes": {raw: "MSH|^~\\&|\rPID|\\X2222\\\r",
			want: pid(f(`\X22\\X22\`))},
	} {
		m, err := Parse([]byte(c.raw), c.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, m.Segments[1:]); diff != "" {
			t.Errorf("%s (-want +read):\n%s", name, diff)
		}
	}
}

// TestParseHeader: where the rest cannot be read, the header still says whom to answer.
func TestParseHeader(t *testing.T) {
	raw := []byte("MSH|^~\\&|ADT|HOSP_A|||20261122||ADT^A08|77|P|2.5.1\rpid|\x0b\nx")
	if _, err := Parse(raw, Options{}); err == nil {
		t.Fatal("the message was taken")
	}
	h, err := ParseHeader(raw, Options{})
	if err != nil || h.ControlID != "77" || h.SendingApplication.Namespace != "ADT" || h.Event != "A08" {
		t.Errorf("%+v (%v)", h, err)
	}
	if _, err := ParseHeader([]byte("PID|1\r"), Options{}); err == nil {
		t.Error("a segment that is no header was taken for one")
	}
	h, err = ParseHeader([]byte("MSH|^~\\&|||||yesterday||ADT^A08|77|P|2.5.1\r"), Options{})
	var p *Problem
	if !errors.As(err, &p) || p.At.Field != 7 || h.ControlID != "77" {
		t.Errorf("a header with a bad time: %+v (%v)", h, err)
	}
}

// TestEncodeRefuses: nothing that would end its field, its segment or its frame gets out, and nothing is replaced.
func TestEncodeRefuses(t *testing.T) {
	with := func(v Value) Message {
		return Message{Segments: []Segment{{Name: "MSH"}, {Name: "NTE", Fields: []Field{nil, {{{"ok"}}, {{"a"}, {"b", v}}}}}}}
	}
	for _, v := range []Value{"\r", "\n", "\x0b", "\x1c", "\x00", "\x7f", "|", "^", "~", "&", `\`, `\F\\`, "\xff"} {
		raw, err := with("x" + v).Encode()
		var p *Problem
		if !errors.As(err, &p) || raw != nil {
			t.Errorf("%q was written as %q (%v)", v, raw, err)
			continue
		}
		if want := "NTE-2(2).2.2"; p.At.String() != want {
			t.Errorf("%q: the place is %s, want %s", v, p.At, want)
		}
	}
	for name, m := range map[string]Message{
		"empty":          {},
		"no header":      {Segments: []Segment{{Name: "PID"}}},
		"no name":        {Segments: []Segment{{Name: "MSH"}, {Name: ""}}},
		"a bad name":     {Segments: []Segment{{Name: "MSH"}, {Name: "P\rD"}}},
		"two headers":    {Segments: []Segment{{Name: "MSH"}, {Name: "MSH"}}},
		"an unknown set": {Segments: []Segment{MSH{Charset: "GB 18030-2000"}.segment()}},
	} {
		if raw, err := m.Encode(); err == nil {
			t.Errorf("%s: written as %q", name, raw)
		}
	}
}

// TestSet: fields may be set in any order, and an empty one at the end adds no bar.
func TestSet(t *testing.T) {
	s := Segment{Name: "OBX"}
	s.Set(5, Field{nil, nil}) // two empty lines
	s.Set(2, ST("TX"))
	s.Set(9, nil)
	s.Set(9, ST(""))
	m := Message{Segments: []Segment{{Name: "MSH"}, s}}
	if got, want := encoded(t, m, nil), "MSH|^~\\&\rOBX||TX|||~\r"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Set(2, nil)
	if s.Text(2) != "" || s.Field(0) != nil || s.Field(6) != nil || (*Segment)(nil).Text(3) != "" {
		t.Error("a field that is not there has a value")
	}
}
