package config

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	goodDir = "../testdata/config"
	badDir  = "../testdata/config-bad"
)

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
		t.Fatalf("%v; run: go test ./config -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// parseFile parses a configuration of testdata under its base name, so that goldens hold no path of a machine.
func parseFile(t *testing.T, path string, sections ...Section) (*Config, []Problem) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(filepath.Base(path), b, Options{Dir: filepath.Dir(path), Sections: sections})
}

func yamlFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations in %s (%v)", dir, err)
	}
	// It has keys of adapters, which this package knows nothing of: package adapters holds it to its golden.
	return slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == "all-ehrs.yaml" })
}

func TestBadConfigs(t *testing.T) {
	for _, file := range yamlFiles(t, badDir) {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			cfg, problems := parseFile(t, file)
			if len(problems) == 0 {
				t.Fatal("no problem found")
			}
			if fatal := Fatal(problems, false); fatal != (cfg == nil) {
				t.Errorf("fatal is %v, but the Config is nil: %v", fatal, cfg == nil)
			}
			var out strings.Builder
			for _, p := range problems {
				out.WriteString(p.String() + "\n")
				checkProblem(t, p)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", out.String())
		})
	}
}

// checkProblem holds every problem against the form the package promises.
func checkProblem(t *testing.T, p Problem) {
	t.Helper()
	wrong, instead, ok := strings.Cut(p.Text, "; ")
	if !ok || wrong == "" || instead == "" {
		t.Errorf("%q does not say what to write instead", p.Text)
	}
	if p.Path != "" && p.Line == 0 && !strings.HasPrefix(p.Path, "$.") {
		t.Errorf("%v has a path but no line", p)
	}
	for _, secret := range []string{"hunter2", "whsec_bm", "12345678", "whsec_c2"} {
		if strings.Contains(p.String(), secret) {
			t.Errorf("%v holds the secret %s", p, secret)
		}
	}
}

func TestGoodConfigs(t *testing.T) {
	for _, file := range yamlFiles(t, goodDir) {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			cfg, problems := parseFile(t, file)
			for _, p := range problems {
				t.Error(p)
			}
			if cfg == nil {
				t.FailNow()
			}
			printed := cfg.YAML()
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", string(printed))
			checkReadable(t, cfg, printed)
		})
	}
}

// checkReadable parses what was printed: nothing but a redacted secret may be wrong with it, and it prints the same.
func checkReadable(t *testing.T, cfg *Config, printed []byte) {
	t.Helper()
	again, problems := Parse(cfg.File, printed, Options{Dir: cfg.Dir})
	if strings.Contains(string(printed), redacted) {
		return
	}
	if again == nil {
		t.Fatalf("what was printed does not parse: %v\n%s", problems, printed)
	}
	if diff := cmp.Diff(string(printed), string(again.YAML())); diff != "" {
		t.Errorf("printed twice (-once +twice):\n%s", diff)
	}
}
