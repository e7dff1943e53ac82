// Package deliver moves what ingest committed: it claims lanes, matches the patient, has the adapter plan, commits each
// attempt before its request leaves, compares what the chart shows, and decides every retry, hold and park. Adapters
// classify; only this package decides.
package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/clock"
)

// Connection is one EHR as deliver needs it.
type Connection struct {
	ID         string // ehr_id
	Name       string // the config's label, for logs and metrics
	EHR        connector.EHR
	Base       string // identity.base
	Mode       string // live | shadow | off
	Concurrent int    // writes under way at once
	PerSecond  float64
	Deadline   time.Duration     // of one request
	SearchLag  time.Duration     // how long the EHR's index may lag behind its writes
	Poll       time.Duration     // watch; 0 never
	NotBefore  time.Duration     // an EHR-born request older than this is parked
	Systems    map[string]string // the channel's identifier system → the EHR's
	PerThread  bool              // threads are filed as one entry, when they close or are Idle
	Idle       time.Duration     // without a message, after which a thread nobody closed is filed
	TrustIDs   bool              // the EHR shows no patient to compare with: a channel's identifiers are believed
	Encounters Encounters        // which encounter an entry belongs to
	HoldFor    time.Duration     // how long an item waits for its patient or encounter before a person is asked; 0 for ever
	NotifyURL  string            // where the EHR may post R4 rest-hooks; "" where it cannot reach us
	NotifyWith string            // the header it must send, "Name: value"
}

// Line is one channel as deliver needs it.
type Line struct {
	Name           string
	EHR            string // ehr_id its threads are filed in
	Channel        connector.Channel
	Receipts       string // none | sent | delivered | read
	SendIdempotent bool
	TrustIDs       bool
	ConsentNeeded  bool
	DefaultPool    string
	OrderWindow    time.Duration
	GapWait        time.Duration
	MediaWithin    time.Duration
}

// Composer commits a message of ours; ingest is the one in use.
type Composer interface {
	ComposeBorn(ctx context.Context, b BornDraft) error
}

// BornDraft is an EHR-born request that may be sent.
type BornDraft struct {
	EHR, Channel string
	Request      connector.EHRRequest
	Patient      connector.PatientKey
	Sender       connector.Participant
	Recipients   []connector.Participant
	Due          time.Time        // not sent before; zero: now
	Refusal      connector.Reason // set: park it with this reason instead of sending
}

// Options wires an Engine.
type Options struct {
	Store       connector.Store
	Clock       clock.Clock
	Log         *slog.Logger
	Connections []Connection
	Lines       []Line
	Composer    Composer
	Horizon     time.Duration // how long a write is retried before it parks; 72 h when zero
	Observe     Observer
	Alert       alert.Alerter // hears what stands still; nil: nobody does
}

// Observer hears of every decided attempt and every state an item takes. It must not block. Metrics and the demo's
// live view are observers.
type Observer interface {
	Attempted(ehr, outcome string, reason connector.Reason)
	Moved(ehr, channel string, i connector.Item)
	Alarm(ehr string, r connector.Reason, item string)
}

// Engine runs the lanes of all connections. One per process.
type Engine struct {
	store    connector.Store
	clock    clock.Clock
	log      *slog.Logger
	conns    map[string]*conn
	lines    map[string]*Line
	compose  Composer
	horizon  time.Duration
	observe  Observer
	alert    alert.Alerter
	wg       sync.WaitGroup
	restored atomic.Pointer[time.Time] // see Restored
}

// New checks the wiring and gives an engine that has done nothing yet.
func New(o Options) (*Engine, error) {
	if o.Store == nil || o.Clock == nil {
		return nil, errors.New("deliver: store and clock are needed")
	}
	e := &Engine{store: o.Store, clock: o.Clock, log: o.Log, conns: map[string]*conn{}, lines: map[string]*Line{},
		compose: o.Composer, horizon: o.Horizon, observe: o.Observe}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.horizon == 0 {
		e.horizon = 72 * time.Hour
	}
	if e.observe == nil {
		e.observe = nobody{}
	}
	if e.alert = o.Alert; e.alert == nil {
		e.alert = alert.Nobody{}
	}
	for i := range o.Connections {
		c := o.Connections[i]
		if c.ID == "" || c.EHR == nil {
			return nil, fmt.Errorf("deliver: connection %q has no id or adapter", c.Name)
		}
		e.conns[c.ID] = newConn(c, e)
	}
	for i := range o.Lines {
		l := o.Lines[i]
		if e.conns[l.EHR] == nil {
			return nil, fmt.Errorf("deliver: channel %q files into an EHR that is not configured", l.Name)
		}
		e.lines[l.Name] = &l
	}
	return e, nil
}

// Run works until ctx ends, then waits for requests under way to be decided, and returns nil.
func (e *Engine) Run(ctx context.Context) error {
	for _, c := range e.conns {
		if c.Mode == "off" {
			continue
		}
		e.goDispatch(ctx, c, filingKinds, e.filers(c))
		if w, ok := c.EHR.(connector.Watcher); ok && c.Poll > 0 && e.compose != nil && c.Mode != "shadow" {
			e.wg.Add(1)
			go func() { defer e.wg.Done(); e.watch(ctx, c, w) }()
		}
	}
	for _, c := range e.conns {
		e.goDispatch(ctx, c, sendKinds, newCrew(sendWorkers))
		e.goDispatch(ctx, c, mediaKinds, newCrew(mediaWorkers))
	}
	e.wg.Wait()
	return nil
}

// Notify makes the watcher of an EHR look at once: the EHR said that something changed.
func (e *Engine) Notify(ehr string) {
	if c := e.conns[ehr]; c != nil {
		select {
		case c.nudge <- struct{}{}:
		default:
		}
	}
}

// line gives a thread's channel. A channel that left the config while threads of it were open still files, with the
// contract's defaults; it cannot send.
func (e *Engine) line(name, ehr string) *Line {
	if l := e.lines[name]; l != nil {
		return l
	}
	return &Line{Name: name, EHR: ehr, Receipts: "delivered", OrderWindow: 10 * time.Second, GapWait: time.Minute}
}

type nobody struct{}

func (nobody) Attempted(string, string, connector.Reason) {}
func (nobody) Moved(string, string, connector.Item)       {}
func (nobody) Alarm(string, connector.Reason, string)     {}
