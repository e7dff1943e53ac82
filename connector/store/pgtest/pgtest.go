//go:build unix

// Package pgtest gives tests a Postgres of their own: a private cluster in a temporary folder, reached through a Unix
// socket in it, started once per test process and gone when the process is, however it ends.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// New makes an empty database in this process's cluster, starting the cluster where needed, and gives its URL. The
// database is dropped when the test ends. Where there is no Postgres and none can be installed, the test fails. Commits
// wait for the disk only under a benchmark: tests stop processes, not machines.
func New(tb testing.TB) string {
	tb.Helper()
	c, err := shared()
	if err != nil {
		tb.Fatalf("pgtest: no Postgres for this test: %v", err)
	}
	if _, bench := tb.(*testing.B); bench {
		c.synced.Do(func() { c.run(tb, "ALTER SYSTEM SET fsync = on", "SELECT pg_reload_conf()") })
	}
	name := fmt.Sprintf("test%d", c.last.Add(1))
	c.run(tb, "CREATE DATABASE "+name+" TEMPLATE template0")
	tb.Cleanup(func() { c.run(tb, "DROP DATABASE "+name+" WITH (FORCE)") })
	return c.url(name)
}

// cluster is a running server.
type cluster struct {
	dir    string
	last   atomic.Int64
	synced sync.Once
	alive  *os.File // closed by the end of the process, which ends the cluster

	command func(name string, args ...string) *exec.Cmd // of Postgres, as the user the server runs as
}

// shared starts the cluster at the first call.
var shared = sync.OnceValues(func() (*cluster, error) { return start(tempRoot()) })

func (c *cluster) url(database string) string {
	return "postgres://postgres@/" + database + "?host=" + url.QueryEscape(c.dir)
}

func (c *cluster) run(tb testing.TB, statements ...string) {
	tb.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		tb.Fatalf("pgtest: the cluster in %s does not answer: %v", c.dir, err)
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			tb.Fatalf("pgtest: %s: %v", s, err)
		}
	}
}

const config = `
listen_addresses = ''
unix_socket_permissions = 0777
max_connections = 400
shared_buffers = 32MB
fsync = off
log_min_messages = warning
`

// watch ends the cluster when its standard input does: when the test process is gone, even by SIGKILL.
const watch = `read gone; "$1/pg_ctl" stop -m immediate -w -D "$2/data" >/dev/null 2>&1; rm -rf "$2"`

func start(within string) (*cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(within, "cwpg")
	if err != nil {
		return nil, err
	}
	if who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(dir, "data")
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "HOME="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setsid: true}
		return cmd
	}
	// From here on the watcher tidies up, whatever happens.
	r, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	watcher := command("/bin/sh", "-c", watch, "watch", bin, dir)
	watcher.Stdin = r
	err = watcher.Start()
	r.Close()
	if err != nil {
		return nil, err
	}
	initdb := command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), alive.Close())
	}
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(conf, "%sunix_socket_directories = '%s'\n", config, dir)
		err = errors.Join(err, conf.Close())
	}
	if err != nil {
		return nil, errors.Join(err, alive.Close())
	}
	c := &cluster{dir: dir, alive: alive, command: func(name string, args ...string) *exec.Cmd {
		return command(filepath.Join(bin, name), args...)
	}}
	if err := c.up(); err != nil {
		return nil, errors.Join(err, alive.Close())
	}
	return c, nil
}

// up starts the server of the cluster.
func (c *cluster) up() error {
	log := filepath.Join(c.dir, "log")
	if err := c.command("pg_ctl", "start", "-w", "-D", filepath.Join(c.dir, "data"), "-l", log).Run(); err != nil {
		said, _ := os.ReadFile(log)
		return fmt.Errorf("pg_ctl start: %w\n%s", err, said)
	}
	return nil
}

// tempRoot is the temporary folder, or /tmp where the socket's path would be longer than a socket's may be.
func tempRoot() string {
	if t := os.TempDir(); len(t) < 60 {
		return t
	}
	return "/tmp"
}

// unprivileged is whom the server runs as where we are root, which it refuses.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, e1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, e2 := strconv.ParseUint(u.Gid, 10, 32)
		if e1 == nil && e2 == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("Postgres does not run as root, and there is neither a user postgres nor nobody")
}

// binaries finds the folder with initdb and pg_ctl, installing Debian's package where we may.
func binaries() (string, error) {
	if bin := find(); bin != "" {
		return bin, nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return "", errors.New("initdb and pg_ctl are neither on PATH nor under /usr/lib/postgresql: install PostgreSQL 13 or newer (Debian: apt-get install postgresql)")
	}
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "chartwire-pgtest.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // other test processes install too
		return "", err
	}
	if bin := find(); bin != "" {
		return bin, nil
	}
	var said []byte
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", "postgresql"}} {
		cmd := exec.Command(apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if said, err = cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, said)
		}
	}
	if bin := find(); bin != "" {
		return bin, nil
	}
	return "", errors.New("Debian's postgresql is installed, but initdb and pg_ctl are not under /usr/lib/postgresql")
}

// find looks on PATH, then for the newest of Debian's versions.
func find() string {
	var folders []string
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			folders = append(folders, filepath.Dir(p))
		}
	}
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	version := func(p string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(p))) // 0 for what is no number
		return n
	}
	slices.SortFunc(versions, func(a, b string) int { return version(b) - version(a) })
	for _, f := range append(folders, versions...) {
		if runnable(filepath.Join(f, "initdb")) && runnable(filepath.Join(f, "pg_ctl")) && runnable(filepath.Join(f, "postgres")) {
			return f
		}
	}
	return ""
}

func runnable(path string) bool {
	s, err := os.Stat(path)
	return err == nil && s.Mode().IsRegular() && s.Mode()&0o111 != 0
}
