package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/connector/deliver"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// operate sends one request to the running serve, or answers it from the store, and decodes the answer into v.
func (f configFlag) operate(ctx context.Context, s streams, method, path string, v any) error {
	return f.tell(ctx, s, method, path, nil, v)
}

// tell is operate with a body.
func (f configFlag) tell(ctx context.Context, s streams, method, path string, body, v any) error {
	cfg, err := f.load(s, false)
	if err != nil {
		return err
	}
	o, err := app.OpenOperator(ctx, cfg)
	if err != nil {
		return err
	}
	defer o.Close()
	resp, err := o.Do(ctx, method, path, body)
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
	ID   string `arg:"" help:"Our id (thread, message, item, write, attempt), the platform's thread or message id or webhook-id, an EHR reference (Type/id or its URL), or an MSH-10."`
	JSON bool   `help:"Print JSON."`
	Show bool   `help:"Show requests, answers, the patient and people's words too. They are PHI; that they were read is audited."`
}

func (c traceCmd) Run(ctx context.Context, s streams) error {
	var found []deliver.Traced
	query := url.Values{"id": {c.ID}, "show": {fmt.Sprint(c.Show)}}
	if err := c.operate(ctx, s, http.MethodGet, "/trace?"+query.Encode(), &found); err != nil {
		return fmt.Errorf("trace %s: %w", c.ID, err)
	}
	if c.JSON {
		return printJSON(s, found)
	}
	for _, t := range found {
		fmt.Fprintf(s.out, "thread %s on channel %s, EHR %s", t.Thread, t.Channel, t.EHR)
		if t.Patient != "" {
			fmt.Fprintf(s.out, ", %s", t.Patient)
		}
		fmt.Fprintf(s.out, "\n\n%s\n\n", t.Where)
		for _, i := range t.Items {
			printItem(s, i)
		}
		fmt.Fprintln(s.out, "\nwho did what:")
		for _, a := range t.History {
			fmt.Fprintf(s.out, "  %s  %-16s %-12s %s  %s\n", a.At.UTC().Format(time.RFC3339), a.Kind, a.Agent, a.Item, a.Says)
		}
	}
	if !c.Show {
		fmt.Fprintln(s.out, "\nWithout PHI. The exact requests and answers: --show")
	}
	return nil
}

func printJSON(s streams, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	fmt.Fprintln(s.out, string(raw))
	return err
}

func printItem(s streams, i deliver.TracedItem) {
	mark := " "
	if i.Asked {
		mark = "→"
	}
	fmt.Fprintf(s.out, "%s %s  %-10s %-8s", mark, i.ID, i.Kind, i.State)
	if i.Message != "" {
		fmt.Fprintf(s.out, " message %s", i.Message)
	}
	if i.Late {
		fmt.Fprint(s.out, " (late)")
	}
	fmt.Fprintf(s.out, "\n      %s\n", i.Where)
	if i.Text != "" {
		fmt.Fprintf(s.out, "      said: %s\n", i.Text)
	}
	if d := i.Decision; d != nil {
		fmt.Fprintf(s.out, "      decided: %s by %s on %s, parked then for %s. %s\n", d.Act, d.By, d.At.UTC().Format(time.RFC3339), d.Reason, d.Why)
	}
	printAttempts(s, i.Attempts)
	for _, w := range i.Writes {
		fmt.Fprintf(s.out, "      %s %s → %s %s\n", w.Method, cmp.Or(w.URL, "(transaction)"), w.State, w.Receipt)
		printRequest(s, w.Request)
		printAttempts(s, w.Attempts)
	}
}

func printAttempts(s streams, attempts []deliver.TracedAttempt) {
	for _, a := range attempts {
		fmt.Fprintf(s.out, "        attempt %d at %s: %s", a.No, a.At.UTC().Format(time.RFC3339), a.Outcome)
		if a.Status != 0 {
			fmt.Fprintf(s.out, " %d", a.Status)
		}
		fmt.Fprintf(s.out, " %s\n", a.Took)
		printRequest(s, a.Request)
		if a.Answer != "" {
			fmt.Fprintf(s.out, "          answer: %s\n", indented(strings.ReplaceAll(a.Answer, "\r", "\n"))) // an ACK's segments end with CR
		}
	}
}

// indented puts the lines of a text under the first.
func indented(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n            ")
}

func printRequest(s streams, r *deliver.TracedRequest) {
	if r == nil {
		return
	}
	fmt.Fprintf(s.out, "          request: %s %s\n", r.Method, r.URL)
	for _, name := range sortedKeys(r.Header) {
		fmt.Fprintf(s.out, "            %s: %s\n", name, r.Header[name])
	}
	body := string(r.Body)
	if er7, ok := er7Lines(r.Body); ok {
		body = indented(er7)
	}
	fmt.Fprintf(s.out, "            %s\n", body)
}
