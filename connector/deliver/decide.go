package deliver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Ask is what a person wants done about parked items.
type Ask struct {
	Select    Selection        `json:"select"`
	Act       connector.Action `json:"act"`
	Reference string           `json:"reference,omitempty"` // already-there: the entry, as Type/id
	Why       string           `json:"why,omitempty"`       // in the person's own words; may be PHI
	Agent     string           `json:"-"`                   // who asks
	Yes       bool             `json:"yes,omitempty"`       // false only shows what would happen

	seeks *seeks // what may still be searched for
}

// Answer says what will happen, or has happened, about each item.
type Answer struct {
	Act   connector.Action `json:"act"`
	Done  bool             `json:"done"` // false: nothing was changed
	Count map[Will]int     `json:"count"`
	Items []Fate           `json:"items"`
}

// Fate is one item's part of an Answer.
type Fate struct {
	TracedItem
	Will Will   `json:"will"`
	Says string `json:"says"` // a sentence without PHI
	At   string `json:"at,omitempty"`
}

// Good says whether all of it can be done, or was.
func (a Answer) Good() bool { return a.Count[Refused]+a.Count[Differs] == 0 }

// Decide shows what an action would come to for each selected item, and with Yes does it. An item whose request may ever
// have left is searched for on the chart first, by the rules of settling, so that the answer says which are there already
// and which cannot be known. It searches for maxSeeks items at most, and no more in an EHR that did not answer. Errors: ErrNotFound and ErrNotParked for a selected id, the store's.
func (e *Engine) Decide(ctx context.Context, ask Ask) (Answer, error) {
	out := Answer{Act: ask.Act, Done: ask.Yes, Count: map[Will]int{}, Items: []Fate{}}
	if ask.Act == connector.ActAlreadyThere && (len(ask.Select.IDs) != 1 || ask.Reference == "") {
		return out, fmt.Errorf("%w: already-there takes one item and the one entry it is", ErrNotThisWay)
	}
	ehrs := e.connections()
	var items []connector.Item
	names := map[string]string{}
	err := e.store.View(ctx, func(tx connector.Tx) (err error) {
		if items, err = ask.Select.parked(tx, ehrs, e.clock.Now()); err != nil {
			return err
		}
		for _, i := range items {
			if _, err = ehrName(tx, names, i.EHR); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	ask.seeks = &seeks{left: maxSeeks, silent: map[string]bool{}}
	for _, i := range items {
		f, err := e.decideOne(ctx, ask, i)
		if err != nil {
			return out, err
		}
		f.TracedItem = tracedItem(i, e.clock.Now())
		f.Text, f.Message, f.EHR = "", "", names[i.EHR]
		out.Items = append(out.Items, f)
		out.Count[f.Will]++
	}
	return out, nil
}

// decideOne foresees and, where that is asked for, acts.
func (e *Engine) decideOne(ctx context.Context, ask Ask, i connector.Item) (Fate, error) {
	f, err := e.foresee(ctx, ask, i)
	if err != nil || !ask.Yes || f.Will == Refused || f.Will == Differs {
		return f, err
	}
	if ask.Act == connector.ActAlreadyThere {
		return e.there(ctx, ask, i)
	}
	act := map[connector.Action]func(connector.Tx, *connector.Item, Ask, time.Time) error{
		connector.ActReplay: replay, connector.ActRelease: release, connector.ActRetract: retract}[ask.Act]
	err = e.store.Update(ctx, "decide/"+i.ID, func(tx connector.Tx) error {
		now, err := tx.Item(i.EHR, i.ID) // as it is now: another person may have been faster
		switch {
		case err != nil:
			return err
		case now.State != connector.Parked:
			return fmt.Errorf("%w: it is %s", ErrNotParked, now.State)
		case now.Reason != i.Reason:
			return fmt.Errorf("%w: it was parked anew meanwhile (%s)", ErrNotThisWay, now.Reason)
		}
		return act(tx, &now, ask, e.clock.Now())
	})
	if errors.Is(err, ErrNotParked) || errors.Is(err, ErrNotThisWay) || errors.Is(err, connector.ErrFenced) || errors.Is(err, connector.ErrNotFound) {
		return refusal(err), nil
	}
	return f, err
}

func (e *Engine) connections() []string {
	var out []string
	for id := range e.conns {
		out = append(out, id)
	}
	return out
}

// allowed says whether an action makes sense for an item.
func allowed(i connector.Item, a connector.Action) error {
	switch {
	case elsewhere(&i) && (a == connector.ActReplay || a == connector.ActAlreadyThere):
		return fmt.Errorf("%w: part of it is, or may be, on the chart of the patient its thread was bound to before, and the rest must not come there or elsewhere. Look there, have it corrected in the EHR, then release it", ErrNotThisWay)
	case a == connector.ActReplay && !hasWork(i):
		return ErrNoReplay
	case a == connector.ActRelease:
		return nil // whatever it is, a person may have dealt with it
	case a == connector.ActRetract && i.Lane == connector.LaneChart:
		return nil // whether anything is on the chart, its writes say
	}
	var can []string
	for _, x := range Actions(i) {
		if x == a {
			return nil
		}
		can = append(can, string(x))
	}
	return fmt.Errorf("%w: %s does not help with %s. Next: %s. Possible: %s", ErrNotThisWay, a, i.Reason, i.Reason.Next(), strings.Join(can, ", "))
}

// replay lets a parked item go on from where it stopped: filing, or taking back. A write it has committed keeps its bytes
// and identity, and one whose outcome was never known is searched for first: a replay cannot make a second entry.
func replay(tx connector.Tx, i *connector.Item, ask Ask, now time.Time) error {
	if d := i.Detail.Decision; d != nil && d.Act == connector.ActRetract {
		ask.Act = connector.ActRetract
	}
	return goOn(tx, i, ask, now)
}

// retract lets the item go on to take back what is on the chart of it.
func retract(tx connector.Tx, i *connector.Item, ask Ask, now time.Time) error {
	return goOn(tx, i, ask, now)
}

// goOn hands a parked item back to its lane.
func goOn(tx connector.Tx, i *connector.Item, ask Ask, now time.Time) error {
	decision(i, ask, now)
	i.State, i.Reason, i.NextAt, i.FirstTried, i.ChangedAt, i.Detail.Text = connector.Waiting, "", time.Time{}, time.Time{}, now, ""
	i.Detail.Wait = nil       // it may wait anew
	i.Tries = max(i.Tries, 1) // what it has committed is looked for, however soon it was parked
	if err := tx.PutItem(i); err != nil {
		return err
	}
	if err := decided(tx, *i, now); err != nil {
		return err
	}
	return tx.TouchLane(i.EHR, i.Thread, i.Lane, now, i.Priority)
}

// release takes a parked item off the list because a person has dealt with it.
func release(tx connector.Tx, i *connector.Item, ask Ask, now time.Time) error {
	decision(i, ask, now)
	i.State, i.ChangedAt = connector.NotDue, now
	if err := tx.PutItem(i); err != nil {
		return err
	}
	if err := releaseFollowers(tx, *i, now); err != nil {
		return err
	}
	if i.Lane == connector.LaneSend {
		if err := releaseSend(tx, i, now); err != nil {
			return err
		}
	}
	if i.Lane != "" { // what waited for it looks again
		if err := tx.TouchLane(i.EHR, i.Thread, i.Lane, now, i.Priority); err != nil {
			return err
		}
	}
	if i.Lane == connector.LaneMedia { // and the message whose file it was
		if err := tx.TouchLane(i.EHR, i.Thread, connector.LaneChart, now, i.Priority); err != nil {
			return err
		}
	}
	return decided(tx, *i, now)
}

// releaseFollowers takes off the list what was told with an item.
func releaseFollowers(tx connector.Tx, i connector.Item, now time.Time) error {
	told, err := followers(tx, i)
	if err != nil {
		return err
	}
	for _, f := range told {
		f.State, f.Reason, f.ChangedAt, f.NextAt = connector.NotDue, i.Reason, now, time.Time{}
		f.Detail.Decision = i.Detail.Decision
		if err := tx.PutItem(f); err != nil {
			return err
		}
	}
	return nil
}

// releaseSend lets the exchange of a released message that the platform may or may not have be filed as just that: nobody
// waits for its hand-over any more. News of it that comes all the same is taken (connector.TakeHandover).
func releaseSend(tx connector.Tx, i *connector.Item, now time.Time) error {
	m, err := tx.Message(i.EHR, i.Message)
	if err != nil || m.Delivery.State != connector.SendUnsure {
		return err
	}
	return letGo(tx, m, connector.SendUnknown, now)
}

// decision writes down who decided what.
func decision(i *connector.Item, ask Ask, now time.Time) {
	i.Detail.Decision = &connector.Decision{Act: ask.Act, By: ask.Agent, At: now, Reason: i.Reason, Why: ask.Why}
}

// decided tells live pages, and adds the audit row: who, what, and what it was before and is now.
func decided(tx connector.Tx, i connector.Item, now time.Time) error {
	d := i.Detail.Decision
	detail := map[string]string{"act": string(d.Act), "reason": string(d.Reason), "from": string(connector.Parked), "to": string(i.State)}
	if d.Why != "" {
		detail["why"] = d.Why
	}
	if err := tx.BumpThread(i.EHR, i.Thread); err != nil {
		return err
	}
	return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: i.EHR, At: now, Kind: "admin", Action: "E", Agent: d.By,
		Thread: i.Thread, Item: i.ID, Detail: detail})
}
