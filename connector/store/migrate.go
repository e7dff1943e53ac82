package store

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var embedded embed.FS

// migrations are the steps of the schema: NNNNN_what.sql for both engines, NNNNN_postgres_what.sql for Postgres. guardVersion
// is the engine's file of triggers.
//
// They run while the previous version serves, so a step only adds: tables, columns that may be null or have a constant
// default, indexes. What nothing uses any more is dropped by a later release than the one that stopped using it, which
// raises oldest. Only an index may go at once, for without it a statement is slower and not wrong; so may how Postgres lays
// out its pages change. TestMigrationsOnlyAdd holds the files to it. An index of a table that was there before is built
// concurrently on Postgres, after the other steps.
var migrations, _ = fs.Sub(embedded, "migrations") // the folder is embedded

// oldest is the schema version a binary must know to work on the schema of this one. Binaries that know it, and not the
// newest, go on working: they neither see nor need what was added since.
const oldest = 22

// first is the first version of the schema that was meant to last.
const first = 20

// metaOldest keeps oldest in the database, for binaries of before.
const metaOldest = "schema.oldest"

const guardVersion = 21

// step is one migration.
type step struct {
	version int64
	text    string
	indexes []index
}

// index is a CREATE INDEX on a table that an earlier step has made.
type index struct{ name, unique, rest string }

var (
	stepName    = regexp.MustCompile(`^(\d{5})_(postgres_)?\w+\.sql$`)
	createIndex = regexp.MustCompile(`(?m)^CREATE (UNIQUE )?INDEX (\w+) (ON (\w+)[^;]*);`)
)

// steps reads the migrations of an engine. later is Postgres: it takes the indexes of known tables out of the steps, to be
// built apart.
func steps(files fs.FS, guard string, later bool) ([]step, error) {
	text, err := fs.ReadFile(files, guard)
	if err != nil {
		return nil, err
	}
	out := []step{{version: guardVersion, text: string(text)}}
	names, err := fs.Glob(files, "*.sql")
	for _, name := range names {
		m := stepName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		s := step{}
		s.version, _ = strconv.ParseInt(m[1], 10, 64) // five digits
		text, e := fs.ReadFile(files, name)
		err = errors.Join(err, e)
		s.text, _, _ = strings.Cut(string(text), "-- +goose Down")
		if m[2] != "" && !later {
			s.text = "" // Postgres's own: the numbers are the same everywhere
		}
		if later {
			s.text, s.indexes = takeIndexes(s.text)
		} else {
			s.text = strings.ReplaceAll(s.text, "); -- by key", ") WITHOUT ROWID;")
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b step) int { return cmp.Compare(a.version, b.version) })
	return out, err
}

func takeIndexes(text string) (string, []index) {
	var taken []index
	left := createIndex.ReplaceAllStringFunc(text, func(s string) string {
		m := createIndex.FindStringSubmatch(s)
		if strings.Contains(text, "CREATE TABLE "+m[4]+" ") {
			return s // nobody uses the table yet
		}
		taken = append(taken, index{m[2], m[1], m[3]})
		return ""
	})
	return left, taken
}

// migrate brings the schema up to date with these steps. A newer schema is left as it is where this binary works on it. The
// caller has excluded other processes that migrate.
func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, all []step) error {
	var known []*goose.Migration
	for _, s := range all {
		known = append(known, goose.NewGoMigration(s.version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			if strings.TrimSpace(s.text) == "" {
				return nil
			}
			_, err := tx.ExecContext(ctx, s.text)
			return err
		}}, nil))
	}
	p, err := goose.NewProvider(dialect, db, nil, goose.WithGoMigrations(known...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("store: reading the migrations: %w", err)
	}
	at, newest, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("store: reading the schema's version: %w", err)
	}
	switch {
	case at > newest:
		return newer(ctx, db, at, newest)
	case at == newest:
		return nil
	case at > 0 && at < first:
		return fmt.Errorf("store: the database has schema version %d, of a chartwire from before its first release, which this one cannot read: keep it, and give store.url a new file or database", at)
	}
	if at > 0 { // first of all: from here on no binary may start that what follows does not suit
		if err := raiseOldest(ctx, db); err != nil {
			return fmt.Errorf("store: bringing the schema from version %d to %d: %w", at, newest, err)
		}
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("store: bringing the schema from version %d to %d: %w", at, newest, err)
	}
	return raiseOldest(ctx, db)
}

// newer says whether this binary works on a schema that a newer one has made.
func newer(ctx context.Context, db *sql.DB, at, known int64) error {
	var text string
	err := db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = '`+metaOldest+`'`).Scan(&text)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("store: reading what the schema needs: %w", err)
	}
	if needs, err := strconv.ParseInt(text, 10, 64); err == nil && needs <= known {
		return nil
	}
	return fmt.Errorf("store: the database has schema version %d and this chartwire knows versions up to %d: a newer chartwire has used it, and this one cannot; run that one, or restore a backup made before", at, known)
}

// raiseOldest writes oldest down where it is not there, or lower.
func raiseOldest(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, fmt.Sprintf(`INSERT INTO meta (key, value) VALUES ('%s', '%d') ON CONFLICT (key) DO UPDATE
		SET value = CASE WHEN CAST(meta.value AS BIGINT) < %d THEN excluded.value ELSE meta.value END`, metaOldest, oldest, oldest))
	return err
}
