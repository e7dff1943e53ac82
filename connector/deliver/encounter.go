package deliver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Encounters is the policy by which an entry belongs to an encounter. The zero Encounters is when-known.
type Encounters struct {
	Policy string // when-known | thread | open | recent | required | never
	// Within is how long before an exchange a recent encounter may have begun; Departments are where, Location/… and
	// Organization/…; none are all.
	Within      time.Duration
	Departments []string
}

// question is one way of finding an encounter.
type question int

const (
	named  question = iota // the visit the platform named: exactly one carries its identifier
	open                   // the patient's only one under way
	recent                 // the latest that began before the exchange
)

// questions are what a policy asks, in order. The platform's own word comes first under every policy: it knows the visit.
var questions = map[string][]question{
	"when-known": {named},
	"open":       {named, open},
	"recent":     {named, recent},
	"thread":     {named, open, recent},
	"required":   {named, open, recent},
}

func (p Encounters) questions() []question {
	if p.Policy == "" {
		return questions["when-known"]
	}
	return questions[p.Policy]
}

// required says whether an exchange without an encounter has to wait for one. A chart that takes none without is no reason
// under never: that is the administrator's word, and what the EHR says to it is seen.
func (p Encounters) required(t connector.Traits) bool {
	return p.Policy == "required" || (t.NeedsEncounter && p.Policy != "never")
}

// query is the question as an EHR is asked it. The day is rounded down, so that the answer for one exchange serves the next.
func (p Encounters) query(q question, t connector.ThreadInfo, patient string, at time.Time) connector.EncounterQuery {
	ask := connector.EncounterQuery{Patient: patient}
	switch q {
	case named:
		ask.Visit = *t.Encounter
	case open:
		ask.Open = true
	case recent:
		ask.Since = at.Add(-p.Within).UTC().Truncate(24 * time.Hour)
	}
	return ask
}

// choose picks the encounter of an exchange of that time among those the EHR has: one, or none, with several where more
// than one would do. waits says that the exchange waits for one: then the first that begins after it will do as well, since
// that is how staff end the wait.
func (p Encounters) choose(q question, have []connector.Encounter, at time.Time, waits bool) (ref string, several bool) {
	var fit []connector.Encounter
	for _, e := range have {
		switch q {
		case named:
			if e.Status != "entered-in-error" {
				fit = append(fit, e)
			}
		case open:
			if e.Open() {
				fit = append(fit, e)
			}
		case recent:
			if e.Began() && !e.Start.Before(at.Add(-p.Within)) && p.takesPlace(e) {
				fit = append(fit, e)
			}
		}
	}
	if q == recent {
		fit = nearest(fit, at, waits)
	}
	switch len(fit) {
	case 0:
		return "", false
	case 1:
		return fit[0].Reference, false
	default:
		return "", true
	}
}

// takesPlace says whether an encounter is in one of the departments.
func (p Encounters) takesPlace(e connector.Encounter) bool {
	return len(p.Departments) == 0 || slices.ContainsFunc(e.Places, func(place string) bool { return slices.Contains(p.Departments, place) })
}

// nearest keeps the latest that began by then; where none did and later ones are wanted, the earliest of those. It keeps
// several where they began at one instant.
func nearest(all []connector.Encounter, at time.Time, later bool) []connector.Encounter {
	var before, after []connector.Encounter
	for _, e := range all {
		switch {
		case !e.Start.After(at):
			before = keepBest(before, e, func(a, b time.Time) bool { return a.After(b) })
		case later:
			after = keepBest(after, e, func(a, b time.Time) bool { return a.Before(b) })
		}
	}
	if len(before) > 0 {
		return before
	}
	return after
}

func keepBest(best []connector.Encounter, e connector.Encounter, better func(a, b time.Time) bool) []connector.Encounter {
	switch {
	case len(best) == 0 || better(e.Start, best[0].Start):
		return []connector.Encounter{e}
	case e.Start.Equal(best[0].Start):
		return append(best, e)
	}
	return best
}

// The sentences of a wait for an encounter. They hold nothing of the patient's.
const (
	noEncounter    = "the EHR has no encounter of this patient that fits filing.encounter"
	manyEncounters = "the EHR has several encounters of this patient that fit filing.encounter, and nothing says which is meant"
	cannotAsk      = "the EHR does not let us search this patient's encounters: see Encounter in its CapabilityStatement and in the scopes granted"
	noVisit        = "the platform named no visit, and this EHR cannot be asked for one"
	strangeVisit   = "the visit the platform named is of a system that this connection's entries cannot name: have hl7.authorities say who assigns its numbers (type VN)"
)

// encounter finds the encounter an exchange belongs to, by policy. It reports false with the item held where there is none
// and there has to be.
//
// launch is the encounter that the EHR's own launch says the message was written in, "" for none.
func (d *drainer) encounter(ctx context.Context, i *connector.Item, traits connector.Traits, x *connector.Exchange, launch string) (bool, error) {
	must := d.c.Encounters.mustHave(traits, x.Strategy)
	ref, why, err := d.findEncounter(ctx, i, x, must, launch)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		d.unavailable(i, err)
		return false, nil
	case ref != "":
		x.Encounter = ref
		if isSymbol(ref) { // of chartwire map, whose symbols stand for themselves
			d.known[d.provides(ref, d.thread.Channel)] = ref
		}
		d.keepEncounter(ref)
		return true, nil
	case why == "" || !must || !d.makesEntry(*x):
		return true, nil
	case d.fallsBack(i, traits, x):
		return d.encounter(ctx, i, traits, x, launch)
	}
	again := d.e.clock.Now().Add(recheckPatient(i.Tries))
	if why == noVisit {
		again = connector.Never // only an event of the thread can bring one
	}
	d.holdForNews(i, connector.NeedsEncounter, again, why, connector.PatientKey{Reference: x.Patient})
	return false, nil
}

// findEncounter asks what the policy asks until one answer is an encounter. why says what is missing; it is "" where the
// adapter names the visit by itself.
func (d *drainer) findEncounter(ctx context.Context, i *connector.Item, x *connector.Exchange, must bool, launch string) (ref, why string, err error) {
	p, at := d.c.Encounters, i.SentAt
	if at.IsZero() {
		at = i.CommittedAt
	}
	if p.Policy == "thread" && d.thread.Bound.Encounter != "" {
		return d.thread.Bound.Encounter, "", nil
	}
	finder, ok := d.c.EHR.(connector.EncounterFinder)
	if !ok {
		return "", d.unnamed(x.Thread.Encounter), nil
	}
	if ref, err := d.launched(ctx, finder, x.Patient, launch); ref != "" || err != nil {
		return ref, "", err
	}
	why = noEncounter
	for _, q := range p.questions() {
		if q == named && x.Thread.Encounter == nil {
			continue
		}
		choose := func(have []connector.Encounter) (string, bool) { return p.choose(q, have, at, must) }
		have, err := d.c.encounters(ctx, d.asker(), finder, p.query(q, x.Thread, x.Patient, at), func(have []connector.Encounter) bool {
			ref, _ := choose(have)
			return ref != "" || !must
		})
		if errors.Is(err, connector.ErrNotSearchable) {
			why = cannotAsk
			continue
		}
		if err != nil {
			return "", "", err
		}
		ref, several := choose(have)
		if ref != "" {
			return ref, "", nil
		}
		if several {
			why = manyEncounters
		}
	}
	return "", why, nil
}

// unnamed says why an entry does not name the visit of its thread by itself; "" where it does.
func (d *drainer) unnamed(visit *connector.Identifier) string {
	namer, ok := d.c.EHR.(connector.VisitNamer)
	switch {
	case visit == nil:
		return noVisit
	case !ok || !namer.NamesVisit(*visit):
		return strangeVisit
	}
	return ""
}

// launched gives the encounter a message was written in, where the EHR says that it is this patient's and no mistake. It comes
// before all that a policy asks, for the EHR itself named it; under never, or where the EHR cannot be asked, it is left out.
func (d *drainer) launched(ctx context.Context, finder connector.EncounterFinder, patient, launch string) (string, error) {
	if launch == "" || len(d.c.Encounters.questions()) == 0 {
		return "", nil
	}
	is := func(have []connector.Encounter) bool {
		return slices.ContainsFunc(have, func(e connector.Encounter) bool { return e.Reference == launch && e.Status != "entered-in-error" })
	}
	have, err := d.c.encounters(ctx, d.asker(), finder, connector.EncounterQuery{Patient: patient, Reference: launch}, is)
	if errors.Is(err, connector.ErrNotSearchable) {
		return "", nil
	}
	if err != nil || !is(have) {
		return "", err
	}
	return launch, nil
}

// firstLaunch is the encounter of the first message of ours that waits behind a thread's header and was written in one: the
// header has none of its own.
func (d *drainer) firstLaunch(ctx context.Context, i *connector.Item) (launch string, err error) {
	if i.Kind != connector.ItemHeader || len(d.c.Encounters.questions()) == 0 {
		return "", nil
	}
	var ours []string
	for _, m := range d.items {
		if m.Kind == connector.ItemExchange && m.Direction != connector.FromPatient {
			ours = append(ours, m.Message)
		}
	}
	if len(ours) == 0 {
		return "", nil
	}
	err = d.e.store.View(ctx, func(tx connector.Tx) error {
		launch = ""
		for _, id := range ours {
			m, err := tx.Message(d.thread.EHR, id)
			if err != nil || m.Message.Encounter != "" {
				launch = m.Message.Encounter
				return err
			}
		}
		return nil
	})
	return launch, err
}

// makesEntry says whether the plan of an exchange makes something new on the chart: what only changes an entry, or comes to
// nothing, needs no encounter of its own.
func (d *drainer) makesEntry(x connector.Exchange) bool {
	x.Encounter = connector.SymEncounter
	writes, err := d.c.EHR.Plan(x)
	return err == nil && slices.ContainsFunc(writes, func(w connector.Write) bool { return w.Update == nil && w.After == "" })
}

// keepEncounter keeps the first encounter found for the thread, where the policy is one per thread.
func (d *drainer) keepEncounter(ref string) {
	if d.c.Encounters.Policy != "thread" || d.thread.Bound.Encounter != "" {
		return
	}
	d.thread.Bound.Encounter = ref
	d.later(func(tx connector.Tx) error {
		t, err := tx.Thread(d.lane.EHR, d.lane.Thread)
		if err != nil {
			return err
		}
		t.Bound.Encounter = ref
		return tx.PutThread(&t)
	})
}

// seen is what the EHR said when it was asked for encounters.
type seen struct {
	list  []connector.Encounter
	err   error     // ErrNotSearchable
	since time.Time // of the question
	when  time.Time
}

// encounters asks the EHR for encounters, remembering answers for as long as a patient read counts as fresh; one that does
// not end a wait only until the wait's first look back, so that all threads of a patient ask together.
func (c *conn) encounters(ctx context.Context, by asker, f connector.EncounterFinder, q connector.EncounterQuery, ends func([]connector.Encounter) bool) ([]connector.Encounter, error) {
	key := q.Patient + "|" + q.Reference + "|" + q.Visit.Token()
	if q.Open {
		key += "|open"
	}
	now := c.e.clock.Now()
	c.mu.Lock()
	known, ok := c.visits[key]
	c.mu.Unlock()
	if ok && !q.Since.Before(known.since) && !c.told() {
		fresh := recheckPatient(0)
		if ends(known.list) {
			fresh = patientFresh
		}
		if now.Sub(known.when) < fresh {
			return known.list, known.err
		}
	}
	var list []connector.Encounter
	err := c.ask(ctx, by, func(ctx context.Context) (err error) {
		list, err = f.Encounters(ctx, q)
		return err
	})
	if err != nil && !errors.Is(err, connector.ErrNotSearchable) {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.visits) > 10_000 {
		clear(c.visits)
	}
	c.visits[key] = seen{list: list, err: err, since: q.Since, when: now}
	return list, err
}
