package r4

import (
	"unicode"
	"unicode/utf8"
)

// MaxStringBytes is the longest FHIR string we send, in UTF-8 bytes. R4 says "1MB (1024*1024
// characters)"; validators disagree on whether that counts bytes or characters, so the
// stricter reading is used: what passes here passes both.
const MaxStringBytes = 1024 * 1024

// CarriableString reports whether a FHIR R4 string can hold text exactly.
//
// False for text that is not UTF-8, that has no rune besides white space, that is longer than
// [MaxStringBytes], or that holds a control character other than TAB, LF and CR or a Unicode
// noncharacter. Leading and trailing white space is carriable: validators only warn about it
// (R4 datatypes, string: "SHOULD NOT"). Text that is not carriable goes as a text/plain
// attachment, see [TextPayload].
func CarriableString(text string) bool {
	if len(text) > MaxStringBytes || !utf8.ValidString(text) {
		return false
	}
	visible := false
	for _, r := range text {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == ' ':
		case unicode.IsControl(r) || nonCharacter(r):
			return false
		case !visible && !unicode.IsSpace(r):
			visible = true
		}
	}
	return visible
}

// nonCharacter reports the 66 code points Unicode reserves for internal use; XML and several
// servers refuse them.
func nonCharacter(r rune) bool {
	return r&0xFFFE == 0xFFFE || (r >= 0xFDD0 && r <= 0xFDEF)
}
