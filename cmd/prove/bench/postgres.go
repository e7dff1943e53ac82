package bench

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is the Postgres that is measured, with its processes.
type server struct {
	url  string // of its database postgres
	root int    // pid of its postmaster
	last int
}

// openServer finds the server's processes: the parent of our own backend.
func openServer(ctx context.Context, address string) (*server, error) {
	s := &server{url: address}
	var pid int
	if err := s.ask(ctx, "SELECT pg_backend_pid()", &pid); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *server) with(ctx context.Context, address string, do func(*pgx.Conn) error) error {
	c, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return do(c)
}

// ask runs one statement in the database postgres and reads one row of it.
func (s *server) ask(ctx context.Context, statement string, into ...any) error {
	return s.with(ctx, s.url, func(c *pgx.Conn) error {
		if s.root == 0 {
			var pid int
			if err := c.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
				return err
			}
			st, err := readStat(pid)
			if err != nil {
				return fmt.Errorf("the Postgres server runs elsewhere: %w", err)
			}
			s.root = st.parent
		}
		if len(into) == 0 {
			_, err := c.Exec(ctx, statement)
			return err
		}
		return c.QueryRow(ctx, statement).Scan(into...)
	})
}

// database makes an empty database and gives its URL.
func (s *server) database(ctx context.Context) (string, error) {
	s.last++
	name := fmt.Sprintf("bench_%d_%d", now().Unix(), s.last)
	u, err := url.Parse(s.url)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), s.ask(ctx, "CREATE DATABASE "+name)
}

// drop lets go of a database, so that what it costs to keep does not fall on the next measurement.
func (s *server) drop(ctx context.Context, address string) {
	if u, err := url.Parse(address); err == nil {
		_ = s.ask(ctx, "DROP DATABASE IF EXISTS "+u.Path[1:]+" WITH (FORCE)")
	}
}

// syncs is how often the write-ahead log was forced to disk since the server started.
func (s *server) syncs(ctx context.Context) (int64, error) {
	var n int64
	err := s.ask(ctx, "SELECT wal_sync FROM pg_stat_wal", &n)
	return n, err
}

// cpu is the processor time of all its processes.
func (s *server) cpu() (time.Duration, error) { return cpuOfTree(s.root) }
