package store

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// With no room left nothing is acknowledged, nothing half written, and work goes on when there is room again.
func TestFullDisk(t *testing.T) {
	for _, e := range engines[:2] {
		t.Run(e.name, func(t *testing.T) {
			db := mustOpen(t, e.url(t), Options{})
			limit := func(pages string) {
				err := db.Update(t.Context(), "s", func(ct connector.Tx) error {
					var n int64
					return ct.(*tx).single(sq("PRAGMA max_page_count = "+pages), nil, &n)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			put := func(n int) error {
				return db.Update(t.Context(), fmt.Sprint(n%3), func(tx connector.Tx) error {
					err := tx.PutMeta(fmt.Sprint("a", n), "x")
					return errors.Join(err, tx.PutBlob("E", "T", "M", fmt.Sprint(n), make([]byte, 20000)), tx.PutMeta(fmt.Sprint("b", n), "x"))
				})
			}
			limit("1") // no fewer than there are
			acked := map[int]bool{}
			failed := 0
			for n := range 20 {
				switch err := put(n); {
				case err == nil:
					acked[n] = true
				case errors.Is(err, connector.ErrStore):
					failed++
				default:
					t.Errorf("Update = %v, want ErrStore", err)
				}
			}
			if failed == 0 {
				t.Fatal("the disk was never full")
			}
			limit("1000000")
			if err := put(20); err != nil {
				t.Errorf("with room again: %v", err)
			}
			err := db.View(t.Context(), func(tx connector.Tx) error {
				for n := range 20 {
					_, a := tx.Meta(fmt.Sprint("a", n))
					_, b := tx.Meta(fmt.Sprint("b", n))
					if (a == nil) != acked[n] || (b == nil) != acked[n] {
						t.Errorf("call %d: acknowledged %v, kept %v and %v", n, acked[n], a == nil, b == nil)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A role that does not own the schema runs everything and cannot touch what is on the audit log.
func TestPostgresGrants(t *testing.T) {
	address := pgtest.New(t)
	owner := mustOpen(t, address, Options{})
	role := fmt.Sprint("app", time.Now().UnixNano())
	raw(t, owner, append([]string{"CREATE ROLE " + role + " LOGIN"}, PostgresGrants(role)...)...)
	t.Cleanup(func() { raw(t, owner, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	app := mustOpen(t, u.String(), Options{})
	r := fullRows(&filler{}, 1)
	if err := app.Update(t.Context(), "s", r.put); err != nil {
		t.Fatal(err)
	}
	if n, err := audit.NewSealer(app.AuditLog("E"), signerOf(t, app, "E")).Seal(t.Context()); n != 1 || err != nil {
		t.Errorf("Seal = %d, %v", n, err)
	}
	writeAudit(t, app, "E", 1)
	if err := app.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	for _, s := range []string{"ALTER TABLE audit DISABLE TRIGGER ALL", "DROP TRIGGER audit_guard ON audit", "DELETE FROM audit",
		"UPDATE audit SET kind = 'x'", "DELETE FROM audit_head", "UPDATE audit_hash SET hash = ''", "TRUNCATE audit", "DROP TABLE lane"} {
		if err := rawErr(app, s); err == nil {
			t.Errorf("%s succeeded", s)
		}
	}
}

// The same file opens under another path of it, and its lock holds there too.
func TestRelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	mustOpen(t, "sqlite:x.db", Options{})
	if _, err := Open(t.Context(), "sqlite://"+filepath.Join(dir, "x.db"), Options{Sealer: newSealer(t)}); err == nil {
		t.Error("one file was opened twice")
	}
}
