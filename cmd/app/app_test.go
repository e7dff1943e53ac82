package app_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/cmd/cmdtest"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	base  = "https://connector.clinic.example/sid"
	token = "a token of the portal"
)

var channelKey = []byte("thirty-two bytes of a channel key")

// house is a Chartwire on its own folder, wired from a configuration file as an administrator writes one. Its EHR does not
// answer: nothing is filed, and everything accepted waits.
type house struct {
	t       *testing.T
	dir     string
	ehr     string
	app     *app.App
	clock   clock.Clock // nil is the machine's
	log     cmdtest.Output
	observe deliver.Observer // may be nil
	stop    context.CancelFunc
	stopped chan error
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: cmdtest.ShortDir(t)}
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(down.Close)
	h.ehr = down.URL
	if err := seal.Init(filepath.Join(h.dir, "keyset.json"), clock.System.Now()); err != nil {
		t.Fatal(err)
	}
	key, err := smart.GenerateKey(smart.ES384)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := key.PrivateJWK()
	if err != nil {
		t.Fatal(err)
	}
	h.write("backend.jwk.json", string(jwk))
	h.write("texting.secret", "whsec_"+base64.StdEncoding.EncodeToString(channelKey)+"\n")
	h.configure(base)
	return h
}

func (h *house) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) configure(base string) {
	hash := sha256.Sum256([]byte(token))
	h.write("chartwire.yaml", fmt.Sprintf(`
server: {public_url: "https://connector.clinic.example"}
identity: {base: %q}
seal: {keyset_file: keyset.json}
ehrs:
  - name: mercy
    type: fhir
    base_url: %q
    timezone: America/Chicago
    organization: Organization/clinic
    backend: {client_id: chartwire, key_file: backend.jwk.json}
    watch: {notify_secret: the hook's secret}
channels:
  - {name: texting, type: webhook, class: secure, ehr: mercy, secret_file: texting.secret, consent: assumed, max_event_bytes: 4KiB}
api:
  tokens:
    - {name: portal, sha256: %s, ehr: mercy, role: staff, act_as: [Practitioner/prac-ana]}
`, base, h.ehr, hex.EncodeToString(hash[:])))
}

// open wires the house from its folder.
func (h *house) open() error {
	h.t.Helper()
	c, problems := config.Load(filepath.Join(h.dir, "chartwire.yaml"), adapters.Sections()...)
	if c == nil {
		h.t.Fatalf("the configuration is wrong: %v", problems)
	}
	var err error
	h.app, err = app.New(h.t.Context(), app.Options{Config: c, Clock: h.clock, Log: slog.New(slog.NewTextHandler(&h.log, nil)), Version: "test",
		Observe: h.observe, Public: listener(h.t), Console: listener(h.t)})
	return err
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// run opens the house and serves until close.
func (h *house) run() {
	h.t.Helper()
	if err := h.open(); err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	h.stop, h.stopped = stop, make(chan error, 1)
	go func() { h.stopped <- h.app.Run(ctx) }()
	h.t.Cleanup(h.close)
}

func (h *house) close() {
	h.t.Helper()
	if h.stop == nil {
		return
	}
	h.stop()
	if err := <-h.stopped; err != nil {
		h.t.Errorf("ended with %v", err)
	}
	if err := h.app.Close(); err != nil {
		h.t.Errorf("closed with %v", err)
	}
	h.stop = nil
}

// ask sends one request and gives status and body.
func (h *house) ask(method, url, body string, header ...string) (int, string) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// post posts an event, signed with a key at a time.
func (h *house) post(id, body string, key []byte, at time.Time) (int, string) {
	h.t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + stamp + "." + body))
	return h.ask(http.MethodPost, h.app.Public()+"/channels/texting/events", body, "webhook-id", id, "webhook-timestamp", stamp,
		"webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)), "Content-Type", "application/json")
}

func (h *house) parked() (out []connector.Item) {
	h.t.Helper()
	err := h.app.Store().View(h.t.Context(), func(tx connector.Tx) (err error) {
		out, err = tx.OpenItems("", []connector.ItemState{connector.Parked}, 10)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

const itches = `{"type":"message.created","timestamp":"2026-11-22T18:00:01Z","data":{"thread":{"id":"rash-theo"},` +
	`"patient":{"identifiers":[{"system":"urn:oid:1.2","value":"MRN204502"}]},"message":{"id":"m-1","sequence":1,` +
	`"direction":"from_patient","sent_at":"2026-11-22T12:00:00-06:00","sender":{"role":"patient","id":"u-theo"},"text":"It itches badly."}}}`

// TestEventsThroughTheRealChannel: the webhook adapter and the house together give the answers of the contract.
func TestEventsThroughTheRealChannel(t *testing.T) {
	h := newHouse(t)
	h.run()
	now := clock.System.Now()
	for _, c := range []struct {
		name, id, body string
		key            []byte
		at             time.Time
		want           int
	}{
		{"signed", "e-1", itches, channelKey, now, 202},
		{"the same again", "e-1", itches, channelKey, now, 200},
		{"the same message under another id", "e-2", itches, channelKey, now, 200},
		{"signed by somebody else", "e-3", itches, []byte("not the key"), now, 401},
		{"six minutes old", "e-3", itches, channelKey, now.Add(-6 * time.Minute), 401},
		{"six minutes ahead", "e-3", itches, channelKey, now.Add(6 * time.Minute), 401},
		{"neither signed nor JSON: not read", "e-3", `{"type":`, []byte("not the key"), now, 401},
		{"over the limit", "e-3", itches + strings.Repeat(" ", 4<<10), channelKey, now, 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, body := h.post(c.id, c.body, c.key, c.at); status != c.want {
				t.Errorf("answered %d, want %d: %s", status, c.want, body)
			}
		})
	}
	if p := h.parked(); len(p) != 0 {
		t.Errorf("parked %v", p)
	}
	status, body := h.post("e-4", `{"type":"message.created","timestamp":"yesterday","data":{}}`, channelKey, now)
	if status != 400 || !strings.Contains(body, `"pointer":"/timestamp"`) {
		t.Errorf("answered %d: %s", status, body)
	}
	if p := h.parked(); len(p) != 1 || p[0].Reason != connector.Undecodable {
		t.Errorf("parked %v", p)
	}
	if status, _ := h.ask(http.MethodPost, h.app.Public()+"/channels/nobody/events", itches); status != 404 {
		t.Errorf("an unknown channel answered %d", status)
	}
	for _, phi := range []string{"itches", "MRN204502", "u-theo"} {
		if strings.Contains(h.log.String(), phi) {
			t.Errorf("the log holds %q", phi)
		}
	}
}

// TestAddressesOfTheHouse asks every other address once, wired as serve wires them.
func TestAddressesOfTheHouse(t *testing.T) {
	h := newHouse(t)
	h.run()
	if status, _ := h.post("e-1", itches, channelKey, clock.System.Now()); status != 202 {
		t.Fatalf("answered %d", status)
	}
	public, console, bearer := h.app.Public(), h.app.Console(), []string{"Authorization", "Bearer " + token}
	hook := []string{"X-Chartwire-Notify", "the hook's secret", "Content-Type", "application/x-www-form-urlencoded"}
	for _, c := range []struct {
		method, url, body string
		header            []string
		status            int
		holds             string
	}{
		{"GET", public + "/.well-known/jwks.json", "", nil, 200, `"kty": "EC"`},
		{"GET", public + "/api/openapi.yaml", "", nil, 200, "openapi: 3"},
		{"GET", public + "/api/v1/threads/texting:rash-theo", "", nil, 401, "token"},
		{"GET", public + "/api/v1/threads/texting:rash-theo", "", bearer, 200, "It itches badly."},
		{"POST", public + "/api/v1/threads/texting:rash-theo/messages", `{"text":"Use the cream."}`,
			append([]string{"Content-Type", "application/json"}, bearer...), 201, `"queued"`},
		{"POST", public + "/ehrs/mercy/notify", "", nil, 401, "notify"},
		{"POST", public + "/ehrs/mercy/notify", "", hook, 200, ""},
		{"GET", console + "/healthz", "", nil, 200, "ok"},
		{"GET", console + "/readyz", "", nil, 200, "ready"},
		{"GET", console + "/", "", nil, 200, "Where every exchange is"},
		{"GET", console + "/metrics", "", nil, 200, `chartwire_exchanges{channel="texting",direction="from_patient",ehr="mercy"`},
		{"GET", public + "/metrics", "", nil, 404, "address"},
	} {
		status, body := h.ask(c.method, c.url, c.body, c.header...)
		if status != c.status || !strings.Contains(body, c.holds) {
			t.Errorf("%s %s answered %d, want %d with %q: %s", c.method, c.url, status, c.status, c.holds, body)
		}
	}
	if _, keys := h.ask("GET", public+"/.well-known/jwks.json", ""); strings.Contains(keys, `"d"`) {
		t.Error("a private key is published")
	}
}

// TestAcceptedOutlivesTheProcess: what was acknowledged is there after a restart, sealed, and identity.base may not change.
func TestAcceptedOutlivesTheProcess(t *testing.T) {
	h := newHouse(t)
	h.run()
	if status, _ := h.post("e-1", itches, channelKey, clock.System.Now()); status != 202 {
		t.Fatalf("answered %d", status)
	}
	h.close()
	files, err := filepath.Glob(filepath.Join(h.dir, "chartwire.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no store was found (%v)", err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, phi := range []string{"itches badly", "MRN204502", "u-theo", "rash-theo"} {
			if bytes.Contains(raw, []byte(phi)) {
				t.Errorf("%s holds %q in clear", filepath.Base(f), phi)
			}
		}
	}
	h.run()
	if status, body := h.ask("GET", h.app.Public()+"/api/v1/threads/texting:rash-theo", "", "Authorization", "Bearer "+token); status != 200 || !strings.Contains(body, "It itches badly.") {
		t.Errorf("after the restart: %d %s", status, body)
	}
	if status, _ := h.post("e-1", itches, channelKey, clock.System.Now()); status != 200 {
		t.Errorf("the same event after the restart answered %d", status)
	}
	h.close()
	h.configure("https://other.clinic.example/sid")
	if err := h.open(); err == nil || !strings.Contains(err.Error(), "identity.base") {
		t.Errorf("another identity.base was taken: %v", err)
	}
}
