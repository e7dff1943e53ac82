package transcript

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
)

// cell is what is drawn as one and never torn apart: a character with the marks on it.
type cell struct {
	text  string
	first rune
	face  int     // index in faces
	width float64 // in thousandths of the size
	grey  bool    // part of a name that stands for a character
	level uint8   // odd is right to left
}

const tabStop = 4 // a tab is as many spaces

// cells turns one line of words into cells in the order they are written, and says whether it had to name a character.
func cells(words string) (all []cell, named bool) {
	all = make([]cell, 0, len(words))
	draw := func(r rune, grey bool) bool {
		g, ok := drawable(r)
		if !ok {
			return false
		}
		if n := len(all); n > 0 && onTop(r) && all[n-1].face == int(g.face)-1 && all[n-1].grey == grey {
			all[n-1].text += string(r)
			all[n-1].width += float64(g.width)
			return true
		}
		all = append(all, cell{text: string(r), first: r, face: int(g.face) - 1, width: float64(g.width), grey: grey})
		return true
	}
	instead := func(name string) {
		named = true
		for _, r := range name {
			draw(r, true)
		}
	}
	for len(words) > 0 {
		r, size := utf8.DecodeRuneInString(words)
		switch {
		case r == utf8.RuneError && size == 1:
			instead(broken(words[0]))
		case r == '\t':
			for range tabStop {
				draw(' ', false)
			}
		case !draw(r, false):
			instead(nameOf(r))
		}
		words = words[size:]
	}
	return all, named
}

// onTop are characters that belong to the one before them.
func onTop(r rune) bool { return unicode.In(r, unicode.Mn, unicode.Me) || r == 0x200C || r == 0x200D }

// lines cuts words at every line end there is: LF, CR, CR LF and Unicode's own.
func lines(words string) []string {
	return strings.Split(breaks.Replace(words), "\n")
}

var breaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n", "\v", "\n", "\f", "\n")

// wrap breaks a line's cells so that none is wider than width, in points at the size: behind a space, a hyphen or a
// character of a script that has no spaces, and where there is none, anywhere.
func wrap(all []cell, size, width float64) [][]cell {
	if len(all) == 0 {
		return [][]cell{nil}
	}
	var rows [][]cell
	limit := width * 1000 / size
	start, good, wide := 0, 0, 0.0
	for i := 0; i < len(all); i++ {
		wide += all[i].width
		if wide > limit && i > start && !(all[i].first == ' ' && all[i-1].first != ' ') {
			end := good
			if end <= start {
				end = i
			}
			rows = append(rows, all[start:end])
			start, wide = end, 0
			i = end - 1
			continue
		}
		if endsHere(all[i]) {
			good = i + 1
		}
	}
	return append(rows, all[start:])
}

// endsHere says whether a line may end behind a cell.
func endsHere(c cell) bool {
	return c.first == ' ' || c.first == '-' || unicode.In(c.first, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) ||
		c.first >= 0x3000 && c.first <= 0x303F || c.first >= 0xFF00 && c.first <= 0xFF0F
}

// mirrored turns a bracket around for a line that runs from right to left.
func mirrored(c cell) cell {
	if r, ok := mirrors[c.first]; ok {
		c.text = string(r) + c.text[utf8.RuneLen(c.first):]
	} else if utf8.RuneCountInString(c.text) == 1 {
		c.text = bidi.ReverseString(c.text)
	}
	return c
}

// mirrors are those that bidi does not count as brackets.
var mirrors = map[rune]rune{'<': '>', '>': '<', '«': '»', '»': '«', '‹': '›', '›': '‹', '≤': '≥', '≥': '≤'}
