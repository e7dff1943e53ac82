package store

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store/pgtest"
	"github.com/chartwire/chartwire/connector/store/storetest"
)

// engines gives an address of a new, empty database for each engine.
var engines = []struct {
	name string
	url  func(tb testing.TB) string
}{
	{"memory", func(testing.TB) string { return "sqlite::memory:" }},
	{"sqlite", func(tb testing.TB) string { return "sqlite:" + filepath.Join(tb.TempDir(), "a b%c?.db") }},
	{"postgres", pgtest.New},
}

// eachEngine runs a test on every engine.
func eachEngine(t *testing.T, test func(t *testing.T, url string)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { test(t, e.url(t)) })
	}
}

func newSealer(tb testing.TB) *seal.Sealer {
	tb.Helper()
	s, err := seal.Generate(time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func mustOpen(tb testing.TB, url string, o Options) *DB {
	tb.Helper()
	if o.Sealer == nil {
		o.Sealer = newSealer(tb)
	}
	db, err := Open(tb.Context(), url, o)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return db
}

func TestStore(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, lease time.Duration) connector.Store {
				return mustOpen(t, e.url(t), Options{Lease: lease})
			})
		})
	}
}
