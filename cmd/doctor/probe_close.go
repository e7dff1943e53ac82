package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/chartwire/chartwire/connector"
)

// close marks the entries of the last probe as entered in error, and keeps where a person saw them.
func (p *prober) close(ctx context.Context, q Ask) (Answer, error) {
	if p.Store == nil || p.c.ID == "" {
		return Answer{}, refused("there is no store, so no probe is known: chartwire doctor --ehr %s says why.", p.c.Config.Name)
	}
	err := p.Store.View(ctx, func(tx connector.Tx) (err error) {
		p.probe, err = tx.LastProbe(p.c.ID)
		return err
	})
	if errors.Is(err, connector.ErrNotFound) {
		return Answer{}, refused("%s was never probed: chartwire doctor --ehr %s --probe", p.c.Config.Name, p.c.Config.Name)
	}
	if err != nil {
		return Answer{}, err
	}
	if q.Seen != "" {
		p.probe.Seen, p.probe.SeenBy, p.probe.SeenAt = q.Seen, p.agent, p.Clock.Now().UTC()
	}
	opened := false
	for n := range p.probe.Entries {
		e := &p.probe.Entries[n]
		if !e.Open || e.Reference == "" {
			continue
		}
		if !opened {
			if opened = true; p.open(ctx) != nil {
				break // it stays open, and the next close tries again
			}
		}
		p.mark(ctx, e)
	}
	return Answer{ID: p.probe.ID, At: p.probe.At, Probe: &p.probe}, p.record(ctx, "probe-closed")
}

const byHand = "; mark it as entered in error in the chart by hand"

// mark marks one entry as entered in error, where the EHR lets us.
func (p *prober) mark(ctx context.Context, e *connector.ProbeEntry) {
	capability := e.Type + " update"
	done, err := p.retract(ctx, *e)
	var no *connector.Refused
	switch {
	case err == nil && done:
		e.Left, e.Open = "it is marked as entered in error; it and its versions stay", false
		p.say(capability, connector.KnownYes, "it was marked as entered in error.")
	case errors.As(err, &no) && no.Reason == connector.NotExpressible, err == nil:
		e.Left, e.Open = "it stays as it is, for this EHR does not let Chartwire change it"+byHand, false
	case errors.As(err, &no):
		e.Left, e.Open = "it stays as it is, for the change was refused"+byHand, false
		p.say(capability, connector.KnownNo, sayRefused(no))
	default:
		e.Left = fmt.Sprintf("it is on the chart, and could not be marked now (%v): run chartwire doctor --ehr %s --seen \"where\" to try again", err, p.c.Config.Name)
	}
}

func (p *prober) retract(ctx context.Context, e connector.ProbeEntry) (done bool, err error) {
	r, ok := p.c.EHR.(connector.Retractor)
	if !ok {
		return false, nil
	}
	w, err := r.Retract(connector.Write{Type: e.Type, Identity: e.Identity}, e.Reference)
	if err != nil {
		return false, err
	}
	if prep, ok := p.c.EHR.(connector.Preparer); ok {
		final, there, err := prep.Prepare(ctx, w)
		if err != nil || there != nil {
			return err == nil, err
		}
		w = final
	}
	if err := p.c.EHR.Gate(w); err != nil {
		return false, err
	}
	_, err = p.c.EHR.File(ctx, w)
	return err == nil, err
}
