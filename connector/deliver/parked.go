package deliver

import (
	"errors"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// ErrNotParked says that an item is not parked (any more), so there is nothing for a person to decide about it.
var ErrNotParked = errors.New("the item is not parked")

// ErrNoReplay says that replaying an item cannot help: there is no work behind it.
var ErrNoReplay = errors.New("the item is news for a person and has no work behind it; release it when it is dealt with")

// ParkedList gives what is parked, oldest first, without what others said about it: that may be PHI and is read, audited,
// with Trace.
func ParkedList(tx connector.Tx, limit int) ([]TracedItem, error) {
	items, err := tx.OpenItems("", []connector.ItemState{connector.Parked}, limit)
	if err != nil {
		return nil, err
	}
	out := []TracedItem{}
	for _, i := range items {
		x := tracedItem(i)
		x.Text, x.Message = "", ""
		out = append(out, x)
	}
	return out, nil
}

// parkedItem finds a parked item by our id, in whichever EHR it is.
func parkedItem(tx connector.Tx, ehrs []string, id string) (connector.Item, error) {
	for _, ehr := range ehrs {
		i, err := tx.Item(ehr, id)
		if errors.Is(err, connector.ErrNotFound) {
			continue
		}
		if err == nil && i.State != connector.Parked {
			err = fmt.Errorf("%w: it is %s", ErrNotParked, i.State)
		}
		return i, err
	}
	return connector.Item{}, connector.ErrNotFound
}

// Replay lets a parked item go on from where it stopped. A write it has committed keeps its bytes and identity, and one
// whose outcome was never known is searched for first: a replay cannot make a second entry. agent says who asked.
func Replay(tx connector.Tx, ehrs []string, id, agent string, now time.Time) error {
	i, err := parkedItem(tx, ehrs, id)
	if err != nil {
		return err
	}
	if i.Lane == "" || i.Kind == connector.ItemConflict {
		return ErrNoReplay
	}
	i.State, i.Reason, i.NextAt, i.FirstTried, i.ChangedAt, i.Detail.Text = connector.Waiting, "", time.Time{}, time.Time{}, now, ""
	if err := tx.PutItem(&i); err != nil {
		return err
	}
	if err := decided(tx, i, "replay", agent, now); err != nil {
		return err
	}
	return tx.TouchLane(i.EHR, i.Thread, i.Lane, now, i.Priority)
}

// Release takes a parked item off the list because a person has dealt with it: it is on the chart already, or is not
// wanted there. agent says who decided.
func Release(tx connector.Tx, ehrs []string, id, agent string, now time.Time) error {
	i, err := parkedItem(tx, ehrs, id)
	if err != nil {
		return err
	}
	i.State, i.ChangedAt = connector.NotDue, now
	if err := tx.PutItem(&i); err != nil {
		return err
	}
	if i.Lane != "" { // what waited for it looks again
		if err := tx.TouchLane(i.EHR, i.Thread, i.Lane, now, i.Priority); err != nil {
			return err
		}
	}
	return decided(tx, i, "release", agent, now)
}

func decided(tx connector.Tx, i connector.Item, act, agent string, now time.Time) error {
	return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: i.EHR, At: now, Kind: "admin", Action: "E", Agent: agent,
		Thread: i.Thread, Item: i.ID, Detail: map[string]string{"act": act, "reason": string(i.Reason)}})
}

// Pause stops filing toward an EHR with a reason, or lets it go on where the reason is "". Lanes that waited are due again
// within half a minute. ErrNotFound: no connection has this name.
func Pause(tx connector.Tx, name string, r connector.Reason, agent string, now time.Time) error {
	row, err := tx.EHRByName(name)
	if err != nil {
		return err
	}
	act := "pause"
	if r == "" {
		act = "resume"
	}
	before := row.Paused
	row.Paused, row.PausedAt = r, now
	if err := tx.PutEHR(row); err != nil {
		return err
	}
	return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: row.ID, At: now, Kind: "admin", Action: "E", Agent: agent,
		Detail: map[string]string{"act": act, "reason": string(before)}})
}
