package hl7

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
)

// Options of [Parse]. The zero value is strict and has the limits it names.
type Options struct {
	MaxBytes    int // size of a message: 16 MiB
	MaxSegments int // 20,000
	MaxParts    int // fields, repetitions, components and subcomponents together: 200,000
	// LineFeeds takes LF and CR LF as ends of a segment too, and passes over empty lines. The standard knows CR alone; a
	// listener for a sender that is known to do otherwise sets it.
	LineFeeds bool
	// Unlabelled is what bytes above 0x7F mean where MSH-18 is empty. ASCII, the zero value, refuses them.
	Unlabelled Charset
}

func (o Options) withDefaults() Options {
	o.MaxBytes = cmp.Or(o.MaxBytes, 16<<20)
	o.MaxSegments = cmp.Or(o.MaxSegments, 20_000)
	o.MaxParts = cmp.Or(o.MaxParts, 200_000)
	return o
}

// Parse reads an ER7 message (ch. 2.5, 2.6), with the delimiters its MSH-1 and MSH-2 name and in the character set of its
// MSH-18. It keeps every empty part, those at the end too. The last segment may lack its CR. The error is a *[Problem]; where
// the header can still be read ([ParseHeader]), the sender can be told.
func Parse(raw []byte, o Options) (Message, error) {
	o = o.withDefaults()
	if len(raw) > o.MaxBytes {
		return Message{}, malformed("", 0, "the message is over %d bytes", o.MaxBytes)
	}
	lines, err := split(raw, o)
	if err != nil {
		return Message{}, err
	}
	d, c, err := header(lines[0], o)
	if err != nil {
		return Message{}, err
	}
	parts := 0
	for _, sep := range []byte{d.field, d.comp, d.rep, d.sub} {
		parts += bytes.Count(raw, []byte{sep})
	}
	if parts > o.MaxParts {
		return Message{}, malformed("", 0, "the message has over %d parts", o.MaxParts)
	}
	m := Message{Segments: make([]Segment, 0, len(lines))}
	seen := map[string]int{}
	for i, line := range lines {
		s, err := segment(line, d, c, i, seen)
		if err != nil {
			return Message{}, err
		}
		m.Segments = append(m.Segments, s)
	}
	return m, nil
}

// ParseHeader reads MSH alone, for an answer to a message whose rest cannot be read. The error is a *[Problem].
func ParseHeader(raw []byte, o Options) (MSH, error) {
	o = o.withDefaults()
	end := bytes.IndexAny(raw, "\r\n")
	if end < 0 {
		end = len(raw)
	}
	m, err := Parse(raw[:end], o)
	if err != nil {
		return MSH{}, err
	}
	return ReadMSH(m)
}

func malformed(name string, sequence int, text string, args ...any) *Problem {
	return &Problem{At: ERL{Segment: name, Sequence: sequence}, Code: SegmentSequence, Text: fmt.Sprintf(text, args...)}
}

// split cuts a message into segments.
func split(raw []byte, o Options) ([][]byte, error) {
	if i := bytes.IndexAny(raw, "\x0b\x1c"); i >= 0 {
		return nil, malformed("", 0, "byte %d is a framing byte (0x%02X), which a message never holds", i, raw[i])
	}
	if o.LineFeeds {
		raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte{segmentEnd}), []byte{'\n'}, []byte{segmentEnd})
	} else if i := bytes.IndexByte(raw, '\n'); i >= 0 {
		return nil, malformed("", 0, "byte %d is a line feed; a segment ends with CR, and text carries LF as \\X0A\\", i)
	}
	raw = bytes.TrimSuffix(raw, []byte{segmentEnd})
	if n := bytes.Count(raw, []byte{segmentEnd}); n >= o.MaxSegments {
		return nil, malformed("", 0, "the message has over %d segments", o.MaxSegments)
	}
	lines := bytes.Split(raw, []byte{segmentEnd})
	kept := lines[:0]
	for i, line := range lines {
		switch {
		case len(line) > 0:
			kept = append(kept, line)
		case !o.LineFeeds:
			return nil, malformed("", 0, "segment %d is empty", i+1)
		}
	}
	if len(kept) == 0 {
		return nil, malformed("", 0, "the message is empty")
	}
	return kept, nil
}

// header reads the delimiters and the character set out of MSH, which has to be known before anything else can be.
func header(line []byte, o Options) (delimiters, Charset, error) {
	if !bytes.HasPrefix(line, []byte("MSH")) || len(line) < 8 {
		return delimiters{}, "", malformed("", 0, "the message does not begin with a whole MSH segment")
	}
	d := delimiters{field: line[3], comp: line[4], rep: line[5], escape: line[6], sub: line[7]}
	if after := line[8:]; len(after) > 0 && after[0] != d.field {
		d.truncation, after = after[0], after[1:]
		if len(after) > 0 && after[0] != d.field {
			return d, "", &Problem{At: ERL{Segment: "MSH", Field: 2}, Code: DataType, Text: "there are more than five encoding characters"}
		}
	}
	if !d.distinct() {
		return d, "", &Problem{At: ERL{Segment: "MSH", Field: 2}, Code: DataType, Text: "the delimiters are not five different punctuation marks"}
	}
	fields := bytes.SplitN(line, []byte{d.field}, 19) // MSH-18 is the 18th piece: the separator itself is MSH-1
	var f Field
	if len(fields) >= 18 {
		f = field(string(fields[17]), d, ASCII)
	}
	c := Charset(f.at(1).text(1))
	if c == ASCII {
		c = o.Unlabelled
	}
	alone := len(f) == 0 || len(f) == 1 && len(f[0]) == 1 && len(f[0][0]) == 1
	if !alone || !c.Known() {
		return d, "", &Problem{At: ERL{Segment: "MSH", Field: 18}, Code: TableValue, Text: "this character set is not known here; known are ASCII, UNICODE UTF-8, 8859/1 to 8859/9 and 8859/15, one of them alone"}
	}
	return d, c, nil
}

// distinct: two delimiters that are one would make a message mean two things; a letter or a space would be in every text.
func (d delimiters) distinct() bool {
	all := []byte{d.field, d.comp, d.rep, d.escape, d.sub}
	if d.truncation != 0 {
		all = append(all, d.truncation)
	}
	for i, c := range all {
		alnum := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if c <= ' ' || c >= 0x7F || alnum || c == '"' || bytes.IndexByte(all[:i], c) >= 0 {
			return false
		}
	}
	return true
}

func segment(line []byte, d delimiters, c Charset, i int, seen map[string]int) (Segment, error) {
	name := string(line[:min(3, len(line))])
	if !isName(name) || len(line) > 3 && line[3] != d.field {
		return Segment{}, malformed("", 0, "segment %d does not begin with a segment's name", i+1)
	}
	if i > 0 && name == "MSH" {
		return Segment{}, malformed("MSH", 2, "segment %d begins a second message", i+1)
	}
	seen[name]++
	text, bad := c.decode(line)
	if bad >= 0 {
		field := bytes.Count(line[:bad], []byte{d.field})
		if name == "MSH" {
			field++ // its first separator is MSH-1
		}
		return Segment{}, &Problem{At: ERL{Segment: name, Sequence: seen[name], Field: field}, Code: DataType,
			Text: fmt.Sprintf("byte %d of the segment is none of the character set that MSH-18 names", bad)}
	}
	s := Segment{Name: name}
	rest := text[3:]
	if name == "MSH" {
		s.Fields = []Field{{{{Value(fieldSep)}}}, {{{encodingChars}}}}
		_, rest, _ = strings.Cut(rest[1:], string(rune(d.field)))
		if rest == "" {
			return s, nil
		}
	} else if rest == "" {
		return s, nil
	} else {
		rest = rest[1:]
	}
	for f := range strings.SplitSeq(rest, string(rune(d.field))) {
		s.Fields = append(s.Fields, field(f, d, c))
	}
	return s, nil
}

// isName: three letters or digits, the first a letter (ch. 2.5.2).
func isName(name string) bool {
	for i, c := range []byte(name) {
		if !(c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return len(name) == 3
}

func field(s string, d delimiters, c Charset) Field {
	if s == "" {
		return nil
	}
	var f Field
	for r := range strings.SplitSeq(s, string(rune(d.rep))) {
		var rep Repetition
		if r != "" {
			for p := range strings.SplitSeq(r, string(rune(d.comp))) {
				var comp Component
				if p != "" {
					for v := range strings.SplitSeq(p, string(rune(d.sub))) {
						comp = append(comp, canonical(v, d, c))
					}
				}
				rep = append(rep, comp)
			}
		}
		f = append(f, rep)
	}
	return f
}
