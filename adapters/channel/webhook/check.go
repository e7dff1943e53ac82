package webhook

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/chartwire/chartwire/connector"
)

// checker walks one decoded body and keeps the first thing that is wrong with it and where. Its methods take the place's
// own name and give the value, so that a reader of decode.go sees the schema's rules beside the fields they are about.
type checker struct {
	path []string
	err  *connector.DecodeError
}

// fail notes a problem at the present place, below it by name where name is not "". Only the first is kept.
func (k *checker) fail(name, text string) {
	if k.err != nil {
		return
	}
	var at strings.Builder
	for _, token := range k.path {
		at.WriteString("/" + token)
	}
	if name != "" {
		at.WriteString("/" + name)
	}
	k.err = &connector.DecodeError{Pointer: at.String(), Text: text}
}

func (k *checker) in(name string) { k.path = append(k.path, name) }
func (k *checker) out()           { k.path = k.path[:len(k.path)-1] }
func (k *checker) inIndex(i int)  { k.in(strconv.Itoa(i)) }
func (k *checker) must(name string, given bool) bool {
	if !given {
		k.fail(name, "this field is required")
	}
	return given
}

// text checks a string of at most max characters (Unicode code points, as JSON Schema counts); 0 is no limit. Absent gives "".
func (k *checker) text(name string, s *string, minimum, maximum int) string {
	if s == nil {
		return ""
	}
	switch {
	case len(*s) < minimum: // min is 0 or 1, where bytes and characters agree
		k.fail(name, "this text is empty")
	case maximum > 0 && len(*s) > maximum && utf8.RuneCountInString(*s) > maximum:
		k.fail(name, "longer than "+strconv.Itoa(maximum)+" characters")
	}
	return *s
}

// enum checks that a string is one of a few words; absent gives "".
func (k *checker) enum(name string, s *string, words ...string) string {
	if s == nil {
		return ""
	}
	if !slices.Contains(words, *s) {
		k.fail(name, "want one of "+strings.Join(words, ", "))
	}
	return *s
}

const idChars = "A-Z a-z 0-9 . _ : -"

// id checks a platform's id ("$defs/id" of the schema); absent gives "".
func (k *checker) id(name string, s *string) string {
	if s == nil {
		return ""
	}
	if !validID(*s) {
		k.fail(name, "want 1 to 128 characters of "+idChars)
	}
	return *s
}

func validID(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 128
}

// pattern checks a string against a pattern of the schema and words it for people; absent gives "".
func (k *checker) pattern(name string, s *string, re *regexp.Regexp, want string) string {
	if s == nil {
		return ""
	}
	if !re.MatchString(*s) {
		k.fail(name, "want "+want)
	}
	return *s
}

var (
	phonePattern  = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// atLeast checks a whole number's lower bound; absent gives 0.
func (k *checker) atLeast(name string, n *whole, minimum int64) int64 {
	if n == nil {
		return 0
	}
	if int64(*n) < minimum {
		k.fail(name, "less than "+strconv.FormatInt(minimum, 10))
	}
	return int64(*n)
}
