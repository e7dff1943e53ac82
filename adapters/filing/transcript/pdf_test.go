package transcript_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
)

func pdf(t *testing.T, x transcript.Transcript) []byte {
	t.Helper()
	b, err := transcript.PDF(x)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPDFOfProxyWithPhoto pins what the pages say and where, and a hash of the whole document uncompressed: Go may compress
// the same bytes otherwise in another release, and that is no change of ours.
func TestPDFOfProxyWithPhoto(t *testing.T) {
	d := opened(t, pdf(t, proxyWithPhoto()))
	var b strings.Builder
	sum := sha256.Sum256(d.inflated)
	fmt.Fprintf(&b, "uncompressed SHA-256 %s\npages %d\n", hex.EncodeToString(sum[:]), len(d.pages))
	for i, p := range d.pages {
		fmt.Fprintf(&b, "\npage %d\n", i+1)
		for _, s := range p {
			fmt.Fprintf(&b, "%s %s %s\n", s.x, s.y, s.text)
		}
	}
	golden(t, "proxy-with-photo.transcript.pdf.txt", []byte(b.String()))
}

// TestSameTranscriptSameBytes makes each form again, at once and many times at the same time.
func TestSameTranscriptSameBytes(t *testing.T) {
	for name, make := range map[string]func() transcript.Transcript{"proxy": proxyWithPhoto, "hard": everyHardWord, "empty": func() transcript.Transcript { return transcript.Transcript{} }} {
		text, first := transcript.Text(make()), pdf(t, make())
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				again, err := transcript.PDF(make())
				if err != nil || !bytes.Equal(again, first) {
					t.Errorf("%s: the PDF differs (%v)", name, err)
				}
				if !bytes.Equal(transcript.Text(make()), text) {
					t.Errorf("%s: the text differs", name)
				}
			})
		}
		all.Wait()
	}
}

func TestPDFIsDatedByTheTranscript(t *testing.T) {
	internal := proxyWithPhoto()
	internal.Entries[3].Message.SentAt = at("23:00:00Z") // left out: its time must not show either
	for want, x := range map[string]transcript.Transcript{"20261122190000": internal, "19700101000000": {}} {
		for _, key := range []string{"CreationDate", "ModDate"} {
			if d := opened(t, pdf(t, x)); !bytes.Contains(d.inflated, []byte("/"+key+" (D:"+want+")")) {
				t.Errorf("%s is not %s", key, want)
			}
		}
	}
}

// TestFiveHundredMessages follows a thread over its pages: every page says whose it is, which it is and what it was made
// from, and no message is missing, doubled or out of order.
func TestFiveHundredMessages(t *testing.T) {
	x := fivehundred()
	x.Patient = proxyWithPhoto().Patient
	sum := sha256.Sum256(transcript.Text(x))
	d := opened(t, pdf(t, x))
	if len(d.pages) < 50 || len(d.pages) > 90 {
		t.Errorf("%d pages", len(d.pages))
	}
	next := 1
	for i, p := range d.pages {
		for _, want := range []string{
			"Patient: Daniel Cho, born 2015-07-04, MRN MRN123", "Thread t-long: clinical",
			fmt.Sprintf("Page %d of %d", i+1, len(d.pages)), "Made from the text form with SHA-256 " + hex.EncodeToString(sum[:]),
		} {
			if !slices.ContainsFunc(p, func(s shown) bool { return s.text == want }) {
				t.Errorf("page %d does not say %q", i+1, want)
			}
		}
		for _, s := range p {
			if s.x == "66.00" && strings.HasPrefix(s.text, "Reading ") {
				if !strings.HasPrefix(s.text, "Reading "+strconv.Itoa(next)+":") {
					t.Fatalf("page %d: %q where message %d is due", i+1, s.text, next)
				}
				next++
			}
		}
	}
	if next != 501 {
		t.Errorf("%d messages", next-1)
	}
}

// TestNothingVanishesFromThePDF counts every character of the hard words on the pages: drawn, or named. Each glyph that is
// drawn must be in the embedded font, because a viewer shows a box for one that is not.
func TestNothingVanishesFromThePDF(t *testing.T) {
	without := opened(t, pdf(t, words("x"))).all()
	for name, text := range hard {
		if name == "Arabic" { // drawn by the shapes of its letters: TestArabicLettersKeepTheirNames
			continue
		}
		d := opened(t, pdf(t, words(text)))
		d.checkGlyphs(t, name)
		drawn := d.all()
		seen := map[rune]bool{}
		for _, r := range text {
			if seen[r] || strings.ContainsRune("\r\n\v\f\t\u0085\u2028\u2029", r) || r == '\uFFFD' {
				continue
			}
			seen[r] = true
			code := fmt.Sprintf("⟨U+%04X", r)
			had := strings.Count(drawn, string(r)) - strings.Count(without, string(r)) + strings.Count(drawn, code)
			if strings.ContainsRune(" 0123456789abcdefABCDEFSRTPx", r) {
				continue // also in the headings, the hash and the names
			}
			if n := strings.Count(text, string(r)); had < n {
				t.Errorf("%s: %U stands %d times in the words and %d times on the page", name, r, n, had)
			}
		}
	}
}

// words is a thread of one message.
func words(text string) transcript.Transcript {
	return transcript.Transcript{Entries: []transcript.Entry{{Message: connector.Message{Direction: connector.FromPatient, Sender: mother, SentAt: at("13:00:00Z"), Text: text}}}}
}

// TestWhatCannotBeDrawnIsSaidAtTheTop looks for the notices, which stand there only where they are true.
func TestWhatCannotBeDrawnIsSaidAtTheTop(t *testing.T) {
	for text, want := range map[string][2]bool{
		"plain é ñ 谢谢 안녕": {false, false}, "🙂": {true, false}, "a\x00": {true, false}, "\xff": {true, false}, "שלום": {false, true}, "ضغط 🙂": {true, true},
	} {
		all := opened(t, pdf(t, words(text))).all()
		named, turned := strings.Contains(all, "Some characters cannot be printed here."), strings.Contains(all, "Some words run from right to left.")
		if [2]bool{named, turned} != want {
			t.Errorf("%q: named %v, turned %v", text, named, turned)
		}
		if !strings.Contains(all, "The exact words of every message are in the text form") {
			t.Errorf("%q: does not name the text form", text)
		}
	}
}

// TestPageHasNoPatientThatWasNotGiven keeps the header from inventing one.
func TestPageHasNoPatientThatWasNotGiven(t *testing.T) {
	if all := opened(t, pdf(t, words("x"))).all(); !strings.Contains(all, "Patient: not named in this transcript") || strings.Contains(all, "born") || strings.Contains(all, "MRN") {
		t.Error(all)
	}
}

// TestLongMessageGoesOnOverThePages lets no line run off a page, and says on the next whose words go on.
func TestLongMessageGoesOnOverThePages(t *testing.T) {
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "line %d\n", i+1)
	}
	d := opened(t, pdf(t, words(text.String())))
	next := 1
	for i, p := range d.pages {
		if i > 0 && p[0].text != "Message 1 of 1, continued" {
			t.Errorf("page %d begins with %q", i+1, p[0].text)
		}
		for _, s := range p {
			if y, err := strconv.ParseFloat(s.y, 64); err != nil || y < 35 {
				t.Fatalf("page %d: %q stands at %s", i+1, s.text, s.y)
			}
			if s.text == fmt.Sprintf("line %d", next) {
				next++
			}
		}
	}
	if len(d.pages) != 5 || next != 201 {
		t.Errorf("%d pages, %d lines", len(d.pages), next-1)
	}
}
