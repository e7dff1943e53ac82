package connector

import "time"

// Action is what a person can do about a parked item.
type Action string

// The actions of the parked list. Wait is no command: what is held goes on by itself.
const (
	ActReplay       Action = "replay"        // the cause is gone: the item goes on from where it stopped
	ActAlreadyThere Action = "already-there" // the chart has it: the named entry is read, compared and its receipt recorded
	ActRelease      Action = "release"       // dealt with by hand: left out, with who and why
	ActRetract      Action = "retract"       // it is on the chart and should not be: marked as entered in error
	ActWait         Action = "wait"
)

// Decision is what a person decided about an item that was parked.
type Decision struct {
	Act    Action    `json:"act"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason Reason    `json:"reason"`        // for which it was parked
	Why    string    `json:"why,omitempty"` // the person's own words; may be PHI
}

// ByHand says whether a person took the item off the chart or kept it off: what follows it is a person's work too.
func (d *Decision) ByHand() bool {
	return d != nil && (d.Act == ActRelease || d.Act == ActRetract)
}

// WhoActs says whose work an item is: the pool it was given to, else who usually acts on its reason.
func (i Item) WhoActs() string {
	if i.Owner != "" {
		return i.Owner
	}
	return i.Reason.Owner()
}
