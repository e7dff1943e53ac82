package config

import (
	"encoding/json"
	"testing"
)

func TestProblemForms(t *testing.T) {
	for _, tc := range []struct {
		problem    Problem
		text, json string
	}{
		{Problem{File: "a.yaml", Line: 3, Column: 5, Path: "$.store.url", Text: "is no store; write one"},
			"a.yaml:3: $.store.url: is no store; write one",
			`{"kind":"mistake","file":"a.yaml","line":3,"column":5,"path":"$.store.url","text":"is no store; write one"}`},
		{Problem{Kind: MissingSecret, File: "a.yaml", Line: 1, Path: "$.seal", Text: "does not exist; put it there"},
			"a.yaml:1: $.seal: missing-secret: does not exist; put it there",
			`{"kind":"missing-secret","file":"a.yaml","line":1,"path":"$.seal","text":"does not exist; put it there"}`},
		{Problem{Kind: Warning, File: "a.yaml", Text: "is odd; look at it"},
			"a.yaml: warning: is odd; look at it",
			`{"kind":"warning","file":"a.yaml","path":"","text":"is odd; look at it"}`},
	} {
		if got := tc.problem.String(); got != tc.text {
			t.Errorf("prints as %s, want %s", got, tc.text)
		}
		if got, err := json.Marshal(tc.problem); err != nil || string(got) != tc.json {
			t.Errorf("JSON is %s (%v), want %s", got, err, tc.json)
		}
	}
}

func TestSortProblems(t *testing.T) {
	a := Problem{Line: 2, Column: 1, Path: "$.b", Text: "x"}
	b := Problem{Line: 1, Column: 9, Path: "$.a", Text: "y"}
	if got := sortProblems([]Problem{a, b, a}); len(got) != 2 || got[0] != b || got[1] != a {
		t.Errorf("sorted to %v", got)
	}
}
