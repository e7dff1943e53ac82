package transcript

import (
	_ "embed" // the fonts
	"fmt"
	"sync"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/runenames"
)

// The fonts of the PDF, asked in this order. DejaVu Sans has Latin, Greek, Cyrillic, Hebrew, Arabic and most symbols;
// Droid Sans Fallback has Chinese, Japanese and Korean. Their licences stand beside them.
var (
	//go:embed font/DejaVuSans.ttf
	dejaVu []byte
	//go:embed font/DroidSansFallback.ttf
	droid []byte

	faces = []face{{"dejavu", dejaVu}, {"droid", droid}}
)

// face is one font file.
type face struct {
	name string
	file []byte
}

// planeZero is how far the PDF library goes: it writes a character as one 16-bit code and mangles those above, so they
// are never given to it, even where a font has them.
const planeZero = 0x10000

// glyph is how a character of plane 0 is drawn.
type glyph struct {
	face  uint8  // which face has it, counted from 1; 0 is none
	width uint16 // in thousandths of the size
}

// glyphs are those of plane 0. A font that does not parse draws nothing; a test holds what the two must cover.
var glyphs = sync.OnceValue(func() *[planeZero]glyph {
	var all [planeZero]glyph
	for i, f := range faces {
		parsed, err := sfnt.Parse(f.file)
		if err != nil {
			continue
		}
		var buf sfnt.Buffer
		for r := rune(' '); r < planeZero; r++ {
			g, err := parsed.GlyphIndex(&buf, r)
			if all[r].face != 0 || err != nil || g == 0 {
				continue
			}
			wide, err := parsed.GlyphAdvance(&buf, g, fixed.I(1000), font.HintingNone)
			if err == nil {
				all[r] = glyph{face: uint8(i + 1), width: uint16(wide.Round())}
			}
		}
	}
	return &all
})

// drawable gives how r is drawn; false where it would be seen as nothing or as a box.
func drawable(r rune) (glyph, bool) {
	if r < 0 || r >= planeZero || unicode.IsControl(r) || unicode.Is(unicode.Co, r) || invisible(r) {
		return glyph{}, false
	}
	g := glyphs()[r]
	return g, g.face != 0
}

// invisible are characters that change what is around them and are not seen themselves: direction marks and overrides,
// zero-width spaces, soft hyphens. The joiners and variation selectors inside emoji and scripts are not among them; they
// only choose a shape.
func invisible(r rune) bool {
	switch {
	case r == 0x200C, r == 0x200D:
		return false
	case r == 0x2028, r == 0x2029, r == 0x115F, r == 0x1160, r == 0x3164, r == 0xFFA0, r == 0x034F, r == 0x180E:
		return true
	}
	return unicode.Is(unicode.Cf, r)
}

// nameOf shows a character that cannot be drawn: ⟨U+1F642 SLIGHTLY SMILING FACE⟩. Those that have no name of their own
// are their code point alone.
func nameOf(r rune) string {
	name := runenames.Name(r)
	if name == "" || name[0] == '<' {
		return fmt.Sprintf("⟨U+%04X⟩", r)
	}
	return fmt.Sprintf("⟨U+%04X %s⟩", r, name)
}

// broken shows a byte that is no UTF-8.
func broken(b byte) string { return fmt.Sprintf("⟨byte 0x%02X⟩", b) }
