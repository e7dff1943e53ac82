//go:build unix

package pgtest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Server is a Postgres that one test has to itself, to stop, freeze and start again.
type Server struct {
	tb testing.TB
	c  *cluster
}

// Own starts a Postgres for this test alone. within is the folder its files are made in, "" the usual one. It ends with
// the test, whatever was done to it.
func Own(tb testing.TB, within string) *Server {
	tb.Helper()
	if within == "" {
		within = tempRoot()
	}
	c, err := start(within)
	if err != nil {
		tb.Fatalf("pgtest: no Postgres for this test: %v", err)
	}
	s := &Server{tb, c}
	tb.Cleanup(func() {
		s.Thaw()
		if err := c.alive.Close(); err != nil { // its watcher stops it and tidies up
			tb.Error(err)
		}
	})
	return s
}

// URL is of the database postgres, as its superuser.
func (s *Server) URL() string { return s.c.url("postgres") }

// Stop ends the server as a crash does, Start starts it again.
func (s *Server) Stop() {
	s.tb.Helper()
	if out, err := s.c.command("pg_ctl", "stop", "-m", "immediate", "-w", "-D", filepath.Join(s.c.dir, "data")).CombinedOutput(); err != nil {
		s.tb.Fatalf("pgtest: %v: %s", err, out)
	}
}

// Start starts the server again after Stop.
func (s *Server) Start() {
	s.tb.Helper()
	if err := s.c.up(); err != nil {
		s.tb.Fatal(err)
	}
}

// Freeze stops every process of the server where it is; nothing answers and no connection breaks. Thaw lets them go on.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

// signal sends a signal to the server's first process and its children. One that has ended meanwhile needs none.
func (s *Server) signal(sig syscall.Signal) {
	text, err := os.ReadFile(filepath.Join(s.c.dir, "data", "postmaster.pid"))
	if err != nil {
		return // it does not run
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		s.tb.Errorf("pgtest: postmaster.pid begins with %q", first)
		return
	}
	_ = syscall.Kill(pid, sig)
	children, err := os.ReadFile(filepath.Join("/proc", first, "task", first, "children"))
	if err != nil {
		s.tb.Errorf("pgtest: the server's processes are not known: %v", err)
	}
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(n, sig)
		}
	}
}
