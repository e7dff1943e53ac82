package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/connector/deliver"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// operate sends one request to the running serve, or answers it from the store, and decodes the answer into v.
func (f configFlag) operate(ctx context.Context, s streams, method, path string, v any) error {
	cfg, err := f.load(s, false)
	if err != nil {
		return err
	}
	o, err := app.OpenOperator(ctx, cfg)
	if err != nil {
		return err
	}
	defer o.Close()
	resp, err := o.Do(ctx, method, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return refusal(resp)
	}
	if v == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// refusal is what the control API said instead of doing what was asked.
func refusal(resp *http.Response) error {
	var p struct{ Detail string }
	if json.NewDecoder(resp.Body).Decode(&p) != nil || p.Detail == "" {
		return fmt.Errorf("answered %d", resp.StatusCode)
	}
	return errors.New(p.Detail)
}

type traceCmd struct {
	configFlag
	ID     string `arg:"" help:"Our id, the platform's thread or message id, or an EHR reference (Type/id)."`
	JSON   bool   `help:"Print JSON."`
	Bodies bool   `help:"Show the requests' bodies and the answers. They are PHI; reading them is audited like everything here."`
}

func (c traceCmd) Run(ctx context.Context, s streams) error {
	var found []deliver.Traced
	query := url.Values{"id": {c.ID}, "bodies": {fmt.Sprint(c.Bodies)}}
	if err := c.operate(ctx, s, http.MethodGet, "/trace?"+query.Encode(), &found); err != nil {
		return fmt.Errorf("trace %s: %w", c.ID, err)
	}
	if c.JSON {
		return printJSON(s, found)
	}
	for _, t := range found {
		fmt.Fprintf(s.out, "thread %s on channel %s, patient %s\n", t.Thread, t.Channel, t.Patient)
		for _, i := range t.Items {
			printItem(s, i)
		}
	}
	return nil
}

func printJSON(s streams, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	fmt.Fprintln(s.out, string(raw))
	return err
}

func printItem(s streams, i deliver.TracedItem) {
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
		fmt.Fprintf(s.out, "      %s: %s\n", i.Owner, i.Next)
	}
	printAttempts(s, i.Attempts)
	for _, w := range i.Writes {
		fmt.Fprintf(s.out, "      %s %s → %s %s\n", w.Method, w.URL, w.State, w.Receipt)
		printAttempts(s, w.Attempts)
		if len(w.Body) > 0 {
			fmt.Fprintf(s.out, "        %s\n", w.Body)
		}
	}
}

func printAttempts(s streams, attempts []deliver.TracedAttempt) {
	for _, a := range attempts {
		fmt.Fprintf(s.out, "        attempt %d at %s: %s", a.No, a.At.Format(time.RFC3339), a.Outcome)
		if a.Status != 0 {
			fmt.Fprintf(s.out, " %d", a.Status)
		}
		fmt.Fprintf(s.out, " %s\n", a.Took)
		if a.Answer != "" {
			fmt.Fprintf(s.out, "        answer: %s\n", a.Answer)
		}
	}
}
