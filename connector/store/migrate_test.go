package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store/pgtest"
	"github.com/chartwire/chartwire/connector/store/storetest"
)

// nextVersion is what the next release may add to a schema in use, of each kind that is allowed.
const nextVersion = `-- What a later version adds.
-- +goose Up
CREATE TABLE later (ehr_id TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL);
CREATE INDEX later_n ON later (n);
ALTER TABLE item ADD COLUMN later_note BYTEA;
ALTER TABLE lane ADD COLUMN later_n BIGINT NOT NULL DEFAULT 0;
CREATE INDEX item_later ON item (ehr_id, later_note) WHERE later_note IS NOT NULL;
`

// withStep is the migrations and one more.
func withStep(t *testing.T, text string) fs.FS {
	t.Helper()
	out := fstest.MapFS{"00099_later.sql": {Data: []byte(text)}}
	names, err := fs.Glob(migrations, "*")
	for _, name := range names {
		data, e := fs.ReadFile(migrations, name)
		if err = errors.Join(err, e); err != nil {
			t.Fatal(err)
		}
		out[name] = &fstest.MapFile{Data: data}
	}
	return out
}

// upgrade does to a database what the start of a binary with these migrations does.
func upgrade(t *testing.T, address string, files fs.FS) error {
	t.Helper()
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		all, err := steps(files, "sqlite_guard.sql", false)
		if err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=busy_timeout(5000)")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		return migrate(t.Context(), db, goose.DialectSQLite3, all)
	}
	cfg, _, err := pgConfig(address, "store.url")
	if err != nil {
		t.Fatal(err)
	}
	return migratePostgres(t.Context(), cfg.ConnConfig, "", files)
}

// TestTheVersionBeforeRunsOnTheNextSchema: a running store of this version and a newly started one pass their whole suite
// on a schema that the next version has made, while they run.
func TestTheVersionBeforeRunsOnTheNextSchema(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			address, s := e.url(t), newSealer(t)
			running := mustOpen(t, address, Options{Sealer: s, Lease: time.Hour})
			if err := upgrade(t, address, withStep(t, nextVersion)); err != nil {
				t.Fatal(err)
			}
			if err := running.Ping(t.Context()); err != nil {
				t.Errorf("the one that runs: %v", err)
			}
			if err := running.Close(); err != nil {
				t.Fatal(err)
			}
			raw(t, mustOpenOnce(t, address, s), `INSERT INTO later (ehr_id, n) VALUES ('E', 1)`) // the next schema is there
			storetest.Run(t, func(t *testing.T, lease time.Duration) connector.Store {
				address := e.url(t)
				db := mustOpen(t, address, Options{Lease: lease})
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if err := upgrade(t, address, withStep(t, nextVersion)); err != nil {
					t.Fatal(err)
				}
				return mustOpen(t, address, Options{Lease: lease})
			})
		})
	}
}

// TestADatabaseOfBeforeTheFirstReleaseIsRefused: its tables are not those of this version, and nothing brings them there.
func TestADatabaseOfBeforeTheFirstReleaseIsRefused(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			address, s := e.url(t), newSealer(t)
			db := mustOpen(t, address, Options{Sealer: s})
			raw(t, db, "DELETE FROM goose_db_version WHERE version_id > 0", "INSERT INTO goose_db_version (version_id, is_applied) VALUES (5, "+map[bool]string{true: "true", false: "1"}[e.name == "postgres"]+")")
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), address, Options{Sealer: s}); err == nil || !strings.Contains(err.Error(), "before its first release") {
				t.Errorf("Open = %v", err)
			}
		})
	}
}

// mustOpenOnce opens a store that closes before the test goes on to open it again elsewhere.
func mustOpenOnce(t *testing.T, address string, s Sealer) *DB {
	t.Helper()
	return mustOpen(t, address, Options{Sealer: s})
}

// TestASchemaThatNeedsANewerBinaryIsRefused: the binary of before is told to stay away by what is in the database.
func TestASchemaThatNeedsANewerBinaryIsRefused(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			address, s := e.url(t), newSealer(t)
			db := mustOpen(t, address, Options{Sealer: s})
			if err := upgrade(t, address, withStep(t, nextVersion)); err != nil {
				t.Fatal(err)
			}
			for _, needs := range []int{oldest, 99} {
				works := needs == oldest
				raw(t, db, fmt.Sprintf(`UPDATE meta SET value = '%d' WHERE key = '%s'`, needs, metaOldest))
				err := upgrade(t, address, migrations)
				if works && err != nil || !works && (err == nil || !strings.Contains(err.Error(), "a newer chartwire has used it, and this one cannot; run that one")) {
					t.Errorf("a schema 99 that needs %d: %v", needs, err)
				}
			}
			if err := raiseOldest(t.Context(), sqlOf(t, address)); err != nil {
				t.Fatal(err)
			}
			err := db.View(t.Context(), func(tx connector.Tx) error {
				if v, err := tx.Meta(metaOldest); v != "99" || err != nil {
					t.Errorf("what the schema needs was lowered to %s (%v)", v, err)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func sqlOf(t *testing.T, address string) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", address
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		driver, dsn = "sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TestAMigrationWaitsBesideALongTransaction: while somebody holds a table, the migration gives way again and again, and
// everybody else goes on; then it gets through.
func TestAMigrationWaitsBesideALongTransaction(t *testing.T) {
	address := pgtest.New(t)
	db := mustOpen(t, address, Options{})
	long, err := sqlOf(t, address).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := long.ExecContext(t.Context(), `SELECT count(*) FROM item`); err != nil { // as a backup holds it
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- upgrade(t, address, withStep(t, nextVersion)) }()
	item := func(n int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := db.Update(ctx, "s", func(tx connector.Tx) error {
			return tx.PutItem(&connector.Item{ID: fmt.Sprint(n), EHR: "E", Kind: connector.ItemExchange, State: connector.Waiting})
		})
		if err != nil {
			t.Errorf("an exchange could not be accepted while a migration waited: %v", err)
		}
	}
	began := clock.System.Now()
	n := 0
	for ; clock.System.Now().Sub(began) < 4*time.Second; n++ {
		item(n)
	}
	select {
	case err := <-done:
		t.Fatalf("the migration was over beside a transaction that holds its table: %v", err)
	default:
	}
	if err := long.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	item(n + 1)
	var valid bool
	if err := sqlOf(t, address).QueryRow(`SELECT indisvalid FROM pg_index WHERE indexrelid = 'item_later'::regclass`).Scan(&valid); err != nil || !valid {
		t.Errorf("the index of a known table was not built (%v)", err)
	}
}

// Several replicas of the next version, starting at once on a schema in use, migrate it once.
func TestReplicasMigrateOnce(t *testing.T) {
	address := pgtest.New(t)
	mustOpen(t, address, Options{})
	next := withStep(t, nextVersion)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := upgrade(t, address, next); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var n int
	if err := sqlOf(t, address).QueryRow(`SELECT count(*) FROM goose_db_version WHERE version_id = 99`).Scan(&n); err != nil || n != 1 {
		t.Errorf("version 99 was applied %d times (%v)", n, err)
	}
}

// allowed are the statements a migration of a schema in use may have. A column may be null or has a constant default, for
// the version before does not write it.
var allowed = []*regexp.Regexp{
	regexp.MustCompile(`(?s)^CREATE TABLE \w+ \(.*\)$`),
	regexp.MustCompile(`(?s)^CREATE (UNIQUE )?INDEX \w+ ON \w+ .*$`),
	regexp.MustCompile(`^DROP INDEX \w+$`),
	regexp.MustCompile(`^ALTER TABLE \w+ ((, )?(ALTER COLUMN \w+ SET STORAGE EXTERNAL|SET \(fillfactor = \d+\)))+$`),
	regexp.MustCompile(`^ALTER TABLE \w+ ADD COLUMN \w+ (TEXT|BIGINT|BYTEA)$`),
	regexp.MustCompile(`^ALTER TABLE \w+ ADD COLUMN \w+ (TEXT|BIGINT|BYTEA) NOT NULL DEFAULT ('\w*'|\d+)$`),
}

var comment = regexp.MustCompile(`--[^\n]*`)

// onlyAdds lists the statements of a migration that do more than add.
func onlyAdds(text string) (wrong []string) {
	for s := range strings.SplitSeq(comment.ReplaceAllString(text, ""), ";") {
		s = strings.TrimSpace(s)
		ok := s == ""
		for _, a := range allowed {
			ok = ok || a.MatchString(s)
		}
		if !ok {
			wrong = append(wrong, s)
		}
	}
	return wrong
}

func TestMigrationsOnlyAdd(t *testing.T) {
	names, err := fs.Glob(migrations, "0*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(err)
	}
	numbers := map[string]string{}
	for _, name := range names {
		if other := numbers[name[:5]]; other != "" {
			t.Errorf("%s and %s have one number", name, other)
		}
		numbers[name[:5]] = name
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range onlyAdds(string(text)) {
			t.Errorf("%s does more than add: %s", filepath.Base(name), s)
		}
	}
	for s, ok := range map[string]bool{
		nextVersion:                                   true,
		`DROP TABLE item;`:                            false,
		`ALTER TABLE item DROP COLUMN late;`:          false,
		`ALTER TABLE item RENAME COLUMN late TO x;`:   false,
		`ALTER TABLE item ADD COLUMN x TEXT NOT NULL`: false,
		`UPDATE item SET late = 0`:                    false,
	} {
		if got := len(onlyAdds(s)) == 0; got != ok {
			t.Errorf("%q passes: %v, want %v", s, got, ok)
		}
	}
}

// roles makes an owner that may make tables and an app that may not, and gives their URLs.
func roles(t *testing.T, address string) (owner, app string) {
	t.Helper()
	n := time.Now().UnixNano()
	names := map[string]string{"owner": fmt.Sprint("owner", n), "app": fmt.Sprint("app", n)}
	db := sqlOf(t, address)
	for _, s := range []string{"CREATE ROLE " + names["owner"] + " LOGIN", "CREATE ROLE " + names["app"] + " LOGIN",
		"GRANT CREATE, USAGE ON SCHEMA public TO " + names["owner"]} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for name := range maps.Values(names) {
			for _, s := range []string{"DROP OWNED BY " + name + " CASCADE", "DROP ROLE " + name} {
				if _, err := db.Exec(s); err != nil {
					t.Error(err)
				}
			}
		}
	})
	as := func(role string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.User(role)
		return u.String()
	}
	return as(names["owner"]), as(names["app"])
}

// TestTheAppsRoleCannotTouchTheAuditLog: with store.migrate_url the owner migrates, and the role that serves is refused.
func TestTheAppsRoleCannotTouchTheAuditLog(t *testing.T) {
	address := pgtest.New(t)
	owner, app := roles(t, address)
	s := newSealer(t)
	if _, err := Open(t.Context(), app, Options{Sealer: s}); err == nil || !strings.Contains(err.Error(), "set store.migrate_url to the role that owns it") {
		t.Errorf("a role that may make no tables, alone: %v", err)
	}
	db := mustOpen(t, app, Options{Sealer: s, MigrateURL: owner})
	writeAudit(t, db, "E", 2)
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	for _, statement := range []string{"DELETE FROM audit", "UPDATE audit SET kind = 'x'", "UPDATE audit SET at = 0", "TRUNCATE audit", "DELETE FROM audit_head",
		"UPDATE audit_seal SET ids = ''", "DELETE FROM audit_seal", "DROP TABLE audit", "DROP TABLE lane", "ALTER TABLE audit DISABLE TRIGGER ALL",
		"DROP TRIGGER audit_guard ON audit", "CREATE OR REPLACE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
		"DELETE FROM goose_db_version", "SET ROLE " + mustUser(t, owner)} {
		if err := rawErr(db, statement); err == nil {
			t.Errorf("%s succeeded", statement)
		}
	}
	mustOpen(t, app, Options{Sealer: s}) // the schema is there: no migration is due
	for _, able := range []string{owner, address} {
		if _, err := Open(t.Context(), able, Options{Sealer: s, MigrateURL: owner}); err == nil || !strings.Contains(err.Error(), "give store.url a role of its own") {
			t.Errorf("a role that can change the audit log was taken: %v", err)
		}
	}
	raw(t, mustOpen(t, address, Options{Sealer: s}), "GRANT DELETE ON audit TO PUBLIC")
	if _, err := Open(t.Context(), app, Options{Sealer: s, MigrateURL: owner}); err == nil || !strings.Contains(err.Error(), "may change or delete rows of the audit log") {
		t.Errorf("a role that was given the right beside the grants was taken: %v", err)
	}
}

func mustUser(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.User.Username()
}
