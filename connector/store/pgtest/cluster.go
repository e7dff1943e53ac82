//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options of Start. The zero value is a cluster for tests: fast, and nothing of it on disk when a commit returns.
type Options struct {
	Sync   bool     // fsync = on: a commit waits for the disk
	Config []string // further lines of postgresql.conf, which win
	Data   string   // the data folder, empty or not there; "" puts it beside the socket
}

// Cluster is a server of one's own. It ends with this process, however that ends.
type Cluster struct {
	dir, bin, data string
	who            *syscall.Credential
	alive          *os.File // closed by the end of the process, which ends the cluster

	mu     sync.Mutex
	server *exec.Cmd
	gone   chan struct{} // closed when server has ended
}

const config = `
listen_addresses = ''
unix_socket_permissions = 0777
max_connections = 400
shared_buffers = 32MB
log_min_messages = warning
`

// watch ends the cluster when its standard input does: when this process is gone, even by SIGKILL.
const watch = `read gone; "$1/pg_ctl" stop -m immediate -w -t 5 -D "$3" >/dev/null 2>&1 ||
	kill -9 $(head -n 1 "$3/postmaster.pid" 2>/dev/null) 2>/dev/null; rm -rf "$2"`

// Start makes a cluster and starts it. Close it; a cluster that is not closed ends with the process.
func Start(o Options) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, data: o.Data}
	if c.who, err = unprivileged(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp(tempRoot(), "cwpg"); err != nil {
		return nil, err
	}
	if c.data == "" {
		c.data = filepath.Join(c.dir, "data")
	}
	if err := errors.Join(os.MkdirAll(c.data, 0o700), c.own(c.dir, c.data)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	if err := c.watch(); err != nil { // from here on the watcher tidies up, whatever happens
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	if err := c.create(o); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := c.Up(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// own gives folders to whom the server runs as.
func (c *Cluster) own(folders ...string) error {
	for _, f := range folders {
		if c.who == nil {
			continue
		}
		if err := os.Chown(f, int(c.who.Uid), int(c.who.Gid)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "HOME="+c.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.who, Setsid: true}
	return cmd
}

func (c *Cluster) watch() error {
	r, alive, err := os.Pipe()
	if err != nil {
		return err
	}
	c.alive = alive
	watcher := c.command("/bin/sh", "-c", watch, "watch", c.bin, c.dir, c.data)
	watcher.Stdin = r
	err = watcher.Start()
	return errors.Join(err, r.Close())
}

func (c *Cluster) create(o Options) error {
	initdb := c.command(filepath.Join(c.bin, "initdb"), "-D", c.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
	if !o.Sync {
		initdb.Args = append(initdb.Args, "--no-sync")
	}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	conf, err := os.OpenFile(filepath.Join(c.data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	fsync := "off"
	if o.Sync {
		fsync = "on"
	}
	_, err = fmt.Fprintf(conf, "%sfsync = %s\nunix_socket_directories = '%s'\n%s\n", config, fsync, c.dir, strings.Join(o.Config, "\n"))
	if err == nil && o.Sync {
		err = conf.Sync()
	}
	return errors.Join(err, conf.Close())
}

// startWithin is how long a server may recover before Up gives up.
const startWithin = 60 * time.Second

// Up starts the server where it is down and returns when it answers. The error quotes the end of the server's log.
func (c *Cluster) Up() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for ctx.Err() == nil {
		if err := c.launch(); err != nil {
			return err
		}
		if c.answers(ctx) {
			return nil
		}
		// It ended: what is left of a killed one may hold the shared memory for a moment more.
	}
	return fmt.Errorf("postgres does not start in %v:\n%s", startWithin, c.said())
}

// launch starts one server process.
func (c *Cluster) launch() error {
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	server := c.command(filepath.Join(c.bin, "postgres"), "-D", c.data)
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = server.Wait() // how it ended is in its log
	}()
	c.server, c.gone = server, gone
	return nil
}

// answers waits until the server does; false when it has ended first.
func (c *Cluster) answers(ctx context.Context) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := pgx.Connect(ctx, c.URL("postgres")); err == nil {
			_ = conn.Close(ctx)
			return true
		}
		select {
		case <-tick.C:
		case <-c.gone:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

func (c *Cluster) running() bool {
	if c.server == nil {
		return false
	}
	select {
	case <-c.gone:
		return false
	default:
		return true
	}
}

// Down ends the server and waits for its end: "fast" as for a restart, "immediate" with nothing written, "kill" with
// SIGKILL for it and every process of its.
func (c *Cluster) Down(how string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return nil
	}
	pid := c.server.Process.Pid
	var err error
	switch how {
	case "fast":
		err = syscall.Kill(pid, syscall.SIGINT)
	case "immediate":
		err = syscall.Kill(pid, syscall.SIGQUIT)
	case "kill":
		err = kill(pid)
	default:
		err = fmt.Errorf("a cluster goes down fast, immediate or by kill, not %q", how)
	}
	if err != nil {
		return err
	}
	<-c.gone
	return nil
}

// kill sends SIGKILL to the server first, so that it starts nobody anew, then to its processes, and waits for those.
func kill(server int) error {
	below := children(server)
	if err := syscall.Kill(server, syscall.SIGKILL); err != nil {
		return err
	}
	for _, pid := range below {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// children lists the processes a process has started. Without /proc there are none to be seen; they end by themselves
// when the server does.
func children(of int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	var out []int
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // gone
		}
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		if len(fields) > 1 && fields[1] == strconv.Itoa(of) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
				out = append(out, pid)
			}
		}
	}
	return out
}

// Signal sends a signal to the server and every process of its: SIGSTOP makes a database that answers nobody.
func (c *Cluster) Signal(s syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return errors.New("the server is down")
	}
	pid := c.server.Process.Pid
	for _, p := range append([]int{pid}, children(pid)...) {
		if err := syscall.Kill(p, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// URL is where a database of the cluster is reached.
func (c *Cluster) URL(database string) string {
	return "postgres://postgres@/" + database + "?host=" + url.QueryEscape(c.dir)
}

// Data is the data folder.
func (c *Cluster) Data() string { return c.data }

// Pid is the server's process, 0 where it is down.
func (c *Cluster) Pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return 0
	}
	return c.server.Process.Pid
}

// Exec runs statements in a database as its superuser.
func (c *Cluster) Exec(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, c.URL(database))
	if err != nil {
		return fmt.Errorf("the cluster in %s does not answer: %w", c.dir, err)
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func (c *Cluster) logFile() string { return filepath.Join(c.dir, "log") }

// said is the end of the server's log.
func (c *Cluster) said() string {
	text, err := os.ReadFile(c.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// Close kills the server and removes its folder.
func (c *Cluster) Close() error {
	err := c.Down("kill")
	return errors.Join(err, c.alive.Close(), os.RemoveAll(c.dir))
}
