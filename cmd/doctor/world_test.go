package doctor_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/fhir/smart"
)

const allScopes = "system/*.cruds"

// clinic is a sandbox EHR, and the folder of a Chartwire that is configured for it as an administrator does.
type clinic struct {
	t   *testing.T
	dir string
	ehr *sandbox.EHR
	key *smart.Key
}

// setting is what differs between clinics.
type setting struct {
	traits   ehr.Traits
	scopes   string // what the client may be granted; "" an open server
	wrongKey bool   // the EHR knows another key
	before   func(*http.Request) *ehr.Response
	after    func(*http.Request, *ehr.Response) *ehr.Response
	backend  string                                                          // more of the backend section
	more     string                                                          // more of the connection's section
	public   string                                                          // server.public_url
	kind     string                                                          // the EHR type; "" is fhir
	start    func(context.Context, sandbox.EHROptions) (*sandbox.EHR, error) // nil: sandbox.StartEHR
}

func key(t *testing.T) *smart.Key {
	t.Helper()
	k, err := smart.GenerateKey(smart.ES384)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t *testing.T, s setting) *clinic {
	t.Helper()
	c := &clinic{t: t, dir: t.TempDir(), key: key(t)}
	s.traits.Auth = s.scopes != ""
	o := sandbox.EHROptions{EHR: ehr.Options{Traits: s.traits, Now: clock.System.Now, Seed: 1, Before: s.before, After: s.after}}
	if s.scopes != "" {
		known := c.key
		if s.wrongKey {
			known = key(t)
		}
		jwks, err := smart.PublicJWKS(known)
		if err != nil {
			t.Fatal(err)
		}
		o.Clients = []auth.Client{{ID: "chartwire", JWKS: jwks, Scopes: s.scopes, Backend: true}}
	}
	if s.start == nil {
		s.start = sandbox.StartEHR
	}
	var err error
	if c.ehr, err = s.start(context.WithoutCancel(t.Context()), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.ehr.Close)
	c.seed()
	c.configure(s)
	if err := seal.Init(c.path("keyset.json"), clock.System.Now()); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *clinic) path(name string) string { return filepath.Join(c.dir, name) }

func (c *clinic) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(c.path(name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// seed puts the test patient, and one who is a person, on the chart.
func (c *clinic) seed() {
	c.t.Helper()
	for _, resource := range []string{`{"resourceType":"Organization","id":"clinic","name":"Riverbend"}`,
		`{"resourceType":"Patient","id":"test","active":true,"name":[{"family":"Zztest","given":["Probe"]}],"birthDate":"1980-01-01"}`,
		`{"resourceType":"Patient","id":"gone","active":false,"name":[{"family":"Zzgone"}]}`} {
		if _, err := c.ehr.Put([]byte(resource)); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *clinic) configure(s setting) {
	backend := ""
	if s.scopes != "" {
		backend = "\n    backend: {client_id: chartwire, key_file: backend.jwk.json" + s.backend + "}"
		jwk, err := c.key.PrivateJWK()
		if err != nil {
			c.t.Fatal(err)
		}
		c.write("backend.jwk.json", string(jwk))
	}
	if s.public == "" {
		s.public = "http://127.0.0.1:1" // nobody serves there
	}
	c.write("chartwire.yaml", fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", console_listen: "127.0.0.1:0"}
identity: {base: "https://connector.clinic.example/sid"}
store: {url: "sqlite:chartwire.db"}
seal: {keyset_file: keyset.json}
ehrs:
  - name: mercy
    type: %s
    base_url: %q
    timezone: America/Chicago
    organization: Organization/clinic
    limits: {search_lag: 1s}%s%s
`, s.public, cmp.Or(s.kind, "fhir"), c.ehr.Base(), backend, s.more))
}

func (c *clinic) config() *config.Config {
	c.t.Helper()
	cfg, problems := config.Load(c.path("chartwire.yaml"), adapters.Sections()...)
	if config.Fatal(problems, false) {
		c.t.Fatal(problems)
	}
	return cfg
}

// store makes the store, as a serve that ran before has.
func (c *clinic) store() {
	c.t.Helper()
	o, err := app.OpenOperator(c.t.Context(), c.config())
	if err != nil {
		c.t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		c.t.Fatal(err)
	}
}

// ask makes one request of the doctor, as a command does, and decodes what it answers.
func (c *clinic) ask(path string, body, into any) string {
	c.t.Helper()
	o, err := app.OpenDoctor(c.t.Context(), c.config())
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = o.Close() }()
	resp, err := o.Do(c.t.Context(), http.MethodPost, path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var p struct{ Detail string }
		_ = json.NewDecoder(resp.Body).Decode(&p)
		return fmt.Sprintf("%d %s", resp.StatusCode, p.Detail)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		c.t.Fatal(err)
	}
	return ""
}

func (c *clinic) examine() doctor.Report {
	c.t.Helper()
	var reports []doctor.Report
	if said := c.ask("/doctor?ehr=mercy", nil, &reports); said != "" || len(reports) != 1 {
		c.t.Fatalf("%q, %d reports", said, len(reports))
	}
	return reports[0]
}

// row is one capability as a line: needed, declared, granted, proven.
func row(t *testing.T, r doctor.Report, name string) (string, *connector.Lack) {
	t.Helper()
	for _, c := range r.Capabilities {
		if c.Name() == name {
			return line(c), c.Gap
		}
	}
	t.Fatalf("no row %q", name)
	return "", nil
}

func line(c connector.Capability) string {
	needed := "-"
	if c.Needed {
		needed = "needed"
	}
	return strings.TrimSpace(fmt.Sprintf("%s: %s %s %s %s %s", c.Name(), needed, c.Declared, c.Granted, c.Proven, c.By))
}

func fact(t *testing.T, r doctor.Report, name string) connector.Fact {
	t.Helper()
	for _, f := range r.Facts {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no fact %q in %v", name, r.Facts)
	return connector.Fact{}
}
