package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chartwire/chartwire/connector/clock"
)

const (
	pgReach  = 8 * time.Second // for reaching the server at the start, and for one connection later
	pgAgain  = 250 * time.Millisecond
	pgSilent = 15 * time.Second // a peer that acknowledges nothing for so long is gone
)

// settings are those of every connection. A commit waits for the disk where the server's setting does not. A statement
// that waits for another batch's row gives up, long before the server would look for a deadlock: its function then runs in
// the next batch. A replica that is frozen inside a transaction loses it, and its row locks, after 5 s; a statement ends
// when its caller has given up. And every statement goes by an index, for the statistics of tables that fill and empty are
// always wrong.
const settings = `SELECT set_config('lock_timeout', '100ms', false), set_config('statement_timeout', '8s', false),
	set_config('idle_in_transaction_session_timeout', '5s', false), set_config('tcp_user_timeout', '15s', false),
	set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false),
	set_config('enable_seqscan', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false),
	set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false),
	CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END`

// pgConfig reads a Postgres URL. where names the database in sentences, without user or password.
func pgConfig(address, key string) (cfg *pgxpool.Config, where string, err error) {
	cfg, err = pgxpool.ParseConfig(address)
	if err != nil {
		return nil, "", fmt.Errorf("store: the Postgres URL in %s cannot be read: want postgres://user@host:5432/database", key)
	}
	c := cfg.ConnConfig
	where = fmt.Sprintf("database %s on %s:%d", c.Database, c.Host, c.Port)
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "chartwire"
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout > pgReach {
		c.ConnectTimeout = pgReach
	}
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control: giveUp}
	c.DialFunc = dialer.DialContext
	cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, settings)
		return err
	}
	return cfg, where, nil
}

// size is how many connections a pool may have: the URL's own word, or n.
func size(cfg *pgxpool.Config, address string, n int) {
	if u, err := url.Parse(address); err != nil || !u.Query().Has("pool_max_conns") {
		cfg.MaxConns = int32(min(n, 1000) + pgReaders) //nolint:gosec // at most 1008
	}
}

// reach connects once. A server that is just starting is waited for; whatever else is wrong is told at once, as a sentence.
func reach(ctx context.Context, cfg *pgxpool.Config, where, key string) error {
	ctx, cancel := context.WithTimeout(ctx, pgReach)
	defer cancel()
	for {
		c, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
		if err == nil {
			return c.Close(ctx)
		}
		var p *pgconn.PgError
		if errors.As(err, &p) && p.Code == "57P03" && clock.Sleep(ctx, clock.System, pgAgain) == nil {
			continue
		}
		return fmt.Errorf("store: Postgres %s %s: %w", where, whyUnreached(err, key), err)
	}
}

// whyUnreached says what is wrong and what to do about it; key is where the URL stands.
func whyUnreached(err error, key string) string {
	var p *pgconn.PgError
	if !errors.As(err, &p) {
		return "cannot be reached; start it, or correct " + key
	}
	switch p.Code {
	case "28P01", "28000":
		return "refuses this user or password; correct the user in the URL, its password file, or pg_hba.conf"
	case "3D000":
		return "does not exist there; create it, or correct " + key
	case "53300":
		return "has no connection left; raise max_connections or run fewer replicas"
	case "57P03":
		return "is starting or stopping; start again when it is up"
	}
	return "cannot be used"
}
