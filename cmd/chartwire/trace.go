package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/connector"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

type traceCmd struct {
	configFlag
	ID     string `arg:"" help:"Our id, the platform's thread or message id, or an EHR reference (Type/id)."`
	JSON   bool   `help:"Print JSON."`
	Bodies bool   `help:"Show the requests' bodies and the answers. They are PHI; reading them is audited like everything here."`
}

// tracedThread is everything about one thread, in the order it was committed.
type tracedThread struct {
	Thread  string       `json:"thread"`
	Channel string       `json:"channel"`
	Patient string       `json:"patient,omitempty"`
	Items   []tracedItem `json:"items"`
}

type tracedItem struct {
	ID       string              `json:"id"`
	Kind     connector.ItemKind  `json:"kind"`
	Message  string              `json:"message,omitempty"`
	State    connector.ItemState `json:"state"`
	Reason   connector.Reason    `json:"reason,omitempty"`
	Sentence string              `json:"sentence,omitempty"`
	Next     string              `json:"next,omitempty"`
	Text     string              `json:"text,omitempty"`
	Since    time.Time           `json:"since"`
	Late     bool                `json:"late,omitempty"`
	Writes   []tracedWrite       `json:"writes,omitempty"`
}

type tracedWrite struct {
	Key      string               `json:"key"`
	Method   string               `json:"method"`
	URL      string               `json:"url"`
	State    connector.WriteState `json:"state"`
	Receipt  string               `json:"receipt,omitempty"`
	Verified bool                 `json:"verified,omitempty"`
	Body     json.RawMessage      `json:"body,omitempty"`
	Attempts []tracedAttempt      `json:"attempts,omitempty"`
}

type tracedAttempt struct {
	No      int       `json:"no"`
	At      time.Time `json:"at"`
	Took    string    `json:"took,omitempty"`
	Outcome string    `json:"outcome"`
	Status  int       `json:"status,omitempty"`
	Answer  string    `json:"answer,omitempty"`
}

func (c traceCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load(s, false)
	if err != nil {
		return err
	}
	st, now, err := app.OpenStore(ctx, cfg)
	if err != nil {
		return err
	}
	defer st.Close()
	var found []tracedThread
	err = st.Update(ctx, "trace", func(tx connector.Tx) error { // the audit row and the reading are one
		threads, err := tx.Trace(c.ID)
		if err != nil {
			return err
		}
		found = found[:0]
		for _, t := range threads {
			if err := tx.Audit(connector.AuditEntry{ID: connector.NewID(now()), EHR: t.EHR, At: now(), Kind: "read", Action: "R", Agent: "cli", Thread: t.ID, Detail: map[string]string{"command": "trace"}}); err != nil {
				return err
			}
			traced, err := c.thread(tx, t)
			if err != nil {
				return err
			}
			found = append(found, traced)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("nothing is known by the id %q", c.ID)
	}
	if c.JSON {
		raw, err := json.MarshalIndent(found, "", "  ")
		fmt.Fprintln(s.out, string(raw))
		return err
	}
	for _, t := range found {
		printTrace(s, t)
	}
	return nil
}

func (c traceCmd) thread(tx connector.Tx, t connector.Thread) (tracedThread, error) {
	out := tracedThread{Thread: t.ID, Channel: t.Channel, Patient: t.Bound.Reference}
	items, err := tx.ThreadItems(t.EHR, t.ID)
	if err != nil {
		return out, err
	}
	for _, i := range items {
		x := tracedItem{ID: i.ID, Kind: i.Kind, Message: i.MsgKey, State: i.State, Reason: i.Reason, Sentence: i.Reason.Sentence(),
			Text: i.Detail.Text, Since: i.ChangedAt, Late: i.Late}
		if i.State == connector.Parked || i.State == connector.Held {
			x.Next = i.Reason.Next()
		}
		writes, err := tx.WritesOf(i.EHR, i.ID)
		if err != nil {
			return out, err
		}
		for _, w := range writes {
			traced, err := c.write(tx, w)
			if err != nil {
				return out, err
			}
			x.Writes = append(x.Writes, traced)
		}
		out.Items = append(out.Items, x)
	}
	return out, nil
}

func (c traceCmd) write(tx connector.Tx, w connector.WriteRow) (tracedWrite, error) {
	out := tracedWrite{Key: w.Key, Method: w.Write.Method, URL: w.Write.URL, State: w.State, Receipt: w.Receipt.Reference, Verified: w.Receipt.Verified}
	if c.Bodies {
		out.Body = w.Write.Body
	}
	attempts, err := tx.Attempts(w.EHR, w.ID)
	if err != nil && !errors.Is(err, connector.ErrNotFound) {
		return out, err
	}
	for _, a := range attempts {
		x := tracedAttempt{No: a.No, At: a.StartedAt, Outcome: a.Outcome, Status: a.Status}
		if x.Outcome == "" {
			x.Outcome = "open"
		}
		if !a.EndedAt.IsZero() {
			x.Took = a.EndedAt.Sub(a.StartedAt).Round(time.Millisecond).String()
		}
		if c.Bodies {
			x.Answer = string(a.Answer)
		}
		out.Attempts = append(out.Attempts, x)
	}
	return out, nil
}

func printTrace(s streams, t tracedThread) {
	fmt.Fprintf(s.out, "thread %s on channel %s, patient %s\n", t.Thread, t.Channel, t.Patient)
	for _, i := range t.Items {
		fmt.Fprintf(s.out, "  %s  %-10s %-14s %s", i.ID, i.Kind, i.Message, i.State)
		if i.Sentence != "" {
			fmt.Fprintf(s.out, ": %s", i.Sentence)
		}
		if i.Late {
			fmt.Fprint(s.out, " (late)")
		}
		fmt.Fprintln(s.out)
		if i.Text != "" {
			fmt.Fprintf(s.out, "      said: %s\n", i.Text)
		}
		if i.Next != "" {
			fmt.Fprintf(s.out, "      next: %s\n", i.Next)
		}
		for _, w := range i.Writes {
			fmt.Fprintf(s.out, "      %s %s → %s %s\n", w.Method, w.URL, w.State, w.Receipt)
			for _, a := range w.Attempts {
				fmt.Fprintf(s.out, "        attempt %d at %s: %s %d %s\n", a.No, a.At.Format(time.RFC3339), a.Outcome, a.Status, a.Took)
			}
			if len(w.Body) > 0 {
				fmt.Fprintf(s.out, "        %s\n", w.Body)
			}
		}
	}
}
