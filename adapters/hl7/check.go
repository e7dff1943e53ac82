package hl7

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// problems collects everything that is wrong with a message to be written, so that a person is told once.
type problems []error

func (p *problems) add(segment string, field int, code Condition, text string) {
	*p = append(*p, &Problem{At: ERL{Segment: segment, Field: field}, Code: code, Text: text})
}

// need notes a required field that is not given.
func (p *problems) need(segment string, field int, given bool) {
	if !given {
		p.add(segment, field, RequiredField, "the field is required and not given")
	}
}

// short notes a value over its length, in characters.
func (p *problems) short(segment string, field int, value string, limit int) {
	if utf8.RuneCountInString(value) > limit {
		p.add(segment, field, TooLong, fmt.Sprintf("the value is over %d characters, and is not cut", limit))
	}
}

func (p problems) err() error { return errors.Join(p...) }
