package adapters_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run: go test ./adapters -run Own -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func parse(t *testing.T, path string) (*config.Config, []config.Problem) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return config.Parse(filepath.Base(path), b, config.Options{Dir: filepath.Dir(path), Sections: adapters.Sections()})
}

// TestOwnKeys: a configuration with the keys of every adapter is taken, and prints to what reads as the same.
func TestOwnKeys(t *testing.T) {
	const file = "../testdata/config/all-ehrs.yaml"
	cfg, problems := parse(t, file)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	printed := cfg.YAML()
	golden(t, strings.TrimSuffix(file, ".yaml")+".golden", string(printed))
	again, problems := config.Parse(cfg.File, printed, config.Options{Dir: cfg.Dir, Sections: adapters.Sections()})
	if again == nil {
		t.Fatalf("what was printed does not parse: %v", problems)
	}
	if diff := cmp.Diff(string(printed), string(again.YAML())); diff != "" {
		t.Errorf("printed twice (-once +twice):\n%s", diff)
	}
}

// TestOwnKeysRefused: what is wrong with an adapter's own keys is said with its line and with what to write instead.
func TestOwnKeysRefused(t *testing.T) {
	files, err := filepath.Glob("../testdata/config-bad/own/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			cfg, problems := parse(t, file)
			if cfg != nil || !config.Fatal(problems, false) {
				t.Errorf("it is taken: %v", problems)
			}
			var out strings.Builder
			for _, p := range problems {
				out.WriteString(p.String() + "\n")
				if wrong, instead, ok := strings.Cut(p.Text, "; "); p.Line == 0 || !ok || wrong == "" || instead == "" {
					t.Errorf("%v does not say where it is, or what to write instead", p)
				}
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", out.String())
		})
	}
}
