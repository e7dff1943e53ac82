package deliver

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chartwire/chartwire/connector"
)

const (
	patientFresh = 5 * time.Minute // a Patient read older than this is repeated before a write (DESIGN §3.5)
	traitsFresh  = time.Hour
	openRetry    = 15 * time.Second // after a refused Open, lanes wait this long before it is tried again
	alteredLimit = 3                // altered contents …
	alteredSpan  = 10 * time.Minute // … within this long pause the connection
)

// conn is what the engine remembers of one EHR between lanes. It is a cache: losing it costs requests, never facts.
type conn struct {
	Connection
	e          *Engine
	pace       *pace
	nudge      chan struct{}
	subscribed bool // only the watcher reads and sets it

	stops   atomic.Pointer[stop] // found out and not committed yet
	heeding chan struct{}        // see heed; holds one token while somebody looks
	heeded  time.Time
	askedBy time.Time

	mu       sync.Mutex
	traits   connector.Traits
	opened   time.Time
	openErr  error
	openBy   time.Time // not tried again before
	opening  chan struct{}
	patients map[string]connector.Patient // by EHR reference
	people   map[string]person            // resolved participants
	visits   map[string]seen              // encounters, by what was asked
	altered  []time.Time
	making   making
	failing  failing
	probes   map[string]*connector.WriteRow // by resource type, "" for any: what Find is to be proven with
}

type person struct {
	ref  connector.Reference
	err  error
	when time.Time
}

func newConn(c Connection, e *Engine) *conn {
	if c.Deadline == 0 {
		c.Deadline = 30 * time.Second
	}
	out := &conn{Connection: c, e: e, pace: newPace(e.clock, c.PerSecond, c.Concurrent), nudge: make(chan struct{}, 1), heeding: make(chan struct{}, 1),
		patients: map[string]connector.Patient{}, people: map[string]person{}, visits: map[string]seen{}, probes: map[string]*connector.WriteRow{}}
	out.tellStalls()
	return out
}

// settle is how long after an attempt's commit nothing may be concluded from not finding it (DESIGN §3.3).
func (c *conn) settle() time.Duration { return c.e.store.Lease() + c.Deadline + c.SearchLag }

// ask makes one request of the EHR on somebody's behalf, when the pace allows it.
func (c *conn) ask(ctx context.Context, by asker, request func(ctx context.Context) error) error {
	t, err := c.enter(ctx, by)
	if err != nil {
		return err
	}
	if !t.leaves() {
		t.cancel()
		return notNow(connector.EHRUnavailable, errClosed)
	}
	within, cancel := context.WithTimeout(ctx, c.Deadline)
	defer cancel()
	err = request(within)
	if ctx.Err() != nil { // we gave up, not the EHR
		t.done(errLeft)
		return err
	}
	t.done(err)
	c.asked(ctx, t)
	return err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// backoff is full jitter over 1 s doubling to 60 s, never under 200 ms.
func backoff(n int) time.Duration {
	top := time.Second << (min(max(n, 1), 7) - 1)
	return max(jitter(min(top, time.Minute)), 200*time.Millisecond)
}

// jitter is a random time of at least a nanosecond up to d, which is positive.
func jitter(d time.Duration) time.Duration { return rand.N(d) + 1 }

// can gives the connection's traits, opening it where they are unknown or old. One opener works at a time.
func (c *conn) can(ctx context.Context, by asker) (connector.Traits, error) {
	for {
		now := c.e.clock.Now()
		c.mu.Lock()
		if c.openErr == nil && !c.opened.IsZero() && now.Sub(c.opened) < traitsFresh {
			t := c.traits
			c.mu.Unlock()
			return t, nil
		}
		if c.openErr != nil && now.Before(c.openBy) {
			err := c.openErr
			c.mu.Unlock()
			return connector.Traits{}, err
		}
		if c.opening == nil {
			c.opening = make(chan struct{})
			c.mu.Unlock()
			return c.open(ctx, by)
		}
		busy := c.opening
		c.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return connector.Traits{}, ctx.Err()
		}
	}
}

func (c *conn) open(ctx context.Context, by asker) (t connector.Traits, err error) {
	err = c.ask(ctx, by, func(ctx context.Context) error {
		t, err = c.EHR.Open(ctx)
		return err
	})
	now := c.e.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.opening)
	c.opening = nil
	if _, untried := notTried(err); untried || ctx.Err() != nil {
		return t, err
	}
	c.openErr = nil
	if err != nil {
		var refused *connector.Refused
		if errors.As(err, &refused) { // it answers, so nothing else holds the next one back
			c.openErr, c.openBy = err, now.Add(openRetry)
		}
		return t, err
	}
	if len(t.Missing) > 0 {
		c.e.log.Warn("the EHR did not grant every scope; its administrator has to grant those missing, until then filing does without",
			"ehr", c.Name, "missing", strings.Join(t.Missing, " "), "strategy", string(t.Strategy))
	}
	c.traits, c.opened = t, now
	return t, nil
}

// resends says whether a write whose outcome cannot be searched for may be sent again as it is: the receiver knows a repeat by
// its id. The earlier attempt is over by then (settle).
func (c *conn) resends(w connector.Write, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.traits.Resends && w.Update == nil && w.After == "" && errors.Is(err, connector.ErrNotSearchable)
}

// reopen makes the next write learn anew what the connection can do.
func (c *conn) reopen() {
	c.mu.Lock()
	c.opened = time.Time{}
	c.mu.Unlock()
}

// told says whether the EHR's patients are in our own store: what is told of them counts at once, so nothing is remembered.
func (c *conn) told() bool {
	_, ok := c.EHR.(connector.PatientAwaiter)
	return ok
}

// patient reads or matches a patient, from the cache where the read is fresh.
func (c *conn) patient(ctx context.Context, by asker, k connector.PatientKey) (connector.Patient, error) {
	now := c.e.clock.Now()
	if k.Reference != "" && !c.told() {
		c.mu.Lock()
		p, ok := c.patients[k.Reference]
		c.mu.Unlock()
		if ok && now.Sub(p.ReadAt) < patientFresh {
			return p, nil
		}
	}
	var p connector.Patient
	err := c.ask(ctx, by, func(ctx context.Context) (err error) {
		p, err = c.EHR.Match(ctx, k)
		return err
	})
	if err != nil {
		return p, err
	}
	p.ReadAt = now
	c.mu.Lock()
	if len(c.patients) > 10_000 {
		clear(c.patients)
	}
	c.patients[p.Reference] = p
	c.mu.Unlock()
	return p, nil
}

// resolve finds a participant's EHR reference, remembering answers for as long as a patient read counts as fresh.
func (c *conn) resolve(ctx context.Context, by asker, channel, patient string, p connector.Participant) (connector.Reference, error) {
	r, ok := c.EHR.(connector.Resolver)
	if !ok {
		return connector.Reference{}, nil
	}
	key := personKey(channel, patient, p)
	now := c.e.clock.Now()
	c.mu.Lock()
	known, ok := c.people[key]
	c.mu.Unlock()
	if ok && now.Sub(known.when) < patientFresh {
		return known.ref, known.err
	}
	var ref connector.Reference
	err := c.ask(ctx, by, func(ctx context.Context) (err error) {
		ref, err = r.Resolve(ctx, channel, patient, p)
		return err
	})
	if err != nil && !errors.Is(err, connector.ErrAbsent) {
		return ref, err
	}
	c.remember(key, person{ref: ref, err: err, when: now})
	return ref, err
}

// personKey is what a participant's reference is remembered by: a proxy is one patient's, staff everybody's.
func personKey(channel, patient string, p connector.Participant) string {
	if p.Role != connector.RoleProxy {
		patient = ""
	}
	return channel + "|" + patient + "|" + string(p.Role) + "|" + p.Key()
}

func (c *conn) remember(key string, p person) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.people) > 10_000 {
		clear(c.people)
	}
	c.people[key] = p
}

// forgetProxy drops a remembered absence once the RelatedPerson was created.
func (c *conn) forgetProxy(channel, patient string, p connector.Participant) {
	c.mu.Lock()
	delete(c.people, personKey(channel, patient, p))
	c.mu.Unlock()
}

// probeWith keeps the first write offered of a type as the one that Find is proven with: on a busy connection the
// newest is always too new for the EHR's index. nil drops it.
func (c *conn) probeWith(typ string, w *connector.WriteRow) connector.WriteRow {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.probes[typ] == nil || w == nil {
		c.probes[typ] = w
	}
	if c.probes[typ] == nil {
		return connector.WriteRow{}
	}
	return *c.probes[typ]
}

// contentAltered counts altered echoes and says whether the connection must stop.
func (c *conn) contentAltered(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.altered[:0]
	for _, t := range c.altered {
		if now.Sub(t) < alteredSpan {
			kept = append(kept, t)
		}
	}
	c.altered = append(kept, now)
	return len(c.altered) >= alteredLimit
}
