//go:build linux

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/store/disktest"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// TestFullDiskOfPostgres: with no room for its log and its tables nothing is acknowledged, and with room again the same
// process goes on, though the server may have had to restart.
func TestFullDiskOfPostgres(t *testing.T) { disktest.Run(t, "120m", fullDiskOfPostgres) }

func fullDiskOfPostgres(t *testing.T, disk string) {
	data := filepath.Join(disk, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	pg, err := pgtest.Start(pgtest.Options{Data: data, Config: []string{"max_wal_size = 32MB", "min_wal_size = 32MB", "autovacuum = off"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := pg.Close(); err != nil {
			t.Error(err)
		}
	}()
	db := mustOpen(t, pg.URL("postgres"), Options{})
	acked := map[int]bool{}
	large := func(n int) error {
		err := db.Update(t.Context(), fmt.Sprint(n%3), func(tx connector.Tx) error {
			return errors.Join(tx.PutMeta(fmt.Sprint("n", n), "x"), tx.PutBlob("E", "T", "M", fmt.Sprint(n), make([]byte, 500_000)))
		})
		acked[n] = err == nil
		return err
	}
	if err := large(0); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(disk, "filler")
	disktest.Fill(t, filler)
	refused := 0
	for n := 1; n < 400 && refused < 5; n++ {
		if err := large(n); errors.Is(err, connector.ErrStore) {
			refused++
		} else if err != nil {
			t.Fatalf("Update = %v, want ErrStore", err)
		}
	}
	if refused < 5 {
		t.Fatalf("%d changes were refused: the disk was not full", refused)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if pg.Pid() == 0 { // it has ended, as a server does that cannot write its log; its supervisor starts it again
		if err := pg.Up(); err != nil {
			t.Fatal(err)
		}
	}
	recovers(t, db, 1)
	for n, ok := range acked {
		err := db.View(t.Context(), func(tx connector.Tx) error { _, err := tx.Meta(fmt.Sprint("n", n)); return err })
		if ok && err != nil || !ok && !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("change %d: acknowledged %v, then %v", n, ok, err)
		}
	}
}
