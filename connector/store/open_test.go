package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text.db"), []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, url, says string }{
		{"no scheme", "chartwire.db", "must begin with sqlite:"},
		{"no path", "sqlite:", "needs a path"},
		{"a folder", "sqlite:" + dir, "is a directory"},
		{"no database", "sqlite:" + filepath.Join(dir, "text.db"), "not a database"},
		{"bad Postgres URL", "postgres://chartwire:s3cret@host:port/x", "cannot be read"},
		{"nobody there", "postgres://chartwire:s3cret@127.0.0.1:1/x?connect_timeout=2", "database x on 127.0.0.1:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, err := Open(t.Context(), c.url, Options{Sealer: newSealer(t)})
			if err == nil {
				db.Close()
				t.Fatal("Open succeeded")
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("Open: %v; want it to say %q and no password", err, c.says)
			}
		})
	}
	if _, err := Open(t.Context(), "sqlite::memory:", Options{}); err == nil {
		t.Error("Open without a sealer succeeded")
	}
}

func TestOneProcessOnOneFile(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "sub", "x.db")
	db := mustOpen(t, url, Options{})
	if _, err := Open(t.Context(), url, Options{Sealer: newSealer(t)}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by another process, %d (", os.Getpid())) {
		t.Errorf("a second Open: %v; want it to name the process", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, url, Options{})
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, "sqlite:"+path, Options{})
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v; want the database, its WAL, its index and the lock", len(files), err)
	}
	for _, f := range files {
		if i, err := f.Info(); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), i.Mode(), err)
		}
	}
}

// Looking for work that is not there costs no write.
func TestIdleClaimsWriteNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := mustOpen(t, "sqlite:"+path, Options{})
	size := func() int64 {
		i, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return i.Size()
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := size()
	for range 10 {
		if lanes, err := db.Claim(t.Context(), "E", []connector.LaneKind{connector.LaneChart}, 5, time.Now()); len(lanes) != 0 || err != nil {
			t.Fatal(lanes, err)
		}
	}
	if after := size(); after != before {
		t.Errorf("the WAL grew from %d to %d bytes", before, after)
	}
	if err := db.Ping(t.Context()); err != nil || size() == before {
		t.Errorf("a commit does not grow the WAL (%v): this test sees nothing", err)
	}
}

func TestSQLiteIsDurable(t *testing.T) {
	db := mustOpen(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"), Options{})
	err := db.Update(t.Context(), "s", func(ct connector.Tx) error {
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
			var got string
			if err := ct.(*tx).single(sq("PRAGMA "+pragma), nil, &got); err != nil || got != want {
				t.Errorf("PRAGMA %s is %s, want %s (%v)", pragma, got, want, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			url := e.url(t)
			db := mustOpen(t, url, Options{})
			raw(t, db, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, `+map[string]string{"sqlite": "1", "postgres": "true"}[e.name]+`)`,
				`UPDATE meta SET value = '99' WHERE key = '`+metaOldest+`'`)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), url, Options{Sealer: newSealer(t)}); err == nil || !strings.Contains(err.Error(), "a newer chartwire has used it") {
				t.Errorf("Open = %v", err)
			}
		})
	}
}

// raw runs statements past the store.
func raw(t *testing.T, db *DB, statements ...string) {
	t.Helper()
	if err := rawErr(db, statements...); err != nil {
		t.Fatal(err)
	}
}

func rawErr(db *DB, statements ...string) error {
	return db.Update(context.Background(), "raw", func(ct connector.Tx) error {
		t := ct.(*tx)
		for _, s := range statements {
			if _, err := t.execN(sq(s)); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
}

func TestReplicasStartTogether(t *testing.T) {
	url := pgtest.New(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := Open(t.Context(), url, Options{Sealer: newSealer(t), Committers: 1})
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestWhatIsKeptIsThereAgain(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			url, s := e.url(t), newSealer(t)
			db := mustOpen(t, url, Options{Sealer: s})
			r := connector.EventRow{ID: "1", EHR: "E", Channel: "sms", Key: "k", Body: []byte("b")}
			err := db.Update(t.Context(), "s", func(tx connector.Tx) error { return tx.KeepEvent(r) })
			if err != nil || db.Close() != nil {
				t.Fatal(err)
			}
			db = mustOpen(t, url, Options{Sealer: s})
			err = db.View(t.Context(), func(tx connector.Tx) error { _, err := tx.KeptEvent("E", "1"); return err })
			if err != nil {
				t.Error(err)
			}
		})
	}
}
