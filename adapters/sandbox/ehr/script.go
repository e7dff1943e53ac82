package ehr

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/script"
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
	line        int
	method, typ string
	when        script.When
	name        string
	args        map[string]string
}

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
		s, err := script.Read[Script](strings.NewReader(line))
		if err != nil {
			return nil, fmt.Errorf("%q is not seed:N[:RATE[:PALETTE]]: %w", name, err)
		}
		return s, nil
	}
	return script.Open[Script](name)
}

// Take is script.Taker.
func (s *Script) Take(l script.Line) (int, string) {
	words := l.Words
	switch {
	case words[0].Text == "traits":
		for _, w := range words[1:] {
			change, err := traitChange(w.Text)
			if err != nil {
				return w.Column, err.Error()
			}
			s.changes = append(s.changes, change)
		}
		return 0, ""
	case strings.HasPrefix(words[0].Text, "seed="):
		c, column, what := parseChance(words)
		if what == "" {
			c.line = l.Number
			s.chances = append(s.chances, c)
		}
		return column, what
	}
	r, column, what := parseRule(l)
	if what == "" {
		r.line = l.Number
		s.rules = append(s.rules, r)
	}
	return column, what
}

// besideTypes may stand where a resource type does.
var besideTypes = []string{"*", "Bundle", "metadata", "discovery", "token", "jwks", "clinicaldocument", "patientcase"}

// parseRule returns the rule, or the column and text of its first mistake.
func parseRule(l script.Line) (*rule, int, string) {
	words := l.Words
	if len(words) < 4 {
		return nil, l.End, "a rule is METHOD TYPE WHEN FAULT [name=value ...]"
	}
	r := &rule{method: words[0].Text, typ: words[1].Text, name: words[3].Text}
	if !slices.Contains([]string{"GET", "POST", "PUT", "SEARCH", "*"}, r.method) {
		return nil, words[0].Column, "the method is GET, POST, PUT, SEARCH or *"
	}
	if !slices.Contains(besideTypes, r.typ) && !knownType(r.typ) {
		return nil, words[1].Column, fmt.Sprintf("%q is not a resource type known here", r.typ)
	}
	var ok bool
	if r.when, ok = script.ParseWhen(words[2].Text); !ok {
		return nil, words[2].Column, "WHEN is " + script.WhenForms
	}
	f, ok := faultNamed(r.name)
	if !ok {
		var known []string
		for _, k := range Faults() {
			known = append(known, k.Name)
		}
		return nil, words[3].Column, fmt.Sprintf("unknown fault %q; known: %s", r.name, strings.Join(known, ", "))
	}
	column, what := 0, ""
	if r.args, column, what = script.Arguments(r.name, f.args, words[4:]); what != "" {
		return nil, column, what
	}
	return r, 0, ""
}

func (r *rule) applies(methods, kinds []string, since time.Duration) bool {
	if r.method != "*" && !slices.Contains(methods, r.method) || r.typ != "*" && !slices.Contains(kinds, r.typ) {
		return false
	}
	return r.when.Count(since)
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
