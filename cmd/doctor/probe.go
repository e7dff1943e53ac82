package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

// The steps of a probe. Between Plan and File a person confirms; between File and Close they look into the chart.
const (
	StepPlan  = "plan"  // says what would be written; writes nothing
	StepFile  = "file"  // writes, and reads back
	StepClose = "close" // marks what was written as entered in error, and keeps where a person saw it
)

// Ask is one step of a probe. File repeats ID and At of the plan that was confirmed.
type Ask struct {
	Step    string    `json:"step"`
	ID      string    `json:"id,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Confirm string    `json:"confirm,omitempty"` // File: the connection's name
	Seen    string    `json:"seen,omitempty"`    // Close: where the entries show in the chart, in a person's words
}

// Answer is what came of a step.
type Answer struct {
	ID       string           `json:"id"`
	At       time.Time        `json:"at"`
	Says     []string         `json:"says,omitempty"`     // Plan: what will be done and what stays behind
	Requests []Request        `json:"requests,omitempty"` // Plan: exactly what is written
	Probe    *connector.Probe `json:"probe,omitempty"`
}

// Request is one request of a probe. {patient} in it is the test patient.
type Request struct {
	Method string          `json:"method"`
	URL    string          `json:"url"`
	Body   json.RawMessage `json:"body"`
}

// probeChannel stands in the identifiers of test entries, where a channel's name does else. No channel may be called so.
const probeChannel = "chartwire.probe"

var (
	probeID = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`)
	// confirmedFor is how long a plan can be confirmed.
	confirmedFor = time.Hour
)

func refused(format string, args ...any) error {
	return &connector.ProbeRefused{Text: fmt.Sprintf(format, args...)}
}

// prober is one step under way.
type prober struct {
	*Doctor
	c          Connection
	agent      string
	traits     connector.Traits
	strategies []connector.Strategy
	encounter  string // of the test patient, where entries need one; "" none
	probe      connector.Probe
}

// Probe takes one step of a probe of a connection. Errors: *connector.ProbeRefused, whose text is for people,
// deliver.ErrNoConnection, and the store's.
func (d *Doctor) Probe(ctx context.Context, name, agent string, q Ask) (Answer, error) {
	for _, c := range d.Connections {
		if c.Config.Name != name {
			continue
		}
		p := &prober{Doctor: d, c: c, agent: agent}
		if err := p.eligible(); err != nil {
			return Answer{}, err
		}
		switch q.Step {
		case StepPlan:
			return p.plan(ctx)
		case StepFile:
			return p.file(context.WithoutCancel(ctx), q) // a command that is stopped leaves a whole record
		case StepClose:
			return p.close(context.WithoutCancel(ctx), q)
		}
		return Answer{}, refused("a probe has no step %q.", q.Step)
	}
	return Answer{}, deliver.ErrNoConnection
}

// eligible says whether the connection can be probed at all.
func (p *prober) eligible() error {
	e := p.c.Config
	switch {
	case e.Type == config.HL7v2:
		return refused("%s is an interface engine, which shows nothing of the chart: a probe would prove nothing. Its first filed document does.", e.Name)
	case e.Probe.Patient == "":
		return refused("%s has no test patient to write to: have the EHR administrator make one (never a real person), and name it as probe: {patient: Patient/…} of this connection in the Chartwire configuration.", e.Name)
	case e.Mode == config.ModeOff:
		return refused("%s has mode off in the Chartwire configuration, so nothing is written to it.", e.Name)
	case p.c.EHR == nil:
		return refused("the connection to %s cannot be made: %v; correct it in the Chartwire configuration.", e.Name, p.c.Err)
	}
	return nil
}

// open learns what the connection can do now, and by which strategies.
func (p *prober) open(ctx context.Context) error {
	var found connector.Preflight
	var err error
	if checker, ok := p.c.EHR.(connector.Checker); ok {
		if found, err = checker.Check(ctx); err != nil {
			return err
		}
	}
	p.strategies = found.Strategies
	var no *connector.Refused
	p.traits, err = p.c.EHR.Open(ctx)
	switch {
	case errors.As(err, &no) && len(p.strategies) > 0: // what is held back until a probe has proven it
	case err != nil:
		return refused("the connection to %s cannot be opened (%v): chartwire doctor --ehr %s says what is missing.", p.c.Config.Name, err, p.c.Config.Name)
	case len(p.strategies) == 0:
		p.strategies = []connector.Strategy{p.traits.Strategy}
	}
	return p.findEncounter(ctx)
}

// findEncounter finds an open encounter of the test patient where an entry cannot be without one.
func (p *prober) findEncounter(ctx context.Context) error {
	if !p.traits.NeedsEncounter && p.c.Config.Filing.Encounter.Policy != config.EncounterRequired {
		return nil
	}
	finder, ok := p.c.EHR.(connector.EncounterFinder)
	if !ok {
		return refused("%s takes no entry without an encounter, and this connection finds none: nothing was written.", p.c.Config.Name)
	}
	patient := p.c.Config.Probe.Patient
	all, err := finder.Encounters(ctx, connector.EncounterQuery{Patient: patient, Open: true})
	for _, e := range all {
		if e.Open() {
			p.encounter = e.Reference
			return nil
		}
	}
	if err != nil {
		return refused("%s takes no entry without an encounter, and those of %s could not be read (%v): nothing was written.", p.c.Config.Name, patient, err)
	}
	return refused("%s takes no entry without an encounter, and %s has none that is open: nothing was written. Open one for the test patient in the EHR, then probe again.", p.c.Config.Name, patient)
}

// exchange is the message a test entry is made of: short, with characters of several scripts and two lines, so that exact
// means something.
func (p *prober) exchange(id string, at time.Time, s connector.Strategy) connector.Exchange {
	return connector.Exchange{Kind: connector.ItemExchange, Base: p.Base, Channel: probeChannel, Revision: 1, Received: at, Strategy: s, NoHeader: true,
		Patient: connector.SymPatient, Encounter: p.encounter, Refs: map[string]connector.Reference{}, Missing: map[string]bool{}, Thread: connector.ThreadInfo{ID: id, Topic: "Chartwire connection test"},
		Message: connector.Message{ID: string(s), Direction: connector.FromPatient, SentAt: at, Text: probeText(id, s),
			Sender:     connector.Participant{Role: connector.RolePatient},
			Recipients: []connector.Participant{{Role: connector.RolePool, ID: "preflight", Name: "Chartwire preflight"}}}}
}

func probeText(id string, s connector.Strategy) string {
	return "Chartwire connection test " + id + ", filed as " + string(s) + ". No person wrote this.\nÄußerst genau: naïve façade, 日本語, \"quotes\" & <angles>."
}

// writes are those of one strategy, with the test patient in them.
func (p *prober) writes(id string, at time.Time, s connector.Strategy) ([]connector.Write, error) {
	planned, err := p.c.EHR.Plan(p.exchange(id, at, s))
	if err != nil || len(planned) == 0 {
		return nil, refused("no test entry can be planned as %s (%v).", s, err)
	}
	return planned, nil
}

// plan says what a probe would write, and what of it stays.
func (p *prober) plan(ctx context.Context) (Answer, error) {
	if err := p.open(ctx); err != nil {
		return Answer{}, err
	}
	now := p.Clock.Now().UTC().Truncate(time.Millisecond)
	a := Answer{ID: connector.NewID(now), At: now}
	e := p.c.Config
	a.Says = []string{fmt.Sprintf("%s of %s (%s) is read. Nothing is written where it is not there, not active, or another patient is shown.", e.Probe.Patient, e.Name, e.BaseURL)}
	for _, s := range p.strategies {
		writes, err := p.writes(a.ID, now, s)
		if err != nil {
			return a, err
		}
		a.Says = append(a.Says, fmt.Sprintf("One entry is written to that chart as %s: %s.", s, strings.Join(typesOf(writes), ", ")))
		for _, w := range writes {
			a.Requests = append(a.Requests, Request{Method: w.Method, URL: w.URL, Body: bodyOf(w)})
		}
	}
	a.Says = append(a.Says, "Each entry is read back, searched for by its identifier, and looked for in the list of the patient's entries, for up to "+e.Limits.SearchLag.String()+".")
	return a, p.leaves(&a)
}

// leaves says what stays behind.
func (p *prober) leaves(a *Answer) error {
	r, ok := p.c.EHR.(connector.Retractor)
	for _, s := range p.strategies {
		writes, err := p.writes(a.ID, a.At, s)
		if err != nil {
			return err
		}
		main := writes[len(writes)-1]
		for _, w := range writes {
			if !w.Identity.IsZero() {
				main = w
			}
		}
		err = errors.New("it cannot be taken back")
		if ok {
			_, err = r.Retract(main, main.Type+"/1")
		}
		if err == nil {
			a.Says = append(a.Says, fmt.Sprintf("What stays behind as %s: the %s, marked as entered in error, with all its versions, and any Provenance of it.", s, main.Type))
		} else {
			a.Says = append(a.Says, fmt.Sprintf("What stays behind as %s: the %s as it is, for this EHR does not let Chartwire change it. Somebody has to mark it as entered in error in the chart by hand.", s, main.Type))
		}
	}
	return nil
}

func typesOf(writes []connector.Write) []string {
	var out []string
	for _, w := range writes {
		out = append(out, resourceTypes(w)...)
	}
	return out
}

// resourceTypes are the types a write creates: of a transaction, those of its entries.
func resourceTypes(w connector.Write) []string {
	if w.URL != "" || !w.Symbolic() {
		return []string{w.Type}
	}
	var b struct {
		Entry []struct {
			Resource struct {
				Type string `json:"resourceType"`
			} `json:"resource"`
		} `json:"entry"`
	}
	var out []string
	if json.Unmarshal(w.Body, &b) == nil {
		for _, e := range b.Entry {
			out = append(out, e.Resource.Type)
		}
	}
	return out
}

func bodyOf(w connector.Write) json.RawMessage {
	if json.Valid(w.Body) {
		return w.Body
	}
	quoted, _ := json.Marshal(string(w.Body))
	return quoted
}
