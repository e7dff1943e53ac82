package preview

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Step is one thing the events of a file ask of every chart: an exchange, its correction, retraction or delivery news, or
// the thread's header, close or reopening. Ids are the channel's.
type Step struct {
	Kind      connector.ItemKind  `json:"kind"`
	Thread    string              `json:"thread"`
	Message   string              `json:"message,omitempty"`
	Revision  int                 `json:"revision,omitempty"` // of a correction; the first is 2
	Direction connector.Direction `json:"direction,omitempty"`
	SentAt    time.Time           `json:"sent_at,omitzero"`
	News      connector.SendState `json:"news,omitempty"` // of a status: how far the message has got
}

// String names the step for people.
func (s Step) String() string {
	switch s.Kind {
	case connector.ItemHeader:
		return "thread " + s.Thread
	case connector.ItemClose:
		return "thread " + s.Thread + " closed"
	case connector.ItemReopen:
		return "thread " + s.Thread + " reopened"
	case connector.ItemCorrection:
		return fmt.Sprintf("correction of %s/%s, version %d", s.Thread, s.Message, s.Revision)
	case connector.ItemRetraction:
		return "retraction of " + s.Thread + "/" + s.Message
	case connector.ItemStatus:
		return fmt.Sprintf("news of %s/%s: %s", s.Thread, s.Message, s.News)
	case connector.ItemExchange:
		return fmt.Sprintf("message %s/%s, %s, sent %s", s.Thread, s.Message, s.Direction, s.SentAt.Format(time.RFC3339))
	default:
		return fmt.Sprintf("%s %s/%s", s.Kind, s.Thread, s.Message)
	}
}

// place is what a step, an item of a lane and a plan have in common. no counts those that are alike: a thread may be closed
// twice, and a message has news more than once.
type place struct {
	kind            connector.ItemKind
	thread, message string
	revision, no    int
}

// agenda is the steps in the order of the file.
type agenda struct {
	steps  []Step
	places []place // of each step
	at     map[place]int
	turned map[string]connector.ItemKind // thread → its newest close or reopening
	told   map[place]map[connector.SendState]bool
}

func newAgenda() *agenda {
	return &agenda{at: map[place]int{}, turned: map[string]connector.ItemKind{}, told: map[place]map[connector.SendState]bool{}}
}

// add takes the steps of an event. What a platform repeats is no new one.
func (a *agenda) add(ev connector.Event) {
	if ev.Thread == nil {
		return
	}
	s := Step{Thread: ev.Thread.ID, Message: ev.MessageID}
	switch ev.Type {
	case connector.MessageCreated:
		m := ev.Message
		a.once(Step{Kind: connector.ItemHeader, Thread: s.Thread})
		a.once(Step{Kind: connector.ItemExchange, Thread: s.Thread, Message: m.ID, Direction: m.Direction, SentAt: m.SentAt})
	case connector.MessageCorrected:
		s.Kind, s.Revision = connector.ItemCorrection, ev.Correction.Version
		a.once(s)
	case connector.MessageRetracted:
		s.Kind = connector.ItemRetraction
		a.once(s)
	case connector.MessageStatus:
		s.Kind, s.News = connector.ItemStatus, ev.Delivery.State
		p := s.place(0)
		if a.told[p] == nil {
			a.told[p] = map[connector.SendState]bool{}
		}
		if !a.told[p][s.News] {
			a.told[p][s.News] = true
			a.next(s)
		}
	case connector.ThreadClosed, connector.ThreadReopened:
		s.Kind = connector.ItemClose
		if ev.Type == connector.ThreadReopened {
			s.Kind = connector.ItemReopen
		}
		if a.turned[s.Thread] != s.Kind {
			a.turned[s.Thread] = s.Kind
			a.next(s)
		}
	}
}

func (s Step) place(no int) place { return place{s.Kind, s.Thread, s.Message, s.Revision, no} }

func (a *agenda) once(s Step) {
	if _, ok := a.at[s.place(0)]; !ok {
		a.put(s, 0)
	}
}

func (a *agenda) next(s Step) {
	no := 0
	for ; ; no++ {
		if _, taken := a.at[s.place(no)]; !taken {
			break
		}
	}
	a.put(s, no)
}

func (a *agenda) put(s Step, no int) {
	a.at[s.place(no)] = len(a.steps)
	a.steps, a.places = append(a.steps, s), append(a.places, s.place(no))
}

// know makes sure that a place has its step. What no event of it asks for, such as a message id that came twice with other
// words, comes last.
func (a *agenda) know(p place) {
	if _, ok := a.at[p]; !ok {
		a.put(Step{Kind: p.kind, Thread: p.thread, Message: p.message, Revision: p.revision}, p.no)
	}
}

// placed is an item with its place.
type placed struct {
	connector.Item
	place place
}

// items are those of the chart and whatever else stands still, each with its place, in the order they were taken.
func (p *plan) items(ctx context.Context) ([]placed, error) {
	states := []connector.ItemState{connector.Filed, connector.Held, connector.Parked, connector.NotDue}
	var out []placed
	err := p.store.View(ctx, func(tx connector.Tx) error {
		all, err := tx.OpenItems(p.id, states, 0)
		if err != nil {
			return err
		}
		slices.SortFunc(all, func(a, b connector.Item) int {
			return cmp.Or(a.CommittedAt.Compare(b.CommittedAt), cmp.Compare(a.ID, b.ID))
		})
		seen := map[place]int{}
		for _, i := range all {
			if i.Kind == connector.ItemFetch && i.State == connector.Filed {
				continue // it is part of its message
			}
			at := place{kind: i.Kind, message: i.MsgKey}
			if i.Kind == connector.ItemCorrection {
				at.revision = i.Revision
			}
			if i.Thread != "" {
				t, err := tx.Thread(p.id, i.Thread)
				if err != nil {
					return err
				}
				at.thread = t.Info.ID
			}
			alike := at
			at.no = seen[alike]
			seen[alike]++
			out = append(out, placed{i, at})
		}
		return nil
	})
	return out, err
}

// placeOf is where a plan belongs, but for its number.
func placeOf(x connector.Exchange) place {
	p := place{kind: x.Kind, thread: x.Thread.ID}
	switch x.Kind {
	case connector.ItemHeader, connector.ItemClose, connector.ItemReopen:
		return p
	case connector.ItemCorrection:
		p.revision = x.Revision
	}
	p.message = x.Message.ID
	return p
}
