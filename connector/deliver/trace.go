package deliver

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Traced is everything about one thread, in the order it was committed. Bodies, answers and texts are PHI.
type Traced struct {
	Thread  string       `json:"thread"`
	Channel string       `json:"channel"`
	Patient string       `json:"patient,omitempty"` // EHR reference
	Items   []TracedItem `json:"items"`
}

// TracedItem is one item of a thread with its writes.
type TracedItem struct {
	ID       string              `json:"id"`
	Kind     connector.ItemKind  `json:"kind"`
	Message  string              `json:"message,omitempty"` // the platform's id
	State    connector.ItemState `json:"state"`
	Reason   connector.Reason    `json:"reason,omitempty"`
	Sentence string              `json:"sentence,omitempty"`
	Owner    string              `json:"owner,omitempty"`
	Next     string              `json:"next,omitempty"`
	Text     string              `json:"text,omitempty"` // the gate's or the other side's words
	Since    time.Time           `json:"since"`
	Late     bool                `json:"late,omitempty"`
	Writes   []TracedWrite       `json:"writes,omitempty"`
	Attempts []TracedAttempt     `json:"attempts,omitempty"` // of a send
}

// TracedWrite is one write with its attempts. Key, URL and Body are those that went over the wire.
type TracedWrite struct {
	Key      string               `json:"key"`
	Method   string               `json:"method"`
	URL      string               `json:"url"`
	State    connector.WriteState `json:"state"`
	Receipt  string               `json:"receipt,omitempty"`
	Verified bool                 `json:"verified,omitempty"`
	Body     json.RawMessage      `json:"body,omitempty"`
	Attempts []TracedAttempt      `json:"attempts,omitempty"`
}

// TracedAttempt is one try. Outcome "open" means that nobody knows yet.
type TracedAttempt struct {
	No      int       `json:"no"`
	At      time.Time `json:"at"`
	Took    string    `json:"took,omitempty"`
	Outcome string    `json:"outcome"`
	Status  int       `json:"status,omitempty"`
	Answer  string    `json:"answer,omitempty"`
}

// Trace reads every thread an id may mean (Tx.Trace), with the bodies where they are asked for. Each is audited in the
// same transaction; agent says who reads. None found gives an empty list.
func Trace(tx connector.Tx, id, agent string, bodies bool, now time.Time) ([]Traced, error) {
	threads, err := tx.Trace(id)
	if err != nil {
		return nil, err
	}
	var out []Traced
	for _, t := range threads {
		if err := tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: t.EHR, At: now, Kind: "read", Action: "R", Agent: agent, Thread: t.ID}); err != nil {
			return nil, err
		}
		traced, err := traceThread(tx, t, bodies)
		if err != nil {
			return nil, err
		}
		out = append(out, traced)
	}
	return out, nil
}

func traceThread(tx connector.Tx, t connector.Thread, bodies bool) (Traced, error) {
	out := Traced{Thread: t.ID, Channel: t.Channel, Patient: t.Bound.Reference}
	items, err := tx.ThreadItems(t.EHR, t.ID)
	if err != nil {
		return out, err
	}
	for _, i := range items {
		x := tracedItem(i)
		if i.Kind == connector.ItemSend {
			if x.Attempts, err = traceAttempts(tx, i.EHR, i.ID, bodies); err != nil {
				return out, err
			}
		}
		writes, err := tx.WritesOf(i.EHR, i.ID)
		if err != nil {
			return out, err
		}
		for _, w := range writes {
			traced := TracedWrite{Key: w.Key, Method: w.Write.Method, URL: w.Write.URL, State: w.State, Receipt: w.Receipt.Reference, Verified: w.Receipt.Verified}
			if bodies {
				traced.Body = w.Write.Body
			}
			if traced.Attempts, err = traceAttempts(tx, w.EHR, w.ID, bodies); err != nil {
				return out, err
			}
			x.Writes = append(x.Writes, traced)
		}
		out.Items = append(out.Items, x)
	}
	return out, nil
}

func tracedItem(i connector.Item) TracedItem {
	x := TracedItem{ID: i.ID, Kind: i.Kind, Message: i.MsgKey, State: i.State, Reason: i.Reason, Sentence: i.Reason.Sentence(),
		Text: i.Detail.Text, Since: i.ChangedAt, Late: i.Late}
	if i.State == connector.Parked || i.State == connector.Held {
		x.Next, x.Owner = i.Reason.Next(), i.Reason.Owner()
		if i.Owner != "" {
			x.Owner = i.Owner
		}
	}
	return x
}

func traceAttempts(tx connector.Tx, ehr, write string, bodies bool) ([]TracedAttempt, error) {
	attempts, err := tx.Attempts(ehr, write)
	if errors.Is(err, connector.ErrNotFound) {
		return nil, nil
	}
	var out []TracedAttempt
	for _, a := range attempts {
		x := TracedAttempt{No: a.No, At: a.StartedAt, Outcome: a.Outcome, Status: a.Status}
		if x.Outcome == "" {
			x.Outcome = "open"
		}
		if !a.EndedAt.IsZero() {
			x.Took = a.EndedAt.Sub(a.StartedAt).Round(time.Millisecond).String()
		}
		if bodies {
			x.Answer = string(a.Answer)
		}
		out = append(out, x)
	}
	return out, err
}
