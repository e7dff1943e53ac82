package transcript

import (
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Arabic letters change their shape with their neighbours. The PDF library does not choose shapes, but Unicode has each as
// a character of its own (Arabic Presentation Forms), and the font draws those.

// Where a shape stands in a row of them, which is Unicode's own order in both blocks.
const (
	isolated = iota
	final
	initial
	medial
)

// forms are the shapes of each letter: one where it never joins, two where it joins only the letter before it, else four.
// joined are the shapes of lam with an alef, which are always written as one.
var forms = sync.OnceValues(func() (map[rune][]rune, map[[2]rune][]rune) {
	letters, joined := map[rune][]rune{}, map[[2]rune][]rune{}
	for _, block := range [][2]rune{{0xFE80, 0xFEFC}, {0xFB50, 0xFBB1}, {0xFBD3, 0xFBE9}, {0xFBFC, 0xFBFF}} {
		for r := block[0]; r <= block[1]; r++ {
			switch of := []rune(norm.NFKC.String(string(r))); len(of) {
			case 1:
				if len(letters[of[0]]) < 4 {
					letters[of[0]] = append(letters[of[0]], r)
				}
			case 2:
				joined[[2]rune(of)] = append(joined[[2]rune(of)], r)
			}
		}
	}
	return letters, joined
})

const tatweel = 0x0640 // joins on both sides and has one shape

// shape puts the shapes of Arabic letters in the letters' place.
func shape(text string) string {
	if !containsArabic(text) {
		return text
	}
	letters, joined := forms()
	in := []rune(text)
	var out []rune
	for i := 0; i < len(in); i++ {
		r := in[i]
		before, _ := neighbour(in, i, -1)
		after, next := neighbour(in, i, 1)
		choose := func(list []rune, goesOn bool) rune {
			at := isolated
			back := len(list) > 1 && joinsOn(before)
			switch {
			case back && goesOn:
				at = medial
			case back:
				at = final
			case goesOn:
				at = initial
			}
			if _, ok := drawable(list[at]); !ok {
				return 0
			}
			return list[at]
		}
		if both := joined[[2]rune{r, after}]; len(both) == 2 && next == i+1 {
			if c := choose(both, false); c != 0 {
				out = append(out, c)
				i = next
				continue
			}
		}
		if list := letters[r]; len(list) > 0 {
			goesOn := len(list) == 4 && (after == tatweel || len(letters[after]) > 1)
			if c := choose(list, goesOn); c != 0 {
				r = c
			}
		}
		out = append(out, r)
	}
	return string(out)
}

// joinsOn says whether a letter joins the one behind it.
func joinsOn(r rune) bool {
	letters, _ := forms()
	return r == tatweel || len(letters[r]) == 4
}

// neighbour is the next character in a direction that is no mark, and its place; 0 where there is none.
func neighbour(in []rune, i, step int) (rune, int) {
	for i += step; i >= 0 && i < len(in); i += step {
		if !unicode.Is(unicode.Mn, in[i]) {
			return in[i], i
		}
	}
	return 0, i
}

func containsArabic(text string) bool {
	for _, r := range text {
		if unicode.Is(unicode.Arabic, r) {
			return true
		}
	}
	return false
}
