package deliver

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// maxParked bounds what one command lists or decides about.
const maxParked = 10_000

// ErrNotParked says that an item is not parked (any more), so there is nothing for a person to decide about it.
var ErrNotParked = errors.New("the item is not parked")

// ErrNoReplay says that replaying an item cannot help: there is no work behind it.
var ErrNoReplay = errors.New("the item is news for a person and has no work behind it; release it when it is dealt with")

// ErrNotThisWay says that an action makes no sense for an item. Its text says which do.
var ErrNotThisWay = errors.New("this cannot be done about the item")

// Selection picks parked items: by our ids, or by what they have in common. Empty fields pick all.
type Selection struct {
	IDs    []string         `json:"ids,omitempty"`
	Reason connector.Reason `json:"reason,omitempty"`
	EHR    string           `json:"ehr,omitempty"` // the connection's name
	Owner  string           `json:"owner,omitempty"`
	Older  time.Duration    `json:"older,omitempty"` // parked for at least this long
}

// parked reads what the selection picks, oldest first. An id that is nowhere gives ErrNotFound, one that is not parked
// ErrNotParked, each with the id.
func (s Selection) parked(tx connector.Tx, ehrs []string, now time.Time) ([]connector.Item, error) {
	if len(s.IDs) > 0 {
		return s.byID(tx, ehrs, now)
	}
	ehr := ""
	if s.EHR != "" {
		row, err := tx.EHRByName(s.EHR)
		if err != nil {
			return nil, fmt.Errorf("EHR %s: %w", s.EHR, err)
		}
		ehr = row.ID
	}
	items, err := tx.OpenItems(ehr, []connector.ItemState{connector.Parked}, maxParked)
	return slices.DeleteFunc(items, func(i connector.Item) bool { return !s.takes(i, now) }), err
}

func (s Selection) byID(tx connector.Tx, ehrs []string, now time.Time) ([]connector.Item, error) {
	var out []connector.Item
	for _, id := range s.IDs {
		i, err := parkedItem(tx, ehrs, id)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		if s.takes(i, now) {
			out = append(out, i)
		}
	}
	return out, nil
}

func (s Selection) takes(i connector.Item, now time.Time) bool {
	return (s.Reason == "" || s.Reason == i.Reason) && (s.Owner == "" || s.Owner == i.WhoActs()) && now.Sub(i.ChangedAt) >= s.Older
}

// Actions says what can be done about a parked item, the usual thing first.
func Actions(i connector.Item) []connector.Action {
	acts := slices.DeleteFunc(i.Reason.Actions(), func(a connector.Action) bool {
		switch a {
		case connector.ActReplay:
			return !hasWork(i) || elsewhere(&i)
		case connector.ActAlreadyThere:
			return !i.Lane.TowardEHR() || elsewhere(&i)
		case connector.ActRetract:
			return i.Lane != connector.LaneChart
		}
		return a == connector.ActWait
	})
	if len(acts) == 0 { // a reason that only holds, on an item that is parked all the same
		acts = []connector.Action{connector.ActRelease}
	}
	return acts
}

// hasWork says whether there is anything to be done on a lane for an item.
func hasWork(i connector.Item) bool { return i.Lane != "" && i.Kind != connector.ItemConflict }

// Parked gives what is parked, oldest first, without what others said about it: that may be PHI and is read, audited,
// with Trace.
func Parked(tx connector.Tx, s Selection, ehrs []string, now time.Time) ([]TracedItem, error) {
	items, err := s.parked(tx, ehrs, now)
	if err != nil {
		return nil, err
	}
	out := []TracedItem{}
	names := map[string]string{}
	for _, i := range items {
		x := tracedItem(i, now)
		x.Text, x.Message = "", ""
		if x.EHR, err = ehrName(tx, names, i.EHR); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func ehrName(tx connector.Tx, known map[string]string, id string) (string, error) {
	if name, ok := known[id]; ok {
		return name, nil
	}
	row, err := tx.EHR(id)
	known[id] = row.Name
	return row.Name, err
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
