package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrate brings the schema up to date. guard names the engine's file of triggers. The caller has excluded other processes.
func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, guard string) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	triggers := goose.NewGoMigration(2, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		text, err := fs.ReadFile(files, guard)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, string(text))
		return err
	}}, nil)
	p, err := goose.NewProvider(dialect, db, files, goose.WithGoMigrations(triggers), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("store: reading the migrations: %w", err)
	}
	at, newest, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("store: reading the schema's version: %w", err)
	}
	if at > newest {
		return fmt.Errorf("store: the database has schema version %d and this chartwire knows versions up to %d: a newer chartwire has used it; run that one, or restore a backup made before", at, newest)
	}
	if at == newest {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("store: bringing the schema from version %d to %d: %w", at, newest, err)
	}
	return nil
}
