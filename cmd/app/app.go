// Package app wires the rooms into one running Chartwire: config, keys, store, adapters, engine and listeners. Commands and
// tests start this and nothing below it.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/egress"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
	"github.com/chartwire/chartwire/connector/web"
)

// Options are what differs between serve, demo and tests.
type Options struct {
	Config  *config.Config
	Clock   clock.Clock // nil is the machine's without its jumps: clock.Steady
	Log     *slog.Logger
	Observe deliver.Observer // beside the metrics; may be nil
	Version string
	Public  net.Listener // nil listens on server.listen
	Console net.Listener // nil listens on server.console_listen
	Horizon time.Duration
	// AcceptClock starts although the clock and the store disagree by more than can be right.
	AcceptClock bool
	GapWaits    map[string]time.Duration // tests: overrides of a channel's gap_wait
}

// App is one wired Chartwire. Run it once, then Close it.
type App struct {
	o       Options
	store   *store.DB
	engine  *deliver.Engine
	web     *web.Server
	metrics *metrics
	ladder  *alert.Escalator
	witness *witness
	alarm   func(r connector.Reason)
	public  net.Listener
	console net.Listener
	control net.Listener
	feeds   []*feed
	ids     map[string]string
	audit   auditLogs
	doctor  *doctor.Doctor
	desk    *inbox.Desk
	apps    launches

	stopping chan struct{} // closed when Run begins to stop
	board    *alert.Board
	parking  alert.Parking
	held     []io.Closer // connections that are kept open
	close    sync.Once
}

// New opens the store, checks what must not change, and wires everything. Nothing is sent or served before Run. Errors
// say what is wrong with the configuration or the environment, and are exit code 1.
func New(ctx context.Context, o Options) (_ *App, err error) {
	if o.Clock == nil {
		o.Clock = clock.NewSteady()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &App{o: o, stopping: make(chan struct{})}
	defer func() {
		if err != nil {
			_ = a.Close()
		}
	}()
	keys, err := openKeys(o.Config)
	if err != nil {
		return nil, err
	}
	if a.store, err = store.Open(ctx, storeURL(o.Config), store.Options{Sealer: keys, MigrateURL: o.Config.MigrateDSN(), Lease: o.Config.Store.Lease, Clock: o.Clock}); err != nil {
		return nil, err
	}
	if err := checkClock(ctx, a.store, o.Clock, o.AcceptClock, o.Log); err != nil {
		return nil, err
	}
	ids, err := tenants(ctx, a.store, o.Config, o.Clock.Now())
	if err != nil {
		return nil, err
	}
	a.ids, a.audit = ids, auditLogs{a.store, keys, ids}
	guard, err := egress.New(egress.Options{})
	if err != nil {
		return nil, err
	}
	if err := a.wire(keys, guard, ids); err != nil {
		return nil, err
	}
	a.witness = &witness{file: o.Config.Witness(), store: a.store, ehrs: values(ids), clock: o.Clock, log: o.Log, engine: a.engine, alarm: a.alarm}
	if err := a.witness.open(ctx); err != nil {
		return nil, err
	}
	return a, a.listen()
}

func openKeys(c *config.Config) (*seal.Sealer, error) {
	if c.Seal.Keyset.File != "" {
		return seal.Load(c.Path(c.Seal.Keyset.File))
	}
	return seal.Parse([]byte(c.Seal.Keyset.Reveal()))
}

// storeURL is what store.Open takes: the config's URL with a path that does not depend on the working directory.
func storeURL(c *config.Config) string {
	if c.Store.Engine() == config.SQLite {
		return "sqlite:" + c.DSN()
	}
	return c.DSN()
}

// wire builds adapters, engine and web.
func (a *App) wire(keys *seal.Sealer, guard *egress.Guard, ids map[string]string) error {
	c := a.o.Config
	events := ingest.New(a.store, a.o.Clock.Now)
	parts := &builder{config: c, guard: guard, ids: ids, log: a.o.Log, now: a.o.Clock.Now, keys: keys, store: a.store}
	conns, err := parts.connections()
	if err != nil {
		return err
	}
	for _, c := range conns {
		if held, ok := c.EHR.(io.Closer); ok { // one with a connection of its own
			a.held = append(a.held, held)
		}
	}
	a.doctor = parts.doctor(a.store, a.o.Clock, conns)
	if a.feeds, err = parts.feeds(); err != nil {
		return err
	}
	lines, err := parts.lines()
	if err != nil {
		return err
	}
	for n := range lines {
		if w, ok := a.o.GapWaits[lines[n].Name]; ok {
			lines[n].GapWait = w
		}
	}
	if a.board, err = parts.board(a.store, a.o.Clock, a.o.Log); err != nil {
		return err
	}
	names := map[string]string{}
	for name, id := range ids {
		names[id] = name
	}
	a.parking = alert.Parking{Board: a.board, Store: a.store, Clock: a.o.Clock, Names: names}
	if a.metrics, err = newMetrics(a.store, ids, a.clockOff); err != nil {
		return err
	}
	a.ladder = a.escalator(c)
	if err := a.metrics.registry.Register(overdue{a.ladder}); err != nil {
		return err
	}
	if err := a.metrics.registry.Register(&standstill{store: a.store, clock: a.o.Clock, names: names, board: a.board}); err != nil {
		return err
	}
	watchers := observers{a.metrics, alarms{a.o.Log}, a.parking, a.o.Observe}
	a.alarm = func(r connector.Reason) {
		for name := range ids {
			watchers.Alarm(name, r, "")
		}
	}
	a.engine, err = deliver.New(deliver.Options{Store: a.store, Clock: a.o.Clock, Log: a.o.Log, Connections: conns, Lines: lines,
		Composer: &born{ingest: events, lines: parts.channels()}, Horizon: a.o.Horizon,
		Observe: watchers, Alert: a.board})
	if err != nil {
		return err
	}
	if a.desk, err = parts.desk(events, a.o.Clock, a.engine.Patient); err != nil {
		return err
	}
	a.apps = parts.apps
	if err := a.metrics.registry.Register(a.apps); err != nil {
		return err
	}
	pages, err := parts.pages(a.desk, a.o.Clock, a.stopping)
	if err != nil {
		return err
	}
	jwks, err := parts.jwks()
	if err != nil {
		return err
	}
	a.web, err = web.New(web.Options{Store: a.store, Ingest: events, Clock: a.o.Clock, Log: a.o.Log, Channels: parts.webChannels(lines),
		EHRs: parts.webEHRs(), Tokens: parts.tokens(), JWKS: jwks, Notify: a.engine.Notify, Alarm: func(ehr string, r connector.Reason, item string) { watchers.Alarm(parts.nameOf(ehr), r, item) }, Patient: a.engine.Patient, Metrics: a.metrics.handler(), Notes: a.notes, Version: a.o.Version, App: pages})
	return err
}

func (a *App) listen() error {
	var err error
	if a.public = a.o.Public; a.public == nil {
		if a.public, err = net.Listen("tcp", a.o.Config.Server.Listen); err != nil {
			return fmt.Errorf("server.listen: %w", err)
		}
	}
	if a.console = a.o.Console; a.console == nil {
		if a.console, err = net.Listen("tcp", a.o.Config.Server.ConsoleListen); err != nil {
			return fmt.Errorf("server.console_listen: %w", err)
		}
	}
	for _, f := range a.feeds {
		if f.listener, err = net.Listen("tcp", f.listen); err != nil {
			return fmt.Errorf("EHR %q: adt.listen: %w", f.name, err)
		}
	}
	if a.control, err = listenControl(a.o.Config); err != nil {
		return fmt.Errorf("the control socket: %w", err)
	}
	return nil
}

// Public and Console are the addresses served, as http://host:port.
func (a *App) Public() string  { return "http://" + a.public.Addr().String() }
func (a *App) Console() string { return "http://" + a.console.Addr().String() }

// ADT is the address, host:port, that the ADT messages of an EHR come in at; "" where it has no feed.
func (a *App) ADT(ehr string) string {
	for _, f := range a.feeds {
		if f.name == ehr {
			return f.listener.Addr().String()
		}
	}
	return ""
}

// Store is the open store, for the commands that read it in the same process.
func (a *App) Store() connector.Store { return a.store }

// Run serves and delivers until ctx ends, then lets what is under way be decided. The first failure ends all of it.
func (a *App) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { close(a.stopping) }) // the pages' streams end, or the listener would wait for them
	work := map[string]func() error{
		"engine":  func() error { return a.engine.Run(ctx) },
		"public":  func() error { return web.Serve(ctx, a.public, a.web.Public()) },
		"console": func() error { return web.Serve(ctx, a.console, a.web.Console()) },
		"control": func() error {
			return web.Serve(ctx, a.control, a.operators(ctx, web.Control(web.Operator{Store: a.store, Clock: a.o.Clock, Log: a.o.Log,
				Engine: a.engine, EHRs: values(a.ids), Lines: linesOf(a.o.Config, a.ids), Audit: a.audit.verify})))
		},
		"inbox":    func() error { return a.desk.Run(ctx) },
		"launches": func() error { return a.apps.run(ctx, a.o.Clock, a.o.Log) },
		"clock":    func() error { return a.watchClock(ctx) },
		"alerts":   func() error { return a.board.Run(ctx) },
		"parking":  func() error { return a.parking.Run(ctx) },
		"escalate": func() error { return a.ladder.Run(ctx) },
		"audit":    func() error { return a.audit.run(ctx, a.o.Clock, a.o.Log) },
		"witness":  func() error { return a.witness.run(ctx) },
	}
	for _, f := range a.feeds {
		work["the ADT feed of EHR "+f.name] = func() error { return f.feed.Serve(ctx, f.listener, f.access, a.o.Log) }
	}
	failed := make(chan error, len(work))
	for name, run := range work {
		go func() {
			err := run()
			if err != nil && !errors.Is(err, http.ErrServerClosed) {
				err = fmt.Errorf("%s: %w", name, err)
			} else {
				err = nil
			}
			stop()
			failed <- err
		}()
	}
	var all []error
	for range work {
		all = append(all, <-failed)
	}
	return errors.Join(all...)
}

// Close gives everything back. Safe to call more than once.
func (a *App) Close() error {
	var err error
	a.close.Do(func() {
		if a.public != nil {
			_ = a.public.Close()
		}
		if a.console != nil {
			_ = a.console.Close()
		}
		if a.control != nil {
			_ = a.control.Close()
		}
		for _, f := range a.feeds {
			if f.listener != nil {
				_ = f.listener.Close()
			}
		}
		for _, held := range a.held {
			_ = held.Close()
		}
		if a.store != nil {
			err = a.store.Close()
		}
	})
	return err
}
