package transcript

import (
	"slices"

	"golang.org/x/text/unicode/bidi"
)

// Words that run from right to left are put in the order they are seen by the Unicode Bidirectional Algorithm (UAX #9),
// without its explicit directions (their characters are shown by name, so that none can turn a dose around).
// golang.org/x/text/unicode/bidi knows each character's class and direction, but not its level, without which a line
// cannot be put in order; a test holds the directions found here to its own.

// direct sets the level of each cell of a paragraph and gives the paragraph's own: 1 where it runs from right to left.
func direct(all []cell) uint8 {
	classes := make([]bidi.Class, len(all))
	turned, base := false, uint8(0)
	strong := false
	for i, c := range all {
		classes[i] = classOf(c)
		switch classes[i] {
		case bidi.R, bidi.AL, bidi.AN:
			turned = true
		}
		if !strong && (classes[i] == bidi.L || classes[i] == bidi.R || classes[i] == bidi.AL) {
			strong = true
			if classes[i] != bidi.L {
				base = 1
			}
		}
	}
	if !turned {
		return 0
	}
	weak(classes, base)
	brackets(all, classes, base)
	neutral(classes, base)
	for i, k := range classes {
		switch {
		case k == bidi.R:
			all[i].level = 1
		case k == bidi.L:
			all[i].level = base * 2
		default: // numbers
			all[i].level = 2
		}
	}
	return base
}

func classOf(c cell) bidi.Class {
	if c.grey {
		return bidi.L
	}
	p, _ := bidi.LookupRune(c.first)
	switch k := p.Class(); k {
	case bidi.L, bidi.R, bidi.AL, bidi.EN, bidi.AN, bidi.ES, bidi.ET, bidi.CS, bidi.NSM:
		return k
	default:
		return bidi.ON
	}
}

func strongOf(base uint8) bidi.Class {
	if base == 1 {
		return bidi.R
	}
	return bidi.L
}

// weak resolves numbers and what stands at them: rules W1 to W7.
func weak(k []bidi.Class, base uint8) {
	before, strong := strongOf(base), strongOf(base)
	for i := range k {
		if k[i] == bidi.NSM { // W1
			k[i] = before
		}
		before = k[i]
		switch k[i] {
		case bidi.L, bidi.R, bidi.AL:
			strong = k[i]
		case bidi.EN:
			if strong == bidi.AL { // W2
				k[i] = bidi.AN
			}
		}
	}
	for i := range k {
		if k[i] == bidi.AL { // W3
			k[i] = bidi.R
		}
	}
	for i := 1; i+1 < len(k); i++ { // W4
		if a := k[i-1]; a == k[i+1] && (a == bidi.EN && (k[i] == bidi.ES || k[i] == bidi.CS) || a == bidi.AN && k[i] == bidi.CS) {
			k[i] = a
		}
	}
	runs(k, func(c bidi.Class) bool { return c == bidi.ET }, func(from, to int) { // W5
		if from > 0 && k[from-1] == bidi.EN || to < len(k) && k[to] == bidi.EN {
			fill(k[from:to], bidi.EN)
		}
	})
	strong = strongOf(base)
	for i := range k {
		switch k[i] {
		case bidi.ES, bidi.ET, bidi.CS: // W6
			k[i] = bidi.ON
		case bidi.L, bidi.R:
			strong = k[i]
		case bidi.EN:
			if strong == bidi.L { // W7
				k[i] = bidi.L
			}
		}
	}
}

// brackets gives both of a pair one direction: the paragraph's where anything of it stands between them, else that of what
// does stand there if it goes on from before the pair. That is rule N0.
func brackets(all []cell, k []bidi.Class, base uint8) {
	own, other := strongOf(base), strongOf(1-base)
	for _, pair := range pairs(all, k) {
		inside := map[bidi.Class]bool{}
		for _, c := range k[pair[0]+1 : pair[1]] {
			inside[sideOf(c)] = true
		}
		to := own
		switch {
		case inside[own]:
		case inside[other]:
			if strongBefore(k[:pair[0]], own) == other {
				to = other
			}
		default:
			continue
		}
		k[pair[0]], k[pair[1]] = to, to
	}
}

// strongBefore is the direction of the last of what has one.
func strongBefore(k []bidi.Class, otherwise bidi.Class) bidi.Class {
	for _, c := range slices.Backward(k) {
		if s := sideOf(c); s != bidi.ON {
			return s
		}
	}
	return otherwise
}

// sideOf counts numbers as right to left, as N0 to N2 do.
func sideOf(c bidi.Class) bidi.Class {
	switch c {
	case bidi.L, bidi.ON:
		return c
	default:
		return bidi.R
	}
}

// pairs are the places of opening and closing brackets, in the order of the opening ones: BD16.
func pairs(all []cell, k []bidi.Class) [][2]int {
	const deepest = 63
	var found [][2]int
	var open []int
	for i, c := range all {
		p, _ := bidi.LookupRune(c.first)
		switch {
		case k[i] != bidi.ON || !p.IsBracket():
		case p.IsOpeningBracket():
			if len(open) == deepest {
				return nil
			}
			open = append(open, i)
		default:
			for n, at := range slices.Backward(open) {
				if bidi.ReverseString(string(all[at].first)) == string(c.first) {
					found, open = append(found, [2]int{at, i}), open[:n]
					break
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b [2]int) int { return a[0] - b[0] })
	return found
}

// neutral gives what has no direction that of its neighbours where they agree, else the paragraph's: rules N1 and N2.
func neutral(k []bidi.Class, base uint8) {
	side := func(i int) bidi.Class {
		if i < 0 || i >= len(k) {
			return strongOf(base)
		}
		return sideOf(k[i])
	}
	runs(k, func(c bidi.Class) bool { return c == bidi.ON }, func(from, to int) {
		if a := side(from - 1); a == side(to) {
			fill(k[from:to], a)
		} else {
			fill(k[from:to], strongOf(base))
		}
	})
}

// runs calls do for each longest run of classes that are.
func runs(k []bidi.Class, are func(bidi.Class) bool, do func(from, to int)) {
	for from := 0; from < len(k); from++ {
		to := from
		for to < len(k) && are(k[to]) {
			to++
		}
		if to > from {
			do(from, to)
			from = to
		}
	}
}

func fill(k []bidi.Class, with bidi.Class) {
	for i := range k {
		k[i] = with
	}
}

// order puts one row's cells in the order they are seen, from the left: rules L1, L2 and L4.
func order(row []cell, base uint8) []cell {
	row = slices.Clone(row)
	highest := base
	for i := len(row) - 1; i >= 0 && row[i].first == ' '; i-- {
		row[i].level = base
	}
	for i, c := range row {
		highest = max(highest, c.level)
		if c.level%2 == 1 {
			row[i] = mirrored(c)
		}
	}
	for level := highest; level > 0; level-- {
		for from := 0; from < len(row); from++ {
			to := from
			for to < len(row) && row[to].level >= level {
				to++
			}
			if to > from {
				slices.Reverse(row[from:to])
				from = to
			}
		}
	}
	return row
}
