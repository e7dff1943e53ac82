// Package decode is the one JSON decoder for bytes that come from outside. It
// takes less than encoding/json does, so that two readers of one body cannot
// understand it differently: no duplicate keys, no invalid UTF-8 or unpaired
// surrogate, no second value behind the first, bounded depth, and a field is
// filled only by a key that is exactly its name ("Type" does not fill "type").
//
// What is refused is named by place, never by value: no error of this package
// repeats a value of the input.
package decode

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// DefaultMaxDepth is how deep arrays and objects may nest where Options does not
// say.
const DefaultMaxDepth = 64

// maxUnknown bounds how many unknown fields are reported, so that a body of a
// million of them costs no more memory than its own.
const maxUnknown = 64

// Policy says what becomes of a field the target does not have.
type Policy int

const (
	// Keep leaves unknown fields out of the target and reports where they are.
	Keep Policy = iota
	// Refuse makes the first unknown field a Problem.
	Refuse
)

// Options of Strict; the zero value is depth 64, unknown fields kept.
type Options struct {
	MaxDepth      int // arrays and objects inside each other; 0 is DefaultMaxDepth
	UnknownFields Policy
}

// Problem says where and why a body is refused. It is what every error about the
// input is; it holds no value of the input and may be shown and logged.
type Problem struct {
	// Pointer is the place by RFC 6901, at most 200 bytes. A key that is not a
	// name the target has, nor a plain short word, stands as "?", since it may be
	// anything its sender likes; "/..." stands for what is too deep to tell.
	Pointer string
	Offset  int // where it was noticed, in bytes from the start
	Text    string
}

func (p *Problem) Error() string {
	place := p.Pointer
	if place == "" {
		place = "the body"
	}
	return fmt.Sprintf("%s (byte %d): %s", place, p.Offset, p.Text)
}

// Strict decodes the one JSON value in b into v, a pointer, or only checks it
// where v is nil. It returns the pointers of fields that v has no place for (the
// first 64), which under Refuse are an error instead. The error is a *Problem;
// v is then partly filled and not to be used. Values of types with an
// UnmarshalJSON of their own are checked as JSON, but their fields are theirs.
func Strict(b []byte, v any, opts Options) (unknown []string, err error) {
	if opts.MaxDepth <= 0 {
		opts.MaxDepth = DefaultMaxDepth
	}
	// Room enough for most bodies: scanning one allocates twice.
	s := scanner{b: b, opts: opts, path: make([]step, 0, 16), keys: make([][]byte, 0, 48)}
	var root *node
	if v != nil {
		root = nodeOf(reflect.TypeOf(v))
	}
	if p := s.document(root); p != nil {
		return nil, p
	}
	if v == nil {
		return nil, nil
	}
	in := s.masked()
	if err := json.Unmarshal(in, v); err != nil {
		return nil, explain(in, root, opts, err)
	}
	return s.unknown, nil
}

// explain turns an error of encoding/json, whose text may quote the input, into
// a Problem. The grammar is known to be good, so it is about a value's type.
func explain(b []byte, root *node, opts Options, err error) error {
	var misuse *json.InvalidUnmarshalError
	if errors.As(err, &misuse) {
		return misuse // v is not a pointer: a mistake of the program
	}
	// A type's own UnmarshalJSON first: its errors carry no place, or a wrong one.
	s := scanner{b: b, opts: opts, try: true}
	s.document(root)
	if s.failed != nil {
		return &Problem{s.found, s.foundAt, *s.failed}
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		s := scanner{b: b, opts: opts, seek: int(wrong.Offset)}
		s.document(root)
		return &Problem{s.found, s.foundAt, mismatch(wrong)}
	}
	return &Problem{"", 0, "a value is not of the form its field wants"}
}

// mismatch words a type error without its value.
func mismatch(e *json.UnmarshalTypeError) string {
	found, _, _ := strings.Cut(e.Value, " ") // "number 5551234": the rest is the value
	if e.Type == nil {
		return "a value of another type is wanted here"
	}
	return fmt.Sprintf("want %s, found %s", wanted(e.Type), article(found))
}

func wanted(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		return "a string"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "base64 text"
		}
		return "an array"
	case reflect.Array:
		return "an array"
	case reflect.Float32, reflect.Float64:
		return "a number in range"
	default:
		return "a whole number in range"
	}
}

func article(found string) string {
	switch found {
	case "array", "object":
		return "an " + found
	case "bool":
		return "true or false"
	case "string", "number":
		return "a " + found
	default:
		return "something else"
	}
}

// refusal words the error of a type's own UnmarshalJSON or UnmarshalText, whose
// text is not known to be free of the value.
func refusal(t reflect.Type, err error) string {
	var own *Problem
	switch {
	case errors.As(err, &own):
		return own.Text
	case t == reflect.TypeFor[time.Time]():
		return "want a date and time with offset, as RFC 3339 writes it"
	default:
		return "this value is not one its field takes"
	}
}
