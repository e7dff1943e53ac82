package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

// TestServeSaysWhyItDoesNotStart: each outage of the store at the start is exit code 1 and a sentence, soon.
func TestServeSaysWhyItDoesNotStart(t *testing.T) {
	for _, c := range []struct {
		name, url string
		harm      func(t *testing.T, dir string)
		says      []string
	}{
		{"second process", "sqlite:x.db", func(t *testing.T, dir string) { open(t, dir, nil) },
			[]string{"is in use by another process, " + fmt.Sprint(os.Getpid()), "stop it, or use Postgres"}},
		{"no database", "sqlite:x.db", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "x.db"), []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"is damaged or no database; restore a backup"}},
		{"a clock that went back", "sqlite:x.db", func(t *testing.T, dir string) {
			open(t, dir, clock.NewFake(clock.System.Now().Add(24*time.Hour))).close(t)
		}, []string{"the store was last written at", "start once with --accept-clock"}},
		{"a path that is too long for a socket", "sqlite:" + strings.Repeat("x", 100) + ".db", func(*testing.T, string) {}, []string{"xx.db.sock cannot be made", "move the store to a folder with a shorter path (store.url)"}},
		{"unreachable Postgres", "postgres://u@127.0.0.1:1/x", func(*testing.T, string) {}, []string{"database x on 127.0.0.1:1 cannot be reached; start it, or correct store.url"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			config := fmt.Sprintf(`
server: {public_url: "https://connector.clinic.example", listen: "127.0.0.1:0", console_listen: "127.0.0.1:0"}
identity: {base: "https://connector.clinic.example/sid"}
store: {url: %q}
seal: {keyset_file: keyset.json}
ehrs:
  - {name: mercy, type: fhir, base_url: "https://ehr.mercy.example/r4", timezone: America/Chicago, organization: Organization/clinic}
`, c.url)
			if err := os.WriteFile(filepath.Join(dir, "chartwire.yaml"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := seal.Init(filepath.Join(dir, "keyset.json"), clock.System.Now()); err != nil {
				t.Fatal(err)
			}
			c.harm(t, dir)
			began := clock.System.Now()
			code, _, errs := chartwire(t, "serve", "--config", filepath.Join(dir, "chartwire.yaml"))
			if code != exitProblem {
				t.Errorf("exit %d, want %d", code, exitProblem)
			}
			for _, says := range c.says {
				if !strings.Contains(errs, says) {
					t.Errorf("it said %q, want %q in it", errs, says)
				}
			}
			if took := clock.System.Now().Sub(began); took > 10*time.Second {
				t.Errorf("it took %v to say so", took)
			}
		})
	}
}

type opened struct{ db *store.DB }

func (o opened) close(t *testing.T) {
	t.Helper()
	if err := o.db.Close(); err != nil {
		t.Fatal(err)
	}
}

// open opens the store of a folder, as another process would, and writes the time into it.
func open(t *testing.T, dir string, c clock.Clock) opened {
	t.Helper()
	keys, err := seal.Load(filepath.Join(dir, "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "x.db"), store.Options{Sealer: keys, Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	return opened{db}
}
