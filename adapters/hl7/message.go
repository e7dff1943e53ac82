package hl7

import "slices"

// The delimiters every message of ours is written with (ch. 2.5.4). Reading takes those that MSH-1 and MSH-2 name and turns
// values into these, so that a [Value] means the same whichever message it came from.
const (
	fieldSep   = '|'
	compSep    = '^'
	repSep     = '~'
	escapeChar = '\\'
	subSep     = '&'
	// segmentEnd ends every segment and is the only thing that does (ch. 2.5.2).
	segmentEnd = '\r'
)

// encodingChars is MSH-2 as we write it. It is never escaped.
const encodingChars Value = `^~\&`

// Message is an ER7 message: its segments in order, MSH first (ch. 2.5.1).
type Message struct {
	Segments []Segment
}

// Segment is a line of a message (ch. 2.5.2). Fields[0] is NAM-1, and for MSH too: MSH-1 is the field separator and MSH-2 the
// encoding characters, so MSH-9 is Fields[8].
type Segment struct {
	Name   string
	Fields []Field
}

// Field is the repetitions of a field (ch. 2.5.3, 2.6); nil where the field is empty. Empty repetitions at the end are kept:
// in OBX-5 they are empty lines.
type Field []Repetition

// Components is the components of one occurrence of a field (ch. 2.5.3).
type Repetition []Component

// Component is the subcomponents of a component (ch. 2.5.3).
type Component []Value

// First is the first segment of a name, nil where the message has none.
func (m Message) First(name string) *Segment {
	for i := range m.Segments {
		if m.Segments[i].Name == name {
			return &m.Segments[i]
		}
	}
	return nil
}

// All is every segment of a name, in order.
func (m Message) All(name string) []Segment {
	var all []Segment
	for _, s := range m.Segments {
		if s.Name == name {
			all = append(all, s)
		}
	}
	return all
}

// Field is field n, counted from 1 as the standard does; nil where the segment ends before it or is nil itself.
func (s *Segment) Field(n int) Field {
	if s == nil || n < 1 || n > len(s.Fields) {
		return nil
	}
	return s.Fields[n-1]
}

// Value is one value of a segment: field, then repetition, component and subcomponent, each counted from 1 and 1 where it is
// left out. "" where there is none.
func (s *Segment) Value(field int, rest ...int) Value {
	at := [3]int{1, 1, 1}
	copy(at[:], rest)
	return s.Field(field).at(at[0]).at(at[1]).at(at[2])
}

// Text is the text of a value, addressed as in [Segment.Value]; "" also where the value says delete.
func (s *Segment) Text(field int, rest ...int) string { return s.Value(field, rest...).Text() }

// Deleted says whether the field is "" in quotes: what the receiver holds there is to be removed (ch. 2.5.3). An empty field
// says nothing and changes nothing.
func (s *Segment) Deleted(field int) bool { return s.Value(field).IsNull() }

// Set puts field n, counted from 1, and makes the segment as long as that needs. An empty f at the end adds nothing.
func (s *Segment) Set(n int, f Field) {
	if n > len(s.Fields) {
		if !f.Valued() && len(f) < 2 {
			return
		}
		s.Fields = append(s.Fields, make([]Field, n-len(s.Fields))...)
	}
	s.Fields[n-1] = f
}

// Valued says whether anything stands in the field; "" in quotes does.
func (f Field) Valued() bool {
	return slices.ContainsFunc(f, func(r Repetition) bool {
		return slices.ContainsFunc(r, func(c Component) bool {
			return slices.ContainsFunc(c, func(v Value) bool { return v != "" })
		})
	})
}

func (f Field) at(n int) Repetition {
	if n < 1 || n > len(f) {
		return nil
	}
	return f[n-1]
}

func (r Repetition) at(n int) Component {
	if n < 1 || n > len(r) {
		return nil
	}
	return r[n-1]
}

func (c Component) at(n int) Value {
	if n < 1 || n > len(c) {
		return ""
	}
	return c[n-1]
}

// text is the text of component n, its first subcomponent.
func (r Repetition) text(n int) string { return r.at(n).at(1).Text() }

// ST is a field that is one text (ch. 2.A, ST and its like); nil where the text is empty.
func ST(text string) Field {
	if text == "" {
		return nil
	}
	return Field{{{Text(text)}}}
}

// Repeat is a field of several occurrences; the empty ones are left out.
func Repeat(all ...Repetition) Field {
	var f Field
	for _, r := range all {
		if len(r) > 0 {
			f = append(f, r)
		}
	}
	return f
}

// composite makes a repetition of components and drops the empty ones at its end.
func composite(parts ...Component) Repetition {
	for len(parts) > 0 && !slices.ContainsFunc(parts[len(parts)-1], func(v Value) bool { return v != "" }) {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// part is a component of one text.
func part(text string) Component {
	if text == "" {
		return nil
	}
	return Component{Text(text)}
}
