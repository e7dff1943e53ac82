package decode

import "strconv"

const (
	maxPointer = 200 // bytes of a whole pointer
	maxWord    = 40  // bytes of a key that is not a known name
	elided     = "/..."
)

// pointer writes the place the scanner is at, by RFC 6901.
func (s *scanner) pointer() string {
	out := make([]byte, 0, 64)
	for _, st := range s.path {
		kept := len(out)
		out = append(out, '/')
		switch {
		case st.key == nil:
			out = strconv.AppendInt(out, int64(st.index), 10)
		case st.known || !st.data && word(st.key):
			out = appendToken(out, st.key)
		default:
			out = append(out, '?')
		}
		if len(out) > maxPointer-len(elided) {
			return string(append(out[:kept], elided...))
		}
	}
	return string(out)
}

// word says whether a key of the sender's own is harmless to repeat: a letter
// followed by a few letters, digits, _ or -, as field names are. Anything else
// may be content.
func word(key []byte) bool {
	if len(key) == 0 || len(key) > maxWord {
		return false
	}
	for i, c := range key {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-')) {
			return false
		}
	}
	return true
}

// appendToken escapes a token as RFC 6901 §3 wants it.
func appendToken(out, token []byte) []byte {
	for _, c := range token {
		switch c {
		case '~':
			out = append(out, "~0"...)
		case '/':
			out = append(out, "~1"...)
		default:
			out = append(out, c)
		}
	}
	return out
}
