package transcript

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"codeberg.org/go-pdf/fpdf"
)

const (
	noticeForm   = "This is the printed form. The exact words of every message are in the text form of this transcript, whose SHA-256 stands at the foot of every page."
	noticeNamed  = "Some characters cannot be printed here. Each is shown in grey by its code and name, as in ⟨U+1F642 SLIGHTLY SMILING FACE⟩. The exact words are in the text form."
	noticeTurned = "Some words run from right to left. Their order on the line follows simple rules. The exact words are in the text form."
)

// PDF is the printed form: US Letter, its fonts embedded, and dated by the newest time in the transcript, so that the same
// transcript gives the same bytes. Another release of Go or of the PDF library may compress them differently, which is why
// an attempt keeps its bytes and never makes them again. An error is the library's own and no fault of the transcript:
// the caller parks the item as an internal error.
func PDF(t Transcript) ([]byte, error) {
	text := Text(t)
	sum := sha256.Sum256(text)
	l := t.layout()
	d := draw{fpdf.New("P", "pt", "Letter", ""), make([]bool, len(faces))}
	d.begin(t)
	for i, p := range l.pages {
		d.page(p)
		d.running(t, i+1, len(l.pages), hex.EncodeToString(sum[:]))
	}
	var out bytes.Buffer
	if err := d.Output(&out); err != nil {
		return nil, fmt.Errorf("writing a transcript as PDF: %w", err)
	}
	return out.Bytes(), nil
}

// layout is the whole transcript on pages.
func (t Transcript) layout() *layout {
	l := &layout{}
	blocks := t.blocks()
	l.turn()
	for _, b := range blocks {
		l.message(b)
	}
	named, turned := l.named, l.turned
	// What stands above the messages depends on what is in them, so they were set once to find out.
	*l = layout{}
	l.turn()
	title := l.set(t.title(), styleTitle, margin, pageWidth-margin)
	title[0].heavy = true
	l.put(title, nil)
	for _, f := range t.head() {
		l.put(l.fact(f), nil)
	}
	l.y += gap / 2
	for _, n := range []struct {
		due  bool
		text string
	}{{true, noticeForm}, {named || l.named, noticeNamed}, {turned || l.turned, noticeTurned}} {
		if n.due {
			l.put(l.set(n.text, styleSmall, margin, pageWidth-margin), nil)
		}
	}
	for _, b := range blocks {
		l.message(b)
	}
	end := l.set("End of transcript", styleSmall, margin, pageWidth-margin)
	end[0].grey = true
	l.y += gap
	l.put(end, nil)
	return l
}

// draw puts rows into a document. It places every run of cells itself: the library's own line breaking drops characters,
// and its page number placeholder would be replaced inside a message too.
type draw struct {
	*fpdf.Fpdf
	has []bool // which faces the document has: one that is not used is not read, which takes most of the time
}

func (d draw) begin(t Transcript) {
	d.SetCatalogSort(true)
	d.SetCreationDate(t.newest())
	d.SetModificationDate(t.newest())
	d.SetProducer("Chartwire", false)
	d.SetTitle(t.title()+" "+printable(t.Thread.ID), true)
	d.SetLang("en")
	d.SetAutoPageBreak(false, 0)
}

func (d draw) page(p page) {
	d.AddPage()
	for _, r := range p.rows {
		x := r.x
		if r.right > 0 {
			x = r.right - wide(r.cells, r.style.size)
		}
		if r.band {
			d.SetFillColor(232, 236, 240)
			d.Rect(margin, r.y-r.style.size*1.12, pageWidth-2*margin, r.style.size*1.5, "F")
		}
		if r.ruled {
			d.SetFillColor(150, 160, 170)
			d.Rect(margin+3, r.y-r.style.size, 1.5, r.style.leading, "F")
		}
		d.cells(r.label, margin, r.y, r.style.size, true)
		if r.heavy {
			d.SetTextRenderingMode(2)
			d.SetLineWidth(r.style.size * 0.03)
		}
		d.cells(r.cells, x, r.y, r.style.size, r.grey)
		if r.heavy {
			d.SetTextRenderingMode(0)
		}
		if r.struck && len(r.cells) > 0 {
			d.SetLineWidth(0.6)
			d.SetDrawColor(170, 40, 40)
			d.Line(x, r.y-r.style.size*0.3, x+wide(r.cells, r.style.size), r.y-r.style.size*0.3)
			d.SetDrawColor(0, 0, 0)
		}
	}
}

// running draws what stands on every page: whose chart this is, the thread, the page, and what it was made from.
func (d draw) running(t Transcript, n, of int, sum string) {
	d.SetLineWidth(0.4)
	d.SetDrawColor(150, 160, 170)
	d.Line(margin, top-14, pageWidth-margin, top-14)
	d.Line(margin, bottom+14, pageWidth-margin, bottom+14)
	d.SetDrawColor(0, 0, 0)
	small := styleSmall.size
	d.cells(fit("Patient: "+cmp.Or(t.patient(), "not named in this transcript"), small, pageWidth-2*margin-110), margin, top-20, small, false)
	right := fit(t.title(), small, 110)
	d.cells(right, pageWidth-margin-wide(right, small), top-20, small, true)
	count := fit(fmt.Sprintf("Page %d of %d", n, of), small, 100)
	d.cells(count, pageWidth-margin-wide(count, small), bottom+26, small, false)
	thread := "Thread " + Line(t.Thread.ID)
	if subject := cmp.Or(Line(t.Thread.Subject), Line(t.Thread.Topic)); subject != "" {
		thread += ": " + subject
	}
	d.cells(fit(thread, small, pageWidth-2*margin-110), margin, bottom+26, small, false)
	d.cells(fit("Made from the text form with SHA-256 "+sum, small, pageWidth-2*margin), margin, bottom+37, small, true)
}

// cells draws from x on, one run of one face and colour at a time.
func (d draw) cells(all []cell, x, y, size float64, grey bool) {
	for len(all) > 0 {
		n, text := 0, ""
		for n < len(all) && all[n].face == all[0].face && all[n].grey == all[0].grey {
			text += all[n].text
			n++
		}
		face := all[0].face
		if !d.has[face] {
			d.AddUTF8FontFromBytes(faces[face].name, "", slices.Clone(faces[face].file)) // the library writes into it
			d.has[face] = true
		}
		d.SetFont(faces[face].name, "", size)
		if grey || all[0].grey {
			d.SetTextColor(95, 105, 115)
		} else {
			d.SetTextColor(0, 0, 0)
		}
		d.Text(x, y, text)
		x += wide(all[:n], size)
		all = all[n:]
	}
}

// wide is how wide cells are at a size, in points.
func wide(all []cell, size float64) float64 {
	w := 0.0
	for _, c := range all {
		w += c.width
	}
	return w * size / 1000
}

// fit sets a running line, which repeats what page one says in full: where it is too long it ends in "…".
func fit(text string, size, width float64) []cell {
	all, _ := cells(shape(text))
	base := direct(all)
	if wide(all, size) > width {
		dots, _ := cells("…")
		n := len(all)
		for n > 0 && wide(all[:n], size)+wide(dots, size) > width {
			n--
		}
		all = append(all[:n:n], dots...)
	}
	return order(all, base)
}

// printable is text with every character named that the document cannot hold.
func printable(text string) string {
	all, _ := cells(Line(text))
	s := ""
	for _, c := range all {
		s += c.text
	}
	return s
}
