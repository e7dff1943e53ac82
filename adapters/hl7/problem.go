package hl7

import (
	"fmt"
	"strings"
)

// Problem says what is wrong with a message and where, and repeats nothing of it. Its code and place are what ERR-3 and ERR-2
// of an answer carry (ch. 2, ERR).
type Problem struct {
	At   ERL
	Code Condition
	Text string // what is wrong, and what to do about it where that is known
}

// Error implements error.
func (p *Problem) Error() string {
	if p.At.Segment == "" {
		return "hl7: " + p.Text
	}
	return "hl7: " + p.At.String() + ": " + p.Text
}

// UnmappableError is a character that the message's MSH-18 has no byte for. Nothing was replaced and nothing written: name
// another character set in the configuration, or file the text elsewhere.
type UnmappableError struct {
	At      ERL
	Rune    int    // its place in the value, in runes from 0
	Class   string // what kind of character it is, such as "symbol"; never which one
	Charset Charset
}

// Error implements error.
func (e *UnmappableError) Error() string {
	name := e.Charset
	if name == ASCII {
		name = asciiByName
	}
	return fmt.Sprintf("hl7: %s: character %d is a %s that %s cannot carry; set a character set (MSH-18) that can", e.At, e.Rune+1, e.Class, name)
}

// ERL is a place in a message (ch. 2.A, ERL), each part counted from 1; 0 says no more than the part before it.
type ERL struct {
	Segment      string
	Sequence     int // which of the segments of this name
	Field        int
	Repetition   int
	Component    int
	Subcomponent int
}

// String is the place as people write it: OBX[2]-5(1).2.1.
func (l ERL) String() string {
	var b strings.Builder
	b.WriteString(l.Segment)
	if l.Sequence > 1 {
		fmt.Fprintf(&b, "[%d]", l.Sequence)
	}
	if l.Field > 0 {
		fmt.Fprintf(&b, "-%d", l.Field)
	}
	if l.Repetition > 1 {
		fmt.Fprintf(&b, "(%d)", l.Repetition)
	}
	if l.Component > 0 && (l.Component > 1 || l.Subcomponent > 1) {
		fmt.Fprintf(&b, ".%d", l.Component)
	}
	if l.Subcomponent > 1 {
		fmt.Fprintf(&b, ".%d", l.Subcomponent)
	}
	return b.String()
}
