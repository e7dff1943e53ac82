package deliver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

const (
	ehrID   = "EHR"
	channel = "texting"
	thread1 = "t-1"
)

// sealer is shared: making keys is the slow part of opening a store.
var sealer = sync.OnceValues(func() (*seal.Sealer, error) { return seal.Generate(time.Unix(0, 0)) })

// world is an engine on a real store, with a scripted chart and a scripted platform, in a bubble of virtual time.
type world struct {
	t        testing.TB
	store    *counting
	clock    clock.Clock // of engines
	chart    *chart
	platform *platform
	in       *ingest.Ingest
	ch       ingest.Channel
	conn     deliver.Connection
	line     deliver.Line
	horizon  time.Duration
	watch    bool
	stop     func()
	events   int // exchanges accepted
	keys     int
	engine   *deliver.Engine
	alarms   []connector.Reason
	alert    alert.Alerter
	mu       sync.Mutex
}

// counting counts commits.
type counting struct {
	connector.Store
	mu      sync.Mutex
	commits int
	refused string // the shard whose commits fail
}

func (c *counting) Update(ctx context.Context, shard string, fn func(connector.Tx) error) error {
	c.mu.Lock()
	c.commits++
	refused := c.refused == shard
	c.mu.Unlock()
	if refused {
		return errors.New("the store refuses this shard")
	}
	return c.Store.Update(ctx, shard, fn)
}

func (c *counting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.commits
}

// bubble runs a test in virtual time on a world of its own, beside other bubbles.
func bubble(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	alone(t, test)
}

// alone runs a test as bubble does, with nothing beside it.
func alone(t *testing.T, test func(w *world)) {
	t.Helper()
	if _, err := sealer(); err != nil { // outside: keys outlive the bubble
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		test(w)
		w.conserved(true)
	})
}

func newWorld(t testing.TB) *world {
	t.Helper()
	keys, err := sealer()
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(context.Background(), "sqlite::memory:", store.Options{Sealer: keys, Clock: clock.System, Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	now := clock.System.Now
	w := &world{t: t, store: &counting{Store: db}, clock: clock.System, chart: newChart(now), platform: &platform{now: now, files: map[string][]byte{}},
		ch: ingest.Channel{Name: channel, EHR: ehrID, DefaultPool: "nurses", Consent: "assumed", Receipts: "delivered"}}
	w.in = ingest.New(w.store, now)
	w.conn = deliver.Connection{ID: ehrID, Name: "mercy", EHR: w.chart, Base: "urn:b", Mode: "live", Concurrent: 4, Deadline: requestDeadline,
		NotBefore: 24 * time.Hour}
	w.line = deliver.Line{Name: channel, EHR: ehrID, Channel: w.platform, Receipts: "delivered", DefaultPool: "nurses",
		OrderWindow: 10 * time.Second, GapWait: time.Minute, MediaWithin: time.Hour}
	w.chart.onFile = w.attemptIsCommitted
	w.update(func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: "mercy"}) })
	return w
}

func (w *world) close() {
	if w.stop != nil {
		w.stop()
	}
	if err := w.store.Close(); err != nil {
		w.t.Error(err)
	}
}

// run starts an engine; several may run at once, as replicas do.
func (w *world) run() {
	w.t.Helper()
	if !w.watch {
		w.conn.Poll = 0
	}
	e, err := deliver.New(deliver.Options{Store: w.store, Clock: w.clock, Connections: []deliver.Connection{w.conn},
		Lines: []deliver.Line{w.line}, Composer: composer{w}, Horizon: w.horizon, Observe: w, Alert: w.alert})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	w.engine = e
	before := w.stop
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		if before != nil {
			before()
		}
	}
}

// halt stops all engines, as an orderly end of the process does.
func (w *world) halt() {
	w.stop()
	w.stop = nil
}

// pass lets time pass, and everything that is due in it happen.
func (w *world) pass(d time.Duration) {
	w.barrier()
	synctest.Wait()
	time.Sleep(d)
	synctest.Wait()
	w.barrier()
}

// barrier parts what the test has read of the chart and the platform from what they do next.
func (w *world) barrier() {
	w.chart.set(func(*chart) {})
	w.platform.set(func(*platform) {})
}

func (w *world) Attempted(string, string, connector.Reason) {}

func (w *world) Moved(string, string, connector.Item) {}

func (w *world) Alarm(_ string, r connector.Reason, _ string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarms = append(w.alarms, r)
}

// composer composes EHR-born messages the way the connector does.
type composer struct{ w *world }

func (c composer) ComposeBorn(ctx context.Context, b deliver.BornDraft) error {
	_, err := c.w.in.Compose(ctx, ingest.Draft{Channel: c.w.ch, ThreadExt: b.Request.ThreadID, Patient: b.Patient,
		Message: connector.Message{Sender: b.Sender, Recipients: b.Recipients, Text: b.Request.Text,
			Attachments: b.Request.Attachments},
		Born: b.Request.Reference, BornVersion: b.Request.Version, Refusal: b.Refusal, Due: b.Due, Agent: "worker"})
	return err
}

func (w *world) update(fn func(tx connector.Tx) error) {
	w.t.Helper()
	if err := w.store.Store.Update(context.Background(), "test", fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) view(fn func(tx connector.Tx) error) {
	w.t.Helper()
	if err := w.store.View(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// attemptIsCommitted breaks the test where a request leaves before its attempt, with these bytes, is in the store.
func (w *world) attemptIsCommitted(sent connector.Write) {
	w.view(func(tx connector.Tx) error {
		items, err := tx.OpenItems(ehrID, []connector.ItemState{connector.Filing}, 0)
		if err != nil {
			return err
		}
		for _, i := range items {
			rows, err := tx.WritesOf(ehrID, i.ID)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if row.State != connector.WriteAttempted || row.Write.Key != sent.Key || !bytes.Equal(row.Write.Body, sent.Body) || row.Write.URL != sent.URL {
					continue
				}
				attempts, err := tx.Attempts(ehrID, row.ID)
				if err != nil {
					return err
				}
				if len(attempts) == row.Attempts && attempts[len(attempts)-1].EndedAt.IsZero() {
					return nil
				}
			}
		}
		w.t.Errorf("a request left and no committed attempt has its bytes: %s %s", sent.Method, sent.Key)
		return nil
	})
	w.conserved(false)
}

// accept commits events of thread t-1.
func (w *world) accept(events ...connector.Event) {
	w.t.Helper()
	w.acceptIn(thread1, events...)
}

func (w *world) acceptIn(ext string, events ...connector.Event) {
	w.t.Helper()
	w.acceptAs(connector.ThreadInfo{ID: ext}, events...)
}

// acceptVisit commits events of thread t-1 as of a visit the platform names.
func (w *world) acceptVisit(visit string, events ...connector.Event) {
	w.t.Helper()
	w.acceptAs(connector.ThreadInfo{ID: thread1, Encounter: &connector.Identifier{System: "urn:visit", Value: visit}}, events...)
}

func (w *world) acceptAs(info connector.ThreadInfo, events ...connector.Event) {
	w.t.Helper()
	w.barrier()
	for _, ev := range events {
		w.mu.Lock()
		w.events++ // before the commit: File may look at once
		w.keys++
		key := fmt.Sprint("e", w.keys)
		w.mu.Unlock()
		ev.Thread, ev.Key, ev.Raw = &info, key, []byte("{}")
		if ev.Timestamp.IsZero() {
			ev.Timestamp = clock.System.Now()
		}
		res, err := w.in.Accept(context.Background(), w.ch, ev)
		if err != nil {
			w.t.Fatal(err)
		}
		if ev.Type != connector.MessageCreated || res.Repeat || ev.Message.ClientID != "" {
			w.mu.Lock()
			w.events--
			w.mu.Unlock()
		}
	}
}

// compose commits a message of ours in thread ext, "" for a new one.
func (w *world) compose(ext, text string) ingest.Composed {
	w.t.Helper()
	w.barrier()
	d := w.draft(ext, text)
	w.mu.Lock()
	w.events++
	w.mu.Unlock()
	out, err := w.in.Compose(context.Background(), d)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) draft(ext, text string) ingest.Draft {
	d := ingest.Draft{Channel: w.ch, Agent: "api:test", Patient: *anasKey(),
		Message: connector.Message{Sender: connector.Participant{Role: connector.RoleClinician, ID: "Practitioner/dr"}, Text: text,
			Recipients: []connector.Participant{{Role: connector.RolePatient, Identifier: &connector.Identifier{System: "urn:mrn", Value: "1"}}}}}
	if ext != "" {
		d.ThreadID = w.thread(ext).ID
	}
	return d
}

// replay lets a parked item go on, as a person does.
func (w *world) replay(i connector.Item) {
	w.t.Helper()
	if f := w.decide(connector.ActReplay, i, ""); f.Will == deliver.Refused {
		w.t.Errorf("the replay was refused: %s", f.Says)
	}
}

// decide does one action on one item, as a person does, and says what that came to.
func (w *world) decide(act connector.Action, i connector.Item, reference string) deliver.Fate {
	w.t.Helper()
	return w.ask(deliver.Ask{Act: act, Select: deliver.Selection{IDs: []string{i.ID}}, Reference: reference, Why: "because", Agent: "cli:ana", Yes: true}).Items[0]
}

func (w *world) ask(ask deliver.Ask) deliver.Answer {
	w.t.Helper()
	w.barrier()
	a, err := w.engine.Decide(context.Background(), ask)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}
