package deliver

import (
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
)

const (
	ehrStalls  = 2 * time.Minute  // without one good answer, while something is asked
	laneStalls = 15 * time.Minute // of tries of one item, while the EHR answers others
)

// tellStalls makes the connection tell when it stands still and when it moves again.
func (c *conn) tellStalls() {
	key := "ehr/" + c.Name
	c.pace.stalled = func(since time.Time) {
		if c.e.clock.Now().Sub(since) >= ehrStalls {
			c.e.alert.Raise(alert.Alert{Key: key, Kind: alert.Stalled, EHR: c.Name, Reason: connector.EHRUnavailable, Since: since,
				Text: "nothing has been answered well by the EHR for two minutes or more; exchanges wait and lose nothing",
				Next: "check that the EHR is up and accepts our credentials: chartwire doctor"})
		}
	}
	c.pace.moving = func() { c.e.alert.Clear(key) }
}

// tellStall tells of a lane whose item has been tried for long while the EHR answers others, and that it moves again once
// the item is done or parked.
func (d *drainer) tellStall(i connector.Item) {
	key := "lane/" + d.c.Name + "/" + d.lane.Thread + "/" + string(d.lane.Kind)
	switch tried := d.e.clock.Now().Sub(i.FirstTried); {
	case i.FirstTried.IsZero() || i.Tries < 2:
	case i.State.Done() || i.State == connector.Parked:
		d.e.alert.Clear(key)
	case tried >= laneStalls && (i.State == connector.Waiting || i.State == connector.Unknown) && !d.c.pace.isOpen():
		d.e.alert.Raise(alert.Alert{Key: key, Kind: alert.Stalled, EHR: d.c.Name, Channel: d.thread.Channel, Reason: i.Reason, Item: i.ID,
			Since: i.FirstTried, Text: "one thread does not move while the EHR answers others: " + i.Reason.Sentence(),
			Next: "read what the EHR answered: chartwire trace " + i.ID})
	}
}
