package script_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

func TestWhen(t *testing.T) {
	for text, want := range map[string]string{"*": "123456", "#2": "2", "#2-4": "234", "#5+": "56", "%3": "36", "@2s-4s": "34", "@5s+": "6"} {
		w, ok := script.ParseWhen(text)
		if !ok {
			t.Errorf("%s was refused", text)
		}
		got := ""
		for n := range 6 { // the nth comes n seconds after the beginning
			if w.Count(time.Duration(n) * time.Second) {
				got += string(rune('1' + n))
			}
		}
		if got != want {
			t.Errorf("%s applies to %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "3", "#0", "#4-2", "#x", "%0", "@5m-2m", "@x", "@-1s+"} {
		if _, ok := script.ParseWhen(text); ok {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestParseNamesEveryMistake(t *testing.T) {
	var lines []int
	err := script.Parse(strings.NewReader("# one\n\ngood  word\nbad\n bad word\n"), func(l script.Line) (int, string) {
		lines = append(lines, l.Number)
		if l.Words[0].Text == "bad" {
			return l.Words[len(l.Words)-1].Column, "no"
		}
		return 0, ""
	})
	var bad *script.Error
	if !errors.As(err, &bad) || !cmp.Equal(bad.Problems, []string{"4:1: no", "5:6: no"}) || !cmp.Equal(lines, []int{3, 4, 5}) {
		t.Errorf("lines %v: %v", lines, err)
	}
}

func TestArguments(t *testing.T) {
	takes := []string{"after=5s", "status=500", "to="}
	words := func(text string) []script.Word { return []script.Word{{Text: text, Column: 7}} }
	for text, good := range map[string]bool{"after=2m": true, "after=2": false, "status=503": true, "status=x": false, "to=here": true, "to=": false, "colour=red": false} {
		args, column, what := script.Arguments("hang", takes, words(text))
		if (what == "") != good || good && len(args) != 1 || !good && column != 7 {
			t.Errorf("%s: %v, %d %q", text, args, column, what)
		}
	}
}
