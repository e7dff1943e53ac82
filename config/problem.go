package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Kind says how much a Problem matters.
type Kind int

const (
	// Mistake stops every command.
	Mistake Kind = iota
	// MissingSecret is a secret (or certificate) file that could not be read: a finding everywhere, an error for serve.
	MissingSecret
	// Warning stops nothing.
	Warning
)

// String is the word for a Kind: mistake, missing-secret or warning.
func (k Kind) String() string {
	switch k {
	case MissingSecret:
		return "missing-secret"
	case Warning:
		return "warning"
	default:
		return "mistake"
	}
}

// MarshalText is String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Problem is one thing wrong with a configuration. Line and Column count from 1; Line 0 means the whole file.
// Text says what is wrong and, after a semicolon, what to write instead. It never holds a secret.
type Problem struct {
	Kind   Kind   `json:"kind"`
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Path   string `json:"path"`
	Text   string `json:"text"`
}

// String is `file:line: path: text`, with the word for its kind before the text when it is no Mistake.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	if p.Kind != Mistake {
		b.WriteString(p.Kind.String() + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Fatal reports whether the problems stop a command: any Mistake does, a MissingSecret only serve, a Warning never.
func Fatal(problems []Problem, forServe bool) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool {
		return p.Kind == Mistake || p.Kind == MissingSecret && forServe
	})
}

// sortProblems puts problems in the order of the file, and drops exact repeats.
func sortProblems(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(ps)
}
