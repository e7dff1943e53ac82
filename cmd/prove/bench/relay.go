package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Relay is the bare relay that R1 and R14 are held against: a process that takes the same events and posts the very bytes
// Chartwire would to the same EHR, one request after the other, before it answers. It has no store, no signature check, no
// plan, no gate and no audit, and asks the EHR nothing: the requests were learnt from a run of Chartwire and are in file.
// It is therefore faster than any connector that could be trusted with a chart.
func Relay(ctx context.Context, file, base string, out io.Writer) error {
	requests, err := readRequests(file)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4 * clients}, Timeout: time.Minute}
	server := &http.Server{ReadHeaderTimeout: 30 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		for _, q := range requests[r.Header.Get("webhook-id")] {
			if err := forward(r.Context(), c, base, q); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
		}
		w.WriteHeader(http.StatusAccepted)
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Fprintln(out, "http://"+l.Addr().String())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// request is one request of Chartwire's to the EHR.
type request struct {
	Key  string // of the event it belongs to
	Path string // "" for a transaction
	Body []byte
}

func forward(ctx context.Context, c *http.Client, base string, q request) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/"+q.Path, bytes.NewReader(q.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	req.Header.Set("Prefer", "return=representation")
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the EHR answered %s", resp.Status)
	}
	return nil
}

func readRequests(file string) (map[string][]request, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string][]request{}
	d := json.NewDecoder(bufio.NewReader(f))
	for {
		var q request
		switch err := d.Decode(&q); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
		out[q.Key] = append(out[q.Key], q)
	}
}

// relay is a running bare relay.
type relay struct {
	cmd *exec.Cmd
	url string
}

// startRelay runs this program's own hidden command.
func startRelay(file, base string) (*relay, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "bench-relay", file, base)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = dieWithUs()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &relay{cmd: cmd}
	if _, err := fmt.Fscanln(out, &r.url); err != nil {
		_ = cmd.Process.Kill()
		return nil, errors.Join(fmt.Errorf("the relay did not start: %w", err), cmd.Wait())
	}
	return r, nil
}

func (r *relay) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	_ = r.cmd.Wait() // how it ended tells nothing
}
