package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/chartwire/chartwire/connector/clock"
)

const (
	pgMigrate = 0x63686172747769 // advisory lock: one process migrates
	pgTurn    = time.Minute      // to wait for the process that migrates, and for a table that others use
)

// migratePostgres brings the schema up to date as the role of cfg, and gives role what it may ("" where both are one).
func migratePostgres(ctx context.Context, cfg *pgx.ConnConfig, role string, files fs.FS) error {
	all, err := steps(files, "postgres_guard.sql", true)
	if err != nil {
		return err
	}
	cfg = cfg.Copy()
	// A step that waits for a table behind a long transaction would have everybody else wait behind the step.
	cfg.RuntimeParams["lock_timeout"] = "2s"
	cfg.RuntimeParams["idle_in_transaction_session_timeout"] = "60s"
	db := stdlib.OpenDB(*cfg)
	defer db.Close()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close() // and its lock with it
	if err := takeTurn(ctx, c); err != nil {
		return err
	}
	err = patiently(ctx, func() error { return migrate(ctx, db, goose.DialectPostgres, all) })
	if err == nil {
		err = buildIndexes(ctx, c, all)
	}
	if err == nil && role != "" {
		err = grant(ctx, c, role)
	}
	_, unlock := c.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, pgMigrate)
	if p := (*pgconn.PgError)(nil); errors.As(err, &p) && p.Code == "42501" {
		err = fmt.Errorf("the role of store.url may not change the schema, which is older than this chartwire: set store.migrate_url to the role that owns it: %w", err)
	}
	return errors.Join(err, unlock)
}

// takeTurn waits until no other process migrates.
func takeTurn(ctx context.Context, c *sql.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, pgTurn)
	defer cancel()
	for {
		var mine bool
		if err := c.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, pgMigrate).Scan(&mine); err != nil {
			return err
		}
		if mine {
			return nil
		}
		if clock.Sleep(ctx, clock.System, pgAgain) != nil {
			return fmt.Errorf("another chartwire has been migrating this database for over %v: look whether it still runs, then start again", pgTurn)
		}
	}
}

// patiently runs a step again for as long as others hold what it needs, so that their transactions go on in between.
func patiently(ctx context.Context, step func() error) error {
	ctx, cancel := context.WithTimeout(ctx, pgTurn)
	defer cancel()
	for {
		err := step()
		var p *pgconn.PgError
		if err == nil || !errors.As(err, &p) || p.Code != "55P03" {
			return err
		}
		if clock.Sleep(ctx, clock.System, time.Second) != nil {
			return fmt.Errorf("a long transaction has held a table for over %v; end it (see pg_stat_activity) and start again: %w", pgTurn, err)
		}
	}
}

// buildIndexes builds the indexes that are not there yet, while others write. One that was given up half way is begun anew.
func buildIndexes(ctx context.Context, c *sql.Conn, all []step) error {
	for _, s := range all {
		for _, i := range s.indexes {
			var valid bool
			err := c.QueryRowContext(ctx, `SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)`, i.name).Scan(&valid)
			if valid {
				continue
			}
			todo := []string{"SET lock_timeout = 0", "CREATE " + i.unique + "INDEX CONCURRENTLY " + i.name + " " + i.rest, "SET lock_timeout = '2s'"}
			switch {
			case err == nil:
				todo = append([]string{"DROP INDEX " + i.name}, todo...)
			case !errors.Is(err, sql.ErrNoRows):
				return err
			}
			for _, statement := range todo {
				if _, err := c.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("building index %s: %w", i.name, err)
				}
			}
		}
	}
	return nil
}

// grant gives the role what PostgresGrants says.
func grant(ctx context.Context, c *sql.Conn, role string) error {
	tx, err := c.BeginTx(ctx, nil) // for some statements take away what an earlier one gives
	if err != nil {
		return err
	}
	for _, statement := range PostgresGrants(role) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return errors.Join(fmt.Errorf("giving role %s its rights: %w", role, err), tx.Rollback())
		}
	}
	return tx.Commit()
}

// powers asks what of the audit log the present role could change, or could give itself the right to.
const powers = `SELECT CASE
	WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN 'is a superuser'
	WHEN EXISTS (SELECT 1 FROM pg_class AS c WHERE c.oid IN (to_regclass('audit'), to_regclass('audit_seal'), to_regclass('audit_head'))
		AND pg_has_role(current_user, c.relowner, 'MEMBER')) THEN 'owns the audit log'
	WHEN has_table_privilege('audit', 'UPDATE, DELETE, TRUNCATE, TRIGGER') OR has_table_privilege('audit_seal', 'UPDATE, DELETE, TRUNCATE, TRIGGER')
		OR has_table_privilege('audit_head', 'UPDATE, DELETE, TRUNCATE, TRIGGER') THEN 'may change or delete rows of the audit log'
	ELSE '' END`

// powerless refuses a role of store.url that could change the audit log although another role was given to migrate.
func powerless(ctx context.Context, cfg *pgx.ConnConfig) error {
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	var can string
	if err := c.QueryRow(ctx, powers).Scan(&can); err != nil {
		return err
	}
	if can != "" {
		return fmt.Errorf("role %s of store.url %s: give store.url a role of its own that does not, and leave that to store.migrate_url", cfg.User, can)
	}
	return nil
}
