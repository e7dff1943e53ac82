package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store"
	"github.com/chartwire/chartwire/connector/web"
)

// socket is the Unix socket beside the store: SQLite's file with .sock, or chartwire.sock beside the configuration.
func socket(c *config.Config) string {
	if c.Store.Engine() == config.SQLite {
		return c.DSN() + ".sock"
	}
	return filepath.Join(c.Dir, "chartwire.sock")
}

// listenControl opens the control socket for this user alone. A socket left behind by a process that is gone is replaced;
// one that answers belongs to a running serve.
func listenControl(c *config.Config) (net.Listener, error) {
	name := socket(c)
	if conn, err := net.Dial("unix", name); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("another chartwire serves with this store: %s answers", filepath.Base(name))
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(name, 0o600)
}

// Operator sends the requests of a command to the running serve, or answers them itself from the store when none runs.
type Operator struct {
	client *http.Client
	store  connector.Store
	local  http.Handler
}

// OpenOperator finds the running serve of a configuration, else opens its store. Close it when done.
func OpenOperator(ctx context.Context, c *config.Config) (*Operator, error) {
	name := socket(c)
	if conn, err := net.Dial("unix", name); err == nil {
		_ = conn.Close()
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", name)
		}
		return &Operator{client: &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
	}
	keys, err := openKeys(c)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, storeURL(c), store.Options{Sealer: keys, Lease: c.Store.Lease})
	if err != nil {
		return nil, err
	}
	ids, err := tenants(ctx, s, c, clock.System.Now())
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	quiet := slog.New(slog.DiscardHandler)
	control := web.Control(s, clock.System, quiet, values(ids), auditLogs{s, keys, ids}.verify)
	alone := &readers{config: c, store: s, keys: keys, ids: ids, log: quiet}
	return &Operator{store: s, local: operators(control, s, clock.System, quiet, alone.reconcile, alone.restored)}, nil
}

func values(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// Do makes one request of the control API. path begins with a slash. The caller closes the answer's body.
func (o *Operator) Do(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://chartwire"+path, nil)
	if err != nil {
		return nil, err
	}
	if o.client != nil {
		return o.client.Do(req)
	}
	w := httptest.NewRecorder()
	o.local.ServeHTTP(w, req)
	return w.Result(), nil
}

// Close gives the store back, where it was opened.
func (o *Operator) Close() error {
	if o.store != nil {
		return o.store.Close()
	}
	return nil
}
