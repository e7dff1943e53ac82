package hl7

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Charset is a character set by its name in MSH-18 (table 0211).
type Charset string

// The character sets that are known by a name of their own; 8859/2 to 8859/9 are known too. One with escape sequences
// between sets (ISO IR…) or with units of two or four bytes is not: no delimiter could be trusted in it.
const (
	// ASCII is what an empty MSH-18 means.
	ASCII Charset = ""
	// UTF8 is Unicode in UTF-8.
	UTF8 Charset = "UNICODE UTF-8"
	// Latin1 is ISO 8859-1.
	Latin1 Charset = "8859/1"
	// Latin9 is ISO 8859-15: Latin1 with the euro sign.
	Latin9 Charset = "8859/15"
)

// asciiByName is table 0211's own name for what an empty MSH-18 means.
const asciiByName Charset = "ASCII"

var charmaps = map[Charset]*charmap.Charmap{
	Latin1: charmap.ISO8859_1, "8859/2": charmap.ISO8859_2, "8859/3": charmap.ISO8859_3, "8859/4": charmap.ISO8859_4,
	"8859/5": charmap.ISO8859_5, "8859/6": charmap.ISO8859_6, "8859/7": charmap.ISO8859_7, "8859/8": charmap.ISO8859_8,
	"8859/9": charmap.ISO8859_9, Latin9: charmap.ISO8859_15,
}

// Known says whether messages in this character set can be written and read.
func (c Charset) Known() bool {
	return c == ASCII || c == asciiByName || c == UTF8 || charmaps[c] != nil
}

// Charsets lists what MSH-18 may be, for a configuration's schema; "" is ASCII.
func Charsets() []Charset {
	all := []Charset{ASCII, asciiByName, UTF8}
	for c := range charmaps {
		all = append(all, c)
	}
	slices.Sort(all)
	return all
}

// decode reads bytes as UTF-8; bad is the offset of the first byte that is none of this set, -1 where all are.
func (c Charset) decode(raw []byte) (text string, bad int) {
	if m := charmaps[c]; m != nil {
		out := make([]rune, len(raw))
		for i, b := range raw {
			if out[i] = m.DecodeByte(b); out[i] == utf8.RuneError {
				return "", i
			}
		}
		return string(out), -1
	}
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && n == 1 || n > 1 && c != UTF8 {
			return "", i
		}
		i += n
	}
	return string(raw), -1
}

// encode appends s in this set; bad is the offset in runes and the rune of the first that it has no byte for, -1 where it has
// all. s is valid UTF-8.
func (c Charset) encode(to []byte, s string) (out []byte, bad int, what rune) {
	m, at := charmaps[c], 0
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			to = append(to, byte(r))
		case m != nil:
			b, ok := m.EncodeRune(r)
			if !ok {
				return to, at, r
			}
			to = append(to, b)
		case c == UTF8:
			to = utf8.AppendRune(to, r)
		default:
			return to, at, r
		}
		at++
	}
	return to, -1, 0
}

// classOf names the kind of a code point by its Unicode general category, which tells an administrator what the receiver
// cannot take and nothing of what was said.
func classOf(r rune) string {
	for _, c := range []struct {
		name  string
		table *unicode.RangeTable
	}{
		{"letter", unicode.L}, {"combining mark", unicode.M}, {"digit", unicode.N}, {"punctuation mark", unicode.P},
		{"symbol", unicode.S}, {"space", unicode.Z},
	} {
		if unicode.Is(c.table, r) {
			return c.name
		}
	}
	return "control, format, private or unassigned character"
}
