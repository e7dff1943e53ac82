//go:build unix

// Package pgtest gives tests a Postgres of their own: a private cluster in a temporary folder, reached through a Unix
// socket in it, started once per test process and gone when the process is, however it ends.
package pgtest

import (
	"context"
	"errors"
	"fmt"
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
)

// New makes an empty database in this process's cluster, starting the cluster where needed, and gives its URL. The
// database is dropped when the test ends. Where there is no Postgres and none can be installed, the test fails. Commits
// wait for the disk only under a benchmark: tests stop processes, not machines.
func New(tb testing.TB) string {
	tb.Helper()
	s, err := shared()
	if err != nil {
		tb.Fatalf("pgtest: no Postgres for this test: %v", err)
	}
	run := func(statements ...string) {
		tb.Helper()
		if err := s.Exec(context.Background(), "postgres", statements...); err != nil {
			tb.Fatalf("pgtest: %v", err)
		}
	}
	if _, bench := tb.(*testing.B); bench {
		s.synced.Do(func() { run("ALTER SYSTEM SET fsync = on", "SELECT pg_reload_conf()") })
	}
	name := fmt.Sprintf("test%d", s.last.Add(1))
	run("CREATE DATABASE " + name + " TEMPLATE template0")
	tb.Cleanup(func() { run("DROP DATABASE " + name + " WITH (FORCE)") })
	return s.URL(name)
}

// sharedCluster is the cluster of this process's tests.
type sharedCluster struct {
	*Cluster
	last   atomic.Int64
	synced sync.Once
}

// shared starts the cluster at the first call.
var shared = sync.OnceValues(func() (*sharedCluster, error) {
	c, err := Start(Options{})
	return &sharedCluster{Cluster: c}, err
})

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
