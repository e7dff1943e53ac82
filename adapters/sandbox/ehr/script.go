package ehr

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Script stages faults on matching requests. Its text form has one rule a line:
//
//	METHOD TYPE WHEN FAULT [name=value ...]
//
// METHOD is GET, POST, PUT or *. TYPE is a resource type, Bundle (a transaction), metadata or *; a type also matches a
// transaction with an entry of it. WHEN counts the requests that match this rule, from 1: #3 is the third, #3-5 the
// third to fifth, #3+ the third and all later, %10 every tenth, * all. The first rule that applies wins. # after a space
// begins a comment only at the start of a line.
//
//	# the second Communication is stored, but the answer never comes
//	POST Communication #2 commit-then-timeout
//	POST * %20 429 retry-after=2
//
// A Script is safe for concurrent use and keeps its counts: use one per server.
type Script struct {
	mu    sync.Mutex
	rules []*rule
	hits  []Hit
}

type rule struct {
	line        int
	method, typ string
	from, to    int // 1-based, inclusive; to 0 means no end
	every       int // 0 for from/to
	name        string
	args        faultArgs
	matched     int
}

// ScriptError names every mistake of a script, one per line of text, each as line:column: what.
type ScriptError struct{ Problems []string }

func (e *ScriptError) Error() string { return strings.Join(e.Problems, "\n") }

// FaultNames lists the faults a script may stage with one line about each.
func FaultNames() map[string]string {
	out := map[string]string{}
	for name, f := range faults {
		out[name] = f.about
	}
	return out
}

// ParseScript reads a script. The error, a *ScriptError, lists every mistake with its position.
func ParseScript(text io.Reader) (*Script, error) {
	s := &Script{}
	var problems []string
	lines := bufio.NewScanner(text)
	for n := 1; lines.Scan(); n++ {
		words := splitWords(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0].text, "#") {
			continue
		}
		r, column, what := parseRule(words, len(lines.Text()))
		if what != "" {
			problems = append(problems, fmt.Sprintf("%d:%d: %s", n, column, what))
			continue
		}
		r.line = n
		s.rules = append(s.rules, r)
	}
	if err := lines.Err(); err != nil {
		problems = append(problems, err.Error())
	}
	if problems != nil {
		return nil, &ScriptError{Problems: problems}
	}
	return s, nil
}

// MustScript is ParseScript for texts in code; it panics on a mistake.
func MustScript(text string) *Script {
	s, err := ParseScript(strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	return s
}

type word struct {
	text   string
	column int // from 1
}

func splitWords(line string) []word {
	var out []word
	start := -1
	for i, c := range line + " " {
		space := c == ' ' || c == '\t' || c == '\r'
		switch {
		case !space && start < 0:
			start = i
		case space && start >= 0:
			out = append(out, word{line[start:i], start + 1})
			start = -1
		}
	}
	return out
}

// parseRule returns the rule, or the column and text of its first mistake.
func parseRule(words []word, length int) (*rule, int, string) {
	if len(words) < 4 {
		return nil, length + 1, "a rule is METHOD TYPE WHEN FAULT [name=value ...]"
	}
	r := &rule{method: words[0].text, typ: words[1].text, name: words[3].text, args: faultArgs{}}
	if !slices.Contains([]string{"GET", "POST", "PUT", "*"}, r.method) {
		return nil, words[0].column, "the method is GET, POST, PUT or *"
	}
	if r.typ != "*" && r.typ != "Bundle" && r.typ != "metadata" && !knownType(r.typ) {
		return nil, words[1].column, fmt.Sprintf("%q is not a resource type known here", r.typ)
	}
	if !r.when(words[2].text) {
		return nil, words[2].column, "WHEN is #n, #n-m, #n+, %n or *"
	}
	f, ok := faults[r.name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(faults)), ", ")
		return nil, words[3].column, fmt.Sprintf("unknown fault %q; known: %s", r.name, known)
	}
	for _, w := range words[4:] {
		name, val, ok := strings.Cut(w.text, "=")
		if !ok || val == "" || !slices.Contains(f.args, name) {
			return nil, w.column, fmt.Sprintf("%q is not an argument of %s", w.text, r.name)
		}
		r.args[name] = val
	}
	return r, 0, ""
}

func (r *rule) when(text string) bool {
	r.from = 1
	if text == "*" {
		return true
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			return 0
		}
		return n
	}
	if every, ok := strings.CutPrefix(text, "%"); ok {
		r.every = number(every)
		return r.every > 0
	}
	span, ok := strings.CutPrefix(text, "#")
	if !ok {
		return false
	}
	if open, ok := strings.CutSuffix(span, "+"); ok {
		r.from = number(open)
		return r.from > 0
	}
	first, last, isRange := strings.Cut(span, "-")
	r.from = number(first)
	r.to = r.from
	if isRange {
		r.to = number(last)
	}
	return r.from > 0 && r.to >= r.from
}

func (r *rule) applies(method string, kinds []string) bool {
	if r.method != "*" && r.method != method || r.typ != "*" && !slices.Contains(kinds, r.typ) {
		return false
	}
	r.matched++
	if r.every > 0 {
		return r.matched%r.every == 0
	}
	return r.matched >= r.from && (r.to == 0 || r.matched <= r.to)
}

// stage finds the fault for a request; nil for none.
func (s *Script) stage(r *http.Request, basePath string, body []byte) *staged {
	if s == nil {
		return nil
	}
	kinds := requestKinds(r, basePath, body)
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *rule
	for _, rule := range s.rules { // every rule counts, the first that applies wins
		if rule.applies(r.Method, kinds) && found == nil {
			found = rule
		}
	}
	if found == nil {
		return nil
	}
	s.hits = append(s.hits, Hit{Line: found.line, Fault: found.name, Method: r.Method, Path: r.URL.Path})
	return &staged{fault: faults[found.name], args: found.args}
}

// Hits returns each time the script struck, in order.
func (s *Script) Hits() []Hit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hits)
}
