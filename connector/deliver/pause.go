package deliver

import (
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// lookAgain is how long a message held by a paused channel waits before it looks again by itself: one that was held just as
// the channel was resumed is not forgotten.
const lookAgain = time.Minute

func pausedKey(channel string) string { return "paused/channel/" + channel }

// channelPaused says whether nothing is sent to a channel now.
func channelPaused(tx connector.Tx, channel string) (bool, error) {
	v, err := tx.Meta(pausedKey(channel))
	if errors.Is(err, connector.ErrNotFound) {
		return false, nil
	}
	return v != "", err
}

// PauseChannel stops handing messages to a channel of an EHR, or lets it go on: what is held goes out at once, each after
// its consent was looked at again. Events of the channel are taken and filed all the while. agent says who asked.
func PauseChannel(tx connector.Tx, ehr, channel string, pause bool, agent string, now time.Time) error {
	act, value := "resume", ""
	if pause {
		act, value = "pause", now.UTC().Format(time.RFC3339)
	}
	if err := tx.PutMeta(pausedKey(channel), value); err != nil {
		return err
	}
	if !pause {
		if err := sendHeld(tx, ehr, channel, now); err != nil {
			return err
		}
	}
	return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: ehr, At: now, Kind: "admin", Action: "E", Agent: agent,
		Detail: map[string]string{"act": act, "channel": channel}})
}

// sendHeld makes the lanes of messages a paused channel held due.
func sendHeld(tx connector.Tx, ehr, channel string, now time.Time) error {
	items, err := tx.OpenItems(ehr, []connector.ItemState{connector.Held}, 0)
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.Reason != connector.ChannelPaused || i.Channel != channel {
			continue
		}
		i.State, i.Reason, i.NextAt, i.ChangedAt = connector.Waiting, "", now, now
		if err := tx.PutItem(&i); err != nil {
			return err
		}
		if err := tx.TouchLane(ehr, i.Thread, connector.LaneSend, now, i.Priority); err != nil {
			return err
		}
		if err := tx.BumpThread(ehr, i.Thread); err != nil {
			return err
		}
	}
	return nil
}

// heldBack makes a message wait for its paused channel. One that the platform may have stays unknown.
func (d *drainer) heldBack(i *connector.Item, inDoubt bool) {
	at := d.e.clock.Now().Add(lookAgain + jitter(lookAgain))
	if !inDoubt {
		d.hold(i, connector.ChannelPaused, at, "")
		return
	}
	i.State, i.Reason, i.NextAt = connector.Unknown, connector.Settling, at
	d.put(i)
}
