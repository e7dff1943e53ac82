package deliver

import (
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
)

const (
	ehrStalls  = 2 * time.Minute  // without one good answer, while something is asked
	laneStalls = 15 * time.Minute // of tries of one item, while the EHR answers others; of a lane that cannot go on
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

// failing remembers since when lanes could not go on for a fault that is not the EHR's, such as a commit the store refuses.
type failing struct {
	mu    sync.Mutex
	since map[string]time.Time // by alert key
}

// begun gives since when a lane fails; failed says whether it does now.
func (f *failing) begun(key string, failed bool, now time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !failed {
		delete(f.since, key)
		return time.Time{}
	}
	if f.since == nil {
		f.since = map[string]time.Time{}
	}
	if f.since[key].IsZero() {
		f.since[key] = now
	}
	return f.since[key]
}

// tellFailing tells of a lane that has been unable to go on for long, whatever the EHR answers, and that it has gone on. Its items
// have no reason then that could say so: nothing about them was committed.
func (c *conn) tellFailing(l connector.Lane, failed bool) {
	key, now := "failing/"+c.Name+"/"+l.Thread+"/"+string(l.Kind), c.e.clock.Now()
	since := c.failing.begun(key, failed, now)
	switch {
	case !failed:
		c.e.alert.Clear(key)
	case now.Sub(since) >= laneStalls:
		c.e.alert.Raise(alert.Alert{Key: key, Kind: alert.Stalled, EHR: c.Name, Reason: connector.Internals, Since: since,
			Text: "one thread cannot go on: a fault of Chartwire's own, each time it is tried; nothing of it is lost and nothing of it files",
			Next: "read the error in the log beside the thread " + l.Thread + "; where a restart does not mend it, send that line to whoever supports Chartwire"})
	}
}
