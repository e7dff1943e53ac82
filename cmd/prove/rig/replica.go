package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
)

// Replica is one chartwire process, started again and again.
type Replica struct {
	Env []string // beside the World's; read by the next Start

	w        *World
	dir, log string

	mu      sync.Mutex
	cmd     *exec.Cmd
	gone    chan struct{} // closed when cmd has ended
	told    chan struct{} // closed when it has said where it serves
	public  string
	console string
	how     error
}

func newReplica(w *World, n int) *Replica {
	dir := filepath.Join(w.dir, fmt.Sprintf("replica%d", n))
	return &Replica{w: w, dir: dir, log: filepath.Join(dir, "log")}
}

// Start starts the process where it is down. It returns before the process serves: wait with Ready.
func (r *Replica) Start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running() {
		return nil
	}
	cmd := exec.Command(r.w.o.Binary, "serve", "--config", r.Config())
	cmd.Env = append(append(os.Environ(), r.w.o.Env...), r.Env...)
	cmd.SysProcAttr = dieWithUs()
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	r.cmd, r.gone, r.told, r.public, r.console = cmd, make(chan struct{}), make(chan struct{}), "", ""
	go r.listen(cmd, out, log, r.told, r.gone)
	return ctx.Err()
}

// listen keeps the process's log, learns from it where the process serves, and waits for its end.
func (r *Replica) listen(cmd *exec.Cmd, out io.Reader, log *os.File, told, gone chan struct{}) {
	defer close(gone)
	defer log.Close()
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		_, _ = log.WriteString(line) // a log that cannot be written loses only the log
		var says struct{ Msg, Public, Console string }
		if strings.Contains(line, `"public"`) && json.Unmarshal([]byte(line), &says) == nil && says.Msg == "chartwire serves" {
			r.mu.Lock()
			r.public, r.console = says.Public, strings.TrimSuffix(says.Console, "/console/")
			r.mu.Unlock()
			close(told)
		}
		if err != nil {
			break
		}
	}
	how := cmd.Wait()
	r.mu.Lock()
	r.how = how
	r.mu.Unlock()
}

func (r *Replica) running() bool {
	if r.cmd == nil {
		return false
	}
	select {
	case <-r.gone:
		return false
	default:
		return true
	}
}

// readyWithin is how long a process may take to be ready, a store's recovery included.
const readyWithin = 60 * time.Second

// Ready waits until an event would be taken. The error quotes the end of the log where the process has ended.
func (r *Replica) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	r.mu.Lock()
	told, gone := r.told, r.gone
	r.mu.Unlock()
	select {
	case <-told:
	case <-gone:
		return fmt.Errorf("chartwire ended before it served:\n%s", r.said())
	case <-ctx.Done():
		return fmt.Errorf("chartwire does not serve: %w:\n%s", ctx.Err(), r.said())
	}
	for {
		if _, err := r.get(ctx, "/readyz"); err == nil {
			r.w.Platform.SetTarget(r.Public() + "/channels/" + Channel + "/events")
			return nil
		}
		select {
		case <-gone:
			return fmt.Errorf("chartwire ended before it was ready:\n%s", r.said())
		default:
		}
		if err := clock.Sleep(ctx, r.w.clock, 20*time.Millisecond); err != nil {
			return fmt.Errorf("chartwire is not ready: %w:\n%s", err, r.said())
		}
	}
}

// get reads a page of the console listener.
func (r *Replica) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Console()+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d", path, resp.StatusCode)
	}
	return body, err
}

// Public is where events are posted, Console where metrics are; "" while it does not serve.
func (r *Replica) Public() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.public
}

// Console is the console listener's origin.
func (r *Replica) Console() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.console
}

// Gone is closed when the process last started has ended.
func (r *Replica) Gone() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone
}

// Pid is the process, 0 where it is down.
func (r *Replica) Pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running() {
		return 0
	}
	return r.cmd.Process.Pid
}

// Signal sends a signal to the process; nothing happens where it is down.
func (r *Replica) Signal(s syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running() {
		return nil
	}
	return r.cmd.Process.Signal(s)
}

// Kill ends the process with SIGKILL and waits for its end.
func (r *Replica) Kill() {
	if r.Signal(syscall.SIGKILL) != nil {
		return
	}
	if gone := r.Gone(); gone != nil {
		<-gone
	}
}

// Stop ends the process with SIGTERM, as an upgrade does, and waits for its end.
func (r *Replica) Stop() error {
	if err := r.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if gone := r.Gone(); gone != nil {
		<-gone
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.how != nil {
		return fmt.Errorf("chartwire stopped with %w:\n%s", r.how, r.said())
	}
	return nil
}

// Killed says whether the process last started was ended by SIGKILL.
func (r *Replica) Killed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var exit *exec.ExitError
	if !errors.As(r.how, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Stopped says whether the process is stopped by SIGSTOP.
func (r *Replica) Stopped() bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.Pid()))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(after, "T")
}

// said is the end of the log.
func (r *Replica) said() string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}
