package preview

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

// recorder is an EHR that plans and gates like the real adapter and takes every write.
type recorder struct {
	connector.EHR
	media    media
	traits   connector.Traits
	progress chan struct{}

	mu       sync.Mutex
	plans    map[place][]planned // by place, but for its number
	requests map[string]Request  // by key
}

// planned is one answer of the adapter.
type planned struct {
	writes []connector.Write
	lost   []filing.Loss
}

func newRecorder(adapter connector.EHR) *recorder {
	r := &recorder{EHR: adapter, progress: make(chan struct{}, 1), plans: map[place][]planned{}, requests: map[string]Request{}}
	if p, ok := adapter.(planner); ok {
		r.traits = p.Planned()
	}
	r.traits.Watch, r.traits.Subscribe = false, false
	return r
}

// planner is asked of adapters: what they would plan with without having been opened.
type planner interface{ Planned() connector.Traits }

// Open gives what the adapter plans with before it has met its EHR.
func (r *recorder) Open(context.Context) (connector.Traits, error) { return r.traits, nil }

// Plan is the adapter's, remembered with what it leaves out.
func (r *recorder) Plan(x connector.Exchange) ([]connector.Write, error) {
	writes, err := r.EHR.Plan(r.media.summed(x))
	if x.Transcript != nil && x.Transcript.Version == 0 {
		return writes, err // only asked whether it could be told
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if x.Transcript != nil {
		r.told(x, writes)
	}
	p := placeOf(x)
	r.plans[p] = append(r.plans[p], planned{writes, filing.Lost(x, writes, r.traits)})
	return writes, err
}

// told remembers what a transcript leaves out of each other message it tells.
func (r *recorder) told(x connector.Exchange, writes []connector.Write) {
	for _, t := range x.Transcript.Told {
		if t.Message.ID == x.Message.ID {
			continue
		}
		one := x
		one.Kind, one.Message, one.Delivery, one.Late, one.AfterGap = connector.ItemExchange, t.Message, t.Delivery, t.Late, t.AfterGap
		p := placeOf(one)
		r.plans[p] = append(r.plans[p], planned{nil, filing.Lost(one, writes, r.traits)})
	}
}

// Match stands for whoever the patient is.
func (r *recorder) Match(_ context.Context, k connector.PatientKey) (connector.Patient, error) {
	return connector.Patient{Reference: connector.SymPatient, Active: true}, nil
}

// asked is the recorder as deliver is to see it: it can be asked for encounters where the adapter can.
func (r *recorder) asked() connector.EHR {
	if _, ok := r.EHR.(connector.EncounterFinder); ok {
		return visited{r}
	}
	return r
}

// NamesVisit is the adapter's.
func (r *recorder) NamesVisit(visit connector.Identifier) bool {
	namer, ok := r.EHR.(connector.VisitNamer)
	return ok && namer.NamesVisit(visit)
}

// visited is a recorder of an EHR that can be asked for encounters.
type visited struct{ *recorder }

// Encounters stands for whichever encounter fits the policy: there is one, and its place is the symbol.
func (visited) Encounters(_ context.Context, q connector.EncounterQuery) ([]connector.Encounter, error) {
	return []connector.Encounter{{Reference: connector.SymEncounter, Status: "in-progress", Identifiers: []connector.Identifier{q.Visit}}}, nil
}

// encounters is a policy as the plan follows it. What is recent nobody can know here, so the one that is asked for stands for
// whichever the EHR would give.
func encounters(p config.EncounterPolicy) deliver.Encounters {
	switch p {
	case config.EncounterThread, config.EncounterRecent:
		p = config.EncounterOpen
	}
	return deliver.Encounters{Policy: string(p)}
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
	q := Request{Key: w.Key, Method: w.Method, URL: w.URL, Headers: w.Header, Body: r.media.shown(w.Body)}
	if body, ok := r.uploads(w); ok {
		q.Body = body
	} else if !w.Symbolic() {
		q.Body, _ = json.Marshal(string(r.media.shown(w.Body))) // ER7, or a form of fields
	}
	if w.Update != nil {
		q.Changes = w.Update.Set
	}
	r.requests[w.Key] = q
	ref := w.Provides
	if ref == "" {
		ref = "{" + w.Key + "}"
	}
	return connector.Receipt{Reference: ref}, nil
}

// filing is what became of an item.
func (r *recorder) filing(i placed) Filing {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i.State == connector.Parked && (i.Reason == connector.NoPatient || i.Reason == connector.NeedsEncounter) {
		i.State = connector.Held // for as long as hold_for says; here nothing that is waited for will come
	}
	f := Filing{State: i.State, Requests: []Request{}, Lost: []filing.Loss{}}
	if i.State != connector.Filed {
		f.Reason, f.Text = i.Reason, cmp.Or(i.Detail.Text, i.Reason.Sentence())
	}
	if i.Kind == connector.ItemStatus && i.State == connector.NotDue && i.Reason == connector.PolicyLeftOut {
		f.Text = "this news changes nothing on the chart" // no policy of the site left it out
	}
	if t := i.Detail.Telling; t != nil && t.With != "" && i.State == connector.Filed {
		f.Text = fmt.Sprintf("told in version %d of the thread's transcript", t.Version)
	}
	alike := i.place
	alike.no = 0
	answers := r.plans[alike]
	if len(answers) == 0 {
		return f
	}
	p := answers[min(i.place.no, len(answers)-1)]
	for _, w := range p.writes {
		if q, ok := r.requests[w.Key]; ok {
			f.Requests = append(f.Requests, q)
		}
	}
	if i.State == connector.Filed || len(p.writes) == 0 { // of what the gate stopped, everything is missing
		f.Lost = append(f.Lost, p.lost...)
	}
	return f
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
