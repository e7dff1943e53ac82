package hl7

import "strings"

// Break is how the lines of a plain text are put into OBX segments (ch. 2.A, TX). Receivers differ; it is configured.
type Break int

// The ways.
const (
	// BySegment gives each line an OBX of its own.
	BySegment Break = iota
	// ByRepetition gives the text one OBX whose OBX-5 repeats.
	ByRepetition
)

// Lines cuts a text at its line feeds, and nowhere else: a CR stays in its line, escaped. There is one line more than there
// are line feeds, so [Join] gives back the same bytes; the text "" is one empty line.
func Lines(text string) []string { return strings.Split(text, "\n") }

// Join puts lines together again.
func Join(lines []string) string { return strings.Join(lines, "\n") }

// Text is the content as plain text (OBX-2 TX): one OBX or several like o, with a line each or all in one. Set ids are the
// message's to give.
func (o OBX) Text(text string, by Break) []OBX {
	o.Type, o.Value = PlainText, nil
	var all []OBX
	for _, line := range Lines(text) {
		rep := Repetition(nil)
		if line != "" {
			rep = Repetition{{Text(line)}}
		}
		o.Value = append(o.Value, rep)
		if by == BySegment {
			all = append(all, o)
			o.Value = nil
		}
	}
	if by == ByRepetition {
		all = append(all, o)
	}
	return all
}

// File is the content as a file (OBX-2 ED), in an OBX like o.
func (o OBX) File(file ED) OBX {
	o.Type, o.Value = Encapsulated, Repeat(file.Components())
	return o
}

// TextOf is the text that [OBX.Text] put into segments, whichever way: every repetition and every segment a line. Segments
// of another type than TX are passed over; one document's are the caller's to choose.
func TextOf(content []OBX) string {
	var lines []string
	for _, o := range content {
		if o.Type != PlainText {
			continue
		}
		if len(o.Value) == 0 {
			lines = append(lines, "")
		}
		for _, r := range o.Value {
			lines = append(lines, r.text(1))
		}
	}
	return Join(lines)
}
