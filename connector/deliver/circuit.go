package deliver

import (
	"time"

	"github.com/chartwire/chartwire/connector"
)

// circuit says whether requests may leave at all. It opens when several lanes fail with no good answer between, so that a
// thread whose requests hang or fail, and it alone, never stops the others; and when the EHR asks for patience. While it is
// open one request at a time shows whether the EHR is back.
type circuit struct {
	open    bool
	why     connector.Reason
	until   time.Time       // nothing leaves before
	probe   time.Time       // when the probe under way left; zero where none is
	last    time.Time       // when the last probe left
	opened  int             // times it opened in a row, for the waits to grow
	gentle  bool            // come back slowly
	good    time.Time       // the last good answer
	failing map[string]bool // lanes that failed since
}

// closedFor is how long nothing may leave; probe says that one request may leave now.
func (c *circuit) closedFor(now time.Time) (wait time.Duration, probe bool) {
	if !c.open {
		return 0, false
	}
	next := later(c.until, c.last.Add(probeEvery))
	if !c.probe.IsZero() {
		next = later(next, c.probe.Add(min(probeHangs<<(max(min(c.opened, 6), 1)-1), openMost)))
	}
	if wait := next.Sub(now); wait > 0 {
		return wait, false
	}
	return 0, true
}

func (c *circuit) probed(now time.Time) { c.probe, c.last = now, now }

// leaves says whether the request of a ticket that was taken a while ago may leave. The next probe is counted from when this
// one leaves.
func (c *circuit) leaves(t *ticket, now time.Time) bool {
	switch {
	case !c.open:
		return true
	case !t.probe || c.until.After(now) || !c.probe.Equal(t.began):
		return false
	}
	c.last = now
	return true
}

// unprobed notes that a probe was given back unmade, or where it left, with nobody waiting for its outcome.
func (c *circuit) unprobed(t *ticket, left bool) {
	if !t.probe || !c.probe.Equal(t.began) {
		return
	}
	c.probe = time.Time{}
	if !left {
		c.last = time.Time{}
	}
}

// answered notes a good answer. It reports true where it ends an outage, and load must come back gently.
func (c *circuit) answered(now time.Time) bool {
	c.good = now
	clear(c.failing)
	if !c.open || c.until.After(now) && c.why == connector.RateLimited {
		return false // the wait the EHR asked for stays
	}
	gentle := c.gentle
	c.close()
	return gentle
}

func (c *circuit) close() {
	c.open, c.opened, c.gentle, c.probe, c.why = false, 0, false, time.Time{}, ""
}

// asked notes a Retry-After: nothing leaves before it is over, and then one request first. It gives when that is.
func (c *circuit) asked(now time.Time, after time.Duration) time.Time {
	after = min(after, connector.AskedMost)
	c.open, c.why, c.probe = true, connector.RateLimited, time.Time{}
	c.until = later(c.until, now.Add(after))
	c.gentle = c.gentle || after >= askedRamp
	return c.until
}

// failed notes a request that was not answered, or with a server's error. One that began before the last good answer says
// nothing about the EHR: it answered others meanwhile. news says that it tells something that the lane's request before it
// did not.
func (c *circuit) failed(now time.Time, t *ticket, news bool) {
	switch {
	case c.open && t.probe:
		c.reopen(now)
	case c.open || t.began.Before(c.good) || !news:
	default:
		if c.failing == nil {
			c.failing = map[string]bool{}
		}
		if c.failing[t.by.lane] = true; len(c.failing) >= openAt {
			c.reopen(now)
		}
	}
}

// reopen waits for the next probe with growing full jitter, a second at least.
func (c *circuit) reopen(now time.Time) {
	if !c.until.After(now) {
		c.why = connector.EHRUnavailable
	}
	c.opened++
	top := min(time.Second<<(min(c.opened, 6)-1), openMost)
	c.until = later(c.until, now.Add(probeEvery+jitter(top)))
	c.open, c.gentle, c.probe = true, true, time.Time{}
	clear(c.failing)
}
