package deliver

import (
	"fmt"

	"github.com/chartwire/chartwire/connector"
)

// dealtWith gives the item of a thread that somebody has to deal with before i goes on by itself, nil where nobody has to. It looks
// along the order of the lanes, and from what stands in the way to what stands in the way of that.
func dealtWith(i *connector.Item, all []*connector.Item) *connector.Item {
	seen := map[string]bool{}
	for at := i; at != nil && !seen[at.ID]; at = before(at, all) {
		seen[at.ID] = true
		if at != i && needsSomebody(at) {
			return at
		}
	}
	return nil
}

// needsSomebody says whether somebody outside Chartwire has to do something about an item.
func needsSomebody(i *connector.Item) bool {
	return i.State == connector.Parked || !i.State.Done() && i.Reason.NeedsSomebody()
}

// before gives what an item that is not its lane's first stands behind: what it is filed with or refers to, or what comes before
// it on its lane.
func before(i *connector.Item, all []*connector.Item) *connector.Item {
	switch {
	case i.State == connector.Waiting && i.Reason == "":
	case i.State == connector.Held && i.Reason == connector.ThreadOpen: // one message without a patient, say, holds up its thread
		return first(all, func(o *connector.Item) bool {
			return o != i && o.Lane == i.Lane && o.Kind == connector.ItemExchange && !o.State.Done() && o.Reason.NeedsSomebody()
		})
	case i.State == connector.Held && i.Reason == connector.EarlierItem:
		if at := first(all, func(o *connector.Item) bool { return o != i && refersTo(i, o) }); at != nil {
			return at
		}
	default:
		return nil
	}
	var lane []*connector.Item
	for _, o := range all {
		if o.Lane == i.Lane && !o.State.Done() {
			lane = append(lane, o)
		}
	}
	if i.Lane != connector.LaneChart {
		return first(lane, func(o *connector.Item) bool { return o != i && byCommit(o, i) < 0 })
	}
	if h := first(lane, func(o *connector.Item) bool { return o.Kind == connector.ItemHeader }); h != nil && h != i {
		return h
	}
	messages := pendingMessages(lane)
	switch {
	case i.Kind == connector.ItemExchange && len(messages) > 0:
		if e := earliest(messages); e != i {
			return e
		}
	case isFollowUp(i.Kind):
		return first(messages, func(o *connector.Item) bool { return o.MsgKey == i.MsgKey })
	default: // closing and reopening
		return first(messages, func(o *connector.Item) bool { return byCommit(o, i) < 0 })
	}
	return nil
}

// refersTo says whether an item that is held for an earlier one is held for o: what carries it, the message it changes, the
// request or the Task it answers.
func refersTo(i, o *connector.Item) bool {
	if o.State == connector.Filed || o.State == connector.NotDue {
		return false
	}
	switch {
	case follows(i):
		return o.ID == i.Detail.Telling.With
	case i.Detail.Task != nil && o.ID == i.Detail.Task.ID:
		return true
	case isFollowUp(i.Kind) && o.Kind == connector.ItemExchange:
		return o.MsgKey == i.MsgKey || carries(o) && o.State == connector.Parked // a version that would take others' place
	}
	return i.Kind == connector.ItemExchange && o.Kind == connector.ItemRequest && o.Message == i.Message && o.Message != ""
}

// whereBehind says in plain words what an item waits for that somebody has to deal with. It holds no PHI.
func whereBehind(i *connector.Item) string {
	return fmt.Sprintf("waits behind %s %s, which %s has to deal with: %s. Next: %s", i.Kind, i.ID, i.WhoActs(), i.Reason.Sentence(), i.Reason.Next())
}

// Commands are what an operator can type about an item, whose EHR connection is called ehr: nothing of it is PHI.
func Commands(i connector.Item, ehr string) (out []string) {
	parked := i.State == connector.Parked
	switch {
	case parked:
		for _, a := range Actions(i) {
			entry := ""
			if a == connector.ActAlreadyThere {
				entry = " Type/id"
			}
			out = append(out, "chartwire parked "+string(a)+" "+i.ID+entry)
		}
	case i.Reason == connector.EHRPaused:
		out = []string{"chartwire doctor --ehr " + ehr, "chartwire resume " + ehr}
	case i.Reason == connector.ChannelPaused:
		out = []string{"chartwire resume " + i.Channel}
	case i.Reason == connector.Unproven:
		out = []string{"chartwire doctor --ehr " + ehr + " --probe"}
	}
	if aboutPatient(i.Reason) && i.Thread != "" {
		out = append(out, "chartwire relink "+i.Thread+" --patient Patient/ID")
	}
	if !parked {
		out = append(out, "chartwire trace "+i.ID)
	}
	return out
}
