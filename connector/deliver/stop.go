package deliver

import (
	"context"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// stop is why a connection was stopped. From when a lane has found it out nothing more leaves from this process; once it is
// committed, as the connection's pause, nothing leaves from any (connector.Tx.HoldToSend).
type stop struct {
	reason       connector.Reason
	at           time.Time
	thread, item string
}

// stop pauses the connection: what it does to charts cannot be trusted until a person has looked.
func (d *drainer) stop(i *connector.Item, r connector.Reason) {
	d.e.log.Error("an EHR connection was stopped: "+r.Sentence(), "ehr", d.c.Name, "item", i.ID, "next", r.Next())
	d.e.observe.Alarm(d.c.Name, r, i.ID)
	s := &stop{reason: r, at: d.e.clock.Now(), thread: d.thread.ID, item: i.ID}
	d.c.stops.Store(s)
	d.stops = s
	d.later(func(tx connector.Tx) error { return s.commit(tx, d.c.ID) })
}

// commit pauses the connection, with its audit row, where that has not been done.
func (s *stop) commit(tx connector.Tx, ehr string) error {
	row, err := tx.EHR(ehr)
	if err != nil || row.Paused == s.reason {
		return err
	}
	row.Paused, row.PausedAt = s.reason, s.at
	if err := tx.PutEHR(row); err != nil {
		return err
	}
	return tx.Audit(connector.AuditEntry{ID: connector.NewID(s.at), EHR: ehr, At: s.at, Kind: "stop", Action: "E", Outcome: 12, Agent: "worker",
		Thread: s.thread, Item: s.item, Detail: map[string]string{"reason": string(s.reason)}})
}

// stopped says whether a lane of this process has stopped the connection and no commit says so yet.
func (c *conn) stopped() bool { return c.stops.Load() != nil }

// commitStop commits a stop whose lane could not: it was taken over, or its commit failed. Until it has, nothing is claimed.
func (c *conn) commitStop(ctx context.Context) error {
	s := c.stops.Load()
	if s == nil {
		return nil
	}
	err := c.e.store.Update(context.WithoutCancel(ctx), "stop/"+c.ID, func(tx connector.Tx) error { return s.commit(tx, c.ID) })
	if err == nil {
		c.stops.CompareAndSwap(s, nil)
	}
	return err
}
