// Package script reads what the scripts of faults have in common, whichever sandbox they are for: lines of words with their
// places, so that a mistake is told where it stands, and the WHEN of a rule.
package script

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Error names every mistake of a script, one per line of text, each as line:column: what.
type Error struct{ Problems []string }

func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// Word is a word of a line and its column, from 1.
type Word struct {
	Text   string
	Column int
}

// Line is one line of a script that says something.
type Line struct {
	Number int // from 1
	Words  []Word
	End    int // the column behind the line, where a missing word would stand
}

// Taker is a script of a sandbox. Its zero value is a script of no rules.
type Taker[S any] interface {
	*S
	// Take takes a line that says something; it returns the column and text of the line's first mistake, or "".
	Take(Line) (column int, what string)
}

// Read reads the script of a sandbox, such as Read[ehr.Script]. The error, an *Error, lists every mistake with its position.
func Read[S any, T Taker[S]](text io.Reader) (*S, error) {
	s := new(S)
	if err := Parse(text, T(s).Take); err != nil {
		return nil, err
	}
	return s, nil
}

// Must is Read for texts in code; it panics on a mistake.
func Must[S any, T Taker[S]](text string) *S {
	s, err := Read[S, T](strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	return s
}

// Open is Read for a file, which the error names.
func Open[S any, T Taker[S]](name string) (*S, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the script of faults: %w", err)
	}
	defer f.Close()
	s, err := Read[S, T](f)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", name, err)
	}
	return s, nil
}

// Parse gives each line to take, which returns the column and text of its first mistake, or "". Empty lines and those that
// begin with # are passed over. The error, an *Error, lists every mistake with its position.
func Parse(text io.Reader, take func(Line) (column int, what string)) error {
	var problems []string
	lines := bufio.NewScanner(text)
	for n := 1; lines.Scan(); n++ {
		line := Line{Number: n, Words: split(lines.Text()), End: len(lines.Text()) + 1}
		if len(line.Words) == 0 || strings.HasPrefix(line.Words[0].Text, "#") {
			continue
		}
		if column, what := take(line); what != "" {
			problems = append(problems, fmt.Sprintf("%d:%d: %s", n, column, what))
		}
	}
	if err := lines.Err(); err != nil {
		problems = append(problems, err.Error())
	}
	if problems != nil {
		return &Error{Problems: problems}
	}
	return nil
}

func split(line string) []Word {
	var out []Word
	start := -1
	for i, c := range line + " " {
		space := c == ' ' || c == '\t' || c == '\r'
		switch {
		case !space && start < 0:
			start = i
		case space && start >= 0:
			out = append(out, Word{line[start:i], start + 1})
			start = -1
		}
	}
	return out
}

// When says which of the requests that match a rule the rule applies to. It keeps its count: it is not safe for concurrent
// use.
type When struct {
	from, to      int // 1-based, inclusive; to 0 means no end
	every         int // 0 for from/to
	timed         bool
	after, before time.Duration // of a timed rule; before 0 means no end
	matched       int
}

// WhenForms are the forms ParseWhen takes, for the text of a mistake.
const WhenForms = "#n, #n-m, #n+, %n, @from-to, @from+ or *"

// ParseWhen reads a WHEN: #3 is the third request that matches, #3-5 the third to fifth, #3+ the third and all later, %10
// every tenth, * all; @5m-2h is the time from five minutes to two hours after the beginning, @5m+ all time from then. false
// is none of these.
func ParseWhen(text string) (When, bool) {
	w := When{from: 1}
	if text == "*" {
		return w, true
	}
	if every, ok := strings.CutPrefix(text, "%"); ok {
		w.every = number(every)
		return w, w.every > 0
	}
	if span, ok := strings.CutPrefix(text, "@"); ok {
		return w, w.window(span)
	}
	span, ok := strings.CutPrefix(text, "#")
	if !ok {
		return w, false
	}
	if open, ok := strings.CutSuffix(span, "+"); ok {
		w.from = number(open)
		return w, w.from > 0
	}
	first, last, isRange := strings.Cut(span, "-")
	w.from = number(first)
	w.to = w.from
	if isRange {
		w.to = number(last)
	}
	return w, w.from > 0 && w.to >= w.from
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func (w *When) window(span string) bool {
	var err error
	w.timed = true
	if open, ok := strings.CutSuffix(span, "+"); ok {
		w.after, err = time.ParseDuration(open)
		return err == nil && w.after >= 0
	}
	first, last, _ := strings.Cut(span, "-")
	if w.after, err = time.ParseDuration(first); err != nil || w.after < 0 {
		return false
	}
	w.before, err = time.ParseDuration(last)
	return err == nil && w.before > w.after
}

// Count counts a request that matches the rule and comes so long after the beginning, and says whether the rule applies to it.
func (w *When) Count(since time.Duration) bool {
	w.matched++
	switch {
	case w.timed:
		return since >= w.after && (w.before == 0 || since < w.before)
	case w.every > 0:
		return w.matched%w.every == 0
	}
	return w.matched >= w.from && (w.to == 0 || w.matched <= w.to)
}

// Arguments reads what stands behind a fault's name in a rule, name=value each. takes are the arguments the fault has, each as
// name=default. What is wrong comes with its column.
func Arguments(fault string, takes []string, words []Word) (args map[string]string, column int, what string) {
	args = map[string]string{}
	for _, w := range words {
		name, val, ok := strings.Cut(w.Text, "=")
		def, known := Default(takes, name)
		switch {
		case !ok || val == "" || !known:
			return nil, w.Column, fmt.Sprintf("%q is not an argument of %s", w.Text, fault)
		case !fits(name, def, val):
			return nil, w.Column, fmt.Sprintf("%q: give a value like %s", w.Text, def)
		}
		args[name] = val
	}
	return args, 0, ""
}

// Default finds what a fault does without a word for an argument; ok is false where it takes no such word.
func Default(takes []string, name string) (def string, ok bool) {
	for _, a := range takes {
		if n, d, _ := strings.Cut(a, "="); n == name {
			return d, true
		}
	}
	return "", false
}

// Given is what a line said of an argument, or what the fault does without a word for it.
func Given(takes []string, said map[string]string, name string) string {
	if v, ok := said[name]; ok {
		return v
	}
	def, _ := Default(takes, name)
	return def
}

// Number and Duration read an argument of a script that was checked; 0 where it is none.
func Number(said string) int {
	n, _ := strconv.Atoi(said)
	return n
}

// Duration is as Number.
func Duration(said string) time.Duration {
	d, _ := time.ParseDuration(said)
	return d
}

// fits says whether a value is of the kind of an argument's default: a number, a duration or any text.
func fits(name, def, value string) bool {
	if name == "retry-after" {
		return true // any value is one an EHR might send
	}
	if _, err := strconv.Atoi(def); err == nil {
		n, err := strconv.Atoi(value)
		return err == nil && n >= 0
	}
	if _, err := time.ParseDuration(def); err == nil {
		_, err := time.ParseDuration(value)
		return err == nil
	}
	return true
}
