// Package demo runs Chartwire's main job where anyone can watch it: a sandbox EHR (or an open FHIR server), a sandbox
// messaging platform and the connector, over real HTTP with real signatures and tokens; then it reads the chart back from
// the EHR, not from our own tables, and counts.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/athena"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
	"github.com/chartwire/chartwire/adapters/sandbox/openemr"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/fhir/smart"
	"github.com/chartwire/chartwire/testdata/threads"
)

// Options are the flags of chartwire demo.
type Options struct {
	Once     bool
	JSON     bool
	Events   []string // NDJSON files; with them, or Generate, nothing else runs
	Generate string   // spec of generated traffic
	Seed     uint64
	As       string // filing.as of the FHIR types; auto when empty
	Per      string // filing.per of fhir, note, epic, oracle (as note) and hl7v2; exchange when empty. A thread nobody closes is filed after a minute
	EHRType  string // one of Types; fhir when empty
	EHRURL   string // an open FHIR server instead of the sandbox
	Faults   string // what goes wrong at the sandbox EHR (ehr.OpenScript, for hl7v2 engine.OpenScript)
	Traits   string // what the sandbox EHR can do, beside its type (ehr.ParseTraits)
	Expect   string // where to write what the chart must show, for an independent reader
	Dir      string // work directory; a temporary one when empty
	Store    string // store URL instead of SQLite in Dir
	Listen   string // public listener; a free loopback port when empty
	Console  string
	Stall    time.Duration // without progress for so long, a --once run ends with exit 1; 120 s when zero
	Out, Err io.Writer
	Log      *slog.Logger
	Version  string
}

// ErrNotClean says that the chart is not what was sent, or that the run stood still.
var ErrNotClean = errors.New("the chart is not what was sent")

// run is one demonstration under way.
type run struct {
	o        Options
	clock    clock.Clock
	began    time.Time
	dir      string
	events   [][]byte
	order    platform.Order
	bundled  bool
	people   seed.People
	refs     seed.Refs
	sandbox  *sandbox.EHR    // nil with EHRURL and for hl7v2
	engine   *sandbox.Engine // for hl7v2
	athena   *athena.API     // for athena, beside sandbox
	openemr  *openemr.Server // for openemr
	base     string          // FHIR base, or where the engine takes messages
	platform *sandbox.Platform
	app      *app.App
	config   *config.Config
	api      string // bearer token
	show     *progress
	born     string // text of the EHR-born request
	kind     kind
	backend  *smart.Key
	inbox    *smart.Key // of the clinician's inbox; nil where the EHR launches no apps
}

// Run does the whole demonstration. It returns nil when the chart is what was sent (or, without Once, when ctx ends),
// ErrNotClean when it is not, and other errors for what could not be started.
func Run(ctx context.Context, o Options) error {
	r := &run{o: o, clock: clock.System}
	if r.o.Stall == 0 {
		r.o.Stall = 120 * time.Second
	}
	if r.o.Log == nil {
		r.o.Log = slog.New(slog.NewTextHandler(o.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	r.began = r.clock.Now()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer r.close()
	ended := make(chan error, 1)
	go func() { ended <- r.app.Run(ctx) }()
	err := r.play(ctx)
	if err == nil && !o.Once {
		r.serve(ctx)
	}
	stop()
	return errors.Join(err, <-ended)
}

// prepare starts everything but the connector's loops.
func (r *run) prepare(ctx context.Context) error {
	if err := r.traffic(); err != nil {
		return err
	}
	if err := r.folder(); err != nil {
		return err
	}
	if err := r.startEHR(ctx); err != nil {
		return err
	}
	if err := r.startPlatform(ctx); err != nil {
		return err
	}
	return r.startApp(ctx)
}

func (r *run) folder() error {
	r.dir = r.o.Dir
	if r.dir != "" {
		return os.MkdirAll(r.dir, 0o700)
	}
	var err error
	r.dir, err = os.MkdirTemp("", "chartwire-demo-")
	return err
}

// startEHR starts what stands for the EHR, or takes the server at EHRURL, and seeds it.
func (r *run) startEHR(ctx context.Context) error {
	var bundle []byte
	var err error
	bundle, r.refs = seed.Bundle(r.people)
	if r.kind, err = kindOf(r.o.EHRType); err != nil {
		return err
	}
	if r.o.EHRURL != "" {
		r.base, r.kind = r.o.EHRURL, kinds["fhir"]
		return seedServer(ctx, r.base, bundle)
	}
	return r.kind.start(r, ctx, bundle)
}

// startFHIR starts the sandbox's FHIR server with these traits, those of --traits beside them.
func (r *run) startFHIR(ctx context.Context, traits ehr.Traits, bundle []byte) error {
	var err error
	if r.o.Traits != "" {
		if traits, err = ehr.ParseTraits(traits, r.o.Traits); err != nil {
			return fmt.Errorf("--traits: %w", err)
		}
	}
	o, err := r.secured(traits, registration(traits.Vendor))
	if err != nil {
		return err
	}
	r.sandbox, err = sandbox.StartEHR(ctx, o)
	if err != nil {
		return err
	}
	r.base = r.sandbox.Base()
	return r.sandbox.Seed(bundle)
}

// secured is a sandbox EHR with these traits that knows Chartwire's backend client, registered as said, by a key made now, and
// with what --faults stages.
func (r *run) secured(traits ehr.Traits, as auth.Client) (sandbox.EHROptions, error) {
	traits.Auth = true
	o := sandbox.EHROptions{EHR: ehr.Options{Traits: traits, Now: r.clock.Now, MaxBody: 64 << 20}}
	var err error
	if r.o.Faults != "" {
		if o.EHR.Script, err = ehr.OpenScript(r.o.Faults); err != nil {
			return o, fmt.Errorf("--faults: %w", err)
		}
	}
	if r.backend, err = smart.GenerateKey(smart.ES384); err != nil {
		return o, err
	}
	as.ID, as.Backend = backendID, true
	as.JWKS, err = smart.PublicJWKS(r.backend)
	o.Clients = []auth.Client{as}
	return o, err
}

// startEngine starts the sandbox interface engine with the same patients in its index.
func (r *run) startEngine(ctx context.Context, bundle []byte) error {
	if r.o.Traits != "" {
		return errors.New("--traits are of the FHIR server, not of --ehr hl7v2")
	}
	o := engine.Options{Now: r.clock.Now}
	var err error
	if r.o.Faults != "" {
		if o.Script, err = engine.OpenScript(r.o.Faults); err != nil {
			return fmt.Errorf("--faults: %w", err)
		}
	}
	if o.Patients, err = seed.Index(bundle, r.people.Authorities()); err != nil {
		return err
	}
	if r.engine, err = sandbox.StartEngine(ctx, "", o); err != nil {
		return err
	}
	r.base = r.engine.URL()
	return nil
}

const (
	backendID = "chartwire-backend"
	// backendScopes are what the sandbox's administrator granted.
	backendScopes = "system/Patient.rs system/Encounter.rs system/Practitioner.rs system/PractitionerRole.rs system/Organization.rs system/RelatedPerson.crus system/Communication.crus system/CommunicationRequest.crus system/Task.crus system/DocumentReference.crus system/Provenance.crs system/Binary.cr system/Subscription.crus"
)

func (r *run) startPlatform(ctx context.Context) error {
	var err error
	r.platform, err = sandbox.StartPlatform(ctx, "", platform.Options{Now: r.clock.Now})
	if err != nil {
		return err
	}
	for _, m := range threads.Media() {
		r.platform.AddMedia(m.ID, m.ContentType, m.Data)
	}
	return nil
}

// startApp writes the configuration an administrator would write, loads it the way serve does, and wires the connector.
func (r *run) startApp(ctx context.Context) error {
	public, err := net.Listen("tcp", or(r.o.Listen, "127.0.0.1:0"))
	if err != nil {
		return err
	}
	console, err := net.Listen("tcp", or(r.o.Console, "127.0.0.1:0"))
	if err != nil {
		return err
	}
	if err := r.registerInbox("http://" + public.Addr().String()); err != nil {
		return err
	}
	if err := r.writeConfig("http://" + public.Addr().String()); err != nil {
		return err
	}
	keyset := filepath.Join(r.dir, "chartwire.keyset.json")
	if _, err := os.Stat(keyset); errors.Is(err, os.ErrNotExist) {
		if err := seal.Init(keyset, r.clock.Now()); err != nil {
			return err
		}
	}
	cfg, problems := config.Load(filepath.Join(r.dir, "chartwire.yaml"), adapters.Sections()...)
	if config.Fatal(problems, true) {
		return fmt.Errorf("the demonstration's own configuration is refused: %v", problems)
	}
	r.config = cfg
	r.show = newProgress(r.o, r.clock.Now)
	r.app, err = app.New(ctx, app.Options{Config: cfg, Clock: r.clock, Log: r.o.Log, Observe: r.show, Version: r.o.Version, Public: public, Console: console})
	if err != nil {
		return err
	}
	r.show.store = r.app.Store()
	r.platform.SetTarget(r.app.Public() + "/channels/" + channel + "/events")
	return nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (r *run) close() {
	if r.app != nil {
		_ = r.app.Close()
	}
	if r.platform != nil {
		r.platform.Close()
	}
	if r.sandbox != nil {
		r.sandbox.Close()
	}
	if r.engine != nil {
		r.engine.Close()
	}
	if r.o.Dir == "" {
		_ = os.RemoveAll(r.dir)
	}
}

// play posts the traffic, lets the bundled run reply and be asked, waits until nothing moves, and reads the chart back.
func (r *run) play(ctx context.Context) error {
	r.say("posting %d events to %s\n", len(r.events), r.app.Public()+"/channels/"+channel+"/events")
	if err := r.platform.Post(ctx, platform.Deliveries(r.events, r.order)); err != nil {
		return err
	}
	if refused := r.platform.Refused(); len(refused) > 0 {
		return fmt.Errorf("%w: %d events were refused, the first with status %d", ErrNotClean, len(refused), refused[0].Status)
	}
	still := r.settle(ctx)
	if r.bundled && still == nil {
		if err := r.extras(ctx); err != nil {
			return err
		}
		still = r.settle(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	sum, err := r.summary(ctx)
	if err != nil {
		return err
	}
	r.report(sum)
	if still != nil {
		return still
	}
	return sum.clean()
}

func (r *run) report(s Summary) {
	if r.o.JSON {
		line, _ := json.Marshal(s)
		fmt.Fprintln(r.o.Out, string(line))
		return
	}
	fmt.Fprintf(r.o.Out, "\nread back from the EHR: %d of %d exchanges on the chart, %d duplicates, %d out of order, %d on a wrong patient (%.1f s)\n",
		s.OnChart, s.Accepted, s.Duplicates, s.OutOfOrder, s.WrongPatient, s.Seconds)
	fmt.Fprintf(r.o.Out, "accepted %d = filed %d + not due %d + held %d + unknown %d + parked %d; sent %d, late %d\n",
		s.Accepted, s.Filed, s.NotDue, s.Held, s.Unknown, s.Parked, s.Sent, s.Late)
}

// serve keeps everything running and says where to look.
func (r *run) serve(ctx context.Context) {
	fmt.Fprintf(r.o.Out, `
Everything keeps running; Ctrl-C ends it.
%s  console      %s/console/
  metrics      %s/metrics
  EHR          %s
  platform     %s
  one thread   curl -H 'Authorization: Bearer %s' %s/api/v1/threads/%s:%s
  reply        curl -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -d '{"text":"Thank you."}' %s/api/v1/threads/%s:%s/messages
  files        %s
`, r.openInbox(), r.app.Console(), r.app.Console(), r.shownAt(), r.platform.URL(), r.api, r.app.Public(), channel, r.firstThread(),
		r.api, r.app.Public(), channel, r.firstThread(), r.dir)
	<-ctx.Done()
}

// shownAt is where the EHR shows itself.
func (r *run) shownAt() string {
	if r.engine != nil {
		return r.base
	}
	return r.base + "/metadata"
}

func (r *run) say(format string, args ...any) {
	if !r.o.JSON {
		fmt.Fprintf(r.o.Out, format, args...)
	}
}

// connectorSummary reads the tallies: what our own tables say, which the summary shows beside what the chart says.
func (r *run) tallies(ctx context.Context) (map[connector.ItemState]int, error) {
	out := map[connector.ItemState]int{}
	err := r.app.Store().View(ctx, func(tx connector.Tx) error {
		clear(out)
		all, err := tx.Tallies()
		for _, t := range all {
			out[t.State] += int(t.N)
		}
		return err
	})
	return out, err
}
