package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
)

// lookAgain is how long is waited before an entry is looked for once more.
const lookAgain = 2 * time.Second

// file writes the test entries that were confirmed and reads them back. What will be written is recorded before it is.
func (p *prober) file(ctx context.Context, q Ask) (Answer, error) {
	now := p.Clock.Now()
	switch age := now.Sub(q.At); {
	case q.Confirm != p.c.Config.Name:
		return Answer{}, refused("what was confirmed is not the connection's name, %s: nothing was written.", p.c.Config.Name)
	case p.Store == nil || p.c.ID == "":
		return Answer{}, refused("there is no store to record the probe in: nothing was written. Start chartwire serve once, or correct store and seal in the Chartwire configuration.")
	case !probeID.MatchString(q.ID) || age < -time.Minute || age > confirmedFor:
		return Answer{}, refused("the plan that was confirmed is too old: nothing was written. Begin anew.")
	}
	if err := p.open(ctx); err != nil {
		return Answer{}, err
	}
	patient, err := p.testPatient(ctx)
	if err != nil {
		return Answer{}, err
	}
	if err := p.begin(ctx, q, patient); err != nil {
		return Answer{}, err
	}
	p.say("Patient read", connector.KnownYes, patient+" was read and is active.")
	for n := range p.probe.Entries {
		p.fileOne(ctx, q, &p.probe.Entries[n])
	}
	return Answer{ID: q.ID, At: q.At, Probe: &p.probe}, p.record(ctx, "probe-filed")
}

// testPatient reads the configured patient and takes no other.
func (p *prober) testPatient(ctx context.Context) (string, error) {
	want := p.c.Config.Probe.Patient
	found, err := p.c.EHR.Match(ctx, connector.PatientKey{Reference: want})
	switch {
	case errors.Is(err, connector.ErrNoMatch):
		return "", refused("%s is not there: nothing was written. Correct probe.patient in the Chartwire configuration.", want)
	case err != nil:
		return "", refused("%s could not be read (%v): nothing was written.", want, err)
	case found.Reference != want:
		return "", refused("the EHR answered with another patient than %s: nothing was written. Check base_url and the EHR.", want)
	case !found.Active || found.ReplacedBy != "":
		return "", refused("%s is not active or was replaced by another record: nothing was written. Name an active test patient as probe.patient in the Chartwire configuration.", want)
	}
	return want, nil
}

// begin records what is about to be written. An id that was begun before is not begun again.
func (p *prober) begin(ctx context.Context, q Ask, patient string) error {
	p.probe = connector.Probe{ID: q.ID, EHR: p.c.ID, At: q.At.UTC(), By: p.agent, Patient: patient}
	for _, s := range p.strategies {
		p.probe.Entries = append(p.probe.Entries, connector.ProbeEntry{Strategy: s, Open: true, Left: "nothing is known of it: it may be on the chart"})
	}
	err := p.Store.Update(ctx, "doctor", func(tx connector.Tx) error {
		last, err := tx.LastProbe(p.c.ID)
		if err == nil && last.ID == q.ID {
			return refused("this plan was carried out already: begin anew.")
		}
		if err != nil && !errors.Is(err, connector.ErrNotFound) {
			return err
		}
		if err := tx.PutProbe(p.probe); err != nil {
			return err
		}
		return p.audit(tx, p.c, p.agent, "probe", p.Clock.Now(), map[string]string{"probe": q.ID, "patient": patient})
	})
	return err
}

// record keeps what is known by now, and that Find sees our own entries where it did (DESIGN §3.3).
func (p *prober) record(ctx context.Context, act string) error {
	return p.Store.Update(ctx, "doctor", func(tx connector.Tx) error {
		if err := tx.PutProbe(p.probe); err != nil {
			return err
		}
		if p.found() {
			row, err := tx.EHR(p.c.ID)
			if err != nil {
				return err
			}
			if !row.FindProven {
				row.FindProven = true
				if err := tx.PutEHR(row); err != nil {
					return err
				}
			}
		}
		return p.audit(tx, p.c, p.agent, act, p.Clock.Now(), map[string]string{"probe": p.probe.ID})
	})
}

// found says whether an entry of the strategy that is filed by was found by its identifier.
func (p *prober) found() bool {
	for _, o := range p.probe.Outcomes {
		if len(p.probe.Entries) > 0 && o.Capability == p.probe.Entries[0].Type+" search" && o.Known == connector.KnownYes && strings.HasPrefix(o.Says, foundByIdentifier) {
			return true
		}
	}
	return false
}

const foundByIdentifier = "found by its identifier"

// say notes an outcome. Of several about one capability a no counts before a yes, and a yes before what is not known.
func (p *prober) say(capability string, known connector.Known, says string) {
	weight := map[connector.Known]int{connector.NotKnown: 0, connector.KnownYes: 1, connector.KnownNo: 2}
	for n, o := range p.probe.Outcomes {
		if o.Capability != capability {
			continue
		}
		if weight[known] <= weight[o.Known] {
			return
		}
		p.probe.Outcomes = slices.Delete(p.probe.Outcomes, n, n+1)
		break
	}
	p.probe.Outcomes = append(p.probe.Outcomes, connector.ProbeOutcome{Capability: capability, Known: known, Says: says})
}

// fileOne writes one entry and reads it back in every way there is.
func (p *prober) fileOne(ctx context.Context, q Ask, e *connector.ProbeEntry) {
	writes, err := p.writes(q.ID, q.At, e.Strategy)
	if err != nil {
		e.Left, e.Open = "it was not written: "+err.Error(), false
		return
	}
	known := map[string]string{connector.SymPatient: p.probe.Patient}
	for _, w := range writes {
		if w, err = deliver.Resolve(w, known); err != nil {
			p.say(w.Type+" create", connector.NotKnown, "it could not be written, because what it refers to was not.")
			continue
		}
		main := !w.Identity.IsZero()
		if main {
			e.Type, e.Identity = w.Type, w.Identity
		}
		r, ok := p.write(ctx, w, e, main)
		if !ok {
			if main {
				return
			}
			continue
		}
		if w.Provides != "" {
			known[w.Provides] = r.Reference
		}
		if main {
			p.readBack(ctx, w, r)
		}
	}
}

// write makes one attempt of one write.
func (p *prober) write(ctx context.Context, w connector.Write, e *connector.ProbeEntry, main bool) (connector.Receipt, bool) {
	capability := w.Type + " create"
	if err := p.c.EHR.Gate(w); err != nil {
		p.say(capability, connector.NotKnown, "it was not sent: Chartwire's own gate found that it is not valid.")
		p.left(e, main, "it was not written", false)
		return connector.Receipt{}, false
	}
	r, err := p.c.EHR.File(ctx, w)
	var no *connector.Refused
	switch {
	case errors.As(err, &no):
		p.say(capability, connector.KnownNo, sayRefused(no))
		p.left(e, main, "it was refused: nothing is there", false)
		return r, false
	case err != nil:
		var not *connector.Retry
		p.say(capability, connector.NotKnown, fmt.Sprintf("it did not end well: %v.", err))
		if errors.As(err, &not) {
			p.left(e, main, "it was not taken: nothing is there", false)
			return r, false
		}
		if r, err = p.c.EHR.Find(ctx, w); err != nil {
			p.left(e, main, "nobody knows whether it is on the chart: look for the words \"Chartwire connection test "+p.probe.ID+"\" there", false)
			return r, false
		}
	default:
		p.created(w, r)
	}
	if main {
		e.Reference, e.Left = r.Reference, "it is on the chart, and not marked as entered in error yet"
	}
	return r, true
}

func (p *prober) left(e *connector.ProbeEntry, main bool, words string, open bool) {
	if main {
		e.Left, e.Open = words, open
	}
}

// sayRefused tells a refusal by its status and codes: the EHR's own words may be about a patient.
func sayRefused(no *connector.Refused) string {
	said := "it was refused"
	if no.Status != 0 {
		said = fmt.Sprintf("it was answered HTTP %d", no.Status)
	}
	if len(no.Codes) > 0 {
		said += " (" + strings.Join(no.Codes, ", ") + ")"
	}
	return said + "."
}

// created notes what a write proved, by what the EHR showed of it.
func (p *prober) created(w connector.Write, r connector.Receipt) {
	for _, typ := range resourceTypes(w) {
		if typ != w.Type {
			p.say(typ+" create", connector.KnownYes, "it was written together with the "+w.Type+".")
		}
	}
	if w.URL == "" {
		p.say("Bundle transaction", connector.KnownYes, "the entry was written in one.")
	}
	p.say(w.Type+" create", exact(w, r), "written as "+r.Reference+"; "+sayEcho(w, r))
}

func exact(w connector.Write, r connector.Receipt) connector.Known {
	if r.Echo.Shown && len(deliver.Differences(w, r.Echo)) > 0 {
		return connector.KnownNo
	}
	return connector.KnownYes
}

func sayEcho(w connector.Write, r connector.Receipt) string {
	if !r.Echo.Shown {
		return "the EHR showed nothing of it."
	}
	if differs := deliver.Differences(w, r.Echo); len(differs) > 0 {
		return "the EHR's copy is not what was sent: it differs in " + strings.Join(differs, ", ") + "."
	}
	return "its copy has the exact words, patient and identifier."
}

// readBack reads the entry by its reference, then looks for it by identifier and in the list of the patient's entries.
func (p *prober) readBack(ctx context.Context, w connector.Write, made connector.Receipt) {
	if reader, ok := p.c.EHR.(connector.EntryReader); ok {
		switch r, err := reader.ReadEntry(ctx, w, made.Reference); {
		case err == nil:
			p.say(w.Type+" read", exact(w, r), "read again; "+sayEcho(w, r))
		default:
			p.say(w.Type+" read", connector.KnownNo, fmt.Sprintf("it could not be read again: %v.", err))
		}
	}
	by, byErr := p.lookFor(ctx, made, func() (connector.Receipt, error) { return p.c.EHR.Find(ctx, w) })
	listed, listErr := time.Duration(0), connector.ErrNotSearchable
	if lister, ok := p.c.EHR.(connector.Lister); ok {
		listed, listErr = p.lookFor(ctx, made, func() (connector.Receipt, error) { return lister.List(ctx, w) })
	}
	listWords := sayLook("in the list of the patient's entries", listed, listErr)
	switch {
	case byErr == nil:
		p.say(w.Type+" search", connector.KnownYes, foundByIdentifier+after(by)+"; "+listWords+".")
	case listErr == nil:
		p.say(w.Type+" search", connector.KnownYes, sayLook("by its identifier", by, byErr)+"; "+listWords+".")
	default:
		p.say(w.Type+" search", connector.KnownNo, sayLook("by its identifier", by, byErr)+"; "+listWords+": an unknown outcome will wait for a person.")
	}
}

// lookFor looks until the entry is found or the EHR's search must have seen it, and says how long that took.
func (p *prober) lookFor(ctx context.Context, made connector.Receipt, look func() (connector.Receipt, error)) (time.Duration, error) {
	began := p.Clock.Now()
	for {
		r, err := look()
		took := p.Clock.Now().Sub(began)
		if err == nil && r.Reference != made.Reference {
			err = errors.New("another entry was found")
		}
		if !errors.Is(err, connector.ErrAbsent) || took >= p.c.Config.Limits.SearchLag {
			return took, err
		}
		if err := clock.Sleep(ctx, p.Clock, min(lookAgain, max(p.c.Config.Limits.SearchLag-took, time.Millisecond))); err != nil {
			return took, err
		}
	}
}

func after(took time.Duration) string {
	if took < time.Second {
		return " at once"
	}
	return " after " + took.Round(time.Second).String()
}

func sayLook(how string, took time.Duration, err error) string {
	switch {
	case err == nil:
		return "found " + how + after(took)
	case errors.Is(err, connector.ErrAbsent):
		return "not found " + how + " within " + took.Round(time.Second).String()
	case errors.Is(err, connector.ErrNotSearchable):
		return "the EHR cannot be searched " + how
	}
	return fmt.Sprintf("looking %s failed (%v)", how, err)
}
