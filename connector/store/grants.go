package store

import "github.com/jackc/pgx/v5"

// PostgresGrants gives the statements, for the owner of the schema, that let another role run Chartwire without owning it:
// it can use every table, and to the audit log only add. Options.MigrateURL runs them at
// every Open. The default privileges cover tables of later versions.
func PostgresGrants(role string) []string {
	r := pgx.Identifier{role}.Sanitize()
	return []string{
		"GRANT USAGE ON SCHEMA public TO " + r,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + r,
		"REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON audit, audit_seal, audit_head FROM " + r,
		"REVOKE INSERT, UPDATE, DELETE ON goose_db_version FROM " + r,
		"GRANT UPDATE (size, checkpoint) ON audit_head TO " + r,
		"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO " + r,
	}
}
