package figure

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		f    Figure
		want string
	}{
		{Figure{Value: 0, Limit: "=0"}, OK},
		{Figure{Value: 1, Limit: "=0"}, Short},
		{Figure{Value: 1.25, Limit: "<=1.25"}, OK},
		{Figure{Value: 1.26, Limit: "<=1.25"}, Short},
		{Figure{Value: 1.26, Limit: "<=1.25", Noisy: true}, Noisy},
		{Figure{Value: 0.5, Limit: ">=0.45"}, OK},
		{Figure{Value: 0.4, Limit: ">=0.45"}, Short},
		{Figure{Value: 7}, OK},
		{Figure{Value: 7, Limit: "about 7"}, Short},
		{Figure{Value: 7, Limit: "<=seven"}, Short},
	} {
		if got := c.f.Verdict(); got != c.want {
			t.Errorf("%v against %q: %s, want %s", c.f.Value, c.f.Limit, got, c.want)
		}
	}
}

func TestBook(t *testing.T) {
	var out bytes.Buffer
	file := filepath.Join(t.TempDir(), "figures.json")
	b := &Book{Out: &out, Command: "make crash", File: file}
	b.Add(Figure{ID: "P1", Value: 0, Limit: "=0", Note: "of 12 acked"})
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	b.Add(Figure{ID: "R1", Value: 0.3, Limit: ">=0.4"})
	if err := b.Err(); !errors.Is(err, ErrShort) {
		t.Fatalf("a short figure gives %v", err)
	}
	want := "figure P1 0 =0 ok # of 12 acked\nfigure R1 0.3 >=0.4 short\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	kept, err := os.ReadFile(file)
	if err != nil || strings.Count(string(kept), "\n") != 2 || !strings.Contains(string(kept), `"command":"make crash"`) {
		t.Errorf("kept %q, %v", kept, err)
	}
}
