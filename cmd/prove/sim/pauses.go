package sim

import (
	"cmp"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// pauses are when the connection was stopped and let go on, and when attempts were committed, in the order of the commits.
// Who committed may tell later than who came after; they are judged at the end.
type pauses struct {
	turns    []turn
	attempts []attempt
}

type turn struct {
	seq    int64
	reason connector.Reason // "" lets it go on
}

type attempt struct {
	seq int64
	key string
}

func (p *pauses) committed(n *noted) {
	for _, r := range n.ehrs {
		p.turns = append(p.turns, turn{n.seq, r.Paused})
	}
	for _, a := range n.attempts {
		for _, w := range n.writes {
			if w.ID == a.Write && w.State == connector.WriteAttempted && a.EndedAt.IsZero() {
				p.attempts = append(p.attempts, attempt{n.seq, w.Key})
			}
		}
	}
}

// end holds that no attempt was committed while the connection was paused.
func (p *pauses) end(j *judge) {
	slices.SortStableFunc(p.turns, func(a, b turn) int { return cmp.Compare(a.seq, b.seq) })
	for _, a := range p.attempts {
		var now connector.Reason
		for _, t := range p.turns {
			if t.seq <= a.seq { // a stop that the same commit carries, too
				now = t.reason
			}
		}
		if now != "" {
			j.failLocked("an attempt of %s was committed while the connection was paused: %s", clip(a.key), now)
		}
	}
}
