package transcript

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// someWords are words with the characters that are hard to set.
func someWords() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringOfN(rapid.SampledFrom([]rune("ab -.,/()[]<>1205%$אבגשلبيم٣٤é\u0301\u0651谢。한🙂\u200d\ufe0f\u202e\t\x00\u0378")), 0, 200, -1),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
}

// spelled is what a line must show, in the order written.
func spelled(words string) string {
	var b strings.Builder
	for len(words) > 0 {
		r, size := utf8.DecodeRuneInString(words)
		_, ok := drawable(r)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, "⟨byte 0x%02X⟩", words[0])
		case r == '\t':
			b.WriteString("    ")
		case ok:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "⟨U+%04X", r)
			if name := nameOf(r); strings.Contains(name, " ") {
				b.WriteString(name[strings.Index(name, " "):])
			} else {
				b.WriteString("⟩")
			}
		}
		words = words[size:]
	}
	return b.String()
}

// TestMarkIsInNoWords has a message hold the mark that is due first, and the one after it.
func TestMarkIsInNoWords(t *testing.T) {
	first := sha256.Sum256([]byte("x"))
	second := sha256.Sum256(first[:])
	said := []block{{words: "a " + hex.EncodeToString(first[:4])}, {words: hex.EncodeToString(second[:4])}}
	third := sha256.Sum256(second[:])
	if got := unsaid(first, said); got != hex.EncodeToString(third[:4]) {
		t.Errorf("the mark is %s", got)
	}
}

// TestEveryCharacterIsOnARow sets any words in any width: nothing is lost, nothing is added, nothing sticks out, and all of
// it is in a font.
func TestEveryCharacterIsOnARow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := someWords().Draw(rt, "words")
		width := rapid.Float64Range(60, 500).Draw(rt, "width")
		all, _ := cells(words)
		base := direct(all)
		got, seen := "", []rune{}
		for _, part := range wrap(all, 10, width) {
			logical := ""
			for _, c := range part {
				logical += c.text
			}
			got += logical
			const rounding = 1e-6
			if w := wide(part, 10); w > width+rounding && len(part) > 1 && w-wide(part[len(part)-1:], 10) > width+rounding {
				rt.Fatalf("a row of %v in %v", w, width)
			}
			for _, c := range order(part, base) {
				for _, r := range c.text {
					if g, ok := drawable(r); !ok || int(g.face)-1 != c.face {
						rt.Fatalf("%U is not in its font", r)
					}
					seen = append(seen, r)
				}
			}
		}
		want := spelled(words)
		if got != want {
			rt.Fatalf("got %q, want %q", got, want)
		}
		wanted := []rune(want)
		for i := range wanted {
			wanted[i] = upright(wanted[i])
		}
		for i := range seen {
			seen[i] = upright(seen[i])
		}
		slices.Sort(seen)
		slices.Sort(wanted)
		if !slices.Equal(seen, wanted) {
			rt.Fatalf("seen %q, want %q", string(seen), string(wanted))
		}
	})
}

// upright is one of a pair of brackets, because in words from right to left the other one is drawn.
func upright(r rune) rune {
	if m, ok := mirrors[r]; ok {
		return min(r, m)
	}
	if p, _ := bidi.LookupRune(r); p.IsBracket() {
		return min(r, []rune(bidi.ReverseString(string(r)))[0])
	}
	return r
}

// TestDirectionsAreUnicodes compares each character's direction with golang.org/x/text's own run of the algorithm. Brackets
// are left to TestADoseReadsAsWritten: x/text v0.43.0 gives "]" of "a[א]א" the direction of what is in it, UAX #9 N0 c does not.
func TestDirectionsAreUnicodes(t *testing.T) {
	letters := rapid.SampledFrom([]rune("ab אבגשلبيم٣٤1205.,/:+-%$!? "))
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.StringOfN(letters, 1, 60, -1).Draw(rt, "words")
		all, _ := cells(words)
		direct(all)
		var p bidi.Paragraph
		if _, err := p.SetString(words); err != nil {
			rt.Skip("x/text does not take these words")
		}
		o, err := p.Order()
		if err != nil {
			rt.Fatal(err)
		}
		trailing := len([]rune(strings.TrimRight(words, " ")))
		at := 0
		for i := range o.NumRuns() {
			run := o.Run(i)
			for range utf8.RuneCountInString(run.String()) {
				if at < trailing && (all[at].level%2 == 1) != (run.Direction() == bidi.RightToLeft) {
					rt.Fatalf("%q at %d: level %d, x/text says %v", words, at, all[at].level, run.Direction())
				}
				at++
			}
		}
	})
}

// TestADoseReadsAsWritten looks at lines as they are seen, from the left.
func TestADoseReadsAsWritten(t *testing.T) {
	for words, want := range map[string]string{
		"take 05 mg":          "take 05 mg",
		"אבג 98/60 דה":        "הד 98/60 גבא",
		"take אבג 2.5 mg now": "take 2.5 גבא mg now", // a number belongs to the words before it
		"אבג (ab) 1,250":      "1,250 (ab) גבא",
		"אב (גד) הו":          "וה (דג) בא",
		"a <אב> b":            "a <בא> b",
		"a[א]א":               "a[א]א",
		"שב(a)[b":             "b](a)בש",
	} {
		all, _ := cells(words)
		base := direct(all)
		got := ""
		for _, c := range order(all, base) {
			got += c.text
		}
		if got != want {
			t.Errorf("%q is seen as %q, want %q", words, got, want)
		}
	}
}

// TestArabicLettersKeepTheirNames shapes words and takes the shapes off again.
func TestArabicLettersKeepTheirNames(t *testing.T) {
	if got, want := shape("بيت لا السلام ضغطه"), "\ufe91\ufef4\ufe96 \ufefb \ufe8d\ufedf\ufeb4\ufefc\ufee1 \ufebf\ufed0\ufec4\ufeea"; got != want {
		t.Errorf("shaped %+q, want %+q", got, want)
	}
	letters := rapid.SampledFrom([]rune("ابتثجحخدذرزسشصضطظعغفقكلمنهويىةءآأإؤئپچژگک \u0651\u064bـab1"))
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.StringOf(letters).Draw(rt, "words")
		shaped := shape(words)
		if got := norm.NFKC.String(shaped); got != norm.NFKC.String(words) {
			rt.Fatalf("%q became %q", words, got)
		}
		if all, named := cells(shaped); named {
			rt.Fatalf("%q has no glyph for one of %v", words, all)
		}
	})
}

// TestFontsCover is what the two fonts are there for.
func TestFontsCover(t *testing.T) {
	for _, text := range []string{
		"The quick brown fox, 0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "ÁÉÍÓÚÜÑáéíóúüñ¿¡«»ªº", "ăâîșțŐőŰűŁłŻżđĐ", "Tiếng Việt ầẩẫấậ ơớờ",
		"АБВГДЕЁЖЗИЙабвгдеёжзиїєґў", "ΑΒΓΔαβγδάέή", "אבגדהוזחטיכךלמםנןסעפףצץקרשת", "ابتثجحخدذرزسشصضطظعغفقكلمنهويىةء٠١٢٣٤٥٦٧٨٩", "პაციენტი Հայերեն",
		"血压药片每天一次请问医生", "血圧の薬を飲みましたアイウ", "혈압약을 먹었어요", "≤≥±×÷½¼µ°→←↑↓•…–—“”‘’€£™®√∞♥☺✓✗⟨⟩\uFFFD",
	} {
		if _, named := cells(text); named {
			t.Errorf("not all of %q is in a font", text)
		}
	}
	for _, r := range "\u202e\u200b\u00ad\ufeff\u0000\ue000\U0001F642\u0378" {
		if _, ok := drawable(r); ok {
			t.Errorf("%U is drawn, and nobody would see it", r)
		}
	}
}
