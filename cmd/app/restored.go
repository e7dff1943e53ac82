package app

import (
	"context"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// beginEpoch takes an operator's word that the database is a restored backup.
func beginEpoch(ctx context.Context, s connector.Store, ehrs []string, agent string, c clock.Clock) (connector.Epoch, error) {
	var e connector.Epoch
	err := s.Update(ctx, "restored", func(tx connector.Tx) (err error) {
		e, err = connector.BeginEpoch(tx, "operator", agent, ehrs, c.Now())
		return err
	})
	return e, err
}

// restored is beginEpoch while serve runs: the engine knows at once, other replicas within ten seconds.
func (a *App) restored(ctx context.Context, agent string) (connector.Epoch, error) {
	e, err := beginEpoch(ctx, a.store, values(a.ids), agent, a.o.Clock)
	if err == nil {
		a.engine.Restored(e.At)
	}
	return e, err
}
