// Package preview shows the exact requests each EHR would get for a file of channel events, side by side, and what its chart
// would not show: chartwire map. It runs the real way of an exchange, ingest, lanes and plans, over a store in memory, with an
// EHR that takes everything, has the encounter a policy wants, and a clock that stands at the events' own times. It makes no call and needs no secret; results
// not known yet stay symbols.
package preview

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/adapters/channel/webhook"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

// Request is one request of a plan, as it would go over the wire; URL is relative to the EHR's base.
type Request struct {
	Key     string            `json:"key"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
	Changes map[string]any    `json:"changes,omitempty"` // an update: the fields set on what the EHR has
}

// Filing is what one EHR would get for one step, and what its chart would not show. State is filed where requests would be
// made; else Reason and Text say why not.
type Filing struct {
	State    connector.ItemState
	Reason   connector.Reason
	Text     string
	Requests []Request
	Lost     []filing.Loss
}

// Connection is the plan of one EHR.
type Connection struct {
	Name     string
	Type     config.EHRType
	Base     string // what the requests' addresses are relative to; "" for an interface engine
	Strategy connector.Strategy
	Problem  error // why nothing can be planned; nil where it was
	filings  map[place]Filing
}

// Plans holds the plans of a file side by side.
type Plans struct {
	Connections []Connection
	agenda      *agenda
}

// Row is one step with what each of the connections would get for it, in their order; nil for one that could not be planned
// for, or hears nothing of it.
type Row struct {
	Step    Step
	Filings []*Filing
}

// Rows are the steps the events ask for, in the order of the file, as far as any of the EHRs hears of them.
func (p *Plans) Rows() []Row {
	var out []Row
	for n, at := range p.agenda.places {
		row, heard := Row{Step: p.agenda.steps[n]}, false
		for _, c := range p.Connections {
			var f *Filing
			if one, ok := c.filings[at]; ok {
				f, heard = &one, true
			}
			row.Filings = append(row.Filings, f)
		}
		if heard {
			out = append(out, row)
		}
	}
	return out
}

// Make plans the event lines for each of these EHRs of the configuration. One that cannot be planned for, such as of a type
// there is no adapter for, says so and hides no other. A line that cannot be read is a problem of every EHR.
func Make(ctx context.Context, c *config.Config, ehrs []config.EHR, lines [][]byte) *Plans {
	all := &Plans{agenda: newAgenda()}
	for _, e := range ehrs {
		one := Connection{Name: e.Name, Type: e.Type, Base: e.BaseURL, filings: map[place]Filing{}}
		one.Problem = one.plan(ctx, c, e, lines, all.agenda)
		all.Connections = append(all.Connections, one)
	}
	return all
}

// plan gives the filings one EHR would get. An error names a line that cannot be read, an EHR without a channel, or a type
// there is no adapter for.
func (to *Connection) plan(ctx context.Context, c *config.Config, e config.EHR, lines [][]byte, a *agenda) error {
	ch := channelOf(c, e.Name)
	if ch == nil {
		return fmt.Errorf("no channel of the configuration files into EHR %q", e.Name)
	}
	adapter, err := adapters.EHR(adapters.EHRParts{Config: e, Base: c.Identity.Base, People: app.People(c, e.Name), Now: clock.System.Now})
	if err != nil {
		return err
	}
	if a, ok := adapter.(interface{ Root(string) string }); ok { // writes go to another API
		to.Base = a.Root(e.BaseURL)
	}
	r := newRecorder(adapter)
	to.Strategy = r.traits.Strategy
	p := &plan{config: c, ehr: e, channel: *ch, recorder: r}
	if err := p.open(ctx); err != nil {
		return err
	}
	defer p.store.Close()
	if err := p.accept(ctx, lines, a); err != nil {
		return err
	}
	if err := p.deliver(ctx); err != nil {
		return err
	}
	items, err := p.items(ctx)
	if err != nil {
		return err
	}
	for _, i := range items {
		a.know(i.place)
		to.filings[i.place] = r.filing(i)
	}
	return nil
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

// accept commits the events, each at its own time, and notes what they ask for.
func (p *plan) accept(ctx context.Context, lines [][]byte, a *agenda) error {
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
		a.add(ev)
	}
	return nil
}

// deliver lets the engine work until nothing moves.
func (p *plan) deliver(ctx context.Context) error {
	engine, err := deliver.New(deliver.Options{Store: p.store, Clock: clock.System,
		Connections: []deliver.Connection{{ID: p.id, Name: p.ehr.Name, EHR: p.recorder.asked(), Base: p.config.Identity.Base, Mode: "live", Concurrent: 1,
			PerThread: p.ehr.Filing.Per == config.PerThread, Idle: time.Nanosecond, // a file is a thread that fell silent
			HoldFor: time.Microsecond, Encounters: encounters(p.ehr.Filing.Encounter.Policy)}},
		Lines:   []deliver.Line{{Name: p.channel.Name, EHR: p.id, Channel: &p.recorder.media, Receipts: string(p.channel.Receipts), TrustIDs: true, DefaultPool: p.channel.DefaultPool}},
		Observe: p.recorder})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	err = p.wait(ctx)
	stop()
	return errors.Join(err, <-ended)
}

// wait returns once every item is filed, left out or stopped.
func (p *plan) wait(ctx context.Context) error {
	for {
		var open, held []connector.Item
		err := p.store.View(ctx, func(tx connector.Tx) error {
			var err error
			if open, err = tx.OpenItems(p.id, []connector.ItemState{connector.Waiting, connector.Filing, connector.Unknown}, 1); err != nil {
				return err
			}
			held, err = tx.OpenItems(p.id, []connector.ItemState{connector.Held}, 10_000)
			return err
		})
		if err != nil {
			return err
		}
		moving := len(open) > 0 || slices.ContainsFunc(held, func(i connector.Item) bool {
			return i.Reason == connector.NeedsAttachment || i.Reason == connector.ThreadOpen
		})
		if !moving {
			return nil
		}
		timer := clock.System.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.recorder.progress:
		case <-timer.C():
		}
		timer.Stop()
	}
}
