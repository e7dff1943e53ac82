package deliver

import (
	"context"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// heedEvery is how often a process looks for what the EHR asked of another one, or of the one before it.
const heedEvery = time.Second

// enter waits for the right to make one request, as pace.enter does. A Retry-After told to another replica is known here
// within heedEvery, and one told before a restart before the first request.
func (c *conn) enter(ctx context.Context, by asker) (*ticket, error) {
	if err := c.heed(ctx); err != nil {
		return nil, err
	}
	return c.pace.enter(ctx, by)
}

// heed makes the pace wait for as long as the store says that the EHR asked. One looks at a time, and the others wait for what it
// sees or until ctx ends: a store that does not answer keeps nobody from stopping.
func (c *conn) heed(ctx context.Context) error {
	select {
	case c.heeding <- struct{}{}:
		defer func() { <-c.heeding }()
	case <-ctx.Done():
		return ctx.Err()
	}
	now := c.e.clock.Now()
	if !c.heeded.IsZero() && now.Sub(c.heeded) < heedEvery {
		return nil
	}
	var until time.Time
	err := c.e.store.View(ctx, func(tx connector.Tx) (err error) {
		until, err = connector.ReadAsked(tx, c.ID)
		return err
	})
	if err != nil {
		return err
	}
	c.heeded = now
	if !until.Equal(c.askedBy) { // once: a time that a wrong clock left far ahead is cut to the longest wait, and not anew each time
		c.askedBy = until
		c.pace.asked(now, until)
	}
	return nil
}

// asked adds to the next commit until when the EHR asked for no requests, where the ticket's request was told so.
func (d *drainer) asked(t *ticket) {
	if t.asked.IsZero() {
		return
	}
	d.later(func(tx connector.Tx) error { return connector.PutAsked(tx, d.c.ID, t.asked, d.e.clock.Now()) })
}

// asked commits the same for a request without an attempt.
func (c *conn) asked(ctx context.Context, t *ticket) {
	if t.asked.IsZero() {
		return
	}
	err := c.e.store.Update(context.WithoutCancel(ctx), "asked/"+c.ID, func(tx connector.Tx) error {
		return connector.PutAsked(tx, c.ID, t.asked, c.e.clock.Now())
	})
	if err != nil {
		c.e.log.Error("that the EHR asked for patience could not be committed; only this process knows", "ehr", c.Name, "error", err)
	}
}
