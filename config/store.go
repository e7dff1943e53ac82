package config

import (
	"net/url"
	"strings"
)

// Engine is the kind of store.
type Engine string

// The stores.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

const sqliteScheme = "sqlite:"

// Engine says which store the URL names.
func (s *Store) Engine() Engine {
	if strings.HasPrefix(s.URL, sqliteScheme) {
		return SQLite
	}
	return Postgres
}

// Witness is the file by which a restored backup is noticed, "" for a store in memory.
func (c *Config) Witness() string {
	switch {
	case c.Store.Witness != "":
		return c.Path(c.Store.Witness)
	case c.Store.URL == sqliteScheme+":memory:":
		return ""
	case c.Store.Engine() == SQLite:
		return c.DSN() + ".witness"
	}
	return c.Path("chartwire.witness")
}

// DSN is what the engine's driver opens: the database file's path, relative to the configuration's folder, or the
// Postgres URL with the password in it. It is a secret; never print it.
func (c *Config) DSN() string {
	if path, ok := strings.CutPrefix(c.Store.URL, sqliteScheme); ok {
		return c.Path(path)
	}
	return withPassword(c.Store.URL, c.Store.Password)
}

// MigrateDSN is DSN for the role that migrates; "" where it is the same. It is a secret, too.
func (c *Config) MigrateDSN() string {
	return withPassword(c.Store.MigrateURL, c.Store.MigratePassword)
}

func withPassword(address string, secret Secret) string {
	u, err := url.Parse(address)
	if password := secret.Reveal(); err == nil && password != "" {
		u.User = url.UserPassword(u.User.Username(), password)
		return u.String()
	}
	return address
}
