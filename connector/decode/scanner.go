package decode

import (
	"bytes"
	"encoding/json"
	"reflect"
	"unicode/utf16"
	"unicode/utf8"
)

// manyKeys is where an object's keys are looked up in a map instead of one by
// one: below it the list is faster, above it a sender could make it quadratic.
const manyKeys = 24

// scanner reads one JSON text once, beside the types it is meant for.
type scanner struct {
	b    []byte
	i    int // next byte
	opts Options

	path []step
	keys [][]byte // keys of all objects that are open, unescaped

	unknown []string
	mask    []span // keys that encoding/json would take for a field of other case

	// What explain looks for; the scan stops where it is found.
	seek    int  // the value that encoding/json had reached at this offset
	try     bool // the first value its own UnmarshalJSON or UnmarshalText refuses
	found   string
	foundAt int
	failed  *string
}

type span struct{ from, to int }

// step is one token of the pointer to where the scanner is.
type step struct {
	key   []byte // unescaped; nil in an array
	index int
	known bool // key is a field name of the target's
	data  bool // key is a map's: content, not a name
}

var stop = &Problem{} // ends a scan that found what it sought

func (s *scanner) fail(text string) *Problem {
	return &Problem{s.pointer(), s.i, text}
}

// document reads the whole text.
func (s *scanner) document(root *node) *Problem {
	s.space()
	if s.i == len(s.b) {
		return s.fail("there is no JSON here")
	}
	if p := s.value(root); p != nil {
		return p
	}
	if s.space(); s.i < len(s.b) {
		return s.fail("something follows the JSON value")
	}
	return nil
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// next says whether the next byte is c and steps over it if so.
func (s *scanner) next(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) value(n *node) *Problem {
	start := s.i
	if s.seek > 0 {
		if start >= s.seek {
			return stop
		}
		s.found, s.foundAt = s.pointer(), start
	}
	if start == len(s.b) {
		return s.fail("the JSON ends too early")
	}
	var p *Problem
	switch c := s.b[start]; {
	case c == '{':
		p = s.object(n)
	case c == '[':
		p = s.array(n)
	case c == '"':
		_, p = s.text(false)
	case c == '-' || c >= '0' && c <= '9':
		p = s.number()
	default:
		p = s.word()
	}
	if p == nil && s.try && n != nil && n.own && s.b[start] != 'n' { // null stays with the field's pointer
		if err := json.Unmarshal(s.b[start:s.i], reflect.New(n.typ).Interface()); err != nil {
			text := refusal(n.typ, err)
			s.found, s.foundAt, s.failed = s.pointer(), start, &text
			return stop
		}
	}
	return p
}

func (s *scanner) object(n *node) *Problem {
	if len(s.path) >= s.opts.MaxDepth {
		return s.fail("arrays and objects are nested too deeply")
	}
	s.i++ // {
	s.space()
	if s.next('}') {
		return nil
	}
	first, at := len(s.keys), len(s.path)
	var seen map[string]struct{}
	for {
		s.path = s.path[:at] // until its key is read, an error is the object's
		child, p := s.key(n, first, &seen)
		if p != nil {
			return p
		}
		if s.space(); !s.next(':') {
			return s.fail("want : after the key")
		}
		s.space()
		if p := s.value(child); p != nil {
			return p
		}
		s.space()
		if s.next(',') {
			s.space()
			continue
		}
		s.path = s.path[:at]
		if !s.next('}') {
			return s.fail("want , or } in the object")
		}
		s.keys = s.keys[:first]
		return nil
	}
}

// key reads one key of an object, whose earlier keys are s.keys[first:], pushes
// it on the path, and gives the node of its value.
func (s *scanner) key(n *node, first int, seen *map[string]struct{}) (*node, *Problem) {
	if s.i == len(s.b) || s.b[s.i] != '"' {
		return nil, s.fail("want a key in double quotes")
	}
	start := s.i
	key, p := s.text(true)
	if p != nil {
		return nil, p
	}
	raw := span{start + 1, s.i - 1}
	st := step{key: key}
	var child *node
	if n != nil && n.fields != nil {
		child, st.known = n.fields[string(key)]
	} else if n != nil && n.isMap {
		child, st.data = n.elem, true
	}
	s.path = append(s.path, st)
	if s.repeated(key, first, seen) {
		return nil, &Problem{s.pointer(), start, "this key is there twice"}
	}
	if n == nil || n.fields == nil || st.known {
		return child, nil
	}
	_, otherCase := n.folded[fold(string(key))]
	if s.opts.UnknownFields == Refuse {
		text := "this field is not known"
		if otherCase {
			text += ": names are case-sensitive"
		}
		return nil, &Problem{s.pointer(), start, text}
	}
	if otherCase {
		s.mask = append(s.mask, raw)
	}
	if len(s.unknown) < maxUnknown {
		s.unknown = append(s.unknown, s.pointer())
	}
	return nil, nil
}

// repeated remembers key and says whether the object had it already.
func (s *scanner) repeated(key []byte, first int, seen *map[string]struct{}) bool {
	if *seen == nil && len(s.keys)-first >= manyKeys {
		*seen = make(map[string]struct{}, 2*manyKeys)
		for _, k := range s.keys[first:] {
			(*seen)[string(k)] = struct{}{}
		}
		s.keys = s.keys[:first]
	}
	if *seen != nil {
		if _, ok := (*seen)[string(key)]; ok {
			return true
		}
		(*seen)[string(key)] = struct{}{}
		return false
	}
	for _, k := range s.keys[first:] {
		if bytes.Equal(k, key) {
			return true
		}
	}
	s.keys = append(s.keys, key)
	return false
}

func (s *scanner) array(n *node) *Problem {
	if len(s.path) >= s.opts.MaxDepth {
		return s.fail("arrays and objects are nested too deeply")
	}
	s.i++ // [
	s.space()
	if s.next(']') {
		return nil
	}
	var elem *node
	if n != nil && !n.isMap {
		elem = n.elem
	}
	at := len(s.path)
	s.path = append(s.path, step{})
	for {
		if p := s.value(elem); p != nil {
			return p
		}
		s.space()
		if s.next(',') {
			s.space()
			s.path[at].index++
			continue
		}
		s.path = s.path[:at]
		if !s.next(']') {
			return s.fail("want , or ] in the array")
		}
		return nil
	}
}

// text reads a string. Where keep is set it gives the string's bytes, unescaped;
// they are the input's own where nothing was escaped.
func (s *scanner) text(keep bool) ([]byte, *Problem) {
	s.i++          // "
	start := s.i   // of what is not yet in out
	var out []byte // the string up to start, from the first escape on
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			end := s.i
			s.i++
			if out == nil {
				return s.b[start:end], nil
			}
			return append(out, s.b[start:end]...), nil
		case c == '\\':
			end := s.i
			r, p := s.escape()
			if p != nil {
				return nil, p
			}
			if keep {
				out = utf8.AppendRune(append(out, s.b[start:end]...), r)
				start = s.i
			}
		case c < 0x20:
			return nil, s.fail("a control character stands in a string unescaped")
		case c < utf8.RuneSelf:
			s.i++
		default:
			r, size := utf8.DecodeRune(s.b[s.i:])
			if r == utf8.RuneError && size == 1 {
				return nil, s.fail("this is not valid UTF-8")
			}
			s.i += size
		}
	}
	return nil, s.fail("the JSON ends inside a string")
}

// escape reads one escape, both halves of a surrogate pair.
func (s *scanner) escape() (rune, *Problem) {
	if s.i+1 == len(s.b) {
		return 0, s.fail("the JSON ends inside a string")
	}
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), s.b[s.i+1]); i >= 0 {
		s.i += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := s.hex4(s.i)
	if !ok {
		return 0, s.fail("this is not a JSON escape")
	}
	if !utf16.IsSurrogate(r) {
		s.i += 6
		return r, nil
	}
	low, _ := s.hex4(s.i + 6)
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, s.fail("half of a surrogate pair stands alone")
	}
	s.i += 12
	return r, nil
}

// hex4 reads \uXXXX at i.
func (s *scanner) hex4(i int) (r rune, ok bool) {
	if i+6 > len(s.b) || s.b[i] != '\\' || s.b[i+1] != 'u' {
		return 0, false
	}
	for _, c := range s.b[i+2 : i+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

func (s *scanner) number() *Problem {
	s.next('-')
	if !s.next('0') && !s.digits() {
		return s.fail("this is not a JSON number")
	}
	if s.next('.') && !s.digits() {
		return s.fail("this is not a JSON number")
	}
	if s.next('e') || s.next('E') {
		if !s.next('+') {
			s.next('-')
		}
		if !s.digits() {
			return s.fail("this is not a JSON number")
		}
	}
	return nil
}

func (s *scanner) word() *Problem {
	for _, w := range []string{"true", "false", "null"} {
		if len(s.b)-s.i >= len(w) && string(s.b[s.i:s.i+len(w)]) == w {
			s.i += len(w)
			return nil
		}
	}
	return s.fail("want a JSON value")
}

// masked gives the text for encoding/json, which matches names without regard to
// case: keys that it would take for a field they are not are overwritten, at
// their length, with a name no field can have.
func (s *scanner) masked() []byte {
	if len(s.mask) == 0 {
		return s.b
	}
	out := bytes.Clone(s.b)
	for _, m := range s.mask {
		for i := m.from; i < m.to; i++ {
			out[i] = 0x7f
		}
	}
	return out
}
