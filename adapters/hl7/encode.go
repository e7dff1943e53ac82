package hl7

import (
	"strings"
	"unicode/utf8"
)

// Encode writes a message in ER7 (ch. 2.5): every segment ended by CR, with the delimiters |^~\& and in the character set
// that its MSH-18 names. Nothing is trimmed.
//
// It refuses what would not be read back as it was given: a value with a raw delimiter or control byte (a *[Problem]), text
// that is not UTF-8 (a *[Problem]), a character MSH-18 cannot carry (an *[UnmappableError]). Nothing is written then.
func (m Message) Encode() ([]byte, error) {
	if len(m.Segments) == 0 || m.Segments[0].Name != "MSH" {
		return nil, malformed("", 0, "a message begins with MSH")
	}
	c := Charset(m.Segments[0].Text(18))
	if !c.Known() || len(m.Segments[0].Field(18)) > 1 {
		return nil, &Problem{At: ERL{Segment: "MSH", Field: 18}, Code: TableValue, Text: "this character set is not known here"}
	}
	e := encoder{charset: c}
	seen := map[string]int{}
	for i, s := range m.Segments {
		seen[s.Name]++
		if !isName(s.Name) || i > 0 && s.Name == "MSH" {
			return nil, malformed("", 0, "segment %d has no segment's name, or is a second MSH", i+1)
		}
		if err := e.segment(s, ERL{Segment: s.Name, Sequence: seen[s.Name]}); err != nil {
			return nil, err
		}
	}
	return e.out, nil
}

type encoder struct {
	charset Charset
	out     []byte
}

func (e *encoder) segment(s Segment, at ERL) error {
	e.out = append(e.out, s.Name...)
	fields, first := s.Fields, 1
	if s.Name == "MSH" { // MSH-1 is the separator itself and MSH-2 is never escaped
		e.out = append(append(e.out, fieldSep), encodingChars...)
		fields, first = fields[min(2, len(fields)):], 3
	}
	for i, f := range fields {
		e.out = append(e.out, fieldSep)
		at.Field = first + i
		if err := e.field(f, at); err != nil {
			return err
		}
	}
	e.out = append(e.out, segmentEnd)
	return nil
}

func (e *encoder) field(f Field, at ERL) error {
	for i, r := range f {
		if i > 0 {
			e.out = append(e.out, repSep)
		}
		for j, c := range r {
			if j > 0 {
				e.out = append(e.out, compSep)
			}
			for k, v := range c {
				if k > 0 {
					e.out = append(e.out, subSep)
				}
				at.Repetition, at.Component, at.Subcomponent = i+1, j+1, k+1
				if err := e.value(v, at); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (e *encoder) value(v Value, at ERL) error {
	s := string(v)
	if !utf8.ValidString(s) {
		return &Problem{At: at, Code: DataType, Text: "the text is not valid UTF-8"}
	}
	raw := func(r rune) bool { return special(r) && r != escapeChar }
	if strings.ContainsFunc(s, raw) || strings.Count(s, string(escapeChar))%2 != 0 {
		return &Problem{At: at, Code: DataType, Text: "the value holds a delimiter or control byte that is not escaped"}
	}
	out, bad, what := e.charset.encode(e.out, s)
	if bad >= 0 {
		return &UnmappableError{At: at, Rune: bad, Class: classOf(what), Charset: e.charset}
	}
	e.out = out
	return nil
}
