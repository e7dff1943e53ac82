package transcript

import (
	"bytes"
	"slices"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// TestThePDFLibraryKeepsItsHandsOffTheFonts: it writes into the font it is given, and a font is used by every PDF there will be,
// some of them at once.
func TestThePDFLibraryKeepsItsHandsOffTheFonts(t *testing.T) {
	var before [][]byte
	for _, f := range faces {
		before = append(before, slices.Clone(f.file))
	}
	for _, words := range []string{"Привет, Ελλάδα 漢字かな한글", "é à ñ → ∞ ½ ≠ ☃", "שלום مرحبا", "\u0301\u0302 a\u0300"} {
		if _, err := PDF(Transcript{Entries: []Entry{{Message: connector.Message{ID: "m-1", Text: words}}}}); err != nil {
			t.Fatal(err)
		}
	}
	for n, f := range faces {
		if !bytes.Equal(f.file, before[n]) {
			t.Errorf("%s is another font now", f.name)
		}
	}
}
