package hl7

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Value is what stands between two delimiters, escaped, with the delimiters ours are (ch. 2.7), in UTF-8. Make one with
// [Text] or [FormattedText] and read it with their counterparts; a string turned into a Value by hand is refused by
// [Message.Encode] where it would end its field.
type Value string

// Null is the value that tells the receiver to delete what it holds; the empty Value tells it nothing (ch. 2.5.3).
const Null Value = `""`

// IsNull says whether the value is [Null].
func (v Value) IsNull() bool { return v == Null }

const upperHex = "0123456789ABCDEF"

// Text is the value that reads as s: delimiters become \F\ \S\ \T\ \R\ \E\, control bytes (CR and LF too) \X0D\ (ch. 2.7.1,
// 2.7.5). A text of two quotes alone, which unescaped would say delete, is written in hexadecimal. Text never fails; that s
// is valid UTF-8 is for [Message.Encode] to see.
func Text(s string) Value {
	if s == string(Null) {
		return `\X22\\X22\`
	}
	if !strings.ContainsFunc(s, special) {
		return Value(s)
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); i++ {
		writeEscaped(&b, s[i])
	}
	return Value(b.String())
}

// FormattedText is s as a value of type FT: as [Text], and a line feed becomes \.br\ (ch. 2.7.6).
func FormattedText(s string) Value {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = string(Text(line))
	}
	return Value(strings.Join(lines, `\.br\`))
}

// special are the characters that never stand in a value as they are.
func special(r rune) bool {
	return r < 0x20 || r == 0x7F || r == fieldSep || r == compSep || r == repSep || r == subSep || r == escapeChar
}

func writeEscaped(b *strings.Builder, c byte) {
	switch {
	case c == fieldSep:
		b.WriteString(`\F\`)
	case c == compSep:
		b.WriteString(`\S\`)
	case c == subSep:
		b.WriteString(`\T\`)
	case c == repSep:
		b.WriteString(`\R\`)
	case c == escapeChar:
		b.WriteString(`\E\`)
	case c < 0x20 || c == 0x7F:
		b.Write([]byte{'\\', 'X', upperHex[c>>4], upperHex[c&15], '\\'})
	default:
		b.WriteByte(c)
	}
}

// Text is the text a value stands for; "" where it says delete. Formatting (\.br\, \H\ …) and a backslash that begins no
// sequence stay as they are written: what a sloppy sender writes is kept, not guessed at.
func (v Value) Text() string { return v.read(func(seq string) string { return `\` + seq + `\` }) }

// FormattedText is as [Value.Text], and \.br\ reads as a line feed (ch. 2.7.6).
func (v Value) FormattedText() string {
	return v.read(func(seq string) string {
		if seq == ".br" {
			return "\n"
		}
		return `\` + seq + `\`
	})
}

func (v Value) read(formatting func(seq string) string) string {
	if v == Null {
		return ""
	}
	if !strings.ContainsRune(string(v), escapeChar) {
		return string(v)
	}
	var b strings.Builder
	scan(string(v), standard, UTF8, func(text, seq string) {
		b.WriteString(text)
		if seq != "" {
			b.WriteString(formatting(seq))
		}
	})
	return b.String()
}

// delimiters of a message being read (ch. 2.5.4). truncation is 0 before v2.7.
type delimiters struct{ field, comp, rep, escape, sub, truncation byte }

var standard = delimiters{field: fieldSep, comp: compSep, rep: repSep, escape: escapeChar, sub: subSep}

// canonical turns a value as it stands in a message with delimiters d into a [Value].
func canonical(s string, d delimiters, c Charset) Value {
	if s == string(Null) {
		return Null
	}
	if d == standard && !strings.ContainsFunc(s, special) {
		return Value(s)
	}
	var b, pending strings.Builder
	flush := func() {
		for i, t := 0, pending.String(); i < len(t); i++ {
			writeEscaped(&b, t[i])
		}
		pending.Reset()
	}
	formatted := false
	scan(s, d, c, func(text, seq string) {
		pending.WriteString(text)
		if seq == "" {
			return
		}
		if strings.ContainsFunc(seq, special) { // no command holds these: backslashes that somebody did not escape
			pending.WriteString(string(d.escape) + seq + string(d.escape))
			return
		}
		formatted = true
		flush()
		b.WriteString(`\` + seq + `\`)
	})
	if !formatted {
		return Text(pending.String())
	}
	flush()
	return Value(b.String())
}

// scan reads s piece by piece: text, or the inside of a sequence that stands for none.
func scan(s string, d delimiters, c Charset, each func(text, seq string)) {
	for s != "" {
		i := strings.IndexByte(s, d.escape)
		if i < 0 {
			each(s, "")
			return
		}
		if i > 0 {
			each(s[:i], "")
		}
		seq, rest, closed := strings.Cut(s[i+1:], string(rune(d.escape)))
		if !closed {
			each(s[i:], "")
			return
		}
		if text, after, ok := hexRun(s[i:], d, c); ok {
			each(text, "")
			s = after
			continue
		}
		switch text, ok := d.named(seq); {
		case ok:
			each(text, "")
		case formats(seq):
			each("", seq)
		default: // a backslash somebody did not escape; the next one may well begin a sequence
			each(s[i:i+1], "")
			rest = s[i+1:]
		}
		s = rest
	}
}

// formats says whether a sequence is one the standard knows and that stands for no text: highlighting, other character sets,
// local ones, formatting commands, bytes that are no text (ch. 2.7.2 to 2.7.7).
func formats(seq string) bool {
	return seq == "H" || seq == "N" || seq != "" && strings.IndexByte("CMXZ.", seq[0]) >= 0
}

// named is the delimiter a sequence of one letter stands for.
func (d delimiters) named(seq string) (string, bool) {
	var c byte
	switch seq {
	case "F":
		c = d.field
	case "S":
		c = d.comp
	case "T":
		c = d.sub
	case "R":
		c = d.rep
	case "E":
		c = d.escape
	case "P":
		c = d.truncation
	}
	return string(rune(c)), c != 0
}

// hexRun reads the \X…\ sequences s begins with as one run of bytes, since a sender may write each byte of a character in a
// sequence of its own. A run that is no text in the message's character set is left as it is written.
func hexRun(s string, d delimiters, c Charset) (text, rest string, ok bool) {
	var run []byte
	rest = s
	for len(rest) > 2 && rest[0] == d.escape && rest[1] == 'X' {
		seq, after, closed := strings.Cut(rest[2:], string(rune(d.escape)))
		if !closed || seq == "" {
			break
		}
		b, err := hex.DecodeString(seq)
		if err != nil {
			break
		}
		run, rest = append(run, b...), after
	}
	if len(run) == 0 {
		return "", s, false
	}
	text, bad := c.decode(run)
	if bad >= 0 || !utf8.ValidString(text) {
		return "", s, false
	}
	return text, rest, true
}
