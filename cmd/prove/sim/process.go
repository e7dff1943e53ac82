package sim

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chartwire/chartwire/adapters/channel/webhook"
	ehrfhir "github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/fhir/r4"
)

// process is one running Chartwire: an engine with its adapters, and the door its platform knocks at. What it does to the
// world goes through pass, so that a killed process does nothing more and a frozen one nothing until it thaws.
type process struct {
	w      *world
	n      int // of all processes of this world
	slot   int // which replica it is
	in     *ingest.Ingest
	wire   *webhook.Channel
	ch     ingest.Channel
	engine *deliver.Engine
	cancel context.CancelFunc
	over   chan struct{} // closed when the engine has ended
	dead   chan struct{}
	killed atomic.Bool
	clock  *clock.Steady

	mu    sync.Mutex
	thaw  chan struct{} // nil: not frozen
	woke  time.Time     // when it last thawed
	heard time.Time     // when it asked for that
	asked time.Time     // the EHR asked for no request before
}

var errDead = errors.New("the process is gone")

// pass lets a living process go on, holds a frozen one, and ends what a killed one was about to do.
func (p *process) pass() error {
	for {
		if p.killed.Load() {
			return errDead
		}
		p.mu.Lock()
		thaw := p.thaw
		p.mu.Unlock()
		if thaw == nil {
			return nil
		}
		select {
		case <-thaw:
		case <-p.dead:
		}
	}
}

func (p *process) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thaw == nil {
		p.thaw = make(chan struct{})
	}
}

func (p *process) unfreeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thaw != nil {
		close(p.thaw)
		p.thaw, p.woke = nil, clock.System.Now()
	}
}

// doomed makes the process do nothing more from this moment on; kill follows.
func (p *process) doomed() { p.killed.Store(true) }

// kill ends the process as SIGKILL does: nothing it would have done next happens. It returns when its goroutines have
// noticed.
func (p *process) kill() {
	p.killed.Store(true)
	close(p.dead)
	p.cancel()
	<-p.over
}

// start wires a process as cmd/app does, on the world's store and wires, unless the slot is taken.
func (w *world) start(slot int) {
	if w.wallOff() != 0 { // it would refuse to start, until somebody has set the clock right
		w.until(w.since() + time.Hour)
	}
	w.mu.Lock()
	if w.running[slot] != nil {
		w.mu.Unlock()
		return
	}
	w.births++
	p := &process{w: w, n: w.births, slot: slot, over: make(chan struct{}), dead: make(chan struct{})}
	w.running[slot] = p
	w.mu.Unlock()
	p.clock = clock.SteadyOn(func() time.Time { return clock.System.Now().Round(0).Add(w.wallOff()) }, w.since)
	st := &gate{Store: w.db, p: p}
	now := p.clock.Now
	hc := &http.Client{Transport: &ehrWire{p: p}}
	s := w.script
	var as []string // auto
	if s.perThread {
		as = []string{"note"}
	}
	adapter := ehrfhir.New(ehrfhir.Options{FilingAs: as, Name: "mercy", BaseURL: ehrBase, Base: base, HTTP: hc, Now: now, Deadline: s.deadline,
		Policy: filing.Policy{Organization: "Organization/clinic", NoteType: r4.NewCoding(r4.SystemLOINC, "34748-4", ""),
			DocStatus: r4.DocFinal, CreateProxies: true, Internal: true, InlineBytes: 5 << 20}})
	line, err := webhook.New(webhook.Options{Name: channel, Secrets: []string{secret}, Now: clock.System.Now, HTTP: &http.Client{Transport: &platformWire{p: p}},
		SendURL: platformBase + "/messages", SendIdempotent: s.idempotent, MediaOrigins: []string{platformBase}})
	if err != nil {
		w.t.Fatal(err)
	}
	p.wire, p.in = line, ingest.New(st, now)
	p.ch = ingest.Channel{Name: channel, EHR: ehrID, DefaultPool: "nurses", Consent: "assumed", Receipts: "delivered"}
	e, err := deliver.New(deliver.Options{Store: st, Clock: p.clock,
		Connections: []deliver.Connection{{ID: ehrID, Name: "mercy", EHR: adapter, Base: base, Mode: "live", Concurrent: s.concurrent,
			PerSecond: s.perSecond, Deadline: s.deadline, SearchLag: s.lag, NotBefore: 24 * time.Hour, PerThread: s.perThread, Idle: s.idle}},
		Lines: []deliver.Line{{Name: channel, EHR: ehrID, Channel: line, Receipts: "delivered", SendIdempotent: s.idempotent, DefaultPool: "nurses",
			OrderWindow: 10 * time.Second, GapWait: time.Minute, MediaWithin: time.Hour}}})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.engine, p.cancel = e, cancel
	go func() {
		defer close(p.over)
		if err := e.Run(ctx); err != nil {
			w.judge.fail("the engine ended: %v", err)
		}
	}()
	w.judge.note("process %d starts in slot %d", p.n, slot)
}

// gate is the store as one process reaches it. It tells the judge what was committed.
type gate struct {
	connector.Store
	p *process
}

func (g *gate) Update(ctx context.Context, shard string, fn func(connector.Tx) error) error {
	if err := g.p.pass(); err != nil {
		return errors.Join(connector.ErrStore, err)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	// A commit that has begun ends, whatever becomes of the process: the database does not know.
	err := g.p.w.update(context.WithoutCancel(ctx), shard, fn)
	g.p.w.ambush(g.p, "commit", shard)
	if gone := g.p.pass(); gone != nil {
		return errors.Join(connector.ErrStore, gone)
	}
	return err
}

func (g *gate) View(ctx context.Context, fn func(connector.Tx) error) error {
	if err := g.p.pass(); err != nil {
		return errors.Join(connector.ErrStore, err)
	}
	return g.Store.View(ctx, fn)
}

func (g *gate) Claim(ctx context.Context, ehr string, kinds []connector.LaneKind, limit int, now time.Time) ([]connector.Lane, error) {
	if err := g.p.pass(); err != nil {
		return nil, errors.Join(connector.ErrStore, err)
	}
	if g.p.w.quiet.claim(kinds, now) {
		return nil, nil
	}
	before := g.p.w.quiet.now()
	lanes, err := g.Store.Claim(context.WithoutCancel(ctx), ehr, kinds, limit, now)
	if err == nil {
		g.p.w.judge.claimed(g.p, lanes)
		g.p.w.quiet.claimed(kinds, len(lanes), limit, before, now, g.p.w.script.lease)
	}
	if gone := g.p.pass(); gone != nil {
		return nil, errors.Join(connector.ErrStore, gone)
	}
	return lanes, err
}

func (g *gate) ClaimFront(ctx context.Context, ehr string, kinds []connector.LaneKind, limit int, now, since time.Time) ([]connector.Lane, error) {
	if err := g.p.pass(); err != nil {
		return nil, errors.Join(connector.ErrStore, err)
	}
	if g.p.w.quiet.claim(kinds, now) {
		return nil, nil
	}
	lanes, err := g.Store.ClaimFront(context.WithoutCancel(ctx), ehr, kinds, limit, now, since)
	if err == nil && len(lanes) > 0 {
		g.p.w.judge.claimed(g.p, lanes)
		g.p.w.quiet.touch(now)
	}
	if gone := g.p.pass(); gone != nil {
		return nil, errors.Join(connector.ErrStore, gone)
	}
	return lanes, err
}

func (g *gate) NextDue(ctx context.Context, ehr string, kinds []connector.LaneKind) (time.Time, bool, error) {
	if err := g.p.pass(); err != nil {
		return time.Time{}, false, errors.Join(connector.ErrStore, err)
	}
	if due, ok, known := g.p.w.quiet.next(kinds); known {
		return due, ok, nil
	}
	before := g.p.w.quiet.now()
	due, ok, err := g.Store.NextDue(ctx, ehr, kinds)
	if err == nil {
		g.p.w.quiet.told(kinds, due, ok, before)
	}
	return due, ok, err
}

// quiet spares the database the questions of an idle engine: as long as nothing was committed since the answer, and every
// lease there was has ended before it, the answer is the same. Without it most of a quiet virtual day's real time would go
// into asking an unchanged table.
type quiet struct {
	mu      sync.Mutex
	version int64
	changed time.Time // of the last commit
	settled map[string]int64
	due     map[string]nextDue
}

type nextDue struct {
	at      time.Time
	ok      bool
	version int64
}

func kindKey(kinds []connector.LaneKind) string { return string(kinds[0]) }

func (q *quiet) now() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.version
}

func (q *quiet) touch(now time.Time) {
	q.mu.Lock()
	q.version++
	q.changed = now
	q.mu.Unlock()
}

// claim says whether a claim is known to give nothing.
func (q *quiet) claim(kinds []connector.LaneKind, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := kindKey(kinds)
	d, known := q.due[k]
	return known && q.settled[k] == q.version && d.version == q.version && (!d.ok || now.Before(d.at))
}

func (q *quiet) claimed(kinds []connector.LaneKind, n, limit int, before int64, now time.Time, lease time.Duration) {
	if n > 0 {
		q.touch(now)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.version == before && now.After(q.changed.Add(lease)) {
		q.settled[kindKey(kinds)] = before
	}
}

func (q *quiet) next(kinds []connector.LaneKind) (time.Time, bool, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := kindKey(kinds)
	d, known := q.due[k]
	return d.at, d.ok, known && q.settled[k] == q.version && d.version == q.version
}

func (q *quiet) told(kinds []connector.LaneKind, at time.Time, ok bool, before int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.due[kindKey(kinds)] = nextDue{at, ok, before}
}
