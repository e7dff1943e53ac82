package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"syscall"

	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/egress"
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
	if most := len(syscall.RawSockaddrUnix{}.Path) - 1; len(name) > most { // binding says "invalid argument"
		where := "the store to a folder with a shorter path (store.url)"
		if c.Store.Engine() != config.SQLite {
			where = "the configuration to a folder with a shorter path"
		}
		return nil, fmt.Errorf("%s cannot be made: its path has %d bytes, and a socket's may have %d; move %s", filepath.Base(name), len(name), most, where)
	}
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
	who    string
}

// who is the person at the command line, for the audit log: whoever became this user by sudo, else the user.
func who() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// OpenOperator finds the running serve of a configuration, else opens its store. Close it when done.
func OpenOperator(ctx context.Context, c *config.Config) (*Operator, error) {
	if o := running(c); o != nil {
		return o, nil
	}
	keys, err := openKeys(c)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, storeURL(c), store.Options{Sealer: keys, MigrateURL: c.MigrateDSN(), Lease: c.Store.Lease})
	if err != nil {
		return nil, err
	}
	ids, err := tenants(ctx, s, c, clock.System.Now())
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	guard, err := egress.New(egress.Options{})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	parts := &builder{config: c, guard: guard, ids: ids, log: slog.New(slog.DiscardHandler), now: clock.System.Now, keys: keys, store: s}
	engine, err := idleEngine(s, parts)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	quiet := slog.New(slog.DiscardHandler)
	control := web.Control(web.Operator{Store: s, Clock: clock.System, Log: quiet, Engine: engine, EHRs: values(ids), Lines: linesOf(c, ids),
		Audit: auditLogs{s, keys, ids}.verify})
	restored := func(ctx context.Context, agent string) (connector.Epoch, error) {
		return beginEpoch(ctx, s, values(ids), agent, clock.System)
	}
	desk, err := sessionDesk(s, keys, ids, clock.System)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &Operator{who: who(), store: s, local: operators(control, s, clock.System, quiet, engine.Reconcile, restored, parts.doctor(s, clock.System, nil), desk)}, nil
}

// running is the Operator of the serve that runs with this configuration's store, nil where none does.
func running(c *config.Config) *Operator {
	name := socket(c)
	conn, err := net.Dial("unix", name)
	if err != nil {
		return nil
	}
	_ = conn.Close()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", name)
	}
	return &Operator{who: who(), client: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// linesOf gives the EHR of every channel.
func linesOf(c *config.Config, ids map[string]string) map[string]string {
	out := map[string]string{}
	for _, ch := range c.Channels {
		out[ch.Name] = ids[ch.EHR]
	}
	return out
}

// idleEngine is an engine that is never run: it decides, and asks the EHRs what a decision needs to know.
func idleEngine(s connector.Store, parts *builder) (*deliver.Engine, error) {
	conns, err := parts.connections()
	if err != nil {
		return nil, err
	}
	lines, err := parts.lines()
	if err != nil {
		return nil, err
	}
	return deliver.New(deliver.Options{Store: s, Clock: clock.System, Connections: conns, Lines: lines})
}

func values(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// Do makes one request of the control API, with body as JSON where it is not nil. path begins with a slash. The caller
// closes the answer's body.
func (o *Operator) Do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://chartwire"+path, sent)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Chartwire-Operator", o.who)
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
