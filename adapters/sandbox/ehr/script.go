package ehr

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Script stages faults on matching requests. Its text form has one rule a line:
//
//	METHOD TYPE WHEN FAULT [name=value ...]
//
// METHOD is GET, POST, PUT, SEARCH or *; SEARCH is any request for a searchset, and POST is none of them. TYPE is a
// resource type, Bundle (a transaction), metadata, discovery, token, jwks or *; a type also matches a transaction with an
// entry of it. WHEN counts the requests that match this rule, from 1: #3 is the third, #3-5 the third to fifth, #3+ the
// third and all later, %10 every tenth, * all; @5m-2h is the time from five minutes to two hours after the EHR began, @5m+
// all time from then. The first rule that applies wins. # begins a comment at the start of a line.
//
//	# the second Communication is stored, but the answer never comes
//	POST Communication #2 commit-then-timeout
//	POST * %20 429 retry-after=2
//
// A line "seed=7 rate=5%" picks faults by chance instead, the same for the same requests each run (Seeded). A line "traits
// conditional=ignored lag=5s" changes what the EHR can do (ParseTraits).
//
// A Script is safe for concurrent use and keeps its counts: use one per server.
type Script struct {
	mu      sync.Mutex
	rules   []*rule
	chances []*chance
	changes []func(*Traits)
	hits    []Hit
}

type rule struct {
	line          int
	method, typ   string
	from, to      int // 1-based, inclusive; to 0 means no end
	every         int // 0 for from/to
	timed         bool
	after, before time.Duration // of a timed rule; before 0 means no end
	name          string
	args          map[string]string
	matched       int
}

// ScriptError names every mistake of a script, one per line of text, each as line:column: what.
type ScriptError struct{ Problems []string }

func (e *ScriptError) Error() string { return strings.Join(e.Problems, "\n") }

// OpenScript is what a --faults flag names: seed:N[:RATE[:PALETTE]], such as seed:7:5%, or else the file of a script.
func OpenScript(name string) (*Script, error) {
	if spec, ok := strings.CutPrefix(name, "seed:"); ok {
		words := strings.Split(spec, ":")
		line := "seed=" + words[0]
		for i, w := range words[1:] {
			if i > 1 {
				return nil, fmt.Errorf("%q is not seed:N[:RATE[:PALETTE]]", name)
			}
			line += []string{" rate=", " palette="}[i] + w
		}
		s, err := ParseScript(strings.NewReader(line))
		if err != nil {
			return nil, fmt.Errorf("%q is not seed:N[:RATE[:PALETTE]]: %w", name, err)
		}
		return s, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the script of faults: %w", err)
	}
	defer f.Close()
	s, err := ParseScript(f)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", name, err)
	}
	return s, nil
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
		if column, what := s.parseLine(n, words, len(lines.Text())); what != "" {
			problems = append(problems, fmt.Sprintf("%d:%d: %s", n, column, what))
		}
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

// parseLine takes one line; it returns the column and text of its first mistake.
func (s *Script) parseLine(line int, words []word, length int) (int, string) {
	switch {
	case words[0].text == "traits":
		for _, w := range words[1:] {
			change, err := traitChange(w.text)
			if err != nil {
				return w.column, err.Error()
			}
			s.changes = append(s.changes, change)
		}
		return 0, ""
	case strings.HasPrefix(words[0].text, "seed="):
		c, column, what := parseChance(words)
		if what == "" {
			c.line = line
			s.chances = append(s.chances, c)
		}
		return column, what
	}
	r, column, what := parseRule(words, length)
	if what == "" {
		r.line = line
		s.rules = append(s.rules, r)
	}
	return column, what
}

// besideTypes may stand where a resource type does.
var besideTypes = []string{"*", "Bundle", "metadata", "discovery", "token", "jwks"}

// parseRule returns the rule, or the column and text of its first mistake.
func parseRule(words []word, length int) (*rule, int, string) {
	if len(words) < 4 {
		return nil, length + 1, "a rule is METHOD TYPE WHEN FAULT [name=value ...]"
	}
	r := &rule{method: words[0].text, typ: words[1].text, name: words[3].text, args: map[string]string{}}
	if !slices.Contains([]string{"GET", "POST", "PUT", "SEARCH", "*"}, r.method) {
		return nil, words[0].column, "the method is GET, POST, PUT, SEARCH or *"
	}
	if !slices.Contains(besideTypes, r.typ) && !knownType(r.typ) {
		return nil, words[1].column, fmt.Sprintf("%q is not a resource type known here", r.typ)
	}
	if !r.when(words[2].text) {
		return nil, words[2].column, "WHEN is #n, #n-m, #n+, %n, @from-to, @from+ or *"
	}
	f, ok := faultNamed(r.name)
	if !ok {
		var known []string
		for _, k := range Faults() {
			known = append(known, k.Name)
		}
		return nil, words[3].column, fmt.Sprintf("unknown fault %q; known: %s", r.name, strings.Join(known, ", "))
	}
	for _, w := range words[4:] {
		name, val, ok := strings.Cut(w.text, "=")
		def, takes := f.argument(name)
		switch {
		case !ok || val == "" || !takes:
			return nil, w.column, fmt.Sprintf("%q is not an argument of %s", w.text, r.name)
		case !fits(name, def, val):
			return nil, w.column, fmt.Sprintf("%q: give a value like %s", w.text, def)
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
	if every, ok := strings.CutPrefix(text, "%"); ok {
		r.every = number(every)
		return r.every > 0
	}
	if span, ok := strings.CutPrefix(text, "@"); ok {
		return r.window(span)
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

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func (r *rule) window(span string) bool {
	var err error
	r.timed = true
	if open, ok := strings.CutSuffix(span, "+"); ok {
		r.after, err = time.ParseDuration(open)
		return err == nil && r.after >= 0
	}
	first, last, _ := strings.Cut(span, "-")
	if r.after, err = time.ParseDuration(first); err != nil || r.after < 0 {
		return false
	}
	r.before, err = time.ParseDuration(last)
	return err == nil && r.before > r.after
}

func (r *rule) applies(methods, kinds []string, since time.Duration) bool {
	if r.method != "*" && !slices.Contains(methods, r.method) || r.typ != "*" && !slices.Contains(kinds, r.typ) {
		return false
	}
	r.matched++
	switch {
	case r.timed:
		return since >= r.after && (r.before == 0 || since < r.before)
	case r.every > 0:
		return r.matched%r.every == 0
	}
	return r.matched >= r.from && (r.to == 0 || r.matched <= r.to)
}

// methodsOf are the methods a rule may name for a request: a search by POST is no POST.
func methodsOf(r *http.Request, basePath string) []string {
	switch {
	case !isSearch(r, basePath):
		return []string{r.Method}
	case r.Method == http.MethodPost:
		return []string{"SEARCH"}
	default:
		return []string{"SEARCH", r.Method}
	}
}

// stage finds the fault for a request that comes so long after the EHR began; nil for none.
func (s *Script) stage(r *http.Request, basePath string, body []byte, since time.Duration) *strike {
	s.mu.Lock()
	idle := len(s.rules)+len(s.chances) == 0
	s.mu.Unlock()
	if idle {
		return nil
	}
	methods, kinds := methodsOf(r, basePath), requestKinds(r, basePath, body)
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *rule
	for _, rule := range s.rules { // every rule counts, the first that applies wins
		if rule.applies(methods, kinds, since) && found == nil {
			found = rule
		}
	}
	for _, c := range s.chances {
		if found == nil {
			found = c.pick(r, methods, kinds, body)
		}
	}
	if found == nil {
		return nil
	}
	s.hits = append(s.hits, Hit{Line: found.line, Fault: found.name, Method: r.Method, Path: r.URL.Path})
	return &strike{name: found.name, args: found.args}
}

// stop ends the script: nothing strikes any more.
func (s *Script) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.chances = nil, nil
}

// Hits returns each time the script struck, in order.
func (s *Script) Hits() []Hit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hits)
}

// traits are an EHR's with the changes of the script.
func (s *Script) traits(t Traits) Traits {
	for _, change := range s.changes {
		change(&t)
	}
	return t
}
