package config

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// FuzzParse feeds the loader anything: it never panics, its problems point into the file and say what to do, a Config
// comes back exactly when nothing is a Mistake, and what is printed of one reads as the same again.
func FuzzParse(f *testing.F) {
	f.Add(Example)
	for _, dir := range []string{goodDir, badDir} {
		files, err := os.ReadDir(dir)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file.Name(), ".yaml") {
				b, err := os.ReadFile(dir + "/" + file.Name())
				if err != nil {
					f.Fatal(err)
				}
				f.Add(b)
			}
		}
	}
	opts := Options{ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }, Sections: []Section{textSection}}
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg, problems := Parse("x.yaml", b, opts)
		if (cfg == nil) != Fatal(problems, false) {
			t.Fatalf("Config is nil: %v, problems: %v", cfg == nil, problems)
		}
		lines := bytes.Count(b, []byte("\n")) + 1
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines+1 || p.Column < 0 || !strings.Contains(p.Text, "; ") || strings.ContainsAny(p.Text, "\n\x1b") {
				t.Errorf("%+v in %d lines", p, lines)
			}
		}
		if cfg == nil {
			return
		}
		printed := cfg.YAML()
		if strings.Contains(string(printed), redacted) {
			return
		}
		again, problems := Parse("x.yaml", printed, opts)
		if again == nil {
			t.Fatalf("%v in what was printed:\n%s", problems, printed)
		}
		if !bytes.Equal(printed, again.YAML()) {
			t.Errorf("printed once:\n%s\ntwice:\n%s", printed, again.YAML())
		}
	})
}
