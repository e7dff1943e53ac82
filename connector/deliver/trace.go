package deliver

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Traced is everything about one thread, in the order it was committed. Without show it holds ids of ours, states, reasons
// and the references of entries, and nothing a person wrote or is known by.
type Traced struct {
	Thread  string       `json:"thread"`
	EHR     string       `json:"ehr"`
	Channel string       `json:"channel"`
	Where   string       `json:"where"` // in plain words: where what was asked for is, and what happens next
	Patient string       `json:"patient,omitempty"`
	Items   []TracedItem `json:"items"`
	History []TracedAct  `json:"history,omitempty"`
}

// TracedItem is one item of a thread with its writes.
type TracedItem struct {
	ID       string              `json:"id"`
	EHR      string              `json:"ehr,omitempty"`
	Thread   string              `json:"thread,omitempty"`
	Kind     connector.ItemKind  `json:"kind"`
	Message  string              `json:"message,omitempty"` // the platform's id
	State    connector.ItemState `json:"state"`
	Reason   connector.Reason    `json:"reason,omitempty"`
	Sentence string              `json:"sentence,omitempty"`
	Owner    string              `json:"owner,omitempty"`
	Next     string              `json:"next,omitempty"`
	Actions  []connector.Action  `json:"actions,omitempty"`
	Text     string              `json:"text,omitempty"` // the gate's or the other side's words
	Since    time.Time           `json:"since"`
	Age      string              `json:"age,omitempty"` // of a parked item: how long it has been parked
	Late     bool                `json:"late,omitempty"`
	Asked    bool                `json:"asked,omitempty"` // the id that was asked for is this item's
	Where    string              `json:"where,omitempty"`
	Behind   string              `json:"behind,omitempty"` // the item somebody has to deal with before this one goes on
	Decision *connector.Decision `json:"decision,omitempty"`
	Writes   []TracedWrite       `json:"writes,omitempty"`
	Attempts []TracedAttempt     `json:"attempts,omitempty"` // of a send
}

// TracedWrite is one write with its attempts.
type TracedWrite struct {
	ID       string               `json:"id"`
	Method   string               `json:"method"`
	URL      string               `json:"url"`
	Type     string               `json:"type"`
	State    connector.WriteState `json:"state"`
	Receipt  string               `json:"receipt,omitempty"` // the entry, Type/id
	Version  string               `json:"version,omitempty"`
	Verified bool                 `json:"verified,omitempty"`
	FiledAt  time.Time            `json:"filed_at,omitzero"`
	Control  string               `json:"msh10,omitempty"`
	Request  *TracedRequest       `json:"request,omitempty"` // what is planned, where no attempt has been made
	Attempts []TracedAttempt      `json:"attempts,omitempty"`
}

// TracedRequest is the exact request that went over the wire.
type TracedRequest struct {
	Method string            `json:"method"`
	URL    string            `json:"url"`
	Header map[string]string `json:"headers,omitempty"`
	Body   json.RawMessage   `json:"body,omitempty"`
}

// TracedAttempt is one try. Outcome "open" means that nobody knows yet.
type TracedAttempt struct {
	ID      string           `json:"id"`
	No      int              `json:"no"`
	At      time.Time        `json:"at"`
	Took    string           `json:"took,omitempty"`
	Outcome string           `json:"outcome"`
	Reason  connector.Reason `json:"reason,omitempty"`
	Status  int              `json:"status,omitempty"`
	Request *TracedRequest   `json:"request,omitempty"`
	Answer  string           `json:"answer,omitempty"`
}

// TracedAct is one row of the audit log: who did what.
type TracedAct struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Agent  string    `json:"agent"`
	Item   string    `json:"item,omitempty"`
	Says   string    `json:"says,omitempty"`
	Failed bool      `json:"failed,omitempty"`
}

// Trace reads every thread an id may mean (Tx.Trace; also an EHR reference as a URL). show adds what is PHI: requests,
// answers, the patient, the platform's ids and people's words. Each thread read is audited in the same transaction; agent
// says who reads. None found gives an empty list.
func Trace(tx connector.Tx, id, agent string, show bool, now time.Time) ([]Traced, error) {
	asked := []string{id}
	if ref := localReference(id); ref != id && strings.Contains(ref, "/") {
		asked = append(asked, ref)
	}
	var out []Traced
	seen := map[string]bool{}
	for _, name := range asked {
		threads, err := tx.Trace(name)
		if err != nil {
			return nil, err
		}
		for _, t := range threads {
			if seen[t.ID] {
				continue
			}
			seen[t.ID] = true
			traced, err := traceThread(tx, t, asked, show, now)
			if err != nil {
				return nil, err
			}
			err = tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: t.EHR, At: now, Kind: "read", Action: "R", Agent: agent, Thread: t.ID,
				Detail: map[string]string{"scope": map[bool]string{true: "content", false: "state"}[show]}})
			if err != nil {
				return nil, err
			}
			out = append(out, traced)
		}
	}
	return out, nil
}

func traceThread(tx connector.Tx, t connector.Thread, asked []string, show bool, now time.Time) (Traced, error) {
	out := Traced{Thread: t.ID, Channel: t.Channel}
	ehr, err := tx.EHR(t.EHR)
	if err != nil && !errors.Is(err, connector.ErrNotFound) {
		return out, err
	}
	out.EHR = ehr.Name
	if show {
		out.Patient = t.Bound.Reference
	}
	items, err := tx.ThreadItems(t.EHR, t.ID)
	if err != nil {
		return out, err
	}
	all := make([]*connector.Item, len(items))
	for n := range items {
		all[n] = &items[n]
	}
	for n, i := range items {
		x, err := traceItem(tx, i, asked, show, now)
		if err != nil {
			return out, err
		}
		if at := dealtWith(all[n], all); at != nil {
			x.Behind, x.Where = at.ID, whereBehind(at)
		}
		out.Items = append(out.Items, x)
	}
	out.Where = whereThread(t, ehr, out.Items)
	acts, err := tx.AuditOf(t.EHR, t.ID)
	for _, a := range acts {
		out.History = append(out.History, TracedAct{At: a.At, Kind: a.Kind, Agent: a.Agent, Item: a.Item, Says: saysOf(a, show), Failed: a.Outcome != 0})
	}
	return out, err
}

func traceItem(tx connector.Tx, i connector.Item, asked []string, show bool, now time.Time) (TracedItem, error) {
	x := tracedItem(i, now)
	x.Asked = slices.Contains(asked, i.ID) || slices.Contains(asked, i.MsgKey) || (i.Message != "" && slices.Contains(asked, i.Message))
	writes, err := tx.WritesOf(i.EHR, i.ID)
	if err != nil {
		return x, err
	}
	for _, w := range writes {
		traced, asks, err := traceWrite(tx, w, asked, show)
		if err != nil {
			return x, err
		}
		x.Asked = x.Asked || asks
		x.Writes = append(x.Writes, traced)
	}
	if i.Kind == connector.ItemSend {
		if x.Attempts, err = traceAttempts(tx, i.EHR, i.ID, nil, show); err != nil {
			return x, err
		}
	}
	x.Where = whereItem(i, writes)
	if !show {
		x.Text, x.Message = "", ""
		if x.Decision != nil {
			said := *x.Decision
			said.Why = ""
			x.Decision = &said
		}
	}
	return x, nil
}

func traceWrite(tx connector.Tx, w connector.WriteRow, asked []string, show bool) (out TracedWrite, asks bool, err error) {
	out = TracedWrite{ID: w.ID, Method: w.Write.Method, URL: w.Write.URL, Type: w.Write.Type, State: w.State, Receipt: w.Receipt.Reference,
		Version: w.Receipt.Version, Verified: w.Receipt.Verified, FiledAt: w.FiledAt}
	if !w.Write.Identity.IsZero() {
		out.Control = connector.ControlID(w.Write.Identity)
	}
	if out.Attempts, err = traceAttempts(tx, w.EHR, w.ID, &w.Write, show); err != nil {
		return out, false, err
	}
	if show && len(out.Attempts) == 0 {
		out.Request = wire(w.Write)
	}
	for _, id := range asked {
		asks = asks || id == w.ID || id == out.Control || (id == w.Receipt.Reference && id != "") ||
			slices.ContainsFunc(out.Attempts, func(a TracedAttempt) bool { return a.ID == id })
	}
	return out, asks, nil
}

// wire is a request as it goes over the wire.
func wire(w connector.Write) *TracedRequest {
	r := &TracedRequest{Method: w.Method, URL: w.URL, Header: w.Header}
	if json.Valid(w.Body) {
		r.Body = w.Body
	} else if len(w.Body) > 0 {
		r.Body, _ = json.Marshal(string(w.Body)) // ER7 text
	}
	return r
}

func tracedItem(i connector.Item, now time.Time) TracedItem {
	x := TracedItem{ID: i.ID, Thread: i.Thread, Kind: i.Kind, Message: i.MsgKey, State: i.State, Reason: i.Reason, Sentence: i.Reason.Sentence(),
		Text: i.Detail.Text, Since: i.ChangedAt, Late: i.Late, Decision: i.Detail.Decision}
	if i.State == connector.Parked || i.State == connector.Held {
		x.Next, x.Owner = i.Reason.Next(), i.WhoActs()
	}
	if i.State == connector.Parked {
		x.Actions, x.Age = Actions(i), now.Sub(i.ChangedAt).Round(time.Second).String()
	}
	return x
}

// traceAttempts gives the tries of a write, or of a send, whose write is nil.
func traceAttempts(tx connector.Tx, ehr, write string, of *connector.Write, show bool) ([]TracedAttempt, error) {
	attempts, err := tx.Attempts(ehr, write)
	if errors.Is(err, connector.ErrNotFound) {
		return nil, nil
	}
	var out []TracedAttempt
	for _, a := range attempts {
		x := TracedAttempt{ID: a.ID, No: a.No, At: a.StartedAt, Outcome: a.Outcome, Reason: a.Reason, Status: a.Status}
		if x.Outcome == "" {
			x.Outcome = "open"
		}
		if !a.EndedAt.IsZero() {
			x.Took = a.EndedAt.Sub(a.StartedAt).Round(time.Millisecond).String()
		}
		if show {
			x.Answer = string(a.Answer)
			if a.Sent != nil {
				of = a.Sent
			}
			if of != nil {
				x.Request = wire(*of)
			}
		}
		out = append(out, x)
	}
	return out, err
}
