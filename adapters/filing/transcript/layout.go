package transcript

import (
	"slices"
	"strings"
)

// The page is US Letter, in points from its upper left corner.
const (
	pageWidth, pageHeight = 612.0, 792.0
	margin                = 54.0
	top, bottom           = 72.0, pageHeight - 72 // of what is between the running lines
	labelColumn           = 82.0
	inset                 = 12.0 // of words behind their rule
	gap                   = 9.0  // before a message
)

// style is how a row is set: its size, and what the next row stands below it.
type style struct{ size, leading float64 }

var (
	styleTitle = style{15, 22}
	styleName  = style{10, 16}
	styleFact  = style{8.5, 11.5}
	styleSmall = style{7.5, 10}
	styleWords = style{10, 14}
)

// row is one line on a page. Its cells are in the order they are seen.
type row struct {
	cells  []cell
	label  []cell // of a fact, in the column before it
	style  style
	x, y   float64 // of the first cell's base line
	right  float64 // 0, or where the row ends
	band   bool    // the grey band behind a message's title
	heavy  bool
	grey   bool
	ruled  bool // words, with the rule that only words have beside them
	struck bool
}

// page is one page's rows, without what runs above and below them.
type page struct{ rows []row }

// layout breaks rows into pages.
type layout struct {
	pages []page
	y     float64

	named  bool // a character was shown by name
	turned bool // something runs from right to left
}

func (l *layout) here() *page { return &l.pages[len(l.pages)-1] }

// turn begins a page.
func (l *layout) turn() { l.pages, l.y = append(l.pages, page{}), top }

// set makes the rows of one run of text that ends where the page does.
func (l *layout) set(text string, s style, x, right float64) []row {
	all, named := cells(shape(text))
	l.named = l.named || named
	base := direct(all)
	l.turned = l.turned || base > 0 || slices.ContainsFunc(all, func(c cell) bool { return c.level > 0 })
	var rows []row
	for _, part := range wrap(all, s.size, right-x) {
		r := row{cells: order(part, base), style: s, x: x}
		if base == 1 {
			r.right = right
		}
		rows = append(rows, r)
	}
	return rows
}

// fact sets a label and its value.
func (l *layout) fact(f line) []row {
	rows := l.set(f.value, styleFact, margin+labelColumn, pageWidth-margin)
	rows[0].label, _ = cells(f.label)
	for i := range rows {
		rows[i].heavy = f.label == "Status" || strings.HasPrefix(f.value, Undelivered)
	}
	return rows
}

// put places rows one below the other, on the next page where this one is full. again is what a new page begins with.
func (l *layout) put(rows []row, again []row) {
	for _, r := range rows {
		if l.y+r.style.leading > bottom {
			l.turn()
			for _, a := range again {
				l.place(a)
			}
		}
		l.place(r)
	}
}

// place puts a row below the last, or beside it where it takes no room of its own.
func (l *layout) place(r row) {
	if rows := l.here().rows; r.style.leading == 0 && len(rows) > 0 {
		r.y = rows[len(rows)-1].y
	} else {
		l.y += r.style.leading
		r.y = l.y - (r.style.leading-r.style.size)/2 - r.style.size*0.12
	}
	l.here().rows = append(l.here().rows, r)
}

// message places one version of one message. Its facts and the first of its words stay together.
func (l *layout) message(b block) {
	head := l.band(b)
	for _, f := range b.lines {
		if !onBand(f) {
			head = append(head, l.fact(f)...)
		}
	}
	words := l.words(b)
	together := gap
	for _, r := range slices.Concat(head, words[:min(2, len(words))]) {
		together += r.style.leading
	}
	if l.y > top && l.y+together > bottom {
		l.turn()
	} else if l.y > top {
		l.y += gap
	}
	again := l.set(b.title()+", continued", styleSmall, margin, pageWidth-margin)
	again[0].grey = true
	l.put(head, again)
	l.y += 3
	l.put(words, again)
}

// onBand are the facts that stand in the grey band, where they save a row.
func onBand(f line) bool { return f.label == "Id" || f.label == "Sent" || f.label == "Corrected" }

// band is the row a message begins with: its number, when it was sent and its id.
func (l *layout) band(b block) []row {
	title := l.set(b.title(), styleName, margin+6, pageWidth-margin)[0]
	title.band, title.heavy = true, true
	id, time := "", ""
	for _, f := range b.lines {
		switch {
		case f.label == "Id":
			id = f.value
		case onBand(f):
			time = f.label + " " + f.value
		}
	}
	beside := l.set(time, styleFact, margin, pageWidth-margin-6)[0]
	named := l.set(id, styleFact, margin+6+wide(title.cells, styleName.size)+10, pageWidth-margin-16-wide(beside.cells, styleFact.size))
	beside.right, beside.style.leading = pageWidth-margin-6, 0
	if len(named) > 1 { // too long to stand beside the title
		return append([]row{title, beside}, l.fact(line{"Id", id})...)
	}
	named[0].style.leading, named[0].grey = 0, true
	return []row{title, named[0], beside}
}

// words are the rows of what was said.
func (l *layout) words(b block) []row {
	if b.words == "" {
		rows := l.set("(no words)", styleFact, margin+inset, pageWidth-margin)
		rows[0].grey = true
		return rows
	}
	var rows []row
	for _, text := range lines(b.words) {
		rows = append(rows, l.set(text, styleWords, margin+inset, pageWidth-margin)...)
	}
	for i := range rows {
		rows[i].ruled, rows[i].struck = true, b.struck
	}
	return rows
}
