package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/fhir/smart"
	"github.com/chartwire/chartwire/testdata/threads"
)

// clinic is everything the inbox needs around it: an EHR with its pages, a messaging platform, and Chartwire between them,
// configured on disk as an administrator does, behind something that ends TLS.
type clinic struct {
	*site
	t        *testing.T
	ehr      *sandbox.EHR
	platform *sandbox.Platform
	refs     seed.Refs
	clock    *ahead
	others   string   // role of everyone else
	asking   []string // channels beside, by which nobody has agreed to be written to
	address  string   // of the inbox without TLS, for what needs no browser
}

// ahead is the machine's clock, some time further on: sessions grow old at once.
type ahead struct {
	clock.Clock
	by atomic.Int64
}

func (a *ahead) Now() time.Time       { return a.Clock.Now().Add(time.Duration(a.by.Load())) }
func (a *ahead) move(d time.Duration) { a.by.Add(int64(d)) }

var clinicConfig = template.Must(template.New("clinic").Parse(`server: {public_url: "{{.Public}}", listen: "127.0.0.1:0", console_listen: "127.0.0.1:0"}
identity: {base: "https://clinic.example/sid"}
store: {url: "sqlite:chartwire.db"}
seal: {keyset_file: chartwire.keyset.json}
ehrs:
  - name: sandbox
    type: fhir
    base_url: "{{.EHR}}"
    timezone: America/Chicago
    organization: {{.Organization}}
    identifier_systems:
{{range .Systems}}      {{printf "%q" .}}: {{printf "%q" .}}
{{end}}    backend: {client_id: backend, key_file: backend.jwk.json}
    launch: {client_id: inbox, key_file: inbox.jwk.json, frame_ancestors: ["{{.Frame}}"]}
    roles: {clinician: [doctor, nurse], staff: [administrator], default: {{.Others}}}
    filing: {as: auto, per: exchange, proxies: create}
    limits: {requests_per_second: 5000, concurrent: 8, search_lag: 1s, deadline: 30s}
channels:
  - name: texting
    type: webhook
    class: secure
    ehr: sandbox
    secret_file: texting.secret
    send_url: "{{.Send}}"
    send_idempotent: true
    receipts: read
    default_pool: nurse-triage
    consent: assumed
    order_window: 100ms
    gap_wait: 10s
    max_event_bytes: 40MB
    media: {origins: ["{{.Media}}"], max_bytes: 25MB}
{{range .Asking}}  - {name: {{.}}, type: webhook, class: secure, ehr: sandbox, secret_file: texting.secret, send_url: "{{$.Send}}", send_idempotent: true, default_pool: nurse-triage, consent: required}
{{end}}pools:
{{range .Pools}}  - {id: {{printf "%q" .ID}}, ehr: sandbox, reference: {{.Ref}}, name: {{printf "%q" .Name}}, sla: 4h, members: [{{range $n, $m := $.Members}}{{if $n}}, {{end}}{{$m}}{{end}}]}
{{end}}people:
{{range .People}}  - {id: {{printf "%q" .ID}}, ehr: sandbox, reference: {{.Ref}}}
{{end}}templates:
  - {id: rest, ehr: sandbox, name: Rest and call back, texts: {en: "Hello {{"{{patient.given}}"}}, please rest and call us if it gets worse.", es: "Hola {{"{{patient.given}}"}}, descanse y llámenos si empeora."}}
`))

type row struct{ ID, Ref, Name string }

// openClinic starts it and posts the events, in order. The app's record is what the browser asked the inbox.
func openClinic(t *testing.T, events [][]byte) *clinic {
	t.Helper()
	return openClinicOf(t, events, "read_only")
}

// openClinicOf is openClinic with a role for everyone whom the EHR gives none of the configured codes, and with further channels, by
// which nobody has agreed to be written to.
func openClinicOf(t *testing.T, events [][]byte, others string, asking ...string) *clinic {
	t.Helper()
	c := &clinic{t: t, clock: &ahead{Clock: clock.System}, others: others, asking: asking}
	people, err := seed.FromEvents(events)
	done(t, err)
	bundle, refs := seed.Bundle(people)
	c.refs = refs
	backend, inbox := newKey(t), newKey(t)
	traits := ehr.Full()
	traits.Auth = true
	c.ehr, err = sandbox.StartEHR(t.Context(), sandbox.EHROptions{EHR: ehr.Options{Now: time.Now, Traits: traits, MaxBody: 64 << 20}, Auth: auth.Options{Standalone: auth.Launch{User: refs.People[ana]}}, Clients: []auth.Client{
		{ID: "backend", Backend: true, JWKS: public(t, backend), Scopes: "system/Patient.rs system/Encounter.rs system/Practitioner.rs system/PractitionerRole.rs system/Organization.rs system/RelatedPerson.crus system/Communication.crus system/CommunicationRequest.crus system/DocumentReference.crus system/Provenance.crs system/Binary.cr system/Subscription.crus system/Task.crus"},
		{ID: "inbox", JWKS: public(t, inbox), RedirectURIs: []string{appSite + "/callback/sandbox"}, Scopes: "launch launch/patient openid fhirUser online_access offline_access user/Patient.rs user/Practitioner.rs user/PractitionerRole.rs user/CareTeam.rs user/Appointment.rs user/Encounter.rs user/Organization.rs"},
	}})
	done(t, err)
	t.Cleanup(c.ehr.Close)
	done(t, c.ehr.Seed(bundle))
	c.platform, err = sandbox.StartPlatform(t.Context(), "", platform.Options{Now: time.Now})
	done(t, err)
	t.Cleanup(c.platform.Close)
	for _, m := range threads.Media() {
		c.platform.AddMedia(m.ID, m.ContentType, m.Data)
	}
	dir := t.TempDir()
	for name, k := range map[string]*smart.Key{"backend.jwk.json": backend, "inbox.jwk.json": inbox} {
		jwk, err := k.PrivateJWK()
		done(t, err)
		done(t, os.WriteFile(filepath.Join(dir, name), jwk, 0o600))
	}
	done(t, os.WriteFile(filepath.Join(dir, "texting.secret"), []byte(c.platform.Secret()+"\n"), 0o600))
	done(t, seal.Init(filepath.Join(dir, "chartwire.keyset.json"), time.Now()))
	c.write(filepath.Join(dir, "chartwire.yaml"), people)
	c.run(filepath.Join(dir, "chartwire.yaml"))
	c.post(events)
	return c
}

func newKey(t *testing.T) *smart.Key {
	k, err := smart.GenerateKey(smart.ES384)
	done(t, err)
	return k
}

func public(t *testing.T, k *smart.Key) []byte {
	set, err := smart.PublicJWKS(k)
	done(t, err)
	return set
}

func (c *clinic) write(file string, people seed.People) {
	c.t.Helper()
	systems := map[string]bool{}
	for _, p := range people.Patients {
		for _, id := range p.Identifiers {
			systems[id.System] = true
		}
	}
	var pools, staff []row
	for _, p := range people.Pools {
		pools = append(pools, row{p.ID, c.refs.Pools[p.ID], p.Name})
	}
	members := map[string]bool{}
	for _, p := range people.Staff {
		if p.ID != "" {
			staff = append(staff, row{ID: p.ID, Ref: c.refs.People[p.ID]})
			members[c.refs.People[p.ID]] = true
		}
	}
	f, err := os.Create(file)
	done(c.t, err)
	defer f.Close()
	done(c.t, clinicConfig.Execute(f, map[string]any{"Public": appSite, "Others": c.others, "Asking": c.asking, "EHR": c.ehr.Base(), "Organization": c.refs.Organization, "Systems": slices.Sorted(maps.Keys(systems)),
		"Frame": ehrSite, "Send": c.platform.SendURL(), "Media": c.platform.URL(), "Pools": pools, "People": staff, "Members": slices.Sorted(maps.Keys(members))}))
}

// run starts Chartwire as serve does, and the two hosts.
func (c *clinic) run(file string) {
	c.t.Helper()
	cfg, problems := config.Load(file, adapters.Sections()...)
	if config.Fatal(problems, true) {
		c.t.Fatalf("the clinic's configuration: %v", problems)
	}
	public, err := net.Listen("tcp", "127.0.0.1:0")
	done(c.t, err)
	console, err := net.Listen("tcp", "127.0.0.1:0")
	done(c.t, err)
	log := slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, err := app.New(c.t.Context(), app.Options{Config: cfg, Clock: c.clock, Log: log, Version: "test", Public: public, Console: console})
	done(c.t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(c.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	c.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			c.t.Error(err)
		}
		if err := a.Close(); err != nil {
			c.t.Error(err)
		}
	})
	c.address = "http://" + public.Addr().String()
	proxy, err := Proxy(c.address)
	done(c.t, err)
	pages, err := c.ehr.OpenShell(appSite + "/launch/sandbox")
	done(c.t, err)
	c.site = serveSite(c.t, pages, proxy)
	c.platform.SetTarget(c.address + "/channels/texting/events")
}

func (c *clinic) post(events [][]byte) {
	c.t.Helper()
	done(c.t, c.platform.Post(c.t.Context(), platform.Deliveries(events, platform.Order{})))
	if refused := c.platform.Refused(); len(refused) > 0 {
		c.t.Fatalf("%d events were refused, the first with %d %s", len(refused), refused[0].Status, refused[0].Err)
	}
}

// words is an event with a message from a patient or their proxy, told by the thread's first.
type words struct {
	Thread, Subject, ID, Text string
	Sequence                  int
	Sender                    string // name
	File                      string // name of a text file with it; "" none
	Patient                   patient
}

// patient is who a thread is about.
type patient struct{ MRN, Given, Family, Born string }

// event is the contract's message.created.
func (w words) event(at time.Time) []byte {
	message := map[string]any{"id": w.ID, "sequence": w.Sequence, "direction": "from_patient", "sent_at": at.Format(time.RFC3339), "text": w.Text,
		"sender":     map[string]any{"role": "patient", "id": "u-" + w.Patient.MRN, "name": w.Sender},
		"recipients": []any{map[string]any{"role": "pool", "id": "nurse-triage", "name": "Nurse triage"}}}
	if w.File != "" {
		message["attachments"] = []any{map[string]any{"id": "a-" + w.ID, "filename": w.File, "content_type": "text/plain", "size": 5, "data": "d29yZHM="}}
	}
	e, err := json.Marshal(map[string]any{"type": "message.created", "timestamp": at.Format(time.RFC3339), "data": map[string]any{
		"thread": map[string]any{"id": w.Thread, "subject": w.Subject, "topic": "clinical", "priority": "routine"},
		"patient": map[string]any{"identifiers": []any{map[string]any{"system": "urn:oid:2.16.840.1.113883.19.5", "value": w.Patient.MRN}},
			"name": map[string]any{"family": w.Patient.Family, "given": []any{w.Patient.Given}}, "birth_date": w.Patient.Born},
		"message": message}})
	if err != nil {
		panic(err) // plain values always marshal
	}
	return e
}

// chart is the address of the EHR's page of a patient, by their record number, as a member of staff has it open.
func (c *clinic) chart(mrn, staff string) string {
	c.t.Helper()
	return ehrSite + "/shell/patient/" + strings.TrimPrefix(c.patient(mrn), "Patient/") + "?" + url.Values{"as": {c.user(staff)}}.Encode()
}

// direct is the address of a launch that has the whole tab, for pictures and for what a frame does not change.
func (c *clinic) direct(mrn, staff string) string {
	q := url.Values{"as": {c.user(staff)}}
	if mrn != "" {
		q.Set("patient", c.patient(mrn))
	}
	return ehrSite + "/shell/launch?" + q.Encode()
}

func (c *clinic) patient(mrn string) string {
	c.t.Helper()
	for id, ref := range c.refs.Patients {
		if id.Value == mrn {
			return ref
		}
	}
	c.t.Fatalf("the clinic has no patient %s", mrn)
	return ""
}

func (c *clinic) user(staff string) string {
	c.t.Helper()
	ref := c.refs.People[staff]
	if ref == "" {
		c.t.Fatalf("the clinic has nobody with the id %s; it has %v", staff, slices.Sorted(maps.Keys(c.refs.People)))
	}
	return ref
}

// inbox opens the EHR's page and gives the inbox in its frame, signed in.
func (c *clinic) inbox(b *Browser, address string) (tab, in *Page) {
	c.t.Helper()
	tab = open(c.t, b, address)
	in = inFrame(c.t, tab)
	done(c.t, in.See("#page[data-launch]:not([data-launch=''])"))
	return tab, in
}

// inFrame is what the frame of an EHR's page shows when the launch of the inbox is at its end: with cookies it has an address of its
// own then, and without the one the EHR sent it back to.
func inFrame(t *testing.T, tab *Page) *Page {
	t.Helper()
	return frame(t, tab, "#messages", appSite+"/callback/", appSite+"/app/")
}

// thread opens a thread from a list by its subject.
func (c *clinic) thread(in *Page, subject string) {
	c.t.Helper()
	done(c.t, in.Click(fmt.Sprintf("//a[@data-row][.//b[normalize-space(.)=%s]]", quoted(subject))))
	done(c.t, in.See("//div[@id='thread-head']//h1[normalize-space(.)="+quoted(subject)+"]"))
	done(c.t, in.See("#entries"))
}
