package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/chartwire/chartwire/cmd/preview"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/testdata/threads"
)

type mapCmd struct {
	configFlag
	EHR  string `help:"EHR connection of the configuration, or all." required:"" placeholder:"NAME"`
	JSON bool   `help:"Print [{ehr,key,method,url,headers,body,exchange,state,lost}]."`
	File string `arg:"" help:"NDJSON file of channel events."`
}

func (c mapCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load(s, false)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	chosen := cfg.EHRs
	if c.EHR != "all" {
		e := cfg.EHR(c.EHR)
		if e == nil {
			return fmt.Errorf("the configuration has no EHR %q", c.EHR)
		}
		chosen = []config.EHR{*e}
	}
	plans := preview.Make(ctx, cfg, chosen, threads.Lines(raw))
	if c.JSON {
		if err := printJSON(s, plans.Records()); err != nil {
			return err
		}
	} else {
		printPlans(s, plans)
	}
	found := false
	for _, one := range plans.Connections {
		if one.Problem != nil {
			fmt.Fprintln(s.err, "chartwire map:", one.Problem)
			found = true
		}
	}
	if found {
		return errFound
	}
	return nil
}

// printPlans shows each exchange, and under it what every EHR would get and what its chart would not show.
func printPlans(s streams, plans *preview.Plans) {
	for _, row := range plans.Rows() {
		fmt.Fprintf(s.out, "━━ %s\n\n", row.Step)
		for n, to := range plans.Connections {
			f := row.Filings[n]
			if f == nil && to.Problem == nil {
				continue // it hears nothing of it
			}
			fmt.Fprintf(s.out, "── %s\n", titleOf(to))
			if f == nil {
				fmt.Fprintf(s.out, "not planned: %s\n\n", to.Problem)
				continue
			}
			printFiling(s, to, f)
			fmt.Fprintln(s.out)
		}
	}
}

func titleOf(to preview.Connection) string {
	if to.Strategy == "" {
		return fmt.Sprintf("%s (%s)", to.Name, to.Type)
	}
	return fmt.Sprintf("%s (%s, %s)", to.Name, to.Type, to.Strategy)
}

func printFiling(s streams, to preview.Connection, f *preview.Filing) {
	for _, q := range f.Requests {
		printPlanned(s, to, q)
	}
	switch f.State {
	case connector.Filed:
		if f.Text != "" {
			fmt.Fprintln(s.out, f.Text)
		}
	case connector.NotDue:
		fmt.Fprintf(s.out, "not due: %s\n", f.Text)
	default:
		fmt.Fprintf(s.out, "would be %s: %s\n", f.State, f.Text)
	}
	for _, l := range f.Lost {
		fmt.Fprintln(s.out, "lost:", l.Text)
	}
}

// printPlanned shows a request the way it would go over the wire.
func printPlanned(s streams, to preview.Connection, q preview.Request) {
	fmt.Fprintf(s.out, "%s %s\n", q.Method, address(to.Base, q.URL))
	for _, k := range sortedKeys(q.Headers) {
		fmt.Fprintf(s.out, "%s: %s\n", k, q.Headers[k])
	}
	if q.Changes != nil {
		fmt.Fprintln(s.out, "what the EHR has, with these fields set:")
		printIndented(s, q.Changes)
	} else if files, ok := uploadLines(q.Body); ok {
		fmt.Fprint(s.out, files)
	} else if lines, ok := formLines(q); ok {
		fmt.Fprint(s.out, lines)
	} else if er7, ok := er7Lines(q.Body); ok {
		fmt.Fprint(s.out, er7)
	} else {
		printIndented(s, q.Body)
	}
}

func printIndented(s streams, body any) {
	if pretty, err := json.MarshalIndent(body, "", "  "); err == nil {
		fmt.Fprintln(s.out, string(pretty))
	}
}

// address is where a request goes: a URL of a plan is relative to the EHR's base, and "" is the base itself.
func address(base, url string) string {
	switch {
	case base == "", strings.Contains(url, "://"):
		return url
	case url == "":
		return base
	default:
		return strings.TrimSuffix(base, "/") + "/" + url
	}
}

// uploadLines is a body that is a form of files: each with its name, a text as it is, the others by their size and hash.
func uploadLines(body json.RawMessage) (string, bool) {
	var all []preview.Upload
	if json.Unmarshal(body, &all) != nil || len(all) == 0 {
		return "", false
	}
	var b strings.Builder
	for _, u := range all {
		fmt.Fprintf(&b, "%s: %s (%s)", u.Field, u.Name, u.Type)
		if u.Data != nil {
			fmt.Fprintf(&b, ", %d bytes, SHA-256 %s\n", len(u.Data), connector.Hash(u.Data))
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSuffix(u.Text, "\n"))
	}
	return b.String(), true
}

// formLines is a body that is a form, a field a line and none of it escaped; what a line cannot hold is as Go would write it.
func formLines(q preview.Request) (string, bool) {
	var form string
	if q.Headers["Content-Type"] != "application/x-www-form-urlencoded" || json.Unmarshal(q.Body, &form) != nil {
		return "", false
	}
	fields, err := url.ParseQuery(form)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for _, v := range fields[name] {
			if strings.ContainsFunc(v, unicode.IsControl) {
				v = strconv.Quote(v)
			}
			fmt.Fprintf(&b, "%s=%s\n", name, v)
		}
	}
	return b.String(), true
}

// er7Lines is a body that is an HL7 v2 message, a segment a line: CR, which ends segments, would overprint them.
func er7Lines(body json.RawMessage) (string, bool) {
	var er7 string
	if json.Unmarshal(body, &er7) != nil {
		return "", false
	}
	return strings.ReplaceAll(er7, "\r", "\n"), true
}
