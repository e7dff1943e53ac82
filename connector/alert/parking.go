package alert

import (
	"context"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

const (
	sweepEvery = time.Minute
	sweepItems = 1000 // read in one look; where there are more, nothing is cleared
)

// Parking turns the alarms of delivery into alerts: one for an EHR and a reason, however many items, open for as long as
// one of them needs a person. It is a deliver.Observer.
type Parking struct {
	Board *Board
	Store connector.Store
	Clock clock.Clock
	Names map[string]string // ehr_id → the config's label
}

// Attempted is deliver.Observer.
func (Parking) Attempted(string, string, connector.Reason) {}

// Moved is deliver.Observer.
func (Parking) Moved(string, string, connector.Item) {}

// Alarm is deliver.Observer.
func (p Parking) Alarm(ehr string, r connector.Reason, item string) {
	p.Board.Raise(Alert{Key: parkedKey(ehr, r), Kind: Parked, EHR: ehr, Reason: r, Item: item})
}

func parkedKey(ehr string, r connector.Reason) string { return "parked/" + ehr + "/" + string(r) }

// Run clears what nobody needs to know any more, every minute until ctx ends.
func (p Parking) Run(ctx context.Context) error {
	for clock.Sleep(ctx, p.Clock, sweepEvery) == nil {
		p.sweep(ctx)
	}
	return nil
}

func (p Parking) sweep(ctx context.Context) {
	var open []Alert
	for _, a := range p.Board.Open() {
		if a.Kind == Parked {
			open = append(open, a)
		}
	}
	if len(open) == 0 {
		return
	}
	there, all := map[string]bool{}, true
	err := p.Store.View(ctx, func(tx connector.Tx) error {
		there, all = map[string]bool{}, true
		for _, s := range []connector.ItemState{connector.Parked, connector.Held} {
			items, err := tx.OpenItems("", []connector.ItemState{s}, sweepItems)
			if err != nil {
				return err
			}
			all = all && len(items) < sweepItems
			for _, i := range items {
				if s == connector.Parked || i.Reason == connector.PatientChanged {
					there[parkedKey(p.Names[i.EHR], i.Reason)] = true
				}
			}
		}
		return nil
	})
	if err != nil || !all {
		return // the next look
	}
	for _, a := range open {
		if !there[a.Key] {
			p.Board.Clear(a.Key)
		}
	}
}
