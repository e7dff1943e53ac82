package deliver

import (
	"context"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// turns gives each request of one work a ticket of the pace and a deadline of its own. A search of a busy chart may take
// hundreds of requests: under one ticket they would pass the pace by, and under one deadline never come to an end.
type turns struct {
	c     *conn
	by    asker
	keep  func(ctx context.Context) error // called between requests: the lane is to stay ours
	t     *ticket                         // of the request under way; nil once none may leave
	begun bool
	late  *time.Timer // ends the work where one request takes too long
	err   error       // why no further request may leave
}

// turnGrace is how much later than limits.deadline a request is given up from outside: whoever makes it gives up by itself first, and
// knows what it came to.
const turnGrace = time.Second

// askEach is ask for a work of several requests, of which each takes its turn by connector.Turn. One that takes none is one
// request. It gives the work's error, or why the work could not go on, as ask does.
func (d *drainer) askEach(ctx context.Context, work func(ctx context.Context) error) error {
	s := &turns{c: d.c, by: d.asker(), keep: d.keep}
	if s.take(ctx) != nil {
		return s.err
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	s.late = time.AfterFunc(d.c.Deadline+turnGrace, cancel)
	defer s.late.Stop()
	err := work(connector.WithTurns(within, s.next))
	switch {
	case s.err != nil:
		return s.err
	case ctx.Err() != nil: // we gave up, not the EHR
		s.t.done(errLeft)
		return err
	}
	s.t.done(err)
	d.c.asked(ctx, s.t)
	return err
}

// take gets the ticket of the next request.
func (s *turns) take(ctx context.Context) error {
	t, err := s.c.enter(ctx, s.by)
	if err == nil && !t.leaves() {
		t.cancel()
		err = notNow(connector.EHRUnavailable, errClosed)
	}
	if s.t, s.err = t, err; err != nil {
		s.t = nil
	}
	return err
}

// next ends the turn of the request before, which was answered, or the work would not go on; and takes that of the next.
func (s *turns) next(ctx context.Context) error {
	if s.err != nil {
		return s.err
	}
	if !s.begun {
		s.begun = true
		return nil
	}
	s.late.Stop()
	s.t.done(nil)
	s.t = nil
	if s.err = s.keep(ctx); s.err != nil {
		return s.err
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	s.late.Reset(s.c.Deadline + turnGrace)
	return nil
}

// keep renews the lease of the lane where half of it is over. ErrFenced: another worker has it.
func (d *drainer) keep(ctx context.Context) error {
	if d.lane.Until.Sub(d.e.clock.Now()) > d.e.store.Lease()/2 {
		return nil
	}
	lane := d.lane
	err := d.e.store.Update(ctx, d.shard, func(tx connector.Tx) error {
		lane = d.lane
		return tx.HoldLane(&lane, d.e.clock.Now())
	})
	if err == nil {
		d.lane.Until = lane.Until
	}
	return err
}
