// Package preview shows the exact requests an EHR would get for a file of channel events: chartwire map. It runs the real
// way of an exchange, ingest, lanes and plans, over a store in memory, with an EHR that takes everything and a clock that
// stands at the events' own times. It makes no call and needs no secret; results not known yet stay symbols.
package preview

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/adapters/channel/webhook"
	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

// Request is one request of a plan, as chartwire map --json prints it.
type Request struct {
	EHR     string            `json:"ehr"`
	Key     string            `json:"key"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
	Changes map[string]any    `json:"changes,omitempty"` // an update: the fields set on what the EHR has
}

// Stopped is an item that would not be filed, and why.
type Stopped struct {
	EHR    string           `json:"ehr"`
	Kind   string           `json:"kind"`
	Item   string           `json:"message,omitempty"`
	State  string           `json:"state"`
	Reason connector.Reason `json:"reason"`
	Text   string           `json:"text,omitempty"`
}

// Plan gives the requests one EHR of the configuration would get for these event lines, and what would not be filed. An
// error names a line that cannot be read, an EHR without a channel, or a type there is no adapter for.
func Plan(ctx context.Context, c *config.Config, e config.EHR, lines [][]byte) ([]Request, []Stopped, error) {
	ch := channelOf(c, e.Name)
	if ch == nil {
		return nil, nil, fmt.Errorf("no channel of the configuration files into EHR %q", e.Name)
	}
	adapter, err := adapters.EHR(adapters.EHRParts{Config: e, Base: c.Identity.Base, People: app.People(c, e.Name), Now: clock.System.Now})
	if err != nil {
		return nil, nil, err
	}
	p := &plan{config: c, ehr: e, channel: *ch, recorder: &recorder{EHR: adapter, name: e.Name, progress: make(chan struct{}, 1)}}
	if err := p.open(ctx); err != nil {
		return nil, nil, err
	}
	defer p.store.Close()
	if err := p.accept(ctx, lines); err != nil {
		return nil, nil, err
	}
	stopped, err := p.deliver(ctx)
	return p.recorder.requests, stopped, err
}

func channelOf(c *config.Config, ehr string) *config.Channel {
	for i := range c.Channels {
		if c.Channels[i].EHR == ehr {
			return &c.Channels[i]
		}
	}
	return nil
}

// neverSigns stands where a channel needs a secret: a file of events is not signed, and nothing is sent.
var neverSigns = "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))

type plan struct {
	config   *config.Config
	ehr      config.EHR
	channel  config.Channel
	recorder *recorder
	store    *store.DB
	id       string
}

func (p *plan) open(ctx context.Context) error {
	keys, err := seal.Generate(clock.System.Now())
	if err != nil {
		return err
	}
	if p.store, err = store.Open(ctx, "sqlite::memory:", store.Options{Sealer: keys}); err != nil {
		return err
	}
	p.id = connector.NewID(clock.System.Now())
	return p.store.Update(ctx, "tenants", func(tx connector.Tx) error {
		return tx.PutEHR(connector.EHRRow{ID: p.id, Name: p.ehr.Name})
	})
}

// accept commits the events, each at its own time.
func (p *plan) accept(ctx context.Context, lines [][]byte) error {
	reader, err := webhook.New(webhook.Options{Name: p.channel.Name, Secrets: []string{neverSigns}, Now: clock.System.Now,
		UnknownFields: string(p.channel.UnknownFields)})
	if err != nil {
		return err
	}
	var at time.Time
	in := ingest.New(p.store, func() time.Time { return at })
	ch := ingest.Channel{Name: p.channel.Name, EHR: p.id, DefaultPool: p.channel.DefaultPool, Receipts: string(p.channel.Receipts)}
	for n, line := range lines {
		ev, err := reader.DecodeLine(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		at = ev.Timestamp.UTC()
		if _, err := in.Accept(ctx, ch, ev); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return nil
}

// deliver lets the engine work until nothing moves.
func (p *plan) deliver(ctx context.Context) ([]Stopped, error) {
	engine, err := deliver.New(deliver.Options{Store: p.store, Clock: clock.System,
		Connections: []deliver.Connection{{ID: p.id, Name: p.ehr.Name, EHR: p.recorder, Base: p.config.Identity.Base, Mode: "live", Concurrent: 1}},
		Lines:       []deliver.Line{{Name: p.channel.Name, EHR: p.id, Channel: noMedia{}, Receipts: string(p.channel.Receipts), TrustIDs: true, DefaultPool: p.channel.DefaultPool}},
		Observe:     p.recorder})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	stopped, err := p.wait(ctx)
	stop()
	return stopped, errors.Join(err, <-ended)
}

// wait returns once every item is filed, left out or stopped.
func (p *plan) wait(ctx context.Context) ([]Stopped, error) {
	for {
		var open, stuck []connector.Item
		err := p.store.View(ctx, func(tx connector.Tx) error {
			var err error
			if open, err = tx.OpenItems(p.id, []connector.ItemState{connector.Waiting, connector.Filing, connector.Unknown}, 1); err != nil {
				return err
			}
			stuck, err = tx.OpenItems(p.id, []connector.ItemState{connector.Held, connector.Parked, connector.NotDue}, 10_000)
			return err
		})
		if err != nil {
			return nil, err
		}
		moving := len(open) > 0
		var out []Stopped
		for _, i := range stuck {
			moving = moving || (i.State == connector.Held && i.Reason == connector.NeedsAttachment)
			text := i.Detail.Text
			if text == "" {
				text = i.Reason.Sentence()
			}
			out = append(out, Stopped{EHR: p.ehr.Name, Kind: string(i.Kind), Item: i.MsgKey, State: string(i.State), Reason: i.Reason, Text: text})
		}
		if !moving {
			return out, nil
		}
		timer := clock.System.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.recorder.progress:
		case <-timer.C():
		}
		timer.Stop()
	}
}

// recorder is an EHR that plans and gates like the real adapter and takes every write.
type recorder struct {
	connector.EHR
	name     string
	progress chan struct{}

	mu       sync.Mutex
	requests []Request
}

// planner is asked of adapters: what they would plan with without having been opened.
type planner interface{ Planned() connector.Traits }

// Open gives what the adapter plans with before it has met its EHR.
func (r *recorder) Open(context.Context) (connector.Traits, error) {
	t := r.EHR.(planner).Planned()
	t.Watch, t.Subscribe = false, false
	return t, nil
}

// Match stands for whoever the patient is.
func (r *recorder) Match(_ context.Context, k connector.PatientKey) (connector.Patient, error) {
	return connector.Patient{Reference: connector.SymPatient, Active: true}, nil
}

// Prepare leaves an update as the fields it sets.
func (r *recorder) Prepare(_ context.Context, w connector.Write) (connector.Write, *connector.Receipt, error) {
	w.Method, w.URL = "PUT", w.Update.Target
	return w, nil, nil
}

// Gate holds everything but updates, which have no body here, to the adapter's gate.
func (r *recorder) Gate(w connector.Write) error {
	if w.Update != nil {
		return nil
	}
	w.Body = deliver.WithStandIns(w)
	return r.EHR.Gate(w)
}

// File takes the write; its place is its own symbol.
func (r *recorder) File(_ context.Context, w connector.Write) (connector.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := Request{EHR: r.name, Key: w.Key, Method: w.Method, URL: w.URL, Headers: w.Header, Body: w.Body}
	if !w.Symbolic() {
		q.Body, _ = json.Marshal(string(w.Body)) // ER7 text
	}
	if w.Update != nil {
		q.Changes = w.Update.Set
	}
	r.requests = append(r.requests, q)
	ref := w.Provides
	if ref == "" {
		ref = "{" + w.Key + "}"
	}
	return connector.Receipt{Reference: ref}, nil
}

// Find has nothing to find: no request has left.
func (r *recorder) Find(context.Context, connector.Write) (connector.Receipt, error) {
	return connector.Receipt{}, connector.ErrAbsent
}

// Attempted is deliver.Observer.
func (r *recorder) Attempted(string, string, connector.Reason) {}

// Alarm is deliver.Observer.
func (r *recorder) Alarm(string, connector.Reason, string) {}

// Moved is deliver.Observer.
func (r *recorder) Moved(string, string, connector.Item) {
	select {
	case r.progress <- struct{}{}:
	default:
	}
}

// noMedia is a channel that says what would be fetched instead of fetching it.
type noMedia struct{}

func (noMedia) Decode(connector.Inbound) ([]connector.Event, error) { return nil, nil }

func (noMedia) Send(context.Context, connector.Outgoing) (connector.Handover, error) {
	return connector.Handover{}, &connector.Refused{Reason: connector.SendRefused}
}

func (noMedia) Fetch(_ context.Context, a connector.Attachment) ([]byte, error) {
	return []byte("the bytes fetched from " + a.URL), nil
}
