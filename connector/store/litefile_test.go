package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// What is committed to a file that has lost its name would be gone with the process: it is refused until the file is back.
func TestAFileThatIsMovedIsNotWrittenTo(t *testing.T) {
	for _, part := range []string{"", "-wal", ".lock"} {
		t.Run("part"+part, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			db := mustOpen(t, "sqlite:"+path, Options{})
			if err := put(db, 0); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+part, path+".away"); err != nil {
				t.Fatal(err)
			}
			if err := put(db, 1); !errors.Is(err, connector.ErrStore) || !errors.Is(err, errMoved) {
				t.Errorf("Update = %v, want ErrStore that says so", err)
			}
			if err := os.WriteFile(path+part, nil, 0o600); err != nil { // another one in its place is no better
				t.Fatal(err)
			}
			if err := put(db, 2); !errors.Is(err, errMoved) {
				t.Errorf("Update on another file = %v", err)
			}
			if err := os.Rename(path+".away", path+part); err != nil {
				t.Fatal(err)
			}
			recovers(t, db, 1)
			for _, key := range []string{"n1", "n2"} {
				err := db.View(t.Context(), func(tx connector.Tx) error { _, err := tx.Meta(key); return err })
				if !errors.Is(err, connector.ErrNotFound) {
					t.Errorf("%s was refused and is there (%v)", key, err)
				}
			}
		})
	}
}
