package alert

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// Ladder says after how long a parked item is told to whom: the steps go up from its owner.
type Ladder struct {
	Steps  []Step // lowest first
	Urgent []Step // of urgent, asap and stat exchanges
}

// Step is one rung.
type Step struct {
	To    string // owner, supervisor, admin
	After time.Duration
}

// SLA is how long an item may be parked before this installation calls itself degraded. Pools may have their own.
type SLA struct {
	Default time.Duration
	Pools   map[string]time.Duration // ehr_id and pool id, as PoolKey makes them
}

// PoolKey names a pool in an SLA.
func PoolKey(ehr, pool string) string { return ehr + "/" + pool }

// of is the time an item has.
func (s SLA) of(i connector.Item) time.Duration {
	if d, ok := s.Pools[PoolKey(i.EHR, i.Owner)]; ok && i.Owner != "" {
		return d
	}
	return s.Default
}

// Overdue is what is parked, and parked for longer than it may be.
type Overdue struct {
	Parked int
	Late   int           // past their SLA
	Oldest time.Duration // of all that are parked
}

const (
	ladderPrefix = "parked/" // of the keys of a ladder's alerts
	ladderEvery  = 30 * time.Second
	ladderItems  = 10_000
	// ladderEach is how many items of one reason and owner are told one by one at a step; one further alert tells of the rest,
	// so that an outage that parks a thousand does not page a thousand times.
	ladderEach = 20
)

// Openness is an Alerter that says what is open.
type Openness interface {
	Alerter
	Open() []Alert
}

// Escalator tells of parked items nobody has dealt with, one alert for each item and step, and clears them when the item
// is no longer parked. Run one in each process: the board raises a key once.
type Escalator struct {
	Store  connector.Store
	Clock  clock.Clock
	Log    *slog.Logger
	Board  Openness
	Ladder Ladder
	SLA    SLA
	Names  map[string]string // ehr_id → the config's label

	mu   sync.Mutex
	late Overdue
}

// Overdue says how it stood at the last look, at most half a minute ago.
func (e *Escalator) Overdue() Overdue {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.late
}

// Run looks every half minute until ctx ends. A store that does not answer is asked again at the next look.
func (e *Escalator) Run(ctx context.Context) error {
	for {
		if err := e.Look(ctx); err != nil && ctx.Err() == nil {
			e.Log.Warn("what is parked could not be read for escalation; trying again", "error", err)
		}
		if clock.Sleep(ctx, e.Clock, ladderEvery) != nil {
			return nil
		}
	}
}

// Look reads what is parked, raises what is due and clears what is done.
func (e *Escalator) Look(ctx context.Context) error {
	var items []connector.Item
	err := e.Store.View(ctx, func(tx connector.Tx) (err error) {
		items, err = tx.OpenItems("", []connector.ItemState{connector.Parked}, ladderItems)
		return err
	})
	if err != nil {
		return err
	}
	now := e.Clock.Now()
	slices.SortStableFunc(items, func(a, b connector.Item) int { return a.ChangedAt.Compare(b.ChangedAt) })
	e.measure(items, now)
	wanted := e.due(items, now)
	for _, a := range e.Board.Open() {
		if _, stays := wanted[a.Key]; !stays && strings.HasPrefix(a.Key, ladderPrefix) {
			e.Board.Clear(a.Key)
		}
	}
	for _, a := range wanted {
		e.Board.Raise(a)
	}
	return nil
}

func (e *Escalator) measure(items []connector.Item, now time.Time) {
	o := Overdue{Parked: len(items)}
	for _, i := range items {
		age := now.Sub(i.ChangedAt)
		o.Oldest = max(o.Oldest, age)
		if age > e.SLA.of(i) {
			o.Late++
		}
	}
	e.mu.Lock()
	e.late = o
	e.mu.Unlock()
}

// due gives the alerts that should be open, by key.
func (e *Escalator) due(items []connector.Item, now time.Time) map[string]Alert {
	out := map[string]Alert{}
	count := map[string]int{}
	for _, i := range items {
		steps := e.Ladder.Steps
		if i.Priority.Rank() > 0 {
			steps = e.Ladder.Urgent
		}
		for n, s := range steps {
			if now.Sub(i.ChangedAt) < s.After {
				break
			}
			group := fmt.Sprintf("%s%s/%s/%s/%d", ladderPrefix, e.Names[i.EHR], i.Reason, i.WhoActs(), n+1)
			count[group]++
			a := e.alert(i, s, n+1)
			if count[group] > ladderEach {
				a.Key, a.Item = group, ""
				a.Text = fmt.Sprintf("%d more items are parked: %s", count[group]-ladderEach, i.Reason.Sentence())
			}
			out[a.Key] = a
		}
	}
	return out
}

func (e *Escalator) alert(i connector.Item, s Step, level int) Alert {
	who := i.WhoActs()
	if s.To != "owner" {
		who = s.To + " of " + who
	}
	return Alert{Key: fmt.Sprintf("%s%s/%d", ladderPrefix, i.ID, level), Kind: Escalated, EHR: e.Names[i.EHR], Channel: i.Channel, Reason: i.Reason,
		Item: i.ID, Owner: who, Level: level, Since: i.ChangedAt,
		Text: fmt.Sprintf("parked for longer than %s: %s", s.After, i.Reason.Sentence())}
}
