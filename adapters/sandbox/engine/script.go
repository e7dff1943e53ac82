package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

// Script stages faults on messages. Its text form has one rule a line:
//
//	EVENT WHEN FAULT [name=value ...]
//
// EVENT is T02, T06, T10, N01 or *. WHEN is as in the script of the sandbox EHR: #3, #3-5, #3+, %10, @5m-2h or * (see
// script.ParseWhen). The first rule that applies wins. # begins a comment at the start of a line.
//
//	# the second document is stored, but the answer never comes
//	T02 #2 commit-then-hang-up
//	* %20 ar code=206
//
// A Script is safe for concurrent use and keeps its counts: use one per engine.
type Script struct {
	mu    sync.Mutex
	rules []*rule
	hits  []Hit
}

type rule struct {
	line  int
	event string
	when  script.When
	name  string
	args  map[string]string
}

// Hit is one time the script struck.
type Hit struct {
	Line      int // of the script
	Fault     string
	Event     string
	ControlID string
}

// OpenScript reads the file of a script.
func OpenScript(name string) (*Script, error) {
	if strings.HasPrefix(name, "seed:") {
		return nil, fmt.Errorf("%q: the interface engine has no faults by chance; give the file of a script", name)
	}
	return script.Open[Script](name)
}

// Take is script.Taker.
func (s *Script) Take(l script.Line) (column int, what string) {
	words := l.Words
	if len(words) < 3 {
		return l.End, "a rule is EVENT WHEN FAULT [name=value ...]"
	}
	r := &rule{line: l.Number, event: words[0].Text, name: words[2].Text}
	if !slices.Contains([]string{"T02", "T06", "T10", hl7.ManageEvent, "*"}, r.event) {
		return words[0].Column, "the event is T02, T06, T10, N01 or *"
	}
	var ok bool
	if r.when, ok = script.ParseWhen(words[1].Text); !ok {
		return words[1].Column, "WHEN is " + script.WhenForms
	}
	f, ok := faults[r.name]
	if !ok {
		var known []string
		for _, k := range Faults() {
			known = append(known, k.Name)
		}
		return words[2].Column, fmt.Sprintf("unknown fault %q; known: %s", r.name, strings.Join(known, ", "))
	}
	if r.args, column, what = script.Arguments(r.name, f.args, words[3:]); what == "" {
		s.rules = append(s.rules, r)
	}
	return column, what
}

// stage has the engine do its work on a message, or what the script has in its place.
func (s *Script) stage(e *Engine, m received) ([][]byte, error) {
	r := s.strikes(e, m)
	if r == nil {
		answers, _ := e.work(m)
		return answers, nil
	}
	m.fault = r.name
	return faults[r.name].run(&strike{e: e, m: m, takes: faults[r.name].args, args: r.args})
}

// strikes finds the rule that applies. Every rule counts, the first that applies wins.
func (s *Script) strikes(e *Engine, m received) *rule {
	since := e.o.Now().Sub(e.began)
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *rule
	for _, r := range s.rules {
		if (r.event == "*" || r.event == m.header.Event) && r.when.Count(since) && found == nil {
			found = r
		}
	}
	if found != nil {
		s.hits = append(s.hits, Hit{Line: found.line, Fault: found.name, Event: m.header.Event, ControlID: m.header.ControlID})
	}
	return found
}

// stop ends the script: nothing strikes any more.
func (s *Script) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// Hits is each time the script struck, in order.
func (s *Script) Hits() []Hit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hits)
}
