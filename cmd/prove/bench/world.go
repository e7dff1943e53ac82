package bench

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
	"syscall"
	"text/template"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/fhir/smart"
)

// setting is what differs between the connectors that are measured.
type setting struct {
	store      string // URL
	mode       string // of the EHR: live, or off where only what is accepted is measured
	concurrent int
	tokens     bool
}

var configText = template.Must(template.New("config").Parse(`# Written by prove bench.
server: {public_url: "http://127.0.0.1", listen: "127.0.0.1:0", console_listen: "127.0.0.1:0"}
identity: {base: "https://bench.chartwire.example/sid"}
store: {url: "{{.Store}}", lease: 30s}
seal: {keyset_file: chartwire.keyset.json}
ehrs:
  - name: bench
    type: fhir
    base_url: "{{.EHR}}"
    timezone: America/Chicago
    organization: Organization/clinic
    identifier_systems: {"urn:oid:2.16.840.1.113883.19.5": "urn:oid:2.16.840.1.113883.19.5"}
{{if .Tokens}}    backend: {client_id: bench, key_file: backend.jwk.json}
{{end}}    filing: {as: communication, proxies: create}
    watch: {poll: 1h, not_before: 24h}
    limits: {requests_per_second: 10000, concurrent: {{.Concurrent}}, search_lag: 5s, deadline: 30s}
    mode: {{.Mode}}
channels:
  - name: texting
    type: webhook
    class: secure
    ehr: bench
    secret_file: texting.secret
    send_url: http://127.0.0.1:9/messages
    receipts: read
    consent: assumed
    trust_identifiers: true
    order_window: 1s
    gap_wait: 60s
pools:
  - {id: nurse-triage, ehr: bench, name: Nurse triage, reference: HealthcareService/nurse-triage}
  - {id: refill-desk, ehr: bench, name: Refill desk, reference: HealthcareService/refill-desk}
  - {id: front-desk, ehr: bench, name: Front desk, reference: HealthcareService/front-desk}
`))

// served is one chartwire serve under measurement.
type served struct {
	dir, binary string
	log         *os.File
	cmd         *exec.Cmd
	done        chan struct{} // closed when it has ended
	public      string
	console     string
	secret      string
}

// prepare writes the configuration of a connector into a folder, once.
func (b *bench) prepare(name string, s setting) (*served, error) {
	dir, err := os.MkdirTemp(b.dir, name+"-") // one each time: a new database beside an old witness is a restored one
	if err != nil {
		return nil, err
	}
	c := &served{dir: dir, binary: b.o.Binary, secret: b.secret}
	if s.mode == "" {
		s.mode = "live"
	}
	if s.concurrent == 0 {
		s.concurrent = clients
	}
	var text strings.Builder
	err = configText.Execute(&text, map[string]any{"Store": s.store, "EHR": b.ehr.base, "Mode": s.mode, "Concurrent": s.concurrent, "Tokens": s.tokens})
	if err != nil {
		return nil, err
	}
	key, err := smart.GenerateKey(smart.ES384)
	if err != nil {
		return nil, err
	}
	jwk, err := key.PrivateJWK()
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.WriteFile(filepath.Join(c.dir, "chartwire.yaml"), []byte(text.String()), 0o600),
		os.WriteFile(filepath.Join(c.dir, "texting.secret"), []byte(c.secret+"\n"), 0o600),
		os.WriteFile(filepath.Join(c.dir, "backend.jwk.json"), jwk, 0o600))
	if _, e := os.Stat(filepath.Join(c.dir, keyset)); e != nil {
		err = errors.Join(err, seal.Init(filepath.Join(c.dir, keyset), now()))
	}
	return c, err
}

const keyset = "chartwire.keyset.json"

// newSecret is what events are signed with.
func newSecret() string { return sandbox.NewSecret() }

// start runs serve and waits until it tells where it serves.
func (c *served) start(ctx context.Context) error {
	var err error
	if c.log, err = os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	c.cmd = exec.Command(c.binary, "serve", "--config", filepath.Join(c.dir, "chartwire.yaml"))
	c.cmd.SysProcAttr = dieWithUs()
	out, err := c.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.done = make(chan struct{})
	told := make(chan [2]string, 1)
	go func() {
		c.read(out, told)
		_ = c.cmd.Wait() // how it ended is in the log
		close(c.done)
	}()
	select {
	case at := <-told:
		c.public, c.console = at[0], strings.TrimSuffix(at[1], "/console/")
		return nil
	case <-c.done:
		said, _ := os.ReadFile(c.log.Name())
		return fmt.Errorf("chartwire serve did not start: %s", said)
	case <-ctx.Done():
		c.kill()
		return ctx.Err()
	}
}

// read keeps the log and tells the addresses of its first line.
func (c *served) read(out io.Reader, told chan<- [2]string) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Fprintln(c.log, lines.Text())
		var l struct{ Public, Console string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Public != "" {
			select {
			case told <- [2]string{l.Public, l.Console}:
			default:
			}
		}
	}
}

// stop ends serve the way an operator does.
func (c *served) stop() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(30 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
	_ = c.log.Close()
}

func (c *served) kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
	_ = c.log.Close()
}

func (c *served) pid() int { return c.cmd.Process.Pid }

// metric is the sum of the samples of a metric whose labels hold all of some text.
func (c *served) metric(name string, having ...string) (float64, error) {
	resp, err := http.Get(c.console + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var sum float64
	lines := bufio.NewScanner(resp.Body)
next:
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") {
			continue
		}
		for _, h := range having {
			if !strings.Contains(line, h) {
				continue next
			}
		}
		var v float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &v); err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, lines.Err()
}

// filed waits until the connector counts so many exchanges as filed, which it does with their receipts' commits.
func (c *served) filed(ctx context.Context, n int) error {
	for last, since := -1.0, now(); ; {
		have, err := c.metric("chartwire_exchanges", `state="filed"`)
		if err != nil {
			return err
		}
		if int(have) >= n {
			return nil
		}
		if have != last {
			last, since = have, now()
		}
		if now().Sub(since) > time.Minute {
			return fmt.Errorf("%w: %v of %d", errStalled, have, n)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
