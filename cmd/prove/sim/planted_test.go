package sim

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

var (
	plantAll = flag.Bool("planted", false, "plant every bug, not only a few")
	plant    = flag.String("plant", "", "plant the bug of this name alone")
)

// plantedSeeds is how many seeds a planted bug may hide from.
const plantedSeeds = 400

// caught is what the judge says of a seed that broke a promise.
var caught = regexp.MustCompile(`seed (\d+) at [^\n]*`)

// A judge that has never convicted anybody proves nothing: each of these bugs, planted in the real source and compiled in,
// must break a seed. A bug whose place is gone from the source fails the test; move it to where the promise is kept now.
func TestPlantedBugs(t *testing.T) {
	n, found := 0, 0
	for i, b := range bugs {
		short := !*plantAll && *plant == "" && i != 0 && i != 4 // each is a build of its own
		if short || *plant != "" && *plant != b.name {
			continue
		}
		n++
		t.Run(b.name, func(t *testing.T) {
			if b.caught(t) {
				found++
			}
		})
	}
	if *plantAll {
		book := &figure.Book{Out: os.Stdout, Command: "make sim", File: os.Getenv("FIGURES")}
		book.Add(figure.Figure{ID: "P22-planted", Value: float64(found), Limit: fmt.Sprintf(">=%d", max(20, n)), Unit: "planted bugs caught"})
		if err := book.Err(); err != nil {
			t.Error(err)
		}
	}
}

// TestEveryBugHasItsPlace: a promise whose code moved takes its planted bug along, also where the bug itself is not run.
func TestEveryBugHasItsPlace(t *testing.T) {
	for _, b := range bugs {
		if _, _, err := b.place(); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
	}
}

// place is the file the bug is planted in, and what it says now.
func (b bug) place() (source, text string, err error) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return "", "", err
	}
	source = filepath.Join(root, filepath.FromSlash(b.file))
	is, err := os.ReadFile(source)
	if n := strings.Count(string(is), b.old); err == nil && n != 1 {
		err = fmt.Errorf("%s has %d places that read %q; a planted bug needs one: move it to where the promise is kept now", b.file, n, b.old)
	}
	return source, string(is), err
}

// caught builds the simulation with the bug and runs seeds until one breaks.
func (b bug) caught(t *testing.T) bool {
	source, text, err := b.place()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mutant, overlay, binary := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim.test")
	if err := os.WriteFile(mutant, []byte(strings.Replace(text, b.old, b.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {source: mutant}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("the planted bug does not compile: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "-test.run", "^TestSeeds$", "-first", "-seeds", fmt.Sprint(plantedSeeds)).CombinedOutput()
	said := caught.FindString(string(out))
	if err == nil || said == "" {
		t.Errorf("%d seeds did not see it: %s (%v)\n%.2000s", plantedSeeds, b.name, err, out)
		return false
	}
	t.Logf("caught: %s", clip(said))
	return true
}
